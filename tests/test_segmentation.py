"""Segmentations put together what they cut."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt_ablation.corpus.text import stream_lines, tidy
from nmt_ablation.errors import UserError
from nmt_ablation.segmentation import Words, dictionary_file, fit, load
from nmt_ablation.segmentation.config import SegmentationConfig
from nmt_ablation.values import SIDES

TEXT = [
    "Der alte Mann, der am Fluss sitzt, liest eine Zeitung.",
    'Er sagte: "Ein U-Bahn-Fahrer ist kein Lokführer (oder?)"',
    "The 3.5-litre engine's power wasn't 100% what they'd hoped…",
    "我们在河边看书。",
]
TYPES = ["sentencepiece-unigram", "sentencepiece-bpe", "subword-nmt", "words"]


@given(st.text())
def test_words_come_back_as_they_were(text: str) -> None:
    line = tidy(text).replace("￭", "■")
    assert Words().decode(Words().encode(line)) == line


def test_words_keep_their_vowels_and_give_up_their_punctuation() -> None:
    assert Words().encode("हिन्दी, (it's)") == ["हिन्दी", "￭,", "(￭", "it", "￭'￭", "s", "￭)"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("joint", [True, False])
def test_text_comes_back_as_it_was(tmp_path: Path, kind: str, joint: bool) -> None:
    for side in SIDES:
        (tmp_path / side).write_text("\n".join(TEXT * 5) + "\n")
    config = SegmentationConfig.model_validate(
        {"type": kind, "size": 140, "fit_on": "pool", "joint": joint}
    )
    fit(config, {side: [tmp_path / side] for side in SIDES}, tmp_path)
    for side in SIDES:
        segmenter = load(config, tmp_path, side)
        known = {line.split(" ")[0] for line in stream_lines(dictionary_file(tmp_path, side))}
        for line in TEXT:
            tokens = segmenter.encode(line)
            assert segmenter.decode(tokens) == line
            assert all(" " not in token for token in tokens)
            assert known.issuperset(tokens)


@pytest.mark.parametrize("kind", TYPES)
def test_fitting_twice_gives_the_same_dictionary(tmp_path: Path, kind: str) -> None:
    (tmp_path / "text").write_text("\n".join(TEXT * 5) + "\n")
    config = SegmentationConfig.model_validate({"type": kind, "size": 120, "fit_on": "pool"})
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        fit(config, {side: [tmp_path / "text"] for side in SIDES}, tmp_path / name)
        found.append(dictionary_file(tmp_path / name, "source").read_bytes())
    assert found[0] == found[1]


def test_a_size_that_the_text_can_not_give_is_said(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("\n".join(TEXT) + "\n")
    config = SegmentationConfig(type="sentencepiece-unigram", size=10, fit_on="pool")
    with pytest.raises(UserError, match=r"can't make 10 subwords .* change segmentation\.size"):
        fit(config, {side: [tmp_path / "text"] for side in SIDES}, tmp_path)
