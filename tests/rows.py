"""Rows and results of made-up numbers, for tests of what is made of them."""

from collections.abc import Sequence
from typing import Any

from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import (
    CellRow,
    ContrastRow,
    CorpusRow,
    Gain,
    HeldOutLoss,
    MeanRow,
    MeanScore,
    Network,
    Pairing,
    Training,
)
from nmt_ablation.scoring.config import Scoring
from nmt_ablation.scoring.resample import PairedTest
from nmt_ablation.scoring.score import Score

TRAINING = Training(
    updates=100,
    ended_by="patience",
    best_update=50,
    validation_bleu=5.0,
    validations=(),
    seconds=1200.0,
    together=1,
    too_long=0,
    parameters=10,
    weights="w",
    torch="2",
    device="cpu",
    precision="float32",
)
BART = Network(
    name="bart",
    parts=("encoder-layers",),
    objective="denoising",
    text="monolingual, xx and en",
    seed=1,
    lines=900,
    held_out=100,
    updates=50,
    epochs=2,
    tokens=1000,
    predicted=1000,
    too_long=0,
    losses=(HeldOutLoss(update=25, loss=5.5), HeldOutLoss(update=50, loss=4.25)),
    seconds=30.0,
    threads=2,
    parameters=10,
    weights="w",
    device="cpu",
    digest="n",
)
PAIRING = Pairing(data="d", initial_weights="w", batches={1: "x", 50: "y"})
METRICS = ("bleu", "chrf")
CORPUS = CorpusRow(corpus="c", read=9, dropped={"too long": 2}, duplicates=1, leaks=1, pool=5)


def cell(pairs: int, arm: str, bleu: float, gain: float | None = 0.0, **other: Any) -> CellRow:
    """Return a cell whose chrF is twice its BLEU; keys of its training go there."""
    training = {key: other.pop(key) for key in list(other) if key in Training.model_fields}
    values: dict[str, Any] = {
        "experiment": "tiny",
        "pair": "xx-en",
        "size": pairs,
        "pairs": pairs,
        "arm": arm,
        "seed": 1,
        "scores": {
            "bleu": Score(value=bleu, signature="b"),
            "chrf": Score(value=2 * bleu, signature="c"),
        },
        "gains": {} if gain is None else {"bleu": gain, "chrf": 2 * gain},
        "tests": {}
        if not gain
        else {name: PairedTest(bootstrap=0.01, randomisation=0.02) for name in METRICS},
        "empty_hypotheses": 0,
        "warnings": (),
        "training": TRAINING.model_copy(update=training),
        "pairing": PAIRING,
        "coverage": {},
        "alignment": None,
        "near_duplicates": None,
        "test_sentences": 1000,
        "digest": f"{pairs}-{arm}",
    }
    return CellRow(**values | other)


def gain(mean: float, p: float = 0.5, **other: Any) -> Gain:
    """Return a gain whose intervals are 1 wide on either side."""
    ends = (mean - 1, mean + 1)
    values: dict[str, Any] = {"p_alone": p, "p": p, "simultaneous": ends}
    return Gain(mean=mean, low=ends[0], high=ends[1], **values | other)


def mean(
    pairs: int,
    arm: str,
    more: float | None,
    p: float = 0.5,
    seeds: int = 2,
    score: float = 10.0,
    **other: Any,
) -> MeanRow:
    """Return a mean over seeds, with the same numbers by each metric."""
    scores = dict.fromkeys(METRICS, MeanScore(mean=score, low=score - 1, high=score + 1))
    gains = {} if more is None else dict.fromkeys(METRICS, gain(more, p))
    values: dict[str, Any] = {"size": pairs, "pairs": pairs, "arm": arm, "seeds": seeds}
    return MeanRow(**values | {"scores": scores, "gains": gains} | other)


def contrast(pairs: int, arm: str, other: str, more: float, p: float = 0.5) -> ContrastRow:
    """Return a contrast, with the same numbers by each metric."""
    gains = dict.fromkeys(METRICS, gain(more, p))
    return ContrastRow(size=pairs, pairs=pairs, arm=arm, other=other, seeds=2, gains=gains)


CELLS = [
    cell(100, "random", 5.0),
    cell(100, "tuned", 9.0, 4.0),
    cell(1000, "random", 20.0),
    cell(1000, "tuned", 20.1, 0.1),
    cell(9000, "random", 30.0, ended_by="budget"),
    cell(9000, "tuned", 29.0, -1.0),
]
MEANS = [
    mean(100, "random", None),
    mean(100, "tuned", 4.0, 0.001),
    mean(1000, "random", None),
    mean(1000, "tuned", 0.1, 0.4),
    mean(9000, "random", None),
    mean(9000, "tuned", -2.0, 0.01),
]


def results(
    means: Sequence[MeanRow],
    cells: Sequence[CellRow],
    name: str = "tiny",
    contrasts: Sequence[ContrastRow] = (),
) -> Results:
    """Return the results of an experiment that asks for the arms at the sizes that are there."""
    sizes = list(dict.fromkeys(row.size for row in cells))
    arms = {
        arm: {"sizes": [size for size in sizes if (size, arm) in at]}
        for at in [{(row.size, row.arm) for row in cells}]
        for arm in dict.fromkeys(["random", *(row.arm for row in cells)])
    }
    definition: dict[str, Any] = {
        "sizes": sizes,
        "seeds": sorted({row.seed for row in cells}),
        "arms": arms,
        "baseline": "random",
    }
    return Results(
        name=name,
        pair="xx-en",
        baseline="random",
        definition=definition,
        measures=Scoring().measures,
        primary="bleu",
        cells=[row.model_copy(update={"experiment": name}) for row in cells],
        unfinished=[],
        means=list(means),
        contrasts=list(contrasts),
        corpora=[],
        monolingual=[],
        examples=[],
        cited=["somebody"],
        versions={},
        command="nmt-ablation report",
    )
