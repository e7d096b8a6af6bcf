"""Drop the pairs that no model should learn from, and count what each rule took."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import langcodes
import numba
import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus.hashes import Flags, Hashes, among, pair_hashes
from nmt_ablation.corpus.measure import Lines, Measure
from nmt_ablation.corpus.read import RawBlock
from nmt_ablation.corpus.text import Pair
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cleaning
from nmt_ablation.workspace import Json

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

EXAMPLES = 3

INDEX = np.dtype(
    [
        ("source_form", "u8"),
        ("target_form", "u8"),
        ("exact", "u8"),
        ("source_octets", "u4"),
        ("target_octets", "u4"),
        ("tokens", "u4"),
    ]
)
"""What is kept of each clean pair beside its text: hashes of the normal forms and of the text as it
is, the bytes of its lines in the two files, and the tokens of its target side."""
ROWS = 1 << 20
"""Of an index that are in memory together."""
_SLAB = 1 << 19  # pairs whose text is gathered together
_WINDOW = 1 << 27  # bytes of a file
Numbers = npt.NDArray[np.uint64]


@dataclass
class Block:
    """Pairs being filtered."""

    source: Lines
    target: Lines
    scores: npt.NDArray[np.float64] | None
    languages: tuple[str, str]
    min_score: float | None
    left: Flags = field(init=False)
    """Those no filter has dropped so far."""

    def __post_init__(self) -> None:
        self.left = np.ones(self.source.form.size, np.bool_)

    @property
    def sides(self) -> tuple[Lines, Lines]:
        return self.source, self.target


def _either(block: Block, bad: Callable[[Lines], Flags]) -> Flags:
    return bad(block.source) | bad(block.target)


def _unlike(block: Block, limits: Cleaning) -> Flags:
    # In bytes of UTF-8, as a Chinese character says what three or four Latin ones do.
    sides = block.source.octets, block.target.octets
    return np.asarray(np.maximum(*sides) > limits.max_ratio * np.minimum(*sides))


def _foreign_script(lines: Lines, share: float) -> Flags:
    return lines.native < share * lines.letters


def _scored_low(block: Block, _: Cleaning) -> Flags:
    if block.scores is None or block.min_score is None:
        return np.zeros_like(block.left)
    return ~(block.scores >= block.min_score)


def _other_language(block: Block, limits: Cleaning) -> Flags:
    dropped = np.zeros_like(block.left)
    if limits.min_language_probability is not None:
        for lines, language in zip(block.sides, block.languages, strict=True):
            code = _known_language(language)
            for number in np.flatnonzero(block.left & ~dropped).tolist():
                found, probability = _identifier().classify(lines.line(number))
                sure = probability >= limits.min_language_probability
                dropped[number] = found != code and sure
    return dropped


# In order: a pair is counted by the first that drops it.
FILTERS: dict[str, Callable[[Block, Cleaning], Flags]] = {
    "not UTF-8": lambda block, _: _either(block, lambda lines: lines.not_utf8),
    "empty side": lambda block, _: _either(block, lambda lines: lines.characters == 0),
    "scored too low": _scored_low,
    "too many tokens": lambda block, limits: _either(
        block, lambda lines: lines.tokens > limits.max_tokens
    ),
    "too many characters": lambda block, limits: _either(
        block, lambda lines: lines.characters > limits.max_characters
    ),
    "sides too unlike in length": _unlike,
    "copy of the other side": lambda block, _: block.source.form == block.target.form,
    "mostly not letters": lambda block, limits: _either(
        block, lambda lines: lines.letters < limits.min_letters * lines.solid
    ),
    "in another script": lambda block, limits: _either(
        block, lambda lines: _foreign_script(lines, limits.min_native)
    ),
    "in another language": _other_language,
}


@dataclass(frozen=True)
class CleanBlock:
    """Pairs that stay: their text, a line each, and their part of the index."""

    source: bytes
    target: bytes
    index: npt.NDArray[np.void]


class Cleaner:
    """Yields what passes, and keeps count of the rest.

    Args:
        limits: what the filters go by.
        languages: source and target, as OPUS spells them.
        min_score: pairs that their corpus scores lower are dropped.
    """

    def __init__(
        self, limits: Cleaning, languages: tuple[str, str], min_score: float | None = None
    ) -> None:
        self.limits, self.languages, self.min_score = limits, languages, min_score
        if limits.min_language_probability is not None:
            for language in languages:
                _known_language(language)
        self.read = self.kept = 0
        self.dropped = dict.fromkeys(FILTERS, 0)
        self.examples: dict[str, list[Pair]] = {name: [] for name in FILTERS}
        self.controls = self.respelled = 0

    def blocks(self, blocks: Iterable[RawBlock]) -> Iterator[CleanBlock]:
        """Tidy pairs that pass every filter."""
        for block in self._measured(blocks):
            self.read += block.left.size
            self.controls += sum(lines.controls for lines in block.sides)
            self.respelled += sum(lines.respelled for lines in block.sides)
            for name, drops in FILTERS.items():
                bad = drops(block, self.limits) & block.left
                block.left &= ~bad
                numbers = np.flatnonzero(bad).tolist()
                self.dropped[name] += len(numbers)
                for number in numbers[: EXAMPLES - len(self.examples[name])]:
                    self.examples[name].append(
                        (block.source.line(number), block.target.line(number))
                    )
            self.kept += int(block.left.sum())
            yield self._clean(block)

    def record(self) -> Json:
        """What was read, kept, dropped by each filter (with examples) and repaired."""
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": {
                name: {"pairs": count, "examples": self.examples[name]}
                for name, count in self.dropped.items()
            },
            "lines_repaired": {
                "control characters": self.controls,
                "white space or Unicode form": self.respelled,
            },
        }

    def _measured(self, blocks: Iterable[RawBlock]) -> Iterator[Block]:
        """The next block is read while the last one is measured, its two sides at once."""
        measures = [Measure(language, self.limits.unicode) for language in self.languages]
        waiting: tuple[RawBlock, list[Future[Lines]]] | None = None

        def finished(raw: RawBlock, futures: list[Future[Lines]]) -> Block:
            source, target = (future.result() for future in futures)
            return Block(source, target, raw.scores, self.languages, self.min_score)

        with ThreadPoolExecutor(2) as workers:
            for raw in blocks:
                futures = [
                    workers.submit(measure.lines, text)
                    for measure, text in zip(measures, (raw.source, raw.target), strict=True)
                ]
                if waiting is not None:
                    yield finished(*waiting)
                waiting = raw, futures
            if waiting is not None:
                yield finished(*waiting)

    def _clean(self, block: Block) -> CleanBlock:
        left = block.left
        index = np.zeros(int(left.sum()), INDEX)
        index["source_form"] = block.source.form[left]
        index["target_form"] = block.target.form[left]
        index["exact"] = pair_hashes(block.source.exact[left], block.target.exact[left])
        index["tokens"] = block.target.tokens[left]
        index["source_octets"] = block.source.octets[left] + 1
        index["target_octets"] = block.target.octets[left] + 1
        return CleanBlock(block.source.keep(left), block.target.keep(left), index)


class CleanCorpus:
    """A corpus that was cleaned: its index, and its pairs by their numbers."""

    def __init__(self, folder: Path, languages: tuple[str, str]) -> None:
        self._index = folder / "index.bin"
        self._texts = [folder / f"pairs.{language}" for language in languages]

    def __len__(self) -> int:
        return self._index.stat().st_size // INDEX.itemsize

    def index(self) -> Iterator[npt.NDArray[np.void]]:
        """The rows of the index, in their order, some at a time."""
        with self._index.open("rb") as file:
            while (rows := np.fromfile(file, INDEX, ROWS)).size:
                yield rows

    def pairs(self, numbers: Numbers) -> list[Pair]:
        """The text of some pairs."""
        corpora = np.zeros(numbers.size, np.int64)
        sides = (
            b"".join(side).decode() for side in zip(*gather([self], corpora, numbers), strict=True)
        )
        return list(zip(*(side.split("\n")[:-1] for side in sides), strict=True))

    def _places(self, numbers: Numbers) -> npt.NDArray[np.int64]:
        """Where lines start and their bytes, for both sides: an array of 2 x 2 x pairs."""
        places = np.zeros((2, 2, numbers.size), np.int64)
        order = np.argsort(numbers)
        ascending = numbers[order]
        row = 0
        at = [0, 0]
        for rows in self.index():
            span = np.array((row, row + rows.size), np.uint64)
            here = slice(*np.searchsorted(ascending, span))
            local = (ascending[here] - span[0]).astype(np.int64)
            for side, name in enumerate(("source_octets", "target_octets")):
                ends = at[side] + np.cumsum(rows[name], dtype=np.int64)
                octets = rows[name][local]
                places[side, :, order[here]] = np.stack((ends[local] - octets, octets), axis=1)
                at[side] = int(ends[-1])
            row += rows.size
        return places


def gather(
    corpora: Sequence[CleanCorpus], which: npt.NDArray[np.int64], numbers: Numbers
) -> Iterator[tuple[bytes, bytes]]:
    """The text of pairs of several corpora, both sides, some pairs at a time.

    Args:
        corpora: that the pairs are in.
        which: of them each pair is in.
        numbers: of the pairs in their corpora.
    """
    # In slabs, as it takes a corpus's whole index to find where its lines start.
    for first in range(0, numbers.size, _SLAB):
        slab = slice(first, first + _SLAB)
        places = np.zeros((2, 2, numbers[slab].size), np.int64)
        members = [np.flatnonzero(which[slab] == at) for at in range(len(corpora))]
        for corpus, at in zip(corpora, members, strict=True):
            if at.size:
                places[:, :, at] = corpus._places(numbers[slab][at])
        sides = []
        for side, (starts, octets) in enumerate(places):
            text = np.zeros(octets.sum(), np.uint8)
            into = np.cumsum(octets) - octets
            for corpus, at in zip(corpora, members, strict=True):
                _copy_lines(corpus._texts[side], starts[at], octets[at], text, into[at])
            sides.append(text.tobytes())
        yield sides[0], sides[1]


def _copy_lines(
    path: Path,
    starts: npt.NDArray[np.int64],
    octets: npt.NDArray[np.int64],
    text: npt.NDArray[np.uint8],
    into: npt.NDArray[np.int64],
) -> None:
    """Copy lines of a file to their places in a text, a window of the file in memory at a time."""
    order = np.argsort(starts)
    starts, octets, into = starts[order], octets[order], into[order]
    first = 0
    while first < starts.size:
        base = int(starts[first])
        end = max(first + 1, int(np.searchsorted(starts + octets, base + _WINDOW, "right")))
        size = int(starts[end - 1] + octets[end - 1]) - base
        window = np.memmap(path, np.uint8, "r", base, (size,))
        lines = slice(first, end)
        _copy(window, starts[lines] - base, octets[lines], text, into[lines])
        first = end


@numba.njit(nogil=True, cache=True)
def _copy(
    window: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    octets: npt.NDArray[np.int64],
    text: npt.NDArray[np.uint8],
    into: npt.NDArray[np.int64],
) -> None:
    for line in range(starts.size):
        start, at = starts[line], into[line]
        for octet in range(octets[line]):
            text[at + octet] = window[start + octet]


def write(blocks: Iterable[CleanBlock], folder: Path, languages: tuple[str, str]) -> None:
    """Write a clean corpus: `pairs.SOURCE`, `pairs.TARGET`, and `index.bin` for programs."""
    with (
        (folder / f"pairs.{languages[0]}").open("wb") as source,
        (folder / f"pairs.{languages[1]}").open("wb") as target,
        (folder / "index.bin").open("wb") as index,
        # A block is written while the next one is cleaned.
        ThreadPoolExecutor(1) as writer,
    ):

        def write_block(block: CleanBlock) -> None:
            source.write(block.source)
            target.write(block.target)
            index.write(block.index.tobytes())

        last: Future[None] | None = None
        for block in blocks:
            if last is not None:
                last.result()
            last = writer.submit(write_block, block)
        if last is not None:
            last.result()


class TextCleaner:
    """Cleans text in one language, of which no line may be held out."""

    def __init__(self, limits: Cleaning, language: str, held_out: Hashes) -> None:
        self.measure = Measure(language, limits.unicode)
        self.held_out = held_out
        """Of normal forms."""
        self.counts = {"read": 0, "kept": 0, "not UTF-8 or empty": 0, "dropped_as_leaks": 0}

    def blocks(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Tidy lines that say something and are not held out."""
        for block in blocks:
            lines = self.measure.lines(block)
            says = lines.characters > 0
            leaks = says & among(lines.form, self.held_out)
            kept = says & ~leaks
            self.counts["read"] += says.size
            self.counts["kept"] += int(kept.sum())
            self.counts["not UTF-8 or empty"] += int((~says).sum())
            self.counts["dropped_as_leaks"] += int(leaks.sum())
            yield lines.keep(kept)


@cache
def _identifier() -> "LanguageIdentifier":
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ModuleNotFoundError:
        raise UserError(
            "cleaning.min_language_probability needs py3langid; install it: "
            "pip install 'nmt_ablation[langid]'"
        ) from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _known_language(language: str) -> str:
    code = langcodes.get(langcodes.standardize_tag(language, macro=True)).language or language
    known = sorted(_identifier().labels)
    if code not in known:
        raise UserError(
            f"cleaning.min_language_probability: '{language}' is not among the languages that can "
            f"be identified ({', '.join(known)}); leave that key out"
        )
    return code
