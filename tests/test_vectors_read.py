"""Vectors out of files: the same floats as in the file, and what is wrong with a file is said."""

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import load_facebook_vectors, save_facebook_model
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from nmt_ablation.errors import UserError
from nmt_ablation.pretrained.vector_file import NOT_UTF8, Vectors, read

SENTENCES = [["the", "cat", "sat"], ["the", "größe", "猫"], ["a", "Köln", "cat"]] * 5
ALL = ["the", "cat", "sat", "größe", "猫", "a", "Köln"]


def _ignore(done: float, whole: float) -> None:
    pass


def _read(path: Path, wanted: Sequence[str] = ("a", "b")) -> Vectors:
    return read(path, wanted, _ignore)


def _write(folder: Path, content: str | bytes) -> Path:
    path = folder / "vectors"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture(scope="module")
def word2vec() -> KeyedVectors:
    return Word2Vec(SENTENCES, vector_size=12, min_count=1, seed=1, workers=1).wv


@pytest.fixture(scope="module")
def fasttext(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    model = FastText(SENTENCES, vector_size=12, min_count=1, seed=1, workers=1, bucket=500)
    save_facebook_model(model, str(path))
    return path


# What a file has


@pytest.mark.parametrize("header", ["3 2\n", ""])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_text_is_read_with_and_without_a_header(tmp_path: Path, header: str, end: str) -> None:
    lines = ["b 0.5 -1e-3", "unwanted 7 8", "a 3 .25"]
    found = _read(_write(tmp_path, header + "".join(line + end for line in lines)))
    assert found.tokens == ["a", "b"]
    assert found.values.dtype == np.float32
    assert found.values.tolist() == [[3, 0.25], [0.5, np.float32(-1e-3)]]
    assert (found.dimension, found.composed, found.duplicates) == (2, frozenset(), 0)


def test_tokens_come_in_the_order_they_were_asked_for_and_once(tmp_path: Path) -> None:
    found = _read(_write(tmp_path, "a 1 2\nb 3 4\nc 5 6\n"), ["c", "missing", "a", "c"])
    assert found.tokens == ["c", "a"]
    assert found.values.tolist() == [[5, 6], [1, 2]]


def test_where_nothing_is_found_the_dimension_is_known(tmp_path: Path) -> None:
    found = _read(_write(tmp_path, "x 1 2 3\n"))
    assert found.tokens == []
    assert found.values.shape == (0, 3)
    assert found.dimension == 3


def test_tokens_with_spaces_are_read_as_gloves(tmp_path: Path) -> None:
    text = "the 1 2\n. . . 3 4\nat name@domain.com 5 6\n 7 8\n"
    found = _read(_write(tmp_path, text), ["at name@domain.com", ". . ."])
    assert found.values.tolist() == [[5, 6], [3, 4]]


def test_only_a_line_feed_ends_a_line_and_only_a_space_a_field(tmp_path: Path) -> None:
    odd = ["1\u00a0000", "a\u2009b", "a\u2028b", "a\u0085b", "a\rb", "a\x0bb", "\u3000"]
    text = f"{len(odd)} 2\n" + "".join(f"{token} {at} 1\n" for at, token in enumerate(odd))
    found = _read(_write(tmp_path, text), odd)
    assert found.tokens == odd
    assert found.values[:, 0].tolist() == list(range(len(odd)))


def test_of_several_vectors_of_a_token_the_first_is_taken(tmp_path: Path) -> None:
    found = _read(_write(tmp_path, "4 2\na 1 2\na 3 4\nx 0 0\na 5 6\n"))
    assert found.values.tolist() == [[1, 2]]
    assert found.duplicates == 2


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("binary", [False, True])
def test_word2vecs_files_are_read_as_gensim_reads_them(
    tmp_path: Path, word2vec: KeyedVectors, binary: bool, packed: bool
) -> None:
    path = tmp_path / "vectors"
    word2vec.save_word2vec_format(str(path), binary=binary)
    known = KeyedVectors.load_word2vec_format(str(path), binary=binary)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    found = _read(path, ALL)
    assert found.tokens == ALL
    assert np.array_equal(found.values, [known[token] for token in ALL])


def test_word2vecs_own_binary_ends_vectors_with_line_feeds(tmp_path: Path) -> None:
    rows = [("a", (0.1, 10.0)), ("\u00fc", (3.0, 4.0)), ("b", (1e-8, -5.0))]
    body = b"".join(token.encode() + b" " + struct.pack("<2f", *row) + b"\n" for token, row in rows)
    found = _read(_write(tmp_path, b"3 2\n" + body), ["ü", "b"])
    assert found.tokens == ["ü", "b"]
    assert np.array_equal(found.values, np.array([(3, 4), (1e-8, -5)], np.float32))


@pytest.mark.parametrize("packed", [False, True])
def test_a_fasttext_model_gives_gensims_vectors_also_for_tokens_it_never_saw(
    tmp_path: Path, fasttext: Path, packed: bool
) -> None:
    path = _write(tmp_path, gzip.compress(fasttext.read_bytes())) if packed else fasttext
    wanted = ["cats", "the", "größen", "猫", "größe", "猫が"]
    known = load_facebook_vectors(str(fasttext))
    found = _read(path, wanted)
    assert found.tokens == wanted
    assert found.composed == {"cats", "größen", "猫が"}
    assert found.values == pytest.approx(np.array([known[token] for token in wanted]), abs=1e-7)


def test_a_fasttext_model_without_ngrams_has_only_the_tokens_it_lists(tmp_path: Path) -> None:
    model = FastText(SENTENCES, vector_size=4, min_count=1, max_n=0, bucket=10, workers=1)
    save_facebook_model(model, str(tmp_path / "model.bin"))
    found = _read(tmp_path / "model.bin", ["cats", "cat"])
    assert found.tokens == ["cat"]
    assert found.composed == frozenset()
    assert found.values[0] == pytest.approx(model.wv.vectors_vocab[model.wv.key_to_index["cat"]])


def test_a_fasttext_model_makes_no_ngrams_of_the_end_of_a_sentence(fasttext: Path) -> None:
    assert _read(fasttext, ["</s>", "</sa>"]).tokens == ["</sa>"]


def test_progress_reaches_the_whole_file_in_bytes(tmp_path: Path, fasttext: Path) -> None:
    packed = tmp_path / "vectors.gz"
    packed.write_bytes(gzip.compress(b"a 1 2\n" * 20_000))
    for path in (packed, fasttext):
        told: list[tuple[float, float]] = []
        read(path, ["a"], lambda done, whole, told=told: told.append((done, whole)))  # type: ignore[misc]
        assert told[-1] == (path.stat().st_size, path.stat().st_size)
        assert [done for done, _ in told] == sorted(done for done, _ in told)


_TOKENS = st.text(st.characters(codec="utf-8", exclude_characters=" \n"), min_size=1)
_ROWS = st.dictionaries(
    _TOKENS,
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3),
    min_size=1,
)


