"""A fuzzer: damaged and made-up files of every kind that a user may give never end in a traceback.

`FUZZ=10000 python -m pytest tests/test_fuzz.py` looks longer. What it has found stands as examples.
"""

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nmt_ablation.corpus.read import moses_pairs, own_pairs, text_blocks
from nmt_ablation.corpus.text import read_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.opus.lock import Lock
from nmt_ablation.pretrained import vector_file
from nmt_ablation.pretrained.lexicon import read_lexicon
from nmt_ablation.results.files import load as load_report
from tests.conftest import TINY, Run

EXAMPLES = int(os.environ.get("FUZZ", "40"))
BOUNDED = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SPICES = [
    *(b"\x00", b"\xff\xfe", b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh9", b"\xfd7zXZ\0", b"(\xb5/\xfd"),
    *(b"\n", b"\r\n", b"\t", b" ", b"'", b'"', b"[", b"{", b"}", b"]", b": ", b"- ", b"&a ", b"*a"),
    *(b"null", b"true", b"-1", b"0", b"1e999", b"nan", b".inf", b"999999999999999999999", b"!!set"),
    *(b"name", b"arms", b"start", b"seeds", b"random", b"../../etc/passwd", "\u202e".encode()),
]
"""Bytes that parsers stumble over."""


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """A sound file, some of whose bytes were cut, doubled, or replaced."""
    content = sound
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.integers(0, 40))
        new = draw(st.sampled_from(SPICES) | st.binary(max_size=8))
        content = content[:at] + new + content[at + draw(st.sampled_from([0, length])) :]
    return content


def survives(read: Callable[[], object]) -> None:
    """Read something, which may be refused in words and in no other way."""
    try:
        read()
    except UserError as error:
        assert str(error).strip() and "Traceback" not in str(error)


def ignore(done: float, whole: float) -> None:
    """Do nothing with progress."""


@BOUNDED
@given(damaged(TINY.encode()))
@example(b"? [1, 2]\n: x\n")
@example(b"arms: {random: {start: {embeddings: [word2vec]}}}\n" + TINY.encode())
def test_experiment_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(content)
    survives(lambda: load(path))


VECTORS = {
    "text": b"3 4\neins 1 2 3 4\nzwei 0.1 -2 3e-3 4\ndrei 9 9 9 9\n",
    "without a header": b"eins 1 2 3 4\nzwei 0.1 -2 3e-3 4\n",
    "binary": b"2 3\neins " + np.arange(3, dtype="f4").tobytes() + b"\nzwei " + bytes(12) + b"\n",
    "fasttext": b"\xba\x16O/\x0c\x00\x00\x00" + np.arange(40, dtype="i4").tobytes(),
}


@pytest.mark.parametrize("kind", VECTORS)
@BOUNDED
@given(st.data())
def test_vector_files(tmp_path: Path, kind: str, data: st.DataObject) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(data.draw(damaged(VECTORS[kind])))
    survives(lambda: vector_file.read(path, ["eins", "zwei"], ignore))


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for side in ("de", "en", "scores"):
            archive.writestr(f"Made.de-en.{side}", "1.5\n2\n")
    return packed.getvalue()


@BOUNDED
@given(damaged(_zip()))
def test_archives_of_a_mirror(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "de-en.txt.zip"
    path.write_bytes(content)
    survives(lambda: list(moses_pairs(path, ("de", "en"), True, ignore)))


@BOUNDED
@given(damaged(b"eins\nzwei\ndrei vier\n"), st.binary(max_size=60))
def test_text(tmp_path: Path, content: bytes, other: bytes) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(content)
    two.write_bytes(other)
    survives(lambda: list(text_blocks(one)))
    survives(lambda: read_lines(one))
    survives(lambda: list(own_pairs([one, two], ignore)))
    survives(lambda: read_lexicon(two))


@pytest.fixture(scope="module")
def report(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    result = finished.call("report", "--out", str(folder))
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("ending", ["jsonl", "json", "npz", "hypotheses.tsv"])
@BOUNDED
@given(st.data())
def test_reports(tmp_path: Path, report: Path, ending: str, data: st.DataObject) -> None:
    for path in report.glob("tiny.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / f"tiny.{ending}"
    path.write_bytes(data.draw(damaged((report / path.name).read_bytes())))
    survives(lambda: load_report(tmp_path / "tiny.jsonl"))


LOCK = b"OPUS-Made/v1/moses/de-en.txt.zip:\n  bytes: 12\n  sha256: aa\n"


@BOUNDED
@given(damaged(LOCK))
def test_lock_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.lock"
    path.write_bytes(content)
    survives(lambda: Lock(path).pin_file("OPUS-Made/v1/moses/de-en.txt.zip", 12, "aa"))
