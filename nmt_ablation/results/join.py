"""Parts of an experiment, trained on several machines for example, joined into one."""

from collections.abc import Iterable, Sequence

from pydantic import JsonValue

from nmt_ablation.errors import UserError
from nmt_ablation.results.comparable import with_gains
from nmt_ablation.results.design import Definition
from nmt_ablation.results.means import (
    Evidence,
    Resamples,
    against_baseline,
    contrast,
    of_contrasts,
    summarise,
)
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import CellRow, ContrastRow, Example, MeanRow


def join(parts: Sequence[Results]) -> list[Results]:
    """Join the parts of each experiment; experiments of one part stay as they are.

    Raises:
        UserError: parts have different scores of one cell, cells that are not comparable, or lack
            the resamples that a comparison needs, or different experiments share a name.
    """
    of_names: dict[str, list[Results]] = {}
    for part in parts:
        of_names.setdefault(part.name, []).append(part)
    return [_joined(same) if len(same) > 1 else same[0] for same in of_names.values()]


def _joined(parts: Sequence[Results]) -> Results:
    first = parts[0]
    design, measures = first.design, first.measures
    if any(_shared(part.definition) != _shared(first.definition) for part in parts):
        raise UserError(
            f"two of the experiments are called {first.name}, and are not the same: rename one, "
            "and report it again"
        )
    of_names: dict[str, CellRow] = {}
    for row in (row for part in parts for row in part.cells):
        before = of_names.setdefault(str(row.cell), row)
        if before.scores != row.scores:
            raise UserError(
                f"{first.name}: two parts have the cell {row.cell}, with different scores; delete "
                "the line of this cell in one of the two JSONL files"
            )
    cells = sorted(of_names.values(), key=lambda row: design.rank(row.cell))
    cells = with_gains(cells, first.baseline, measures)
    known = {cell: scores for part in parts for cell, scores in part.resamples.items()}
    resamples = {row.cell: known[row.cell] for row in cells if row.cell in known}
    means, contrasts = _compared(parts, cells, resamples)
    return first.model_copy(
        update={
            "cells": cells,
            "resamples": resamples if len(resamples) == len(cells) else {},
            "encoders": list({it.name: it for part in parts for it in part.encoders}.values()),
            "translators": list(
                {it.name: it for part in parts for it in part.translators}.values()
            ),
            "analyses": {name: it for part in parts for name, it in part.analyses.items()},
            "unfinished": [name for name in first.unfinished if name not in of_names],
            "means": means,
            "contrasts": contrasts,
            "translations": _side_by_side(parts),
            "warnings": list(dict.fromkeys(it for part in parts for it in part.warnings)),
            "examples": _merged(example for part in parts for example in part.examples),
            "command": "; ".join(dict.fromkeys(part.command for part in parts)),
        }
    )


def _compared(
    parts: Sequence[Results], cells: Sequence[CellRow], resamples: Resamples
) -> tuple[list[MeanRow], list[ContrastRow]]:
    """Return the means and contrasts of all cells: anew, as far as their resamples are there."""
    first = parts[0]
    design = first.design
    looks = design.looks(first.primary)

    def anew(rows: Sequence[CellRow]) -> tuple[list[MeanRow], list[ContrastRow]]:
        evidence = Evidence(rows, resamples, first.measures, first.smallest_gains, looks)
        return (
            summarise(evidence, first.baseline, design.compared),
            contrast(evidence, design.contrasts, design.contrasted),
        )

    # What an earlier version has compared keeps the numbers that it was published with.
    if len(resamples) == len(cells) and first.correction == "Dunnett":
        return anew(cells)
    means, contrasts = list[MeanRow](), list[ContrastRow]()
    for size in dict.fromkeys(row.size for row in cells):
        having = [part for part in parts if any(row.size == size for row in part.cells)]
        if len(having) == 1:
            means += [row for row in having[0].means if row.size == size]
            contrasts += [row for row in having[0].contrasts if row.size == size]
        elif all(part.resamples for part in having) and not looks:
            some = anew([row for row in cells if row.size == size])
            means += some[0]
            contrasts += some[1]
        else:
            raise UserError(
                f"{first.name}: two parts have cells of size {size}; to compare them, each part "
                f"needs its {first.name}.npz: run nmt-ablation report again where its cells are"
            )
    return (
        against_baseline(means, design.compared, first.correction),
        of_contrasts(contrasts, design.contrasted),
    )


def _shared(definition: Definition) -> dict[str, JsonValue]:
    """Return the keys of a definition on which all parts must agree.

    The precision may differ, as machines are fast in different ones. Each cell records its own, and
    arms of different precisions are not comparable.
    """
    training = definition.get("training")
    if not isinstance(training, dict):
        return definition
    rest = {key: value for key, value in training.items() if key != "precision"}
    return definition | {"training": rest}


def _side_by_side(parts: Sequence[Results]) -> dict[str, list[str]]:
    """Return the translations of all parts; none if a part lacks its own, or has another test
    set."""
    found, first = dict[str, list[str]](), parts[0].translations
    for part in parts:
        lines = part.translations
        if not lines or any(lines[key] != first[key] for key in ("test_set", "reference")):
            return {}
        found |= lines
    return found


def _merged(examples: Iterable[Example]) -> list[Example]:
    """Merge the translations of each example in all parts, smallest size first."""
    found: dict[tuple[int, str], Example] = {}
    for example in examples:
        before = found.setdefault((example.pairs, example.source), example)
        hypotheses = before.hypotheses | example.hypotheses
        found[example.pairs, example.source] = before.model_copy(update={"hypotheses": hypotheses})
    return sorted(found.values(), key=lambda example: example.pairs)
