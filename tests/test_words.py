"""The words of a report, verdict by verdict, as golden files; WRITE_GOLDEN=1 writes them again."""

import os
from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.report.write import write
from nmt_ablation.results.comparable import with_gains
from nmt_ablation.results.looks import Looks
from nmt_ablation.results.means import Evidence, contrast, summarise
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import CellRow
from nmt_ablation.scoring.config import Scoring
from tests import rows

GOLDEN = Path(__file__).parent / "golden"
MEASURES = {"bleu": Scoring().measures["bleu"]}
GAINS = {
    "embeddings": (3.0, 1.8, 0.1),
    "whole": (7.0, 4.5, 2.0),
    "frozen": (1.2, -0.4, -4.0),
    "shuffled": (-0.1, 0.0, 0.1),
    "small-gain": (0.7, 0.8, 0.7),
}
"""The true gains of arms at each size."""
STARTS = {
    "random": {},
    "embeddings": {"embeddings": "word2vec"},
    "whole": {"model": "denoiser"},
    "frozen": {"model": "denoiser"},
    "shuffled": {"embeddings": "word2vec"},
    "small-gain": {"encoder": "masked"},
}
"""The pretrained thing that each arm's parts start from."""
SIZES = (1000, 4000, 29000)
CONTRASTS = [("whole", "embeddings"), ("shuffled", "frozen")]
PREDICTIONS = [
    {"arm": "whole", "expected": "better", "than": "embeddings"},
    {"arm": "shuffled", "expected": "equivalent"},
    {"arm": "frozen", "expected": "better", "sizes": [29000]},
]


def results(seeds: int, counts: tuple[int, ...]) -> Results:
    """Return results of arms whose true gains are known."""
    draw, cells, resamples = np.random.default_rng(8), list[CellRow](), {}
    for at, size in enumerate(SIZES):
        for seed in range(1, seeds + 1):
            shared = 0.4 * draw.normal()
            for arm, gains in {"random": (0.0, 0.0, 0.0), **GAINS}.items():
                bleu = 10 + 10 * at + gains[at] + shared + 0.3 * draw.normal()
                cells.append(rows.cell(size, arm, bleu, seed=seed))
                # As a thousand test sentences would have it.
                resamples[cells[-1].cell] = {
                    "bleu": bleu + np.append(0, 0.02 * draw.normal(size=99))
                }
    looks = Looks(counts, tuple(range(1, seeds + 1)), "bleu") if counts else None
    evidence = Evidence(
        with_gains(cells, "random", MEASURES), resamples, MEASURES, {"bleu": 1.0}, looks
    )
    found = rows.results([], evidence.rows).model_copy(update={"measures": MEASURES})
    arms = {arm: {"start": start} for arm, start in STARTS.items()}
    more = {
        "arms": arms,
        "contrasts": CONTRASTS,
        "predictions": PREDICTIONS,
        "verdict": {"looks": list(counts)},
    }
    compared = [len(GAINS)] * len(SIZES)
    return found.model_copy(
        update={
            "definition": found.definition | more,
            "means": summarise(evidence, "random", compared),
            "contrasts": contrast(evidence, CONTRASTS, len(CONTRASTS) * len(SIZES)),
        }
    )


@pytest.mark.parametrize(
    ("name", "seeds", "counts"),
    [("one-seed", 1, ()), ("four-seeds", 4, ()), ("looks", 6, (2, 3, 4, 6))],
)
def test_the_words_of_a_report_are_the_golden_ones(
    tmp_path: Path, name: str, seeds: int, counts: tuple[int, ...]
) -> None:
    write([results(seeds, counts)], tmp_path, "words", "nmt-ablation report words.yaml")
    said = (tmp_path / "words.md").read_text()
    golden = GOLDEN / f"words-{name}.md"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()


def test_the_golden_files_have_each_kind_of_verdict() -> None:
    words = [(GOLDEN / f"words-{name}.md").read_text() for name in ("four-seeds", "looks")]
    for sign in ("▲ +", "▼ -", "≈ ", "? "):
        assert all(sign in text for text in words)
    assert "With one seed nothing is decided" in (GOLDEN / "words-one-seed.md").read_text()
