"""Experiments whose true gains are known."""

from collections.abc import Sequence

import numpy as np

from nmt_ablation.results.comparable import with_gains
from nmt_ablation.results.looks import Looks
from nmt_ablation.results.means import Evidence
from nmt_ablation.results.rows import CellRow
from nmt_ablation.scoring.config import Scoring
from tests import rows

MEASURES = {"bleu": Scoring().measures["bleu"]}
COUNTS = (2, 3, 4, 6)
LOOKS = Looks(COUNTS, tuple(range(1, 7)), "bleu")
SMALLEST = {"bleu": 1.0}


def evidence(
    gains: Sequence[Sequence[float]], spread: float, draw: np.random.Generator, seeds: int = 6
) -> Evidence:
    """Return cells of arms whose true gains are known: sizes x arms, of which `random` is one
    more."""
    cells, resamples = list[CellRow](), {}
    for size, of_size in enumerate(gains, 1):
        for seed in range(1, seeds + 1):
            for arm, gain in zip("rabcdef", (0.0, *of_size), strict=False):
                bleu = 30 + gain + spread * draw.normal()
                cells.append(rows.cell(100 * size, arm, bleu, seed=seed))
                resamples[cells[-1].cell] = {"bleu": np.full(3, bleu)}
    return Evidence(with_gains(cells, "r", MEASURES), resamples, MEASURES, SMALLEST, LOOKS)
