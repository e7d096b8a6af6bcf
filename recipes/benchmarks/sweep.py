"""A whole grid of cells by plain fairseq commands and by nmt-ablation, on this machine.

Both sides start from the same binarised samples and the same vectors, and end with a score for each
cell. Plain means what a careful person would script: for each cell `fairseq-train` with BLEU on the
validation set, best checkpoint and patience, on all cores, in float32; then `fairseq-generate` and
sacreBLEU. There are no frozen embeddings in plain fairseq, so the arms are random and finetuned.

  python recipes/benchmarks/sweep.py --mirror DIR --data DIR

With --experiment recipes/benchmarks/quality.yaml it says how the BLEU of ours, in bfloat16, differs
over three seeds.
"""

import argparse
import json
import re
import shutil
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from sacrebleu.metrics.bleu import BLEU
from scipy.stats import ttest_1samp
from sides import (
    THREADS,
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

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.experiment import Cell
from nmt_ablation.experiment.file import load as load_experiment
from nmt_ablation.runner import Runner, Watcher, Work
from nmt_ablation.segmentation import load as load_segmenter
from nmt_ablation.stage import Stage
from nmt_ablation.stages.pretrained import Rows
from nmt_ablation.values import SIDES
from nmt_ablation.workspace import Workspace


class Clock(Watcher):
    """The times at which each cell trains its first update, and ends."""

    def __init__(self) -> None:
        self.training: dict[str, float] = {}
        self.ends: list[float] = []

    def running(self, name: str, left: list[Stage[Any]], workspace: Workspace) -> None:
        if left and left[0].name == "train" and workspace.progress(left[0]):
            self.training.setdefault(name, time.monotonic())

    def ended(self, name: str, seconds: float, error: str | None) -> None:
        if error:
            raise SystemExit(error)
        self.ends.append(time.monotonic())

    def gaps(self, at_once: int) -> list[float]:
        """Return the seconds from the end of a cell to the first update of the next in its
        place."""
        later = sorted(self.training.values())[at_once:]
        return [start - end for start, end in zip(later, self.ends, strict=False)]


def vectors(stage: Rows, workspace: Workspace, data: Path, language: str) -> str:
    """Write one side's vectors as the text that fairseq reads; return its path."""
    tokens = [line.rpartition(" ")[0] for line in stream_lines(data / f"dict.{language}.txt")]
    path = data.parent / f"{stage.side}.vec"
    workspace.ensure(stage)
    with np.load(workspace.file(stage.rows)) as rows:
        lines = [
            f"{tokens[index]} {' '.join(f'{value:.6f}' for value in values)}"
            for index, values in zip(rows["indices"], rows["values"], strict=True)
        ]
        header = f"{len(lines)} {rows['values'].shape[1]}"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return str(path)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a cell, by plain commands."""

    seconds: float
    bleu: float
    trained_on: float
    """Target tokens trained on."""


def plain(given: argparse.Namespace, cell: Cell) -> Outcome:
    pipeline, workspace = opened(given)
    experiment = pipeline.experiment
    training, rows = experiment.training, pipeline.train(cell).rows
    held_out = workspace.ensure(pipeline.hold_out())
    references = list(stream_lines(held_out / f"test.{experiment.target}"))
    segmented = workspace.ensure(pipeline.segmentation(cell.size, cell.seed))
    segmenter = load_segmenter(experiment.segmentation, segmented, "target")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = Path(shutil.copytree(data_bin(pipeline, workspace, cell), folder / "data-bin"))
        command = stock_training(
            data,
            experiment.source,
            experiment.target,
            experiment.model,
            training,
            folder,
            cell.seed,
        )
        command += [
            *("--eval-bleu", '--eval-bleu-args={"beam": 1, "max_len_a": 1.2, "max_len_b": 10}'),
            *("--eval-bleu-remove-bpe=sentencepiece", "--best-checkpoint-metric=bleu"),
            *("--maximize-best-checkpoint-metric", f"--patience={training.patience}"),
            f"--save-interval-updates={training.validate_every}",
            f"--validate-interval-updates={training.validate_every}",
            *("--keep-interval-updates=1", "--validate-interval=1000000"),
        ]
        if rows:
            source, target = (
                vectors(rows[side], workspace, data, experiment.language(side)) for side in SIDES
            )
            command += [f"--encoder-embed-path={source}", f"--decoder-embed-path={target}"]
        trained, training_log = timed(command)
        best = folder / "checkpoint_best.pt"
        generate = stock_translation(data, best, experiment.decoding.beam)
        without = "{'encoder_embed_path': None, 'decoder_embed_path': None}"
        translated, log = timed([*generate, f"--model-overrides={without}"])
    score: float = BLEU().corpus_score(hypotheses_in(log, segmenter), [references]).score
    in_batches = [float(found) for found in re.findall(r'"wpb": "([\d.]+)"', training_log)]
    updates = max(int(found) for found in re.findall(r'"num_updates": "(\d+)"', training_log))
    return Outcome(trained + translated, score, mean(in_batches) * updates)


def main() -> None:
    given = parser(__doc__, "sweep.yaml").parse_args()
    print(machine())
    pipeline, workspace = opened(given)
    cells = pipeline.experiment.cells()
    for stage in pipeline.preparation():
        workspace.ensure(stage)

    with tempfile.TemporaryDirectory(dir=given.workspace) as fresh:
        # All that comes before training is shared; what is trained is not.
        for folder in (workspace.root / "store").iterdir():
            if folder.name not in ("train", "translate", "score", "compare"):
                (Path(fresh) / "store").mkdir(exist_ok=True)
                (Path(fresh) / "store" / folder.name).symlink_to(folder)
        runner = Runner(load_experiment(given.experiment), pipeline.places, Workspace(Path(fresh)))
        clock, start = Clock(), time.monotonic()
        runner.run(
            {str(cell): Work(pipeline.scores([cell]), [cell]) for cell in cells},
            THREADS,
            clock,
        )
        ours = time.monotonic() - start
        scores = {
            str(cell): runner.workspace.record(pipeline.score(cell)).scores["bleu"].value
            for cell in cells
        }
    gaps = clock.gaps(THREADS)
    print(
        f"ours: {ours:.0f} s; from a cell's end to the next one's first update: "
        f"{', '.join(f'{gap:.1f}' for gap in gaps)} s"
    )

    theirs: dict[str, Outcome] = {}
    for cell in cells:
        found = theirs[str(cell)] = plain(given, cell)
        print(
            f"{cell!s:24} plain {found.seconds:5.0f} s, BLEU {found.bleu:5.2f}; "
            f"ours BLEU {scores[str(cell)]:5.2f}",
            flush=True,
        )
    for size, arm in dict.fromkeys((cell.size, cell.arm) for cell in cells):
        seeds = [str(cell) for cell in cells if (cell.size, cell.arm) == (size, arm)]
        if len(seeds) > 1:
            more = [scores[name] - theirs[name].bleu for name in seeds]
            ends = ttest_1samp(more, 0).confidence_interval()
            print(
                f"{size}-{arm}, mean BLEU of {len(seeds)} seeds: plain "
                f"{mean(theirs[name].bleu for name in seeds):.2f}, "
                f"ours {mean(scores[name] for name in seeds):.2f}; "
                f"ours - plain {mean(more):+.2f} ({ends.low:+.2f} to {ends.high:+.2f})"
            )
    experiment = pipeline.experiment
    done = sum(
        theirs[str(cell)].trained_on
        * operations(experiment.model, target_tokens(pipeline, workspace, cell))
        for cell in cells
    )
    whole = sum(found.seconds for found in theirs.values())
    for side, seconds, precision in (
        ("plain", whole, "float32"),
        ("ours", ours, experiment.training.precision),
    ):
        share = done / seconds / matrix_limit(getattr(torch, precision))
        print(
            f"{side}: {seconds:.0f} s, translating and all; training's products would take "
            f"{share:.0%} of it at this machine's limit in {precision}"
        )
    print(f"ratio {whole / ours:.2f}")
    print(json.dumps({name: asdict(found) for name, found in theirs.items()}))


if __name__ == "__main__":
    run(main)
