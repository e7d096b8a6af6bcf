"""Records of text: what was read, dropped and kept."""

from dataclasses import dataclass, field

from nmt_ablation.corpus.identify import Identified, SideLanguages
from nmt_ablation.corpus.text import Pair


@dataclass(frozen=True)
class Dropped:
    """Pairs that a filter dropped."""

    pairs: int
    examples: list[Pair]
    """The first `EXAMPLES` of them."""


@dataclass(frozen=True)
class CleanRecord:
    """The outcome of cleaning a corpus; numbers are pairs, unless said otherwise."""

    read: int
    kept: int
    dropped: dict[str, Dropped]
    """Pairs by the first filter that drops them."""
    controls: int
    """Lines that lost control characters."""
    respelled: int
    """Other lines whose white space or Unicode form changed."""
    languages: SideLanguages | None = None
    """The languages of the first pairs; None in artifacts of earlier versions."""


@dataclass
class TextRecord:
    """The outcome of cleaning text in one language, in lines."""

    read: int = 0
    kept: int = 0
    not_utf8_or_empty: int = 0
    dropped_as_leaks: int = 0
    in_parallel_corpora: int = 0
    languages: list[Identified] = field(default_factory=list)
    """The languages of each file's first lines; none in artifacts of earlier versions."""


@dataclass(frozen=True)
class NearDuplicateCounts:
    """Near-duplicates between training pairs and a held-out set."""

    pairs: int
    """Training pairs with a side that is alike to a held-out one."""
    held_out: int
    """Held-out pairs with a side that is alike to a training pair's."""
    of: int
    """All held-out pairs."""


@dataclass(frozen=True)
class RestRecord:
    """The use of the pool's pairs as text, outside all samples."""

    pairs: int
    """Pairs of the pool."""
    in_samples: int
    """Pairs that some sample holds."""
    kept: tuple[int, int]
    """Lines written, of each side."""
    repeated: tuple[int, int]
    """Lines left out, of each side, because a pair of a sample has the same side."""
