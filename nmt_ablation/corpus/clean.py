"""Filters that drop pairs no model should learn from, and counts of what each one dropped."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus import identify
from nmt_ablation.corpus.cleaned import INDEX, CleanBlock
from nmt_ablation.corpus.config import Cleaning
from nmt_ablation.corpus.encoding import Undecoded
from nmt_ablation.corpus.hashes import Flags, Hashes, among, pair_hashes
from nmt_ablation.corpus.identify import Identified, SideLanguages
from nmt_ablation.corpus.measure import Lines, Measure
from nmt_ablation.corpus.read import RawBlock
from nmt_ablation.corpus.records import CleanRecord, Dropped, TextRecord
from nmt_ablation.corpus.text import Pair
from nmt_ablation.errors import UserError

EXAMPLES = 3


@dataclass
class Block:
    """A block of pairs on their way through the filters."""

    source: Lines
    target: Lines
    raw: RawBlock
    scores: npt.NDArray[np.float64] | None
    languages: tuple[str, str]
    min_score: float | None
    left: Flags = field(init=False)
    """A flag for each pair: no filter has dropped it yet."""

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
            code = identify.code(language)
            texts = lines.text.decode().split("\n")
            for number in np.flatnonzero(block.left & ~dropped).tolist():
                found, probability = identify.identifier().classify(texts[number])
                confident = probability >= limits.min_language_probability
                dropped[number] = identify.code(found) != code and confident
    return dropped


# The order matters: a pair counts for the first filter that drops it.
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


class Cleaner:
    """A pass of the filters over a corpus.

    Args:
        limits: the thresholds of the filters.
        languages: source and target, as OPUS spells them.
        files: the names of the source and the target file, for messages.
        min_score: the lowest score, given by the corpus itself, of a pair that is kept.
    """

    def __init__(
        self,
        limits: Cleaning,
        languages: tuple[str, str],
        files: tuple[str, str],
        min_score: float | None = None,
    ) -> None:
        self.limits, self.languages, self.min_score = limits, languages, min_score
        if limits.min_language_probability is not None:
            for language in languages:
                _check_known(language)
        self.undecoded = [Undecoded(*it) for it in zip(files, languages, strict=True)]
        self.found: SideLanguages | None = None
        self.read = self.kept = 0
        self.dropped = dict.fromkeys(FILTERS, 0)
        self.examples: dict[str, list[Pair]] = {name: [] for name in FILTERS}
        self.controls = self.respelled = 0

    def blocks(self, blocks: Iterable[RawBlock]) -> Iterator[CleanBlock]:
        """Yield the pairs that pass every filter, tidied.

        Raises:
            UserError: too many lines are not UTF-8, or the sides are swapped.
        """
        for block in self._measured(blocks):
            if self.found is None:
                self.found = SideLanguages.of(
                    _lines_of(block.source),
                    _lines_of(block.target),
                    self.languages,
                    " ".join(dict.fromkeys(it.file for it in self.undecoded)),
                )
            raws = block.raw.source, block.raw.target
            for undecoded, raw, lines in zip(self.undecoded, raws, block.sides, strict=True):
                undecoded.add(raw, lines.not_utf8)
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
        for undecoded in self.undecoded:
            undecoded.refuse_many()

    def record(self) -> CleanRecord:
        """Return the outcome so far."""
        dropped = {
            name: Dropped(count, self.examples[name]) for name, count in self.dropped.items()
        }
        return CleanRecord(self.read, self.kept, dropped, self.controls, self.respelled, self.found)

    def _measured(self, blocks: Iterable[RawBlock]) -> Iterator[Block]:
        """Measure blocks, both sides at once, while the next block is read."""
        measures = [Measure(language, self.limits.unicode) for language in self.languages]
        waiting: tuple[RawBlock, list[Future[Lines]]] | None = None

        def finished(raw: RawBlock, futures: list[Future[Lines]]) -> Block:
            source, target = (future.result() for future in futures)
            return Block(source, target, raw, raw.scores, self.languages, self.min_score)

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


class TextCleaner:
    """A pass over text in one language.

    Drops held-out lines and lines of sentence pairs. A small sample simulates a language pair that
    has no more text, so the pairs it leaves out must not return as text for vectors.

    Args:
        limits: the thresholds; only the Unicode form is used.
        language: the code, as OPUS spells it.
        held_out: hashes of the normal forms of validation and test sentences.
        parallel: hashes of the normal forms of all sides of pairs in this language.
    """

    def __init__(self, limits: Cleaning, language: str, held_out: Hashes, parallel: Hashes) -> None:
        self.language, self.measure = language, Measure(language, limits.unicode)
        self.held_out, self.parallel = np.unique(held_out), np.unique(parallel)
        self.record = TextRecord()

    def blocks(self, blocks: Iterable[bytes], file: str) -> Iterator[bytes]:
        """Yield the lines of a file that are kept, tidied.

        Raises:
            UserError: too many are not UTF-8.
        """
        undecoded = Undecoded(file, self.language)
        for block in blocks:
            lines = self.measure.lines(block)
            undecoded.add(block, lines.not_utf8)
            if undecoded.read == lines.form.size:  # the first block
                self.record.languages.append(Identified.of(_lines_of(lines)))
            says = lines.characters > 0
            leaks = says & among(lines.form, self.held_out)
            paired = says & ~leaks & among(lines.form, self.parallel)
            kept = says & ~leaks & ~paired
            self.record.read += says.size
            self.record.kept += int(kept.sum())
            self.record.not_utf8_or_empty += int((~says).sum())
            self.record.dropped_as_leaks += int(leaks.sum())
            self.record.in_parallel_corpora += int(paired.sum())
            yield lines.keep(kept)
        undecoded.refuse_many()


def _lines_of(lines: Lines) -> Iterator[str]:
    """Return the tidied lines of a block."""
    return iter(lines.text.decode().split("\n"))


def _check_known(language: str) -> None:
    known = sorted(identify.known())
    if identify.code(language) not in known:
        raise UserError(
            f"cleaning.min_language_probability: '{language}' is not among the languages that can "
            f"be identified ({', '.join(known)}); leave that key out"
        )
