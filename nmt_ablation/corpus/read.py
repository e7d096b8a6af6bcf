"""Text from archives, streamed in blocks of lines, with the two sides in step."""

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt_ablation.corpus.text import is_number
from nmt_ablation.errors import UserError
from nmt_ablation.packed import Stream, opened, readable, refuse_bomb, refuse_no_text, unpacked
from nmt_ablation.progress import OnProgress

LINES = 1 << 15
"""Lines in a block; the last block of a file may be shorter."""
CHUNK = 1 << 20
LONGEST = 1 << 28
"""Bytes that a block may have; a longer one is no text."""


@dataclass(frozen=True)
class RawBlock:
    """Lines of both sides as the archive has them; each ends with a line feed."""

    source: bytes
    target: bytes
    scores: npt.NDArray[np.float64] | None
    """The corpus's own score of each pair, if asked for."""


def moses_pairs(
    archive: Path, languages: tuple[str, str], scored: bool, progress: OnProgress
) -> Iterator[RawBlock]:
    """Yield the pairs of an OPUS zip in Moses format, with its scores if `scored`.

    Raises:
        UserError: a member is missing or damaged, or members differ in their number of lines.
    """
    with readable(archive), zipfile.ZipFile(archive) as files:
        endings = [*languages, "scores"] if scored else [*languages]
        members = [_member(archive, files.namelist(), ending) for ending in endings]
        with contextlib.ExitStack() as at_end:
            streams: list[Stream] = [at_end.enter_context(files.open(name)) for name in members]
            whole = files.getinfo(members[0]).file_size
            for name in members:
                info = files.getinfo(name)
                refuse_bomb(info.file_size, info.compress_size, f"{archive}: {name}")
            read = 0
            for sides, before in _in_step(streams, [f"{archive}: {name}" for name in members]):
                scores = _scores(sides[2], members[2], before) if scored else None
                yield RawBlock(sides[0], sides[1], scores)
                read += len(sides[0])
                progress(read, whole)


def own_pairs(paths: Sequence[Path], progress: OnProgress) -> Iterator[RawBlock]:
    """Yield the pairs of two files, packed or not, that hold the same sentences line by line.

    Raises:
        UserError: one is damaged or no text, or they differ in their number of lines.
    """
    with contextlib.ExitStack() as at_end:
        files = [at_end.enter_context(opened(path)) for path in paths]
        streams = [unpacked(file) for file in files]
        whole = paths[0].stat().st_size
        for (source, target), _ in _in_step(streams, list(map(str, paths))):
            yield RawBlock(source, target, None)
            progress(files[0].tell(), whole)


def xml_pairs(
    alignment: Path, documents: tuple[Path, Path], corpus: str, languages: tuple[str, str]
) -> Iterator[RawBlock]:
    """Yield the pairs that an XCES alignment makes of documents, by opustools' reader.

    Raises:
        UserError: an archive is damaged.
    """
    from opustools import OpusRead  # takes a while, and few need it

    # The alignment has the languages sorted; opustools' generator doesn't turn them back.
    (one, first), (other, second) = sorted(zip(languages, documents, strict=True))
    turn = one != languages[0]
    with readable(alignment):
        reader = OpusRead(
            directory=corpus,
            source=one,
            target=other,
            release="",
            preprocess="raw",
            alignment_file=str(alignment),
            source_zip=str(first),
            target_zip=str(second),
            suppress_prompts=True,
        )
        pairs = ((_one_line(source), _one_line(target)) for source, target in reader.yieldPairs())
        while block := list(islice(pairs, LINES)):
            source, target = ("".join(side).encode() for side in zip(*block, strict=True))
            yield RawBlock(target, source, None) if turn else RawBlock(source, target, None)


def text_blocks(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, packed or not.

    Raises:
        UserError: it is damaged, or no text.
    """
    with opened(path) as file:
        for block, _ in _blocks(unpacked(file), str(path)):
            yield block


def _in_step(
    streams: Sequence[Stream], names: Sequence[str]
) -> Iterator[tuple[tuple[bytes, ...], int]]:
    """Yield blocks of equally many lines of each file, and the number of lines before each.

    Raises:
        UserError: a file ends before the others.
    """
    blocks_of = [_blocks(stream, name) for stream, name in zip(streams, names, strict=True)]
    before = 0
    for blocks in zip_longest(*blocks_of, fillvalue=(b"", 0)):
        sides, lines = zip(*blocks, strict=True)
        if len(set(lines)) > 1:
            short, long = lines.index(min(lines)), lines.index(max(lines))
            raise UserError(
                f"{names[short]} ends after line {before + lines[short]:,} and {names[long]} goes "
                "on, so the sides don't belong together; get the corpus again, or leave it out"
            )
        yield sides, before
        before += lines[0]


def _member(archive: Path, names: list[str], ending: str) -> str:
    found = [name for name in names if name.endswith(f".{ending}")]
    if len(found) != 1:
        raise UserError(
            f"{archive}: should hold one file that ends in .{ending}, and holds "
            f"{', '.join(names) or 'nothing'}"
        )
    return found[0]


def _blocks(file: Stream, name: str) -> Iterator[tuple[bytes, int]]:
    """Yield the lines of a file, `LINES` at a time, with their number.

    Raises:
        UserError: it is damaged, or is no text.
    """
    read = readable(name)(file.read)
    parts: list[bytes] = []
    lines = size = 0
    first = True
    while chunk := read(CHUNK):
        if first:
            refuse_no_text(chunk, name)
            first = False
        ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n")) + 1
        start = taken = 0
        while lines + ends.size - taken >= LINES:
            taken += LINES - lines
            cut = int(ends[taken - 1])
            yield b"".join([*parts, chunk[start:cut]]), LINES
            parts, lines, size, start = [], 0, 0, cut
        parts.append(chunk[start:])
        lines, size = lines + ends.size - taken, size + len(chunk) - start
        if size > LONGEST:
            raise UserError(f"{name}: has {size:,} bytes in {lines + 1:,} lines; is no text")
    if rest := b"".join(parts):
        yield (rest, lines) if rest.endswith(b"\n") else (rest + b"\n", lines + 1)


def _scores(block: bytes, name: str, before: int) -> npt.NDArray[np.float64]:
    lines = block.splitlines()
    try:
        return np.array(lines, np.float64)
    except ValueError:
        number = next(at for at, line in enumerate(lines) if not is_number(line))
        raise UserError(
            f"{name}:{before + number + 1}: {lines[number][:40]!r} is no score"
        ) from None


def _one_line(text: str) -> str:
    return text.replace("\n", " ") + "\n"
