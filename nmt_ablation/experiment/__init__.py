"""The experiment: the whole question, typed, and the rules that its parts have to keep."""

from nmt_ablation.experiment.arms import READY_MADE, Arm
from nmt_ablation.experiment.experiment import Cell, Experiment

__all__ = ["READY_MADE", "Arm", "Cell", "Experiment"]
