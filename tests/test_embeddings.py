"""Promise 4: vectors enter at the scale of random rows; what they cover is counted."""

from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.embeddings.place import coverage, place
from nmt_ablation.embeddings.train import train
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import VectorSource
from nmt_ablation.segmentation import Words


def _ignore(done: float, whole: float) -> None:
    pass


def test_rows_have_length_one_whatever_the_vectors_scale(tmp_path: Path) -> None:
    (tmp_path / "v.vec").write_text("4 2\nlong 30 40\nshort 0.003 0.004\nzero 0 0\nother 1 0\n")
    (tmp_path / "d.txt").write_text("unknown 1\nshort 1\nzero 1\nlong 1\n")
    covered = place(tmp_path / "v.vec", tmp_path / "d.txt", tmp_path / "rows.npz")
    assert covered == ["short", "long"]
    with np.load(tmp_path / "rows.npz") as rows:
        assert rows["indices"].tolist() == [1, 3]
        assert rows["values"] == pytest.approx(np.array([[0.6, 0.8], [0.6, 0.8]]))


def test_coverage_counts_types_and_tokens(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a a a b\nc c\n")
    assert coverage(["a", "b", "z"], tmp_path / "text") == {
        "types": pytest.approx(2 / 3),
        "tokens": pytest.approx(4 / 6),
    }


def test_the_same_text_gives_the_same_vectors(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("the cat sat on the mat\nthe dog sat on the log\n" * 50)
    config, found = VectorSource(epochs=2), []
    for name in ("one.vec", "other.vec"):
        train(config, [(tmp_path / "text", Words())], 8, tmp_path / name, _ignore)
        found.append((tmp_path / name).read_bytes())
    assert found[0] == found[1]
    assert not list(tmp_path.glob("*.txt"))


def test_text_without_frequent_tokens_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("once\n")
    with pytest.raises(UserError, match="lower min_count or name more corpora"):
        train(VectorSource(), [(tmp_path / "text", Words())], 8, tmp_path / "v.vec", _ignore)
