"""The blocks of an experiment file for text of the user's own, cleaning and held-out sets."""

from typing import Annotated, Any, ClassVar

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator

from nmt_ablation.values import (
    Block,
    JsonSchema,
    Name,
    NotNegative,
    Positive,
    Share,
    UnicodeForm,
    fail,
    keys_of,
)


class OwnText(Block):
    """Text of the user's own: a file for each side, a sentence a line, packed (gzip, bzip2, xz,
    zstd) or not. Relative paths start at the data folder. In parallel text, lines of the same
    number are a pair."""

    source: str
    """The file of the source side."""
    target: str
    """The file of the target side."""

    def __str__(self) -> str:
        return f"{self.source} {self.target}"


class TextFile(Block):
    """A file of the user's own in one language, a sentence a line, packed (gzip, bzip2, xz,
    zstd) or not. Relative paths start at the data folder."""

    file: str
    """The file."""

    def __str__(self) -> str:
        return self.file


class Cleaning(Block):
    """The filters of sentence pairs."""

    max_tokens: Positive = 100
    """Pairs with a side of more whitespace-separated tokens are dropped."""
    max_characters: Positive = 1000
    """Pairs with a side of more characters are dropped."""
    max_ratio: Annotated[float, Field(strict=True, ge=1)] = 4.0
    """Pairs whose sides differ in bytes of UTF-8 by more than this factor are dropped."""
    min_letters: Share = 0.5
    """Pairs with a side that has a smaller share of letters are dropped."""
    min_native: Share = 0.5
    """Pairs with a side that has a smaller share of letters in its language's script are
    dropped."""
    min_language_probability: Share | None = None
    """Pairs with a side that py3langid assigns to another language with this probability are
    dropped. py3langid classifies some thousand lines a second."""
    unicode: UnicodeForm = "NFC"
    """The Unicode form of all text except the references of the test set."""


KEYS = {"pairs", "sacrebleu", "source", "target"}
"""The keys of a held-out set, which no test set may be called."""


class HeldOutSet(Block):
    """Pairs set aside: a number of pairs from the first parallel corpus, and the pairs of two files
    or of a test set that sacreBLEU knows."""

    short: ClassVar[JsonSchema] = {"type": "integer", "minimum": 1}

    pairs: NotNegative = 0
    """The number of pairs that keyed hashes choose from the first parallel corpus."""
    sacrebleu: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*$")] | None = None
    """The name of one of sacreBLEU's test sets, e.g. wmt20."""
    source: str | None = None
    """A file of source sentences, one a line; relative paths start at the data folder."""
    target: str | None = None
    """A file of the same sentences in the target language."""

    @model_validator(mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return {"pairs": value} if isinstance(value, int) else value

    @model_validator(mode="after")
    def _something(self) -> "HeldOutSet":
        if (self.source is None) != (self.target is None):
            raise ValueError("give both source and target, or neither")
        if self.source is not None and self.sacrebleu is not None:
            raise ValueError("give source and target files, or the name of a set, not both")
        if self.pairs == 0 and self.source is None and self.sacrebleu is None:
            raise ValueError(
                "an empty set; give a number of pairs, source and target files, or sacrebleu"
            )
        return self


class TestSet(HeldOutSet):
    """One of several test sets."""

    weight: Annotated[float, Field(strict=True, gt=0)] = 1.0
    """The weight of its score in the mean of all test sets."""
    added: bool = False
    """True if it was added after training: then nothing is left out of the training data for it,
    and the sentences that training could see are left out of it."""

    @model_validator(mode="after")
    def _added_is_given(self) -> "TestSet":
        if self.added and self.pairs:
            raise ValueError(
                "pairs drawn from the corpus can't be added later, as training has seen them; give "
                "source and target files, or sacrebleu"
            )
        return self


def _number_of_sets(value: Any) -> str:
    mapping = isinstance(value, dict) and bool(value) and not keys_of(value) & KEYS
    return "several" if mapping else "one"


class HeldOut(Block):
    """Validation and test set, no side of which is left in any other text."""

    valid: HeldOutSet
    """The validation set, which decides when training ends and which checkpoint is kept."""
    test: Annotated[
        Annotated[HeldOutSet, Tag("one")] | Annotated[dict[Name, TestSet], Tag("several")],
        Discriminator(_number_of_sets),
    ]
    """The test set, on which each cell is scored once; or several, by names of the user's own."""

    @model_validator(mode="after")
    def _one_held_out(self) -> "HeldOut":
        if all(it.added for it in self.sets.values()):
            fail(
                ("held_out", "test"),
                "all test sets are added after training; one at least must be held out of it",
            )
        return self

    @property
    def sets(self) -> dict[str, TestSet]:
        """All test sets by name; one alone is called `test`."""
        if isinstance(self.test, HeldOutSet):
            return {"test": TestSet(**self.test.model_dump())}
        return self.test

    @property
    def weights(self) -> dict[str, float]:
        """The weights of several test sets; none of one."""
        if isinstance(self.test, HeldOutSet):
            return {}
        return {name: it.weight for name, it in self.test.items()}
