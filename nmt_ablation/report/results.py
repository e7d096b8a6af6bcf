"""Finished cells as rows, and the gate that refuses to compare what can't be compared."""

import csv
import io
import json
from itertools import groupby
from typing import Any

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.workspace import Workspace

Row = dict[str, Any]
"""One cell: its scores, how its training ended, and the digests of all that made it."""

CSV_COLUMNS = [
    *("pair", "size", "pairs", "arm", "seed"),
    *("bleu", "chrf", "gain_bleu", "gain_chrf", "p_bleu", "p_chrf"),
    *("ended_by", "updates", "best_update", "valid_bleu", "training_seconds"),
    *("digest", "bleu_signature", "chrf_signature"),
]


def collect(pipeline: Pipeline, workspace: Workspace) -> list[Row]:
    """The rows of all finished cells, gains included where the baseline is finished too.

    Raises:
        UserError: arms of one size and seed were not trained alike; what differs is named.
    """
    experiment = pipeline.experiment
    rows = [
        _row(pipeline, workspace, cell)
        for cell in experiment.cells()
        if workspace.done(pipeline.score(cell))
    ]
    for (size, seed), group in groupby(rows, key=lambda row: (row["size"], row["seed"])):
        arms = list(group)
        _gate(arms, f"size {size}, seed {seed}")
        for row in arms:
            for other in arms:
                if other["arm"] == experiment.baseline:
                    row["gain_bleu"] = row["bleu"] - other["bleu"]
                    row["gain_chrf"] = row["chrf"] - other["chrf"]
    return rows


def as_jsonl(rows: list[Row]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_csv(rows: list[Row]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> Row:
    experiment = pipeline.experiment
    train, score, compare = pipeline.train(cell), pipeline.score(cell), pipeline.compare(cell)
    trained, scored = workspace.record(train), workspace.record(score)
    row: Row = {
        "experiment": experiment.name,
        "pair": experiment.pair,
        "size": cell.size,
        "pairs": workspace.record(pipeline.sample(cell.size, cell.seed))["pairs"],
        "arm": cell.arm,
        "seed": cell.seed,
        **scored,
        "gain_bleu": None,
        "gain_chrf": None,
        "p_bleu": None,
        "p_chrf": None,
        **trained,
        "coverage": workspace.record(train.inputs["rows"]) if "rows" in train.inputs else None,
        "test_sentences": workspace.record(pipeline.hold_out())["test"],
        "digest": score.digest,
    }
    row["pairing"] = trained["pairing"] | {"data": train.inputs["binarise"].digest}
    if cell.arm != experiment.baseline and workspace.done(compare):
        compared = workspace.record(compare)
        row["p_bleu"], row["p_chrf"] = compared["bleu"]["p"], compared["chrf"]["p"]
    return row


def _gate(arms: list[Row], where: str) -> None:
    first = arms[0]
    for other in arms[1:]:
        mine, theirs = first["pairing"], other["pairing"]
        shared = mine["batches"].keys() & theirs["batches"].keys()
        differs = {
            "the training data": mine["data"] != theirs["data"],
            "the weights before training": mine["initial_weights"] != theirs["initial_weights"],
            "the order of batches": any(
                mine["batches"][update] != theirs["batches"][update] for update in shared
            ),
            "the BLEU signature": first["bleu_signature"] != other["bleu_signature"],
            "the chrF signature": first["chrf_signature"] != other["chrf_signature"],
        }
        for what, so in differs.items():
            if so:
                raise UserError(
                    f"{where}: {what} of arms '{first['arm']}' and '{other['arm']}' differ, so "
                    "their scores can't be compared; run both again on one machine"
                )
