"""The speed of training and translating one cell, beside stock fairseq, on this machine.

Training: so many updates by `fairseq-train` and by ours, in turn, on the same binarised data with
the same model, batches and threads, each in a process of its own. Told in target tokens a second,
median of the log's intervals after the first ones; the ratio is the median of the turns' ratios, as
a shared machine may be faster in one turn than in the next.

Translation: the test set by `fairseq-generate` and by ours, both with the same checkpoint, which is
trained first. Told in seconds of a cell's step, which for fairseq is the whole command and for ours
begins with a process that has all imported; in seconds of fairseq's search alone; and in BLEU.

  python recipes/benchmarks/training.py --mirror DIR --data DIR
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import torch
from sides import (
    THREADS,
    arguments,
    data_bin,
    hypotheses_in,
    machine,
    matrix_limit,
    opened,
    operations,
    parser,
    run,
    stock_training,
    stock_translation,
    target_tokens,
    timed,
)

from nmt_ablation.experiment import Cell

SKIPPED = 3
"""Intervals of the log in which memory and caches are still cold."""


def speed(log: str) -> float:
    """Return target tokens a second."""
    found = [float(wps) for wps in re.findall(r'"wps": "([\d.]+)"', log)]
    return median(found[SKIPPED:])


def train_stock(given: argparse.Namespace, cell: Cell) -> float:
    pipeline, workspace = opened(given)
    experiment = pipeline.experiment
    training = experiment.training.model_copy(update={"max_updates": given.updates})
    with tempfile.TemporaryDirectory() as folder:
        command = stock_training(
            data_bin(pipeline, workspace, cell),
            experiment.source,
            experiment.target,
            experiment.model,
            training,
            Path(folder),
        )
        _, log = timed([*command, "--no-save", "--disable-validation"])
    return speed(log)


def train_ours(given: argparse.Namespace, precision: str) -> float:
    command = [sys.executable, __file__, "--side", precision, "--updates", str(given.updates)]
    places = ["--mirror", given.mirror, "--data", str(given.data), "--cell", given.cell]
    more = ["--workspace", str(given.workspace), "--experiment", str(given.experiment)]
    _, log = timed([*command, *places, *more])
    return float(log.split("speed:")[1].split()[0])


def train_here(given: argparse.Namespace, cell: Cell) -> None:
    """Train in the side's own process."""
    from nmt_ablation.training import launch
    from nmt_ablation.training.plan import ArmPlan
    from nmt_ablation.transfer.start import Transfer

    changed = {"precision": given.side, "threads": THREADS, "max_updates": given.updates}
    shared = arguments(*opened(given), cell, **changed)
    with tempfile.TemporaryDirectory() as folder:
        arm = ArmPlan(Transfer(), Path(folder))
        launch.train(shared, [arm], Path(folder), lambda *_: None)
        print("speed:", speed((Path(folder) / launch.LOG).read_text(encoding="utf-8")))


def translations(given: argparse.Namespace, cell: Cell) -> Iterator[tuple[str, float, float]]:
    """Yield side, seconds and BLEU."""
    from sacrebleu.metrics.bleu import BLEU

    from nmt_ablation.corpus.text import stream_lines
    from nmt_ablation.segmentation import load
    from nmt_ablation.translation.system import System

    pipeline, workspace = opened(given)
    experiment = pipeline.experiment
    trained = pipeline.train(cell)
    workspace.ensure(trained)
    checkpoint = workspace.file(trained.checkpoint)
    held_out = workspace.ensure(pipeline.hold_out())
    segmented = workspace.ensure(pipeline.segmentation(cell.size, cell.seed))
    sides = (
        load(experiment.segmentation, segmented, "source"),
        load(experiment.segmentation, segmented, "target"),
    )
    data = data_bin(pipeline, workspace, cell)
    sources, references = (
        list(stream_lines(held_out / f"test.{language}"))
        for language in (experiment.source, experiment.target)
    )

    def bleu(hypotheses: list[str]) -> float:
        return float(BLEU().corpus_score(hypotheses, [references]).score)

    for _ in range(given.rounds):
        whole, log = timed(stock_translation(data, checkpoint, experiment.decoding.beam))
        hypotheses = hypotheses_in(log, sides[1])
        search = re.search(r"sentences \([^)]*\) in ([\d.]+)s", log)
        assert search
        yield "fairseq-generate", whole, bleu(hypotheses)
        yield "its search alone", float(search[1]), bleu(hypotheses)
        for side in ("float32", "int8"):
            decoding = experiment.decoding.model_copy(update={"precision": side})
            start = time.monotonic()
            system = System.load(checkpoint, data, sides, decoding, THREADS)
            ours = system.translate(sources, lambda *_: None)
            yield f"ours, {side}", time.monotonic() - start, bleu(ours)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cell", default="all-random-s1")
    options.add_argument("--updates", type=int, default=60)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--side", choices=["float32", "bfloat16"], help=argparse.SUPPRESS)
    given = options.parse_args()
    pipeline, workspace = opened(given)
    cell = pipeline.file.cell(given.cell)
    if given.side:
        train_here(given, cell)
        return
    tokens = target_tokens(pipeline, workspace, cell)
    print(machine())
    speeds: dict[str, list[float]] = {"fairseq-train": [], "float32": [], "bfloat16": []}
    for _ in range(given.rounds):
        speeds["fairseq-train"].append(train_stock(given, cell))
        for precision in ("float32", "bfloat16"):
            speeds[precision].append(train_ours(given, precision))
    stock = speeds["fairseq-train"]
    each = operations(pipeline.experiment.model, tokens)
    print(f"\nTraining, {given.cell}, dictionary of {tokens:,}, {THREADS} threads:")
    for side, found in speeds.items():
        dtype = torch.bfloat16 if side == "bfloat16" else torch.float32
        share = median(found) * each / matrix_limit(dtype)
        ratio = median(mine / theirs for mine, theirs in zip(found, stock, strict=True))
        print(
            f"  {side:16} {median(found):8,.0f} target tokens/s  {ratio:5.2f} x  "
            f"{share:4.0%} of the matrix limit  ({', '.join(f'{v:,.0f}' for v in found)})"
        )
    print(f"\nTranslation, beam {pipeline.experiment.decoding.beam}, {THREADS} threads:")
    results = list(translations(given, cell))
    whole = median(seconds for side, seconds, _ in results if side == "fairseq-generate")
    for name in dict.fromkeys(side for side, _, _ in results):
        seconds = [took for side, took, _ in results if side == name]
        score = next(score for side, _, score in results if side == name)
        print(
            f"  {name:16} {median(seconds):8.2f} s  {whole / median(seconds):5.2f} x as fast  "
            f"BLEU {score:.2f}  ({', '.join(f'{took:.2f}' for took in seconds)})"
        )
    print(json.dumps({"training": speeds, "translation": results}))


if __name__ == "__main__":
    run(main)
