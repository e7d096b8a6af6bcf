"""Bring one file of one OPUS corpus here, whole or not at all."""

import gzip
import hashlib
import zipfile
import zlib
from pathlib import Path

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import CorpusVersion
from nmt_ablation.workspace import Json, Tick

BLOCK = 1 << 20


def parallel_file(corpus: CorpusVersion, source: str, target: str) -> str:
    """Path of a corpus's sentence pairs in OPUS's layout; OPUS sorts the two languages."""
    first, second = sorted((source, target))
    return f"OPUS-{corpus.name}/{corpus.version}/moses/{first}-{second}.txt.zip"


def monolingual_file(corpus: CorpusVersion, language: str) -> str:
    """Path of a corpus's text in one language in OPUS's layout."""
    return f"OPUS-{corpus.name}/{corpus.version}/mono/{language}.txt.gz"


def alignment_file(corpus: CorpusVersion, source: str, target: str) -> str:
    """Path of a corpus's sentence alignment in OPUS's layout."""
    first, second = sorted((source, target))
    return f"OPUS-{corpus.name}/{corpus.version}/xml/{first}-{second}.xml.gz"


def documents_file(corpus: CorpusVersion, language: str) -> str:
    """Path of a corpus's documents in one language, not tokenised, in OPUS's layout."""
    return f"OPUS-{corpus.name}/{corpus.version}/raw/{language}.zip"


def fetch(file: str, mirror: Path | None, folder: Path, tick: Tick) -> Json:
    """Copy `file` from a mirror of OPUS and check that it can be read to its end.

    Returns its size and SHA-256, for the record.

    Raises:
        UserError: there is no mirror, the mirror lacks the file, or the file is damaged.
    """
    if mirror is None:
        raise UserError(
            f"{file} has to be fetched, and no mirror is given; "
            "pass --mirror DIR or set NMT_ABLATION_MIRROR to a folder in OPUS's layout"
        )
    source = mirror / file
    if not source.is_file():
        corpus = source.parents[2]
        near = sorted(str(path.relative_to(mirror)) for path in corpus.glob("*/*/*"))
        has = f"it has {', '.join(near[:8])}" if near else f"nor anything of {corpus.name}"
        raise UserError(f"{mirror}: has no {file}; {has}")
    size, done = source.stat().st_size, 0
    digest = hashlib.sha256()
    copy = folder / source.name
    with source.open("rb") as reader, copy.open("wb") as writer:
        while block := reader.read(BLOCK):
            digest.update(block)
            writer.write(block)
            done += len(block)
            tick(done, size)
    try:
        if copy.suffix == ".zip":
            with zipfile.ZipFile(copy) as archive:
                damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"member {damaged} is damaged")
        else:
            with gzip.open(copy) as stream:
                while stream.read(BLOCK):
                    pass
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{source}: is damaged ({error}); fetch the mirror's copy anew") from None
    return {"file": file, "bytes": size, "sha256": digest.hexdigest()}
