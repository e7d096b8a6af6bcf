"""The plan of a pretraining, and its state, which travels in the checkpoint."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nmt_ablation.model.config import Model, Tying
from nmt_ablation.objectives import Objective
from nmt_ablation.pretrained.records import HeldOutLoss
from nmt_ablation.progress import OnProgress
from nmt_ablation.training.config import Precision
from nmt_ablation.values import Side


@dataclass(frozen=True)
class Plan:
    """Everything that determines a network, and where it is written."""

    objective: Objective
    languages: Mapping[Side, str]
    texts: Mapping[Side, Path]
    """A folder with each side's text in fairseq's binary form."""
    dictionaries: Mapping[Side, Path]
    tying: Tying
    """The embeddings that are one matrix with the output layer."""
    model: Model
    updates: int
    validate_every: int
    batch_tokens: int
    learning_rate: float
    warmup_updates: int
    weight_decay: float
    clip_norm: float
    precision: Precision
    threads: int
    seed: int
    weights: Path
    """The file of the finished network; log and checkpoints stand beside it."""
    where: str
    """The network's place in the experiment file, for messages."""
    progress: OnProgress
    configuration: Any = None
    """fairseq's configuration, once it is made, to be written into checkpoints."""


@dataclass
class State:
    """The progress of a pretraining; `NetworkRecord` says what the numbers are."""

    update: int = -1
    """The number of updates done, once training has begun."""
    epoch: int = 0
    lines: int = 0
    held_out: int = 0
    tokens: int = 0
    predicted: int = 0
    too_long: int = 0
    parameters: int = 0
    diverged: bool = False
    ended: bool = False
    validations: list[HeldOutLoss] = field(default_factory=list)
    seconds_before: float = 0.0
    """Seconds that this training ran before it was resumed."""
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Seconds that this training has run, before and after resumptions."""
        return self.seconds_before + time.monotonic() - self.started

    def plain(self) -> dict[str, Any]:
        """Return the state as plain values, for a checkpoint."""
        return asdict(self) | {"seconds_before": self.seconds}

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Continue from the state in a checkpoint."""
        for name, value in plain.items():
            setattr(self, name, value)
        self.validations = [HeldOutLoss(**each) for each in plain["validations"]]
        self.started = time.monotonic()
