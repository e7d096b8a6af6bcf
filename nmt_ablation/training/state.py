"""The state of a training, which travels in its checkpoint."""

import hashlib
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from nmt_ablation.training.record import Validation

RECORD_BATCHES_EVERY = 50


@dataclass
class ArmState:
    """The state of an arm's training, which the checkpoint holds too."""

    initial_weights: str = ""
    """The digest of the model as drawn at random, before the arm changes it."""
    parameters: int = 0
    """The number of parameters, shared ones once."""
    learned: int = 0
    """The number of parameters that learn at some update."""
    validations: list[Validation] = field(default_factory=list)
    best: float | None = None
    best_update: int = 0
    validations_since_best: int = 0
    ended: str | None = None
    """The cause of its end, `patience`, `budget` or `divergence`; None while it trains."""
    ended_at: int = 0
    auxiliary_tokens: int = 0
    """The number of tokens that auxiliary objectives predicted."""
    translation_loss: float = 0.0
    """The sum, over some updates, of the mean loss of a target token, in nats."""
    auxiliary_loss: float = 0.0
    """The same sum of auxiliary losses, with their weights."""

    @property
    def auxiliary_share(self) -> float:
        """The share of auxiliary objectives in the loss so far."""
        whole = self.translation_loss + self.auxiliary_loss
        return self.auxiliary_loss / whole if whole else 0.0

    def plain(self) -> dict[str, Any]:
        """Return the state as plain values, for a checkpoint."""
        return asdict(self)

    @classmethod
    def restored(cls, plain: dict[str, Any]) -> "ArmState":
        """Return the state that a checkpoint holds."""
        validations = [Validation(**each) for each in plain["validations"]]
        return cls(**plain | {"validations": validations})


class TrainingState:
    """The progress of all arms of a training, and the proof that they saw the same batches."""

    def __init__(self, arms: int) -> None:
        self.arms = [ArmState() for _ in range(arms)]
        self.update = -1
        """The number of updates done, once training has begun."""
        self.too_long = 0
        """The number of training pairs that fit into no batch."""
        self.batches = hashlib.sha256(b"").hexdigest()
        """The digest of the order of all batches so far."""
        self.batches_at: dict[int, str] = {}
        """The digest of all batches up to an update, for some updates."""
        self._started, self._seconds_before = time.monotonic(), 0.0

    def active(self) -> list[int]:
        """List the numbers of the arms that have not ended."""
        return [number for number, arm in enumerate(self.arms) if not arm.ended]

    def end(self, number: int, cause: str) -> None:
        """End an arm at the current update."""
        self.arms[number].ended, self.arms[number].ended_at = cause, self.update

    def see(self, batch: bytes) -> None:
        """Add a batch, as the ids of its pairs, to the digest of their order."""
        self.batches = hashlib.sha256(self.batches.encode() + batch).hexdigest()
        if self.update == 0 or (self.update + 1) % RECORD_BATCHES_EVERY == 0:
            self.batches_at[self.update + 1] = self.batches

    def seconds(self) -> float:
        """Return the seconds that this training has run, before and after resumptions."""
        return self._seconds_before + time.monotonic() - self._started

    def plain(self) -> dict[str, Any]:
        """Return the state as a checkpoint may hold it."""
        return {
            "arms": [arm.plain() for arm in self.arms],
            "batches": self.batches,
            "batches_at": self.batches_at,
            "seconds": self.seconds(),
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Continue from the state in a checkpoint."""
        self.arms = [
            ArmState.restored(arm | {"parameters": own.parameters, "learned": own.learned})
            for arm, own in zip(plain["arms"], self.arms, strict=True)
        ]
        self.batches, self.batches_at = plain["batches"], plain["batches_at"]
        self._seconds_before = plain["seconds"]
