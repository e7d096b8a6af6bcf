"""Cards: which OPUS corpora make a language pair, how large they are, and what was found on it.

A card informs a person and `nmt-ablation plan`; nothing that is built depends on one.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from nmt_ablation.experiment import (
    Block,
    CorpusVersion,
    MonolingualCorpus,
    Pair,
    ParallelCorpus,
    Positive,
)
from nmt_ablation.experiment_file import read
from nmt_ablation.opus import fetch

FOLDER = Path(__file__).parents[2] / "corpora"

CiteKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*-\d{4}(-[a-z0-9]+)*$")]
"""An entry of corpora/references.bib: `qi-2018`."""
Text = Annotated[str, StringConstraints(min_length=1)]

# Tatoeba names Mandarin, other corpora Chinese; both mean the same text.
SAME_LANGUAGE = {"cmn": "zh"}
# Counts of the two are the same for most pairs: one is a copy of the other.
COPIES = {"CCMatrix", "NLLB"}


class CorpusOfPair(ParallelCorpus):
    """A corpus's sentence pairs, as an experiment would name them, and what is known of them."""

    pairs: Positive
    bytes: Positive
    """Of the zip; OPUS lists whole KiB."""
    licence: Text
    cite: list[CiteKey] = Field(default_factory=list)
    note: Text | None = None


class TextOfPair(MonolingualCorpus):
    """A corpus's text in each of the two languages, each a file of its own."""

    lines: dict[str, Positive]
    """By language, as the corpus spells it."""
    bytes: dict[str, Positive]
    """Of the .gz, by language; OPUS lists whole KiB."""
    licence: Text
    cite: list[CiteKey] = Field(default_factory=list)
    note: Text | None = None


class LeftOut(Block):
    """A corpus that OPUS has for the pair and that had better not be used."""

    corpus: CorpusVersion
    because: Text


class Finding(Block):
    """What the literature found."""

    claim: Text
    source: Text
    """Where to find it: paper and table."""
    cite: Annotated[list[CiteKey], Field(min_length=1)]


class Card(Block):
    """What is known of a language pair."""

    pair: Pair
    corpora: Annotated[list[CorpusOfPair], Field(min_length=1)]
    """In the order they are used: the first supplies valid and test, and of duplicates the earlier
    one's is kept."""
    left_out: list[LeftOut] = Field(default_factory=list)
    monolingual: list[TextOfPair] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)

    def bytes(self, file: str) -> int | None:
        """The size of a file, by its path in OPUS's layout, or None if the card doesn't say."""
        return self._sizes().get(file)

    def cited(self) -> list[str]:
        """All entries of corpora/references.bib that the card names."""
        parts: list[CorpusOfPair | TextOfPair | Finding] = [
            *self.corpora,
            *self.monolingual,
            *self.findings,
        ]
        return sorted({key for part in parts for key in part.cite})

    def _sizes(self) -> dict[str, int]:
        sizes = {
            fetch.parallel_file(it.corpus, *(it.pair or self.pair).split("-")): it.bytes
            for it in self.corpora
        }
        for text in self.monolingual:
            for language, size in text.bytes.items():
                sizes[fetch.monolingual_file(text.corpus, language)] = size
        return sizes

    @model_validator(mode="after")
    def _consistent(self) -> "Card":
        languages = _languages(self.pair)
        for it in (*self.corpora, *self.monolingual):
            if it.pair is not None and _languages(it.pair) != languages:
                raise ValueError(f"{it.corpus} has {it.pair}, and the card is for {self.pair}")
        for text in self.monolingual:
            spelled = set((text.pair or self.pair).split("-"))
            if not (text.lines.keys() == text.bytes.keys() == spelled):
                raise ValueError(f"{text.corpus} needs lines and bytes for {sorted(spelled)}")
        used = {str(it.corpus) for it in self.corpora}
        both = used & {str(it.corpus) for it in self.left_out}
        if both:
            raise ValueError(f"{', '.join(sorted(both))} is both used and left out")
        if {it.corpus.name for it in self.corpora} >= COPIES:
            raise ValueError(f"{' and '.join(sorted(COPIES))} are copies; use one of them")
        return self


def load(path: Path) -> Card:
    """Read and validate a card.

    Raises:
        UserError: each thing that is wrong, a line each: file, line, and what is allowed.
    """
    return read(path, Card, "a card")[0]


def card_for(pair: str, folder: Path = FOLDER) -> Card | None:
    """The card of a pair, in whichever direction it was written, or None if there is none.

    Raises:
        UserError: the card is no valid card.
    """
    source, target = pair.split("-")
    for name in (f"{source}-{target}", f"{target}-{source}"):
        path = folder / f"{name}.yaml"
        if path.is_file():
            return load(path)
    return None


def _languages(pair: str) -> list[str]:
    """The two languages, however a corpus spells them: `zh_cn` and `cmn` are `zh`."""
    plain = [spelled.split("_")[0] for spelled in pair.split("-")]
    return [SAME_LANGUAGE.get(language, language) for language in plain]
