"""The language of text, by py3langid."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING

import langcodes

from nmt_ablation.errors import UserError
from nmt_ablation.values import SIDES, Side

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

CHARACTERS = 200
"""Characters of an excerpt, which are identified together: single lines are often too short."""
EXCERPTS = 200
"""Excerpts that tell the language of a text."""
FEWEST = 10
"""Excerpts below which nothing is said."""
NONE = "zxx"
"""The identifier's code of what is no language."""
MOSTLY, HARDLY = 0.5, 0.1
CLOSE = 15
"""The distance of languages, by CLDR, up to which one passes for the other."""
_SERBO_CROATIAN = {"bs", "hr", "sr"}
"""Languages that CLDR keeps far apart, as they may differ in script."""


@cache
def identifier() -> "LanguageIdentifier":
    """Return py3langid's identifier, with probabilities that sum to 1."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # takes a while

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def code(language: str) -> str:
    """Return the identifier's code of a language, whichever way OPUS spells it."""
    return langcodes.get(langcodes.standardize_tag(language, macro=True)).language or language


@cache
def known() -> frozenset[str]:
    """Return the codes of the languages that can be identified."""
    return frozenset(map(code, identifier().labels)) - {NONE}


@dataclass(frozen=True)
class Identified:
    """The languages of a text, by excerpts."""

    excerpts: dict[str, int]
    """The number of excerpts by language, the largest first."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> "Identified":
        """Return the languages of the first excerpts of a text."""
        found = (identifier().classify(it)[0] for it in islice(_excerpts(lines), EXCERPTS))
        return cls(dict(Counter(map(code, found)).most_common()))

    def share(self, language: str) -> float:
        """Return the share of excerpts in a language, or in one that passes for it."""
        whole = sum(self.excerpts.values())
        alike = (number for it, number in self.excerpts.items() if _close(it, code(language)))
        return sum(alike) / whole if whole >= FEWEST else 0.0

    def instead(self, language: str) -> str | None:
        """Return the language that the text is in, if that is not the expected one."""
        first = next(iter(self.excerpts), None)
        if first is None or first == NONE or code(language) not in known():
            return None
        other = self.share(first) > MOSTLY and self.share(language) < HARDLY
        return first if other else None


@dataclass(frozen=True)
class SideLanguages:
    """The languages of both sides of some pairs."""

    source: Identified
    target: Identified

    @classmethod
    def of(
        cls,
        sources: Iterable[str],
        targets: Iterable[str],
        languages: Sequence[str],
        name: str,
    ) -> "SideLanguages":
        """Return the languages of pairs.

        Args:
            languages: the languages that source and target should have.
            name: a name of the pairs, for the message.

        Raises:
            UserError: each side is in the language of the other.
        """
        found = cls(Identified.of(sources), Identified.of(targets))
        found._refuse_swapped(languages, name)
        return found

    def _refuse_swapped(self, languages: Sequence[str], name: str) -> None:
        source, target = languages
        other = min(self.source.share(target), self.target.share(source)) > MOSTLY
        if other and len(list(self.unlike(languages))) == len(SIDES):
            raise UserError(
                f"{name}: its sides are swapped: the source is in {target}, and the target in "
                f"{source}. Swap source and target there, or write pair: {target}-{source}"
            )

    def unlike(self, languages: Sequence[str]) -> Iterator[tuple[Side, str, str]]:
        """Yield each side that is in another language than it should be: the side, the language,
        and the one it should have."""
        for side, language in zip(SIDES, languages, strict=True):
            found: Identified = getattr(self, side)
            if other := found.instead(language):
                yield side, other, language


@cache
def _close(one: str, other: str) -> bool:
    return {one, other} <= _SERBO_CROATIAN or langcodes.tag_distance(one, other) <= CLOSE


def _excerpts(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to excerpts that are long enough."""
    excerpt = ""
    for line in lines:
        excerpt = f"{excerpt} {line.strip()}".strip()
        if len(excerpt) >= CHARACTERS:
            yield excerpt
            excerpt = ""
    if excerpt:
        yield excerpt
