"""Files of OPUS corpora, fetched whole or not at all."""

import gzip
import hashlib
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from nmt_ablation.errors import UserError
from nmt_ablation.files import sha256, writing
from nmt_ablation.opus.corpora import CorpusVersion
from nmt_ablation.opus.download import (
    BLOCK,
    Part,
    UnreachableError,
    check_size,
    download,
)
from nmt_ablation.opus.lock import ChangedError, Lock
from nmt_ablation.packed import refuse_bomb
from nmt_ablation.progress import OnProgress

OPUS = "https://object.pouta.csc.fi"
README_CHARACTERS = 2000
LICENCE_BYTES = 1 << 20


def parallel_file(corpus: CorpusVersion, source: str, target: str) -> str:
    """Return the path of a corpus's sentence pairs in OPUS's layout, which sorts the two
    languages."""
    first, second = sorted((source, target))
    return f"OPUS-{corpus.name}/{corpus.version}/moses/{first}-{second}.txt.zip"


def alignment_file(corpus: CorpusVersion, source: str, target: str) -> str:
    """Return the path of a corpus's sentence alignment in OPUS's layout."""
    first, second = sorted((source, target))
    return f"OPUS-{corpus.name}/{corpus.version}/xml/{first}-{second}.xml.gz"


def documents_file(corpus: CorpusVersion, language: str) -> str:
    """Return the path of a corpus's untokenised xml documents in one language."""
    return f"OPUS-{corpus.name}/{corpus.version}/raw/{language}.zip"


def monolingual_file(corpus: CorpusVersion, language: str) -> str:
    """Return the path of a corpus's text in one language in OPUS's layout."""
    return f"OPUS-{corpus.name}/{corpus.version}/mono/{language}.txt.gz"


def is_url(mirror: str) -> bool:
    """Return whether a mirror is a server rather than a folder."""
    return mirror.startswith(("http://", "https://"))


@dataclass(frozen=True)
class FetchRecord:
    """The facts kept on record about a fetched file."""

    file: str
    """The path in OPUS's layout."""
    url: str
    """The address at OPUS, wherever the file came from."""
    bytes: int
    sha256: str
    licence: str | None
    """The LICENSE or the beginning of the README in the archive."""


def fetch(
    file: str,
    mirror: str | None,
    folder: Path,
    progress: OnProgress,
    lock: Lock | None = None,
    max_bytes: int | None = None,
) -> FetchRecord:
    """Bring `file` into a folder from a mirror (a folder or a URL), or else from OPUS.

    Goes on from the bytes that an earlier call left in the folder; a whole file there counts as
    fetched. The archive is read to its end, and must match the lock.

    Raises:
        UnreachableError: there is no network, or the mirror's server doesn't run.
        UserError: it isn't there, can't be fetched or written, is larger than `max_bytes`, is
            damaged, or isn't what it was when the lock was written.
    """
    target = folder / Path(file).name
    part = Part(target)
    with writing(folder):
        if target.exists():
            try:
                licence = _examine(target, target.suffix)
            except _DamagedError:
                target.unlink()
            else:
                part.discard()
                return _record(file, target, sha256(target), licence, lock)
        if mirror is None or is_url(mirror):
            source = f"{mirror.rstrip('/') if mirror else OPUS}/{file}"
            digest = _download(source, part, progress, max_bytes, mirror)
        else:
            source = str(Path(mirror) / file)
            digest = _copy(file, Path(mirror), part, progress, max_bytes)
        try:
            licence = _examine(part.path, target.suffix)
            record = _record(file, part.path, digest, licence, lock)
        except _DamagedError as damage:
            part.discard()
            raise UserError(
                f"{source}: {damage}; nothing of it was kept, so call the same command again, "
                "and if it stays so, use another mirror"
            ) from None
        except ChangedError:
            part.discard()
            raise
        part.finish(target)
    return record


class _DamagedError(Exception):
    """A file that can't be read to its end."""


def _download(
    url: str, part: Part, progress: OnProgress, max_bytes: int | None, mirror: str | None
) -> str:
    try:
        return download(url, part, progress, max_bytes)
    except UnreachableError as error:
        remedy = (
            "check that the mirror's server runs"
            if mirror
            else "on a machine without a network, fill a folder on one that has it, with "
            "`nmt-ablation mirror EXPERIMENT --to DIR`, bring it here, and pass --mirror DIR or "
            "set NMT_ABLATION_MIRROR"
        )
        raise UnreachableError(f"{error}; {remedy}") from None


def _copy(file: str, mirror: Path, part: Part, progress: OnProgress, max_bytes: int | None) -> str:
    """Copy a file from a mirror's folder, and return its SHA-256."""
    source = mirror / file
    if not source.is_file():
        corpus = source.parents[2]
        near = sorted(str(path.relative_to(mirror)) for path in corpus.glob("*/*/*"))
        has = f"it has {', '.join(near[:8])}" if near else f"nor anything of {corpus.name}"
        raise UserError(f"{mirror}: has no {file}; {has}")
    size, done = source.stat().st_size, 0
    check_size(str(source), size, 0, part.path.parent, max_bytes)
    digest = hashlib.sha256()
    with source.open("rb") as reader, part.path.open("wb") as writer:
        while block := reader.read(BLOCK):
            writer.write(block)
            digest.update(block)
            done += len(block)
            progress(done, size)
    return digest.hexdigest()


def _record(
    file: str, path: Path, digest: str, licence: str | None, lock: Lock | None
) -> FetchRecord:
    size = path.stat().st_size
    if lock is not None:
        lock.pin_file(file, size, digest)
    return FetchRecord(file, f"{OPUS}/{file}", size, digest, licence)


def _examine(path: Path, suffix: str) -> str | None:
    """Read an archive to its end, checksums and all; return the licence that is in it."""
    with path.open("rb") as file:
        beginning = file.read(512).lstrip().lower()
    if not beginning:
        raise _DamagedError("is empty")
    if beginning.startswith((b"<!doctype html", b"<html")):
        raise _DamagedError("is damaged (it is a web page, and no archive)")
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for info in archive.infolist():
                    refuse_bomb(info.file_size, info.compress_size, f"{path}: {info.filename}")
                if (damaged := archive.testzip()) is not None:
                    raise _DamagedError(f"is damaged (its member {damaged} is)")
                return _licence(archive)
        with gzip.open(path) as stream:
            while stream.read(BLOCK):
                pass
    # RuntimeError is zipfile's for what is encrypted or compressed in a way it doesn't know.
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error, RuntimeError) as error:
        raise _DamagedError(f"is damaged ({error})") from None
    return None


def _licence(archive: zipfile.ZipFile) -> str | None:
    """Return LICENSE, or the beginning of README, from an archive."""
    members = {Path(name).name: name for name in archive.namelist()}
    for name, characters in (("LICENSE", None), ("README", README_CHARACTERS)):
        if name in members:
            with archive.open(members[name]) as file:
                return file.read(LICENCE_BYTES).decode("utf-8", errors="replace")[:characters]
    return None
