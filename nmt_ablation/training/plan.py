"""The plan of a training: its arms and their settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt_ablation.objectives import Objective
from nmt_ablation.objectives.auxiliary import Auxiliary
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.training.config import Training
from nmt_ablation.transfer.start import Transfer
from nmt_ablation.values import Side


@dataclass(frozen=True)
class AuxiliaryPlan:
    """An auxiliary objective of an arm."""

    name: str
    objective: Objective
    settings: Auxiliary
    languages: Mapping[Side, str]
    texts: Mapping[Side, Path]
    """A folder with each side's text in fairseq's binary form."""


@dataclass(frozen=True)
class ArmPlan:
    """An arm to train."""

    transfer: Transfer
    folder: Path
    """The folder of its best checkpoint."""
    lineage: str = ""
    """The digest of everything but the budget; empty if a larger budget does more than add
    updates."""
    auxiliary: Sequence[AuxiliaryPlan] = ()
    events: Path | None = None
    """The folder of TensorBoard's files, if they are wanted."""


@dataclass(frozen=True)
class Plan:
    """The settings of the task besides fairseq's own options."""

    arms: Sequence[ArmPlan]
    training: Training
    seed: int
    configuration: Any
    """fairseq's configuration, to be written into checkpoints."""
    segmenter: Segmenter
    """The target side's segmenter, to turn translations of the validation set into text."""
    bleu_tokenizer: str
    """sacreBLEU's tokenizer for the validation set."""
    progress: OnProgress
