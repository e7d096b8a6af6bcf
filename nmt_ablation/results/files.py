"""The files of a report's results: NAME.jsonl, NAME.json, NAME.npz and NAME.hypotheses.tsv."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from pydantic_core import from_json

from nmt_ablation.errors import UserError
from nmt_ablation.files import write_atomically
from nmt_ablation.packed import readable
from nmt_ablation.results.means import Resamples
from nmt_ablation.results.results import Results
from nmt_ablation.results.rows import CellRow
from nmt_ablation.values import INVISIBLE

TRANSLATIONS = ".hypotheses.tsv"


def save(results: Results, cells: Path) -> None:
    """Write the cells to NAME.jsonl, a line each; their scores on resamples to NAME.npz; their
    translations to NAME.hypotheses.tsv; and everything else to NAME.json, as one object."""
    lines = (f"{row.model_dump_json()}\n" for row in results.cells)
    write_atomically(cells, "".join(lines))
    write_atomically(cells.with_suffix(".json"), results.model_dump_json(indent=1) + "\n")
    if results.resamples:
        packed, names = BytesIO(), [str(cell) for cell in results.resamples]
        resamples = {
            # Without the first score, which is on the test set itself and stands in the cells.
            metric: np.array([scores[metric][1:] for scores in results.resamples.values()], "f4")
            for metric in results.measures
        }
        np.savez_compressed(packed, cells=names, **resamples, allow_pickle=False)
        write_atomically(cells.with_suffix(".npz"), packed.getvalue())
    if results.translations:
        # Without quotes, so that `cut` reads it.
        table = [results.translations.keys(), *zip(*results.translations.values(), strict=True)]
        lines = ("\t".join(it.replace("\t", " ") for it in line) + "\n" for line in table)
        write_atomically(cells.with_suffix(TRANSLATIONS), "".join(lines))


def load(cells: Path) -> Results:
    """Read the files that `save` has written.

    Raises:
        UserError: a file is missing, or `save` did not write it.
    """
    rest = cells.with_suffix(".json")
    for path in (cells, rest):
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; nmt-ablation report writes it")
    rows = []
    for number, line in enumerate(cells.read_bytes().splitlines(), 1):
        try:
            rows.append(CellRow.model_validate(_visible(from_json(line))))
        except ValueError as error:
            raise UserError(f"{cells}: line {number} {_not_ours(error)}") from None
    try:
        told = _visible(from_json(rest.read_bytes()))
        found = Results.model_validate({**told, "cells": rows})
        _ = found.design
    except (TypeError, ValueError) as error:
        raise UserError(f"{rest}: {_not_ours(error)}") from None
    resamples, translations = _resamples(cells, rows, list(found.measures)), _translations(cells)
    return found.model_copy(update={"resamples": resamples, "translations": translations})


def _visible(value: Any) -> Any:
    """Return a JSON value whose texts have no characters that can't be seen: a report may come from
    anywhere."""
    if isinstance(value, dict):
        return {_visible(key): _visible(it) for key, it in value.items()}
    if isinstance(value, list):
        return [_visible(it) for it in value]
    return INVISIBLE.sub("\ufffd", value) if isinstance(value, str) else value


def _translations(cells: Path) -> dict[str, list[str]]:
    """Read the translations of cells; return none if there is no such file."""
    path = cells.with_suffix(TRANSLATIONS)
    if not path.is_file():
        return {}
    try:
        table = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        return {name: list(lines) for name, *lines in zip(*table, strict=True)}
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {_not_ours(error)}") from None
    except ValueError:
        raise UserError(f"{path}: some lines have more columns than others") from None


def _resamples(cells: Path, rows: Sequence[CellRow], metrics: Sequence[str]) -> Resamples:
    """Read the scores of cells on resamples; return none if there is no such file."""
    path = cells.with_suffix(".npz")
    if not path.is_file():
        return {}
    try:
        with readable(path), np.load(path) as found:
            at = {str(cell): number for number, cell in enumerate(found["cells"])}
            scores = {metric: found[metric].astype(float) for metric in metrics}
        return {
            row.cell: {
                metric: np.concatenate(
                    [[row.scores[metric].value], scores[metric][at[str(row.cell)]]]
                )
                for metric in metrics
            }
            for row in rows
        }
    except (KeyError, ValueError, MemoryError) as error:  # of a size that can't be
        raise UserError(f"{path}: {_not_ours(error)}") from None


def _not_ours(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return (
            "is not what nmt-ablation report writes: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}".replace(": :", ":")
        )
    return f"is not what nmt-ablation report writes: {error}"
