"""The settings of training, the same for all arms."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nmt_ablation.values import (
    AnySize,
    Block,
    JsonSchema,
    NotNegative,
    Positive,
    Rate,
    Share,
    Size,
    Written,
)

Schedule = Literal["patience", "fixed"]
Precision = Literal["float32", "bfloat16"]


def _by_size(own: JsonSchema, _: object) -> JsonSchema:
    """Return the JSON Schema of budgets by size."""
    return {"type": "object", "additionalProperties": {"type": "integer", "exclusiveMinimum": 0}}


class Training(Block):
    """The settings of training, the same for all arms."""

    batch_tokens: Positive = 2048
    """The most tokens of a batch, padding included, on the longer side."""
    learning_rate: Rate | tuple[Rate, ...] = 0.002
    """The learning rate at the end of the warm-up. After the warm-up it falls with the inverse
    square root of updates; without a warm-up it is constant. Of several, each cell keeps the one
    with the best BLEU on the validation set."""
    warmup_updates: NotNegative = 500
    """The number of updates in which the learning rate rises from 0, in a straight line."""
    max_updates: Positive = 10_000
    """The budget, in updates. Reports mark every cell that the budget ended before patience did."""
    max_updates_at: Annotated[dict[AnySize, Positive], Written(_by_size)] = Field(
        default={}, exclude_if=lambda value: not value
    )
    """The budget at some sizes, instead of `max_updates`."""
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
    """The share of probability that is spread over all tokens."""
    clip_norm: Annotated[float, Field(strict=True, ge=0)] = 1.0
    """The longest gradient; longer ones are shortened to it. 0 shortens none."""
    weight_decay: Annotated[float, Field(strict=True, ge=0)] = 0.0
    """The weight decay of AdamW."""
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

    def updates_of(self, size: Size | None = None) -> int:
        """Return the budget at a size; the largest one without a size."""
        if size is None:
            return max([self.max_updates, *self.max_updates_at.values()])
        return self.max_updates_at.get(size, self.max_updates)

    def at(self, rate: float, size: Size | None = None) -> "Training":
        """Return these settings with one learning rate, at a size."""
        budget = {"max_updates": self.updates_of(size), "max_updates_at": {}}
        return self.model_copy(update={"learning_rate": rate, **budget})

    @model_validator(mode="after")
    def _validated(self) -> "Training":
        for updates in (self.max_updates, *self.max_updates_at.values()):
            self._budget(updates)
        if self.schedule == "patience" and self.average > 1:
            raise ValueError("average needs schedule: fixed; leave it out, or set that schedule")
        if not self.rates:
            raise ValueError("learning_rate lists no rate")
        if len(set(self.rates)) < len(self.rates):
            raise ValueError(f"learning_rate lists a rate twice: {', '.join(map(str, self.rates))}")
        return self

    def _budget(self, updates: int) -> None:
        """Refuse a budget that doesn't end with a validation."""
        if updates < self.validate_every:
            raise ValueError(
                f"max_updates {updates} ends before the first validation, at "
                f"{self.validate_every}; lower validate_every"
            )
        if self.schedule == "patience":
            return
        if updates % self.validate_every:
            raise ValueError(
                f"schedule: fixed ends with a validation, and max_updates {updates} is no multiple "
                f"of validate_every {self.validate_every}"
            )
        if self.average > updates // self.validate_every:
            raise ValueError(
                f"average {self.average} is more than the {updates} / {self.validate_every} "
                "validations"
            )
