"""Promise 4: vectors enter at the scale of random rows; what they cover is counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.model.config import Model
from nmt_ablation.pretrained import vec
from nmt_ablation.pretrained.compose import bare, compose, look_up, words
from nmt_ablation.pretrained.kind import Built, Given, Setting
from nmt_ablation.pretrained.word2vec import Word2Vec
from nmt_ablation.segmentation import Words
from nmt_ablation.segmentation.config import SegmentationConfig
from nmt_ablation.transfer.place import Placed, coverage, place
from nmt_ablation.values import SIDES


def _train(folder: Path, out: str = ".", **config: Any) -> Built:
    """Train vectors of the words in the file `text`, into `source.vec`."""
    setting = Setting(
        languages={"source": "xx", "target": "en"},
        model=Model(dimension=8),
        precision="float32",
        threads=1,
        segmentation=SegmentationConfig(type="words", size=100, fit_on="pool"),
        monolingual=("source",),
        further=(),
    )
    (folder / out).mkdir(exist_ok=True)
    given = Given(
        folder=folder / out,
        setting=setting,
        files={},
        fetched=None,
        texts={"source": folder / "text"},
        tokens={},
        segmenters=dict.fromkeys(SIDES, Words()),
        progress=lambda done, whole: None,
    )
    return Word2Vec(kind="word2vec", **config).build(given)["source"]


def _place(folder: Path, **how: Any) -> tuple[Placed, dict[str, Any]]:
    plain = {"matched": True, "dimension": 2, "pca": False, "shuffle": None, "mean": False}
    out = folder / "rows.npz"
    known = dict(zip(*vec.load(folder / "v.vec"), strict=True))
    placed = place(known, folder / "d.txt", out, **plain | how)
    with np.load(out) as rows:
        return placed, dict(rows)


def _vectors(folder: Path, tokens: int, dimension: int) -> np.ndarray[tuple[int, int], Any]:
    """Random vectors, all of them in the dictionary, in the same order."""
    values = np.random.default_rng(1).normal(0, 3, (tokens, dimension)).round(3)
    lines = [f"w{n} {' '.join(map(str, row))}\n" for n, row in enumerate(values.tolist())]
    (folder / "v.vec").write_text(f"{tokens} {dimension}\n" + "".join(lines))
    (folder / "d.txt").write_text("".join(f"w{n} 1\n" for n in range(tokens)))
    return values


def test_raw_rows_are_the_vectors_themselves(tmp_path: Path) -> None:
    values = _vectors(tmp_path, 20, 5)
    placed, rows = _place(tmp_path, matched=False, dimension=5)
    assert rows["values"] == pytest.approx(values)
    assert placed.lengths["mean"] == pytest.approx(np.linalg.norm(values, axis=1).mean())


def test_shuffled_rows_are_the_same_rows_for_other_tokens(tmp_path: Path) -> None:
    _vectors(tmp_path, 50, 5)
    plain = _place(tmp_path, dimension=5)[1]
    shuffled, again, other = (_place(tmp_path, dimension=5, shuffle=(n, 0))[1] for n in (1, 1, 2))
    assert shuffled["indices"].tolist() == plain["indices"].tolist()
    assert sorted(shuffled["values"].tolist()) == sorted(plain["values"].tolist())
    moved = (shuffled["values"] != plain["values"]).any(axis=1)
    assert moved.mean() > 0.9
    assert np.array_equal(shuffled["values"], again["values"])
    assert not np.array_equal(shuffled["values"], other["values"])


def test_principal_components_keep_the_most_of_distances(tmp_path: Path) -> None:
    values = _vectors(tmp_path, 200, 10)
    values[:, :3] *= 100
    lines = [f"w{n} {' '.join(map(str, row))}\n" for n, row in enumerate(values.tolist())]
    (tmp_path / "v.vec").write_text("200 10\n" + "".join(lines))
    rows = _place(tmp_path, matched=False, dimension=3, pca=True)[1]["values"]
    assert rows.shape == (200, 3)
    distances = [np.linalg.norm(table[1:] - table[:-1], axis=1) for table in (values, rows)]
    assert distances[1] == pytest.approx(distances[0], rel=0.1)


@pytest.mark.parametrize(
    ("tokens", "how", "says"),
    [
        (
            20,
            {"dimension": 4},
            "the vectors have dimension 5, and the model has 4; .* pca or projection",
        ),
        (20, {"dimension": 8, "pca": True}, "20 vectors of dimension 5 can't be reduced to 8"),
        (3, {"dimension": 4, "pca": True}, "3 vectors of dimension 5 can't be reduced to 4"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_with_the_remedy(
    tmp_path: Path, tokens: int, how: dict[str, Any], says: str
) -> None:
    _vectors(tmp_path, tokens, 5)
    with pytest.raises(UserError, match=says):
        _place(tmp_path, **how)


def test_vectors_of_any_dimension_can_be_placed_for_a_projection(tmp_path: Path) -> None:
    _vectors(tmp_path, 20, 5)
    assert _place(tmp_path, dimension=None)[1]["values"].shape == (20, 5)


def test_rows_have_length_one_whatever_the_vectors_scale(tmp_path: Path) -> None:
    (tmp_path / "v.vec").write_text("4 2\nlong 30 40\nshort 0.003 0.004\nzero 0 0\nother 1 0\n")
    (tmp_path / "d.txt").write_text("unknown 1\nshort 1\nzero 1\nlong 1\n")
    placed, rows = _place(tmp_path)
    assert placed.tokens == ["short", "long"]
    assert rows["indices"].tolist() == [1, 3]
    assert rows["values"] == pytest.approx(np.array([[0.6, 0.8], [0.6, 0.8]]))
    assert placed.lengths == {"mean": pytest.approx(1), "deviation": pytest.approx(0)}


def test_coverage_counts_types_and_tokens(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a a a b\nc c\n")
    assert coverage(["a", "b", "z"], tmp_path / "text") == {
        "types": pytest.approx(2 / 3),
        "tokens": pytest.approx(4 / 6),
    }


def test_the_same_text_gives_the_same_vectors(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("the cat sat on the mat\nthe dog sat on the log\n" * 50)
    found = []
    for out in ("one", "other"):
        _train(tmp_path, out, epochs=2)
        assert [path.name for path in (tmp_path / out).iterdir()] == ["source.vec"]
        found.append((tmp_path / out / "source.vec").read_bytes())
    assert found[0] == found[1]


def test_vectors_may_see_no_more_than_the_first_lines(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a b\n" * 5 + "c d\n" * 5)
    found = _train(tmp_path, lines=5, min_count=1)
    assert found == Built(vectors=2, dimension=8, details={"tokens_seen": 10})


def test_text_without_frequent_tokens_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("once\n")
    with pytest.raises(UserError, match="lower min_count or name more corpora"):
        _train(tmp_path)


def test_tokens_without_a_vector_may_get_the_mean_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "v.vec").write_text("2 2\na 2 0\nb 0 2\n")
    (tmp_path / "d.txt").write_text("a 1\nnone 1\nb 1\n")
    placed, rows = _place(tmp_path, mean=True)
    assert placed.tokens == ["a", "b"]
    by_row = dict(zip(rows["indices"].tolist(), rows["values"].tolist(), strict=True))
    assert by_row[1] == pytest.approx([0.5, 0.5])
    assert by_row[0] == pytest.approx([1, 0])


def test_the_mean_of_centred_vectors_is_no_direction_of_rounding_errors(tmp_path: Path) -> None:
    _vectors(tmp_path, 50, 5)
    with (tmp_path / "d.txt").open("a") as dictionary:
        dictionary.write("none 1\n")
    rows = _place(tmp_path, mean=True, pca=True, matched=False)[1]
    assert rows["indices"][-1] == 50
    assert np.abs(rows["values"][-1]).max() < 1e-5


def test_vectors_that_cover_nothing_are_refused(tmp_path: Path) -> None:
    (tmp_path / "v.vec").write_text("1 2\nHaus 2 0\n")
    (tmp_path / "d.txt").write_text("dog 1\n")
    with pytest.raises(UserError, match=r"no token of the dictionary has a vector; .* unit: word"):
        _place(tmp_path)


@pytest.mark.parametrize(
    ("token", "form"),
    [("▁Haus", "Haus"), ("Ha@@", "Ha"), ("￭,", ","), ("Haus￭", "Haus"), ("▁", "▁"), ("a", "a")],
)
def test_marks_of_segmentation_are_no_part_of_a_word(token: str, form: str) -> None:
    assert bare(token) == form


def test_a_token_is_looked_up_as_it_is_then_bare_then_lower_cased() -> None:
    one, two, three = (np.full(2, n, np.float32) for n in (1, 2, 3))
    known = {"▁Haus": one, "Haus": two, "haus": three}
    assert look_up(["▁Haus", "Haus@@", "▁HAUS", "x"], known) == {
        "▁Haus": one,
        "Haus@@": two,
        "▁HAUS": three,
    }


class _Halves:
    """Cuts words into their first letter and the rest."""

    def encode(self, line: str) -> list[str]:
        return [line[:1], line[1:]]

    def decode(self, tokens: list[str]) -> str:
        return "".join(tokens)


def test_a_piece_is_the_mean_of_its_words_each_as_often_as_it_stands_in_the_text() -> None:
    counts = words(["ab ab ab ac", "ab zz, ac"])
    assert counts["ab"] == 4 and counts["ac"] == 2
    known = {"ab": np.array([3, 0], np.float32), "ac": np.array([0, 6], np.float32)}
    composed = compose(["a", "b", "z"], counts, _Halves(), known)
    assert composed.keys() == {"a", "b"}
    assert composed["a"].tolist() == pytest.approx([2, 2])
    assert composed["b"].tolist() == pytest.approx([3, 0])
