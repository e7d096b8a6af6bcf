"""The corpora of a language pair in OPUS, and facts about each of them."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.filesize import decimal
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from nmt_ablation.beside import folder
from nmt_ablation.errors import UserError
from nmt_ablation.opus.language import is_standard, near, spellings, split_pair
from nmt_ablation.opus.listing import (
    SNAPSHOT_DATE,
    File,
    Listing,
    Mirror,
    Online,
    Snapshot,
    Unreachable,
)
from nmt_ablation.values import Block

CORPORA = folder("corpora")
PAGES = "https://opus.nlpl.eu/"
"""The address of OPUS's pages about corpora, without the corpus's name."""
ALWAYS_CITE = "tiedemann-2012"
"""The entry of OPUS itself, which asks to be cited."""


class Known(Block):
    """Facts about a corpus beyond its files."""

    licence: str | None = None
    """The licence, if it is certain."""
    page: str = ""
    """The page that states licence and origin."""
    cite: tuple[str, ...] = ()
    """Keys in corpora/references.bib."""
    warnings: tuple[str, ...] = ()


class Entry(BaseModel):
    """One corpus at one version, in the languages asked for."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    version: str
    pair: str
    """The corpus's own codes, in the order asked for; a single code for text in one language."""
    pairs: int | None
    """Sentence pairs, or lines in one language."""
    bytes: int | None
    """The size of the compressed file, to the KiB."""
    source_tokens: int | None
    target_tokens: int | None
    url: str
    licence: str
    """The licence, or the page that states it."""
    warnings: list[str]


