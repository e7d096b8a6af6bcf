"""Finished cells as rows, and the gate that refuses to compare what can't be compared."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.progress import track

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import SIDES, Arm, Cell
from nmt_ablation.pipeline import METRICS, Pipeline
from nmt_ablation.workspace import Json, Step, Workspace

Row = dict[str, Any]
"""One cell: its scores, how its training ended, and the digests of all that made it."""

Records = Mapping[str, Json]
"""What steps have put on record, by their digests."""

P_VALUES = {
    **{f"p_{metric}": (metric, "p") for metric in METRICS},
    **{f"p_{metric}_ar": (metric, "p_ar") for metric in METRICS},
}
"""Of a cell's gain: by bootstrap and by approximate randomisation; where `compare` keeps them."""
CSV_COLUMNS = [
    *("pair", "size", "pairs", "arm", "seed"),
    *("bleu", "chrf", "gain_bleu", "gain_chrf"),
    *P_VALUES,
    *("ended_by", "updates", "best_update", "valid_bleu", "training_seconds"),
    *("digest", "bleu_signature", "chrf_signature"),
]


def collect(pipeline: Pipeline, workspace: Workspace) -> list[Row]:
    """The rows of all finished cells, gains included where the baseline is finished too.

    Comparisons with the baseline that are missing are made first.

    Raises:
        UserError: arms of one size and seed were not trained alike; what differs is named.
    """
    experiment = pipeline.experiment
    finished = [cell for cell in experiment.cells() if workspace.done(pipeline.score(cell))]
    _compare(pipeline, workspace, finished)
    rows = [cell_row(pipeline, workspace, cell) for cell in finished]
    set_beside(rows, experiment.baseline)
    return rows


def set_beside(rows: Sequence[Row], baseline: str) -> None:
    """Give each row its gains over the baseline of its size and seed, where that is there.

    Args:
        rows: of an experiment; those of a size and seed one after the other.

    Raises:
        UserError: some can't be compared; what differs is named.
    """
    for row in rows:
        gate(rows[0], row, SIGNATURES)
    for _, group in groupby(rows, key=lambda row: (row["size"], row["seed"])):
        arms = list(group)
        for row in arms:
            gate(arms[0], row, PAIRING)
            for other in arms:
                if other["arm"] == baseline:
                    row["gain_bleu"] = row["bleu"] - other["bleu"]
                    row["gain_chrf"] = row["chrf"] - other["chrf"]


def cell_of(row: Row) -> Cell:
    return Cell(size=row["size"], arm=row["arm"], seed=row["seed"])


