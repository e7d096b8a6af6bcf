"""Checks that cells are comparable, and their gains over the baseline."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from nmt_ablation.errors import UserError
from nmt_ablation.results.rows import CellRow
from nmt_ablation.scoring.metric import Measure


def _same_batches(one: CellRow, other: CellRow) -> bool:
    """Compare batches up to the update that both arms reached, if their pairs are the same."""
    if one.back_translation != other.back_translation:
        return True
    mine, theirs = one.pairing.batches, other.pairing.batches
    return all(mine[update] == theirs[update] for update in mine.keys() & theirs.keys())


PAIRING: Mapping[str, Callable[[CellRow, CellRow], bool]] = {
    "the training data": lambda one, other: one.pairing.data == other.pairing.data,
    "the weights before training": lambda one, other: (
        one.pairing.initial_weights == other.pairing.initial_weights
    ),
    "the order of batches": _same_batches,
    "the precision": lambda one, other: one.training.precision == other.training.precision,
    "the device": lambda one, other: one.training.device == other.training.device,
    "the version of torch": lambda one, other: one.training.torch == other.training.torch,
}
"""Conditions under which arms of a size and seed are comparable, by what they are about."""


def check_signatures(one: CellRow, other: CellRow, measures: Mapping[str, Measure]) -> None:
    """Refuse two cells whose scores were computed differently.

    Raises:
        UserError: some signatures differ; the message names cells and metric.
    """
    for name, measure in measures.items():
        if one.scores[name].signature != other.scores[name].signature:
            _refuse(f"the {measure.label} signature", one, other)


def check_pairing(one: CellRow, other: CellRow) -> None:
    """Refuse two arms that were not trained alike.

    Raises:
        UserError: a condition fails; the message names it and the cells.
    """
    for what, agrees in PAIRING.items():
        if not agrees(one, other):
            _refuse(what, one, other)


def _refuse(what: str, one: CellRow, other: CellRow) -> None:
    raise UserError(
        f"{what} of {one.cell} and {other.cell} differ, so their scores can't be compared; run "
        "both again with the same versions and settings, on the same kind of machine"
    )


def with_gains(
    rows: Sequence[CellRow], baseline: str, measures: Mapping[str, Measure]
) -> list[CellRow]:
    """Return rows with their gains over the baseline of their size and seed, if that is finished.

    Args:
        rows: rows of an experiment; those of a size and seed are adjacent.

    Raises:
        UserError: some rows are not comparable; the message names the difference.
    """
    for row in rows:
        check_signatures(rows[0], row, measures)
    found = []
    for _, group in groupby(rows, key=lambda row: (row.size, row.seed)):
        arms = list(group)
        base = next((row for row in arms if row.arm == baseline), None)
        for row in arms:
            check_pairing(arms[0], row)
            gains = row.gains
            if base is not None:
                gains = {
                    name: measure.gain(base.scores[name].value, row.scores[name].value)
                    for name, measure in measures.items()
                }
            found.append(row.model_copy(update={"gains": gains}))
    return found