def cache_folder() -> Path:
    """Return the folder for files that can be made again."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "nmt-ablation"


def find(
    pair: str,
    say: Callable[[str], None],
    *,
    mirror: str | None = None,
    offline: bool = False,
    monolingual: bool = False,
    all_versions: bool = False,
) -> list[Entry]:
    """List a pair's corpora, largest first: those of a mirror if one is named, or else of OPUS.

    Args:
        pair: two codes.
        say: a callback, told if the list comes from elsewhere than asked for.
        mirror: a folder or a URL.
        offline: list OPUS as opustools knows it.
        monolingual: list text in one language.
        all_versions: list older versions too.

    Raises:
        UserError: `pair` is no pair, there is nothing for it, or the mirror can't be read.
    """
    split_pair(pair)  # A slip in the pair shall not cost a minute's wait for a server.

    def listed(listing: Listing) -> list[Entry]:
        return list_corpora(listing, pair, monolingual=monolingual, all_versions=all_versions)

    if mirror is not None and not offline:
        return listed(Mirror(mirror))
    if not offline:
        try:
            return listed(Online())
        except Unreachable as error:
            say(f"OPUS can't be reached ({error})")
    say(f"listing OPUS as of {SNAPSHOT_DATE}, from opustools; newer corpora are missing")
    return listed(Snapshot(cache_folder()))


def latest(name: str, pair: str, mirror: str | None, say: Callable[[str], None]) -> str:
    """Return the newest version of a corpus that has the pair, or else text in one of its
    languages.

    Raises:
        UserError: the corpus has neither, or the mirror can't be read.
    """
    for monolingual in (False, True):
        for entry in find(pair, say, mirror=mirror, monolingual=monolingual):
            if entry.corpus == name:
                return entry.version
    raise UserError(
        f"{name}/latest: there is no {name} for {pair}; see what there is with "
        f"`nmt-ablation corpora {pair}`"
    )


def list_corpora(
    listing: Listing, pair: str, *, monolingual: bool = False, all_versions: bool = False
) -> list[Entry]:
    """List a pair's corpora in one listing, largest first, under all spellings of its languages.

    Raises:
        UserError: `pair` is no pair, or there is nothing for it; with what is near.
        Unreachable: the listing is a server's, and doesn't answer.
    """
    source, target = split_pair(pair)
    codes = listing.codes()
    sides = [
        [code for code in spellings(asked, codes) if code in codes] for asked in (source, target)
    ]
    if monolingual:
        # A language at a time: what is large in one says nothing of the other.
        entries = []
        for asked, side in zip((source, target), sides, strict=True):
            files = [file for code in side for file in listing.files("mono", code)]
            if not files:
                raise UserError(_no_text(listing, asked, codes))
            entries += _entries(files, [(code, "") for code in side], all_versions)
        return entries
    wanted = _existing(listing, *sides)
    # A listing may give the same file for two orders of a pair.
    files = list(
        {file.url: file for both in wanted for file in listing.files("moses", *both)}.values()
    )
    if not files:
        raise UserError(_no_pair(listing, (source, target), sides, codes))
    return _entries(files, wanted, all_versions)


def _existing(listing: Listing, sources: list[str], targets: list[str]) -> list[tuple[str, str]]:
    """List the combinations of codes that exist, asking the listing as little as possible."""
    if len(sources) <= len(targets):
        partners = {code: listing.partners(code) for code in sources}
        return [(one, other) for one in sources for other in targets if other in partners[one]]
    return [(one, other) for other, one in _existing(listing, targets, sources)]


def _entries(files: list[File], wanted: list[tuple[str, str]], all_versions: bool) -> list[Entry]:
    in_order = {frozenset(codes): codes for codes in reversed(wanted)}
    if not all_versions:
        files = _newest(files)
    corpora_of: dict[int | None, set[str]] = {}
    for file in files:
        corpora_of.setdefault(file.pairs, set()).add(file.corpus)
    entries = []
    for file in files:
        codes = in_order[frozenset((file.source, file.target))]
        tokens = (file.source_tokens, file.target_tokens)
        about = known(file.corpus)
        warnings = list(about.warnings)
        twins = sorted(corpora_of[file.pairs] - {file.corpus}) if file.pairs else []
        if twins:
            warnings.append(f"as many pairs as {', '.join(twins)}: they may be copies")
        size = file.bytes
        # The API lists some objects above 5 GB with a few hundred bytes.
        if size is not None and file.pairs is not None and size + 1024 < file.pairs:
            warnings.append(f"listed with {size:,} bytes, which can't be: its size isn't known")
            size = None
        source_tokens, target_tokens = tokens if codes[0] == file.source else tokens[::-1]
        entries.append(
            Entry(
                corpus=file.corpus,
                version=file.version,
                pair="-".join(filter(None, codes)),
                pairs=file.pairs,
                bytes=size,
                source_tokens=source_tokens,
                target_tokens=target_tokens,
                url=file.url,
                licence=about.licence or about.page,
                warnings=warnings,
            )
        )
    return sorted(
        entries,
        key=lambda entry: (-(entry.pairs or 0), -(entry.bytes or 0), entry.corpus, entry.url),
    )


def _newest(files: list[File]) -> list[File]:
    """Keep the files of one version of each corpus: the newest that has these languages."""
    newest: dict[str, File] = {}
    for file in files:
        newest[file.corpus] = max(newest.get(file.corpus, file), file, key=lambda one: one.age)
    return [file for file in files if file.version == newest[file.corpus].version]


def _no_pair(
    listing: Listing, asked: tuple[str, str], sides: list[list[str]], codes: set[str]
) -> str:
    message = f"{listing.name} has nothing for {'-'.join(asked)}"
    slips = [not side for side in sides]
    if not any(slips):
        # A code that stands for no language is a slip, even where OPUS has a few lines in it.
        slips = [not is_standard(code) for code in asked]
    partners = [
        [] if slip else _partners_by_size(listing, side)
        for slip, side in zip(slips, sides, strict=True)
    ]
    if nearest := [
        f"{'-'.join((asked[0], code) if at == 0 else (code, asked[1]))} ({size})"
        for at in (0, 1)
        for code, size in partners[at][:4]
    ]:
        message += f"; nearest: {', '.join(nearest)}"
    for at in (0, 1):
        if slips[at]:
            # The likeliest meaning is a partner of the other language.
            message += _meant(asked[at], {code for code, _ in partners[1 - at]} or codes)
    return message


def _no_text(listing: Listing, asked: str, codes: set[str]) -> str:
    message = f"{listing.name} has no text in {asked}"
    return message if asked in codes else message + _meant(asked, codes)


def _meant(code: str, among: set[str]) -> str:
    close = near(code, among)
    return f"; is {code} meant to be {' or '.join(close)}?" if close else ""


def _partners_by_size(listing: Listing, side: list[str]) -> list[tuple[str, str]]:
    """List the codes that a language is paired with, and the sizes, largest first."""
    pairs: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for code in side:
        for file in _newest(listing.files("moses", code)):
            other = file.target if file.source == code else file.source
            pairs[other] += file.pairs or 0
            sizes[other] += file.bytes or 0
    most = sorted(sizes, key=lambda code: (-pairs[code], -sizes[code], code))
    return [
        (code, f"{pairs[code]:,} pairs" if pairs[code] else decimal(sizes[code])) for code in most
    ]


def known(name: str) -> Known:
    """Return the facts that corpora/opus.yaml has about a corpus, or else where to look.

    A name in the file may be a pattern (`ELRC-*`); the first that fits holds.

    Raises:
        UserError: the file can't be read.
    """
    fitting = (about for pattern, about in _all_known().items() if fnmatchcase(name, pattern))
    about = next(fitting, Known())
    return about.model_copy(
        update={
            "page": about.page or PAGES + name,
            "cite": (ALWAYS_CITE, *about.cite),
        }
    )


@cache
def _all_known() -> dict[str, Known]:
    file = CORPORA / "opus.yaml"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}  # Installed without the repository.
    try:
        blocks = YAML(typ="safe").load(text)
        return {name: Known.model_validate(block) for name, block in blocks.items()}
    except (YAMLError, ValidationError, AttributeError) as error:
        raise UserError(f"{file}: can't be read: {error}") from None


COLUMNS = ("corpus", "version", "pair", "pairs", "size", "licence", "warnings")


def lines(entries: Sequence[Entry]) -> Iterator[str]:
    """Yield the list as tab-separated lines."""
    yield "\t".join(COLUMNS)
    for entry in entries:
        yield "\t".join((*_cells(entry), "; ".join(entry.warnings)))


def table(entries: Sequence[Entry]) -> Table:
    """Return the list as a table for a terminal, with warnings as numbered notes."""
    numbers: dict[str, int] = {}
    shown = Table(
        box=None, padding=(0, 1, 0, 0), pad_edge=False, caption_justify="left", caption_style=""
    )
    for name in (*COLUMNS[:-1], "notes"):
        number = name in ("pairs", "size")
        # Folding keeps every word, however narrow the terminal.
        shown.add_column(
            name, justify="right" if number else "left", no_wrap=number, overflow="fold"
        )
    for entry in entries:
        notes = [str(numbers.setdefault(text, len(numbers) + 1)) for text in entry.warnings]
        *cells, licence = _cells(entry)
        # The page's address would take the room of the names.
        shown.add_row(*cells, "?" if licence == PAGES + entry.corpus else licence, " ".join(notes))
    shown.caption = "\n".join(
        (
            f"? its licence is stated at {PAGES}NAME",
            *(f"{number} {text}" for text, number in numbers.items()),
        )
    )
    return shown


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        entry.corpus,
        entry.version,
        entry.pair,
        "?" if entry.pairs is None else f"{entry.pairs:,}",
        "?" if entry.bytes is None else decimal(entry.bytes) if entry.bytes else "<1 kB",
        entry.licence,
    )