def as_csv(rows: list[Row], columns: list[str]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def records_of(pipeline: Pipeline, workspace: Workspace, cells: Iterable[Cell]) -> Records:
    """Of all that finished cells were made of, which may be gone itself: a disk has an end."""
    return {
        digest: made["record"]
        for cell in cells
        for digest, made in workspace.made_of(pipeline.score(cell)).items()
    }


def corpora(pipeline: Pipeline, records: Records) -> list[Row]:
    """What became of each corpus's pairs, from the files of OPUS to the pool."""
    pool = records[pipeline.pool().digest]["corpora"]
    rows = []
    for corpus in pipeline.experiment.corpora.parallel:
        cleaned = records[pipeline.clean(corpus).digest]
        dropped = {name: taken["pairs"] for name, taken in cleaned["dropped"].items()}
        left = pool[str(corpus)]
        rows.append(
            {
                "corpus": str(corpus),
                "read": cleaned["read"],
                "dropped": {name: count for name, count in dropped.items() if count},
                "duplicates": left["duplicates"],
                "leaks": left["dropped_as_leaks"],
                "pool": left["pairs"],
            }
        )
    return rows


def monolingual(pipeline: Pipeline, records: Records) -> list[Row]:
    """What became of each language's text for vectors and segmentation, as far as it was used."""
    if not pipeline.experiment.corpora.monolingual:
        return []
    rows = []
    for side in SIDES:
        if record := records.get(pipeline.monolingual(side).digest):
            rows.append(
                {
                    "language": pipeline.experiment.language(side),
                    "read": record["read"],
                    "kept": record["kept"],
                    "leaks": record["dropped_as_leaks"],
                    "paired": record["in_parallel_corpora"],
                }
            )
    return rows


def _compare(pipeline: Pipeline, workspace: Workspace, finished: list[Cell]) -> None:
    baseline = pipeline.experiment.baseline
    steps = [
        pipeline.compare(cell)
        for cell in finished
        if cell.arm != baseline and cell.model_copy(update={"arm": baseline}) in finished
    ]
    missing = [step for step in steps if not workspace.done(step)]
    console = Console(stderr=True)
    for step in track(missing, "comparing with the baseline", console=console, transient=True):
        workspace.ensure(step)


def cell_row(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> Row:
    experiment = pipeline.experiment
    train, score, compare = pipeline.train(cell), pipeline.score(cell), pipeline.compare(cell)
    alike = pipeline.near_duplicates(cell.size, cell.seed)
    records, scored = records_of(pipeline, workspace, [cell]), workspace.record(score)
    trained = records[train.digest]
    row: Row = {
        "experiment": experiment.name,
        "pair": experiment.pair,
        "size": cell.size,
        "pairs": records[pipeline.sample(cell.size, cell.seed).digest]["pairs"],
        "arm": cell.arm,
        "seed": cell.seed,
        **scored,
        "gain_bleu": None,
        "gain_chrf": None,
        **dict.fromkeys(P_VALUES),
        **trained,
        "coverage": _coverage(train, experiment.arms[cell.arm], records),
        "alignment": _alignment(train, records),
        "near_duplicates": workspace.record(alike) if workspace.done(alike) else None,
        "test_sentences": records[pipeline.hold_out().digest]["test"]["pairs"],
        "digest": score.digest,
    }
    row["pairing"] = trained["pairing"] | {"data": train.inputs["binarise"].digest}
    row["precision"] = experiment.training.precision
    if cell.arm != experiment.baseline and workspace.done(compare):
        compared = workspace.record(compare)
        for key, (metric, name) in P_VALUES.items():
            row[key] = compared[metric][name]
    return row


def _coverage(train: Step, arm: Arm, records: Records) -> Json:
    """Of the sides whose tables start from vectors, if any do."""
    if "rows" not in train.inputs:
        return None
    record = records[train.inputs["rows"].digest]
    return {side: record[side] for side in arm.vector_sides}


def _alignment(train: Step, records: Records) -> Json:
    """What is on record of how an arm's vectors were aligned, if they were."""
    rows = train.inputs.get("rows")
    vectors = rows.inputs["vectors"] if rows else None
    return records[vectors.digest] if vectors and vectors.stage == "align" else None


def _same_batches(one: Row, other: Row) -> bool:
    """Arms end at different updates; what counts is that they agree as far as both went."""
    mine, theirs = one["pairing"]["batches"], other["pairing"]["batches"]
    return all(mine[update] == theirs[update] for update in mine.keys() & theirs.keys())


# What two cells must have in common to be compared: its name, and the test for it.
SIGNATURES: dict[str, Callable[[Row, Row], bool]] = {
    "the BLEU signature": lambda one, other: one["bleu_signature"] == other["bleu_signature"],
    "the chrF signature": lambda one, other: one["chrf_signature"] == other["chrf_signature"],
}
PAIRING: dict[str, Callable[[Row, Row], bool]] = {
    "the training data": lambda one, other: one["pairing"]["data"] == other["pairing"]["data"],
    "the weights before training": lambda one, other: (
        one["pairing"]["initial_weights"] == other["pairing"]["initial_weights"]
    ),
    "the order of batches": _same_batches,
    "the precision": lambda one, other: one.get("precision") == other.get("precision"),
    "the device": lambda one, other: one["device"] == other["device"],
    "the version of torch": lambda one, other: one["torch"] == other["torch"],
}


def gate(one: Row, other: Row, tests: dict[str, Callable[[Row, Row], bool]]) -> None:
    """Refuse to set two cells beside each other that fail a test.

    Raises:
        UserError: naming the cells and what differs.
    """
    for what, agrees in tests.items():
        if not agrees(one, other):
            cells = [f"{row['size']}-{row['arm']}-s{row['seed']}" for row in (one, other)]
            raise UserError(
                f"{what} of {cells[0]} and {cells[1]} differ, so their scores can't be compared; "
                "run both again with the same versions and settings, on the same kind of machine"
            )
