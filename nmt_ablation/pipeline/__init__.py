"""The stages of one experiment, from its blocks.

Stages only name their inputs; nothing runs until `Workspace.ensure`. Each module goes on from the
one before it: texts, things, trainings, pipeline.
"""

from nmt_ablation.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]
