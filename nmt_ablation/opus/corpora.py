"""Corpora of OPUS, as an experiment file names them."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from nmt_ablation.values import LANGUAGE, Block, JsonSchema, Pair

PINNED: JsonSchema = {"type": "string", "pattern": "^[^/]+/[^/]+$"}
"""The JSON Schema of `Name/version`."""


class CorpusVersion(Block):
    """One OPUS corpus at one pinned version, written `Name/version`."""

    short: ClassVar[JsonSchema] = PINNED

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """The name of the corpus, as OPUS spells it."""
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """The version, which pins the text."""

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value.count("/") != 1:
                raise PydanticCustomError(
                    "corpus",
                    "'{value}' is no corpus; write Name/version, e.g. NeuLab-TedTalks/v1",
                    {"value": value},
                )
            name, version = value.split("/")
            return {"name": name, "version": version}
        return value

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


class MonolingualCorpus(Block):
    """A corpus of OPUS that has text in both languages: `Name/version`, or a mapping."""

    short: ClassVar[JsonSchema] = PINNED

    corpus: CorpusVersion
    """The corpus and its version: `Name/version`."""
    pair: Pair | None = None
    """The two languages as this corpus spells them, where it differs: `fa-zh_cn`."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"corpus": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return f"{self.corpus} {self.pair}" if self.pair else f"{self.corpus}"


class ParallelCorpus(MonolingualCorpus):
    """A corpus of OPUS that has sentence pairs: `Name/version`, or a mapping with further keys."""

    format: Literal["moses", "xml"] = "moses"
    """Moses is a file of lines for each side; xml is documents and their sentence alignment."""
    min_score: Annotated[float, Field(strict=True)] | None = None
    """Pairs that the corpus itself scores lower are dropped (CCMatrix and NLLB have scores)."""

    @model_validator(mode="after")
    def _scored(self) -> "ParallelCorpus":
        if self.min_score is not None and self.format != "moses":
            raise ValueError("min_score needs format moses")
        return self


class TextCorpus(Block):
    """A corpus of text in one language: `Name/version`, or a mapping."""

    short: ClassVar[JsonSchema] = PINNED

    corpus: CorpusVersion
    """The corpus and its version: `Name/version`."""
    language: Annotated[str, StringConstraints(pattern=f"^{LANGUAGE}$")] | None = None
    """The language as this corpus spells it, where it differs: `zh_cn`."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"corpus": value} if isinstance(value, str) else value

    def __str__(self) -> str:
        return f"{self.corpus} {self.language}" if self.language else f"{self.corpus}"
