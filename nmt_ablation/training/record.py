"""Records of trainings and calibrations."""

from dataclasses import dataclass

BEST = "checkpoint_best.pt"
"""The file of the checkpoint that is scored: the best by BLEU on the validation set, or the average
of the last ones."""
LAST = "last-*.pt"
"""The files of the last checkpoints, to be averaged."""


@dataclass(frozen=True)
class Validation:
    """One validation."""

    update: int
    loss: float | None
    """Bits a token; None if the loss is not finite."""
    bleu: float
    """BLEU of greedy translations."""


@dataclass(frozen=True)
class Trained:
    """A trained model and the course of its training."""

    updates: int
    best_update: int
    """The update of the checkpoint that is kept."""
    valid_bleu: float
    """BLEU of this checkpoint, which may be an average, on the validation set."""
    ended_by: str
    """The cause of the end: `patience`, `budget`, `schedule` or `divergence`. Gains shrink as
    training goes on, so reports mark trainings that were cut short."""
    training_seconds: float
    together: int
    """The number of arms that were trained in one process."""
    too_long: int
    """The number of training pairs that fit into no batch."""
    parameters: int
    """The number of parameters while it learned."""
    weights: str
    """The digest of the weights that are kept."""
    validations: list[Validation]
    initial_weights: str
    """The digest of the model as drawn at random, before the arm changes it."""
    batches: dict[int, str]
    """The digest of all batches up to an update, for some updates."""
    torch: str
    device: str
    auxiliary_tokens: int = 0
    """The number of tokens that auxiliary objectives predicted."""
    auxiliary_share: float | None = None
    """The share of auxiliary objectives in the loss, by their weights; None without any."""
    learned: int | None = None
    """The number of parameters that learned at some update; None in records of before."""


@dataclass(frozen=True)
class Chosen:
    """The choice among trainings at several learning rates."""

    learning_rate: float
    valid_bleu: dict[float, float]
    """BLEU on the validation set, by learning rate."""


@dataclass(frozen=True)
class Calibrated:
    """The time and memory of a model's update on a machine."""

    seconds: float
    memory: int
    """The peak memory of the process, in bytes."""
    gpu_memory: int | None
    """The peak memory on the GPU, in bytes; None without a GPU."""
    device: str
    threads: int
    machine: str