@given(rows=_ROWS, header=st.booleans(), data=st.data())
def test_any_vocabulary_comes_back_with_the_floats_that_numpy_reads(
    tmp_path_factory: pytest.TempPathFactory,
    rows: dict[str, list[float]],
    header: bool,
    data: st.DataObject,
) -> None:
    lines = [" ".join([token, *map(repr, row)]) for token, row in rows.items()]
    if header:
        lines.insert(0, f"{len(rows)} 3")
    path = tmp_path_factory.getbasetemp() / "any.vec"
    path.write_bytes(("\n".join(lines) + "\n").encode())
    wanted = data.draw(st.lists(st.sampled_from(list(rows)), unique=True))
    found = _read(path, wanted)
    assert found.tokens == wanted
    expected: NDArray[np.float32] = np.array([rows[token] for token in wanted], np.float32)
    assert np.array_equal(found.values, expected.reshape(-1, 3))


# What is wrong with a file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": is empty"),
        ("3 2\na 1 2\nx 1\nb 1 2\n", ":3: has 1 numbers and should have 2"),
        ("3 2\na 1 2\nx 1 2 3\nb 1 2\n", ":3: has 3 numbers and should have 2"),
        ("a 1 2\nx 1 2 3\n", ":2: has 3 numbers and should have 2"),
        ("3 2\nx 1\na 1 2\nb 1 2\n", ":2: has 1 numbers and should have 2"),
        ("a 1 2\n\nb 1 2\n", ":2: has 0 numbers"),
        ("3 2\na 1 2\nb 1 2\nx 1", ":4: has 1 numbers .* cut off"),
        ("3 2\na 1 2\nb 1 2\n", ":3: the file ends here, after 2 vectors of the 3"),
        ("3 2\n", ":1: the file ends here, after 0 vectors of the 3"),
        ("1 2\na 1 2\nb 1 2\n", ":3: is one line more than the 1 that the first line promises"),
        ("a 1 2\nb 1 nan\n", ":2: the vector of 'b' has a number that isn't finite"),
        ("a 1 2\nb -inf 1\n", ":2: the vector of 'b' has a number that isn't finite"),
        ("a 1 2\nb 1e39 1\n", ":2: the vector of 'b' has a number that isn't finite"),
        ("a 1 2\nb 1 0x2\n", ":2: '0x2' is no number"),
        ("a 1 2\nb 1  \n", ":2: has 1 numbers"),
        ("5 0\n", "promises 5 vectors of 0 numbers"),
        (b"a 1 2\nm\xfcde 1 2\n", r":2: the token is not UTF-8, nor are 0 others of 2"),
        ("\n<!DOCTYPE html>\n<html>", "is a web page"),
        ("<html><body>Not found", "is a web page"),
        (b"PK\x03\x04\x14\0\0\0", "is a zip archive; unpack it"),
        (b"\x80\x04\x95\0\0", "neither `rows dimension` nor a token and numbers"),
        ("0 300\n", "promises 0 vectors of 300 numbers"),
        ("just some words\n", "starts with 'just some words', which is neither"),
    ],
)
def test_a_bad_text_file_says_line_and_cause(
    tmp_path: Path, content: str | bytes, message: str
) -> None:
    path = _write(tmp_path, content)
    with pytest.raises(UserError, match=message) as raised:
        _read(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


def test_unwanted_numbers_are_not_looked_at(tmp_path: Path) -> None:
    assert _read(_write(tmp_path, "a 1 2\nx y nan\n")).tokens == ["a"]


def test_a_few_broken_tokens_don_t_spoil_a_file(tmp_path: Path) -> None:
    rows = b"".join(b"w%d 1 2\n" % at for at in range(NOT_UTF8))
    assert _read(_write(tmp_path, b"a 1 2\n\xec\x9d 3 4\n" + rows)).tokens == ["a"]


@pytest.mark.parametrize("binary", [False, True])
def test_a_file_cut_off_anywhere_is_told_from_a_whole_one(
    tmp_path: Path, word2vec: KeyedVectors, binary: bool
) -> None:
    path = tmp_path / "vectors"
    word2vec.save_word2vec_format(str(path), binary=binary)
    whole = path.read_bytes()
    # The last number of a text may lose its end without a trace, and its line feed.
    last = 1 if binary else len(whole) - whole.rindex(b" ")
    for size in range(len(whole) - last + 1):
        with pytest.raises(UserError):
            _read(_write(tmp_path, whole[:size]))


def test_a_binary_file_says_at_which_byte_it_is_bad(tmp_path: Path) -> None:
    row = struct.pack("<16f", *np.linspace(-1, 1, 16))
    good = b"a " + row + b"b " + row
    cases = {
        b"3 16\n" + good: r"is cut off at byte 137, amid what starts at byte 137",
        b"2 16\n" + good[:-3]: r"is cut off at byte 134, amid what starts at byte 73",
        b"1 16\n" + good: r"more than the 1 vectors that its first line promises at byte 71",
        b"2 16\n" + good.replace(b"b ", b"\xff "): r"at byte 71: the token is not UTF-8",
        b"2 16\n" + good[:-4] + struct.pack("<f", np.nan): r"at byte 71: the vector of 'b'",
        b"2 16\n" + b"a " + row + b"x" * 9000: r"a token that doesn't end",
    }
    for content, message in cases.items():
        with pytest.raises(UserError, match=message):
            _read(_write(tmp_path, content))


def test_a_fasttext_model_cut_off_anywhere_says_so(tmp_path: Path, fasttext: Path) -> None:
    whole = fasttext.read_bytes()
    for size in [*range(4, 400), 10_000, 20_000]:
        with pytest.raises(UserError, match=f"is cut off at byte {size:,}"):
            _read(_write(tmp_path, whole[:size]))


def test_a_quantised_fasttext_model_is_refused(tmp_path: Path, fasttext: Path) -> None:
    shape = struct.pack("<2q", 500 + len(ALL), 12)
    content = bytearray(fasttext.read_bytes())
    content[content.index(shape) - 1] = 1
    with pytest.raises(UserError, match="is quantised"):
        _read(_write(tmp_path, bytes(content)))


def test_a_fasttext_model_whose_matrix_does_not_fit_is_refused(
    tmp_path: Path, fasttext: Path
) -> None:
    shape, other = struct.pack("<2q", 500 + len(ALL), 12), struct.pack("<2q", 5, 12)
    with pytest.raises(UserError, match="a matrix of 5 x 12 that doesn't fit"):
        _read(_write(tmp_path, fasttext.read_bytes().replace(shape, other)))


def test_a_damaged_gz_is_told(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(2000, 4))
    packed = gzip.compress("".join(f"w {a} {b} {c} {d}\n" for a, b, c, d in rows).encode())
    flipped = packed[:2000] + bytes([packed[2000] ^ 0xFF]) + packed[2001:]
    for content in (packed[:-100], packed[:200], flipped, packed[:-8] + b"\0" * 8):
        with pytest.raises(UserError, match=r"damaged|number"):
            _read(_write(tmp_path, content))


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"):
        _read(tmp_path)
    with pytest.raises(UserError, match="there is no such file"):
        _read(tmp_path / "none.vec")


@given(data=st.data())
def test_whatever_happens_to_a_few_bytes_a_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    word2vec: KeyedVectors,
    fasttext: Path,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    kind = data.draw(st.sampled_from(["text", "binary", "fasttext"]))
    if kind == "fasttext":
        content = fasttext.read_bytes()
    else:
        word2vec.save_word2vec_format(str(path), binary=kind == "binary")
        content = path.read_bytes()
    if data.draw(st.booleans(), label="packed"):
        content = gzip.compress(content)
    # What steers the reading of a fastText model stands in its first 300 bytes.
    at = data.draw(st.integers(0, 300) | st.integers(0, len(content)))
    until = at + data.draw(st.integers(0, 4))
    path.write_bytes(content[:at] + data.draw(st.binary(max_size=4)) + content[until:])
    try:
        found = _read(path, ALL)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(found.values).all()
