"""What is the same for all arms: model, training, decoding, scoring."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nmt_ablation.experiment.arms import Tying
from nmt_ablation.values import Block, NotNegative, Positive, Rate, Share


class Model(Block):
    encoder_layers: Positive = 3
    decoder_layers: Positive = 3
    width: Positive = 128
    """Of embeddings and layers; vectors are trained with this dimension."""
    feed_forward: Positive = 512
    heads: Positive = 4
    dropout: Share = 0.3
    tying: Tying = "none"
    """What shares one table: nothing, target side and output layer, or source side too. Only tables
    that learn can be shared."""

    @model_validator(mode="after")
    def _heads_divide(self) -> "Model":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


class Training(Block):
    batch_tokens: Positive = 2048
    """At most so many tokens a batch, padding included, on the longer side."""
    learning_rate: Rate = 0.002
    """At the end of the warm-up; falls with the inverse square root of updates after it, or
    stays where it is if there is no warm-up."""
    warmup_updates: NotNegative = 500
    max_updates: Positive = 10_000
    """The budget. A cell that it ends before patience does is marked in every report."""
    validate_every: Positive = 250
    """Updates between two looks at the valid set; a checkpoint is written at each."""
    patience: Positive = 5
    """Training ends when BLEU on the valid set has not risen for so many looks (greedy search;
    looks that find not a word right don't count)."""
    label_smoothing: Share = 0.1
    clip_norm: Annotated[float, Field(strict=True, ge=0)] = 1.0
    weight_decay: Annotated[float, Field(strict=True, ge=0)] = 0.0
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of matrix products; weights and the optimiser are in float32 always."""
    threads: Positive = 1
    """Of one training. More would change the rounding, so it is part of the experiment."""
    accumulate: Positive = 1
    """Batches in an update, one after another."""
    processes: Positive = 1
    """That train one model together, each with batches of its own, and a GPU of its own or so many
    threads; on a cluster they may be on several nodes."""

    @model_validator(mode="after")
    def _looked_at(self) -> "Training":
        if self.max_updates < self.validate_every:
            raise ValueError(
                f"max_updates {self.max_updates} ends before the first look at the valid set, at "
                f"{self.validate_every}; lower validate_every"
            )
        return self


class Decoding(Block):
    beam: Positive = 5
    length_penalty: Annotated[float, Field(strict=True)] = 1.0
    precision: Literal["float32", "int8"] = "float32"
    """Of the test set's translation; looks at the valid set are in float32."""


BleuTokenizer = Literal["13a", "intl", "zh", "char", "none", "ja-mecab", "ko-mecab", "flores200"]


class Scoring(Block):
    bleu_tokenizer: BleuTokenizer = "13a"
    """sacreBLEU's tokenizer for the target language."""
