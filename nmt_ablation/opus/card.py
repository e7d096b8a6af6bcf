"""Cards of language pairs: their corpora in OPUS, with sizes, and findings of the literature.

A card informs a person and `nmt-ablation plan`; nothing that is built depends on one.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from nmt_ablation.beside import folder
from nmt_ablation.opus import fetch
from nmt_ablation.opus.corpora import CorpusVersion, MonolingualCorpus, ParallelCorpus
from nmt_ablation.values import Block, Pair, Positive
from nmt_ablation.yaml_file import read

FOLDER = folder("corpora")

CiteKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]*-\d{4}(-[a-z0-9]+)*$")]
"""An entry of corpora/references.bib: `qi-2018`."""
Text = Annotated[str, StringConstraints(min_length=1)]

# Tatoeba names Mandarin, other corpora Chinese; both mean the same text.
SAME_LANGUAGE = {"cmn": "zh"}
# One copies the other: most pairs of languages have equal counts in both.
COPIES = {"CCMatrix", "NLLB"}


class CorpusOfPair(ParallelCorpus):
    """The sentence pairs of a corpus, named as in an experiment, and facts about them."""

    pairs: Positive
    """The number of sentence pairs."""
    bytes: Positive
    """The size of the zip; OPUS lists whole KiB."""
    licence: Text
    """The licence, or the page that states it."""
    cite: list[CiteKey] = Field(default_factory=list)
    """Keys in corpora/references.bib."""
    note: Text | None = None
    """A fact that a user should know."""


class TextOfPair(MonolingualCorpus):
    """The text of a corpus in each of the two languages, each a file of its own."""

    lines: dict[str, Positive]
    """Lines by language, as the corpus spells it."""
    bytes: dict[str, Positive]
    """The size of the .gz by language; OPUS lists whole KiB."""
    licence: Text
    """The licence, or the page that states it."""
    cite: list[CiteKey] = Field(default_factory=list)
    """Keys in corpora/references.bib."""
    note: Text | None = None
    """A fact that a user should know."""


class LeftOut(Block):
    """A corpus of the pair that had better not be used."""

    corpus: CorpusVersion
    """The corpus."""
    because: Text
    """The reason."""


class Finding(Block):
    """A finding of the literature."""

    claim: Text
    """The finding in a sentence."""
    source: Text
    """Paper and table."""
    cite: Annotated[list[CiteKey], Field(min_length=1)]
    """Keys in corpora/references.bib."""


class Card(Block):
    """Everything known of a language pair."""

    pair: Pair
    """Source and target language, as OPUS spells them."""
    corpora: Annotated[list[CorpusOfPair], Field(min_length=1)]
    """Corpora in the order of use: the first supplies validation and test pairs, and of duplicates
    the earlier corpus's is kept."""
    left_out: list[LeftOut] = Field(default_factory=list)
    """Corpora that had better not be used."""
    monolingual: list[TextOfPair] = Field(default_factory=list)
    """Corpora of text for pretraining."""
    findings: list[Finding] = Field(default_factory=list)
    """Findings of the literature about this pair."""

    def bytes(self, file: str) -> int | None:
        """Return the size of a file, by its path in OPUS's layout, or None if the card doesn't
        say."""
        return self._sizes().get(file)

    def cited(self) -> list[str]:
        """List all entries of corpora/references.bib that the card cites."""
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
    """Return the card of a pair, in either direction, or None if there is none.

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
    """Return the two languages without regions: `zh_cn` and `cmn` are `zh`."""
    plain = [spelled.split("_")[0] for spelled in pair.split("-")]
    return [SAME_LANGUAGE.get(language, language) for language in plain]
