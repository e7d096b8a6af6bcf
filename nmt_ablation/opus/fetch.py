"""Bring one file of one OPUS corpus here, whole or not at all."""

import gzip
import hashlib
import zipfile
import zlib
from pathlib import Path

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import CorpusVersion
from nmt_ablation.files import sha256
from nmt_ablation.opus.download import (
    BLOCK,
    Part,
    UnreachableError,
    check_size,
    download,
    writing,
)
from nmt_ablation.opus.lock import ChangedError, Lock
from nmt_ablation.progress import OnProgress
from nmt_ablation.workspace import Json

OPUS = "https://object.pouta.csc.fi"
README_CHARACTERS = 2000


def parallel_file(corpus: CorpusVersion, source: str, target: str) -> str:
    """Path of a corpus's sentence pairs in OPUS's layout; OPUS sorts the two languages."""
    first, second = sorted((source, target))
    return f"OPUS-{corpus.name}/{corpus.version}/moses/{first}-{second}.txt.zip"


def alignment_file(corpus: CorpusVersion, source: str, target: str) -> str:
    """Path of what says which sentences of a corpus's documents belong together."""
    first, second = sorted((source, target))
    return f"OPUS-{corpus.name}/{corpus.version}/xml/{first}-{second}.xml.gz"


def documents_file(corpus: CorpusVersion, language: str) -> str:
    """Path of a corpus's documents in one language, as xml, not tokenised."""
    return f"OPUS-{corpus.name}/{corpus.version}/raw/{language}.zip"


def monolingual_file(corpus: CorpusVersion, language: str) -> str:
    """Path of a corpus's text in one language in OPUS's layout."""
    return f"OPUS-{corpus.name}/{corpus.version}/mono/{language}.txt.gz"


def is_url(mirror: str) -> bool:
    """Whether a mirror is a server, and not a folder."""
    return mirror.startswith(("http://", "https://"))


def fetch(
    file: str,
    mirror: str | None,
    folder: Path,
    progress: OnProgress,
    lock: Lock | None = None,
    max_bytes: int | None = None,
) -> Json:
    """Bring `file` into a folder: from a mirror (a folder or a URL) if there is one, or OPUS.

    Goes on from what an earlier call left in the folder, and takes a file that is there and whole
    for fetched. What has arrived is read to its end, and has to be what the lock says it was.

    Returns, for the record, where OPUS has it, its size in bytes, SHA-256 and licence.

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
            "see that the mirror's server runs"
            if mirror
            else "on a machine without a network, fill a folder on one that has it, with "
            "`nmt-ablation mirror EXPERIMENT --to DIR`, bring it here, and pass --mirror DIR or "
            "set NMT_ABLATION_MIRROR"
        )
        raise UnreachableError(f"{error}; {remedy}") from None


def _copy(file: str, mirror: Path, part: Part, progress: OnProgress, max_bytes: int | None) -> str:
    """From a folder; returns the SHA-256."""
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


def _record(file: str, path: Path, digest: str, licence: str | None, lock: Lock | None) -> Json:
    size = path.stat().st_size
    if lock is not None:
        lock.pin_file(file, size, digest)
    return {
        "file": file,
        "url": f"{OPUS}/{file}",
        "bytes": size,
        "sha256": digest,
        "licence": licence,
    }


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
    """What the corpus says of its licence: all of LICENSE, or the beginning of README."""
    members = {Path(name).name: name for name in archive.namelist()}
    for name, characters in (("LICENSE", None), ("README", README_CHARACTERS)):
        if name in members:
            return archive.read(members[name]).decode("utf-8", errors="replace")[:characters]
    return None
