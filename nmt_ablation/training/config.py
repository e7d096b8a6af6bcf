"""The settings of training, the same for all arms."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nmt_ablation.values import Block, NotNegative, Positive, Rate, Share

Schedule = Literal["patience", "fixed"]
Precision = Literal["float32", "bfloat16"]


class Training(Block):
    batch_tokens: Positive = 2048
    """The most tokens of a batch, padding included, on the longer side."""
    learning_rate: Rate | tuple[Rate, ...] = 0.002
    """The learning rate at the end of the warm-up. After the warm-up it falls with the inverse
    square root of updates; without a warm-up it is constant. Of several, each cell keeps the one
    with the best BLEU on the validation set."""
    warmup_updates: NotNegative = 500
    max_updates: Positive = 10_000
    """The budget, in updates. Reports mark every cell that the budget ended before patience did."""
    validate_every: Positive = 250
    """The number of updates between two validations; a checkpoint is written at each."""
    schedule: Schedule = Field(default="patience", exclude_if=lambda value: value == "patience")
    """The end of training: `patience`, or `fixed`, by which all arms train `max_updates`, and the
    learning rate falls to nothing there, in a straight line after the warm-up."""
    average: Positive = Field(default=1, exclude_if=lambda value: value == 1)
    """The number of last validations whose weights are averaged into the model that is scored, for
    a fixed schedule."""
    patience: Positive = 5
    """The number of validations in a row without a higher BLEU after which training ends. BLEU is
    of greedy search; validations without a single correct word don't count."""
    label_smoothing: Share = 0.1
    clip_norm: Annotated[float, Field(strict=True, ge=0)] = 1.0
    weight_decay: Annotated[float, Field(strict=True, ge=0)] = 0.0
    precision: Precision = "float32"
    """The precision of matrix products; weights and optimiser are always in float32."""
    threads: Positive = 1
    """The number of threads of one training. The number changes the rounding, so it is part of the
    experiment."""
    accumulate: Positive = 1
    """The number of batches in an update, one after another."""
    processes: Positive = 1
    """The number of processes that train one model together. Each has batches of its own, and a GPU
    or `threads` of its own; on a cluster they may run on several nodes."""

    @property
    def rates(self) -> tuple[float, ...]:
        """All learning rates to try."""
        rate = self.learning_rate
        return rate if isinstance(rate, tuple) else (rate,)

    def at(self, rate: float) -> "Training":
        """Return these settings with one learning rate."""
        return self.model_copy(update={"learning_rate": rate})

    @model_validator(mode="after")
    def _validated(self) -> "Training":
        if self.max_updates < self.validate_every:
            raise ValueError(
                f"max_updates {self.max_updates} ends before the first validation, at "
                f"{self.validate_every}; lower validate_every"
            )
        if self.schedule == "fixed":
            if self.max_updates % self.validate_every:
                raise ValueError(
                    f"schedule: fixed ends with a validation, and max_updates {self.max_updates} "
                    f"is no multiple of validate_every {self.validate_every}"
                )
            if self.average > self.max_updates // self.validate_every:
                raise ValueError(
                    f"average {self.average} is more than the {self.max_updates} / "
                    f"{self.validate_every} validations"
                )
        elif self.average > 1:
            raise ValueError("average is of schedule: fixed; patience scores the best checkpoint")
        if not self.rates:
            raise ValueError("learning_rate lists no rate")
        if len(set(self.rates)) < len(self.rates):
            raise ValueError(f"learning_rate lists a rate twice: {', '.join(map(str, self.rates))}")
        return self
