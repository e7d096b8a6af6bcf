"""The segmentation of sentences into tokens, as an experiment file sets it."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from nmt_ablation.segmentation.segmenter import SEGMENTERS
from nmt_ablation.values import Block, Name, Positive, Side, Written, fail


class SegmentationConfig(Block):
    """The segmentation of sentences into tokens, the same for all arms."""

    type: Annotated[str, Written(lambda own, of: own | {"enum": SEGMENTERS.names()})]
    """The segmenter, by its name in `SEGMENTERS`."""
    size: Positive
    """The number of subwords (sentencepiece), of merges (subword-nmt), or of the most frequent
    words (words) or subwords of the checkpoint's tokenizer (checkpoint)."""
    fit_on: Literal["monolingual", "pool", "sample"]
    """The text it is fitted on: all monolingual text, up to a million pairs of the pool, or the
    sample. All but `sample` is knowledge from outside the sample."""
    also: list[Name] = Field(default=[], exclude_if=lambda value: not value)
    """Names under `corpora.further`, whose pairs it is fitted on too. A network of another pair of
    languages needs its tokens in the dictionary."""
    joint: bool = True
    """One segmentation and dictionary for both languages, or one for each."""
    checkpoint: Name | None = None
    """The pretrained checkpoint whose tokenizer cuts, for type checkpoint."""
    codes: dict[Side, str] = Field(default={}, exclude_if=lambda value: not value)
    """The token of the checkpoint's that each side's sentences begin with: translators of many
    languages have learned so (`deu_Latn` and `eng_Latn` for NLLB)."""

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in SEGMENTERS:
            fail((), f"there is no segmenter '{value}'; allowed: {', '.join(SEGMENTERS.names())}")
        return value

    @model_validator(mode="after")
    def _named(self) -> "SegmentationConfig":
        if (self.type == "checkpoint") != (self.checkpoint is not None):
            raise ValueError(
                "type: checkpoint goes with checkpoint: NAME, a pretrained thing of the kind "
                "checkpoint"
            )
        if self.codes and self.type != "checkpoint":
            fail(("codes",), "are tokens of a published translator's; set type: checkpoint")
        return self
