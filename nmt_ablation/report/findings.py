"""All that a report says of one experiment, in a form that goes to files and comes back, so that it
can be drawn again where no model is."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nmt_ablation import references
from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Size, size_limit
from nmt_ablation.files import write_atomically
from nmt_ablation.pipeline import METRICS, Pipeline
from nmt_ablation.report.results import (
    Row,
    cell_of,
    collect,
    corpora,
    monolingual,
    records_of,
    set_beside,
)
from nmt_ablation.report.summary import Drawn, contrast, resampled, summarise, with_corrected
from nmt_ablation.workspace import Workspace

EXAMPLES = 6
"""Test sentences that are shown of each size."""
NAMED = 20
"""Cells that are named one by one where they are missing."""
PACKAGES = (
    *("nmt-ablation", "fairseq-fixed", "torch", "sentencepiece", "subword-nmt"),
    *("sacrebleu", "opustools", "ctranslate2"),
)


class Example(BaseModel):
    """A test sentence, and what the arms made of it."""

    pairs: int
    source: str
    reference: str
    hypotheses: dict[str, str]


class Findings(BaseModel):
    """What is known of an experiment, and how it came about."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    name: str
    pair: str
    baseline: str
    definition: dict[str, Any] = {}
    """The whole experiment file, defaults included; empty in reports older than this key."""
    cells: list[Row]
    """The finished ones; see docs/results-format.md."""
    drawn: Drawn = Field(default={}, exclude=True)
    """Their scores on resamples of the test set; none in reports older than this key."""
    unfinished: list[str]
    """The names of the others."""
    means: list[Row]
    """Of each size and arm over seeds, with intervals."""
    contrasts: list[Row] = []
    """Of each size and pair of arms that are compared with each other."""
    corpora: list[Row]
    """What became of each corpus's pairs."""
    monolingual: list[Row] = []
    """What became of each language's text for vectors and segmentation."""
    examples: list[Example]
    cited: list[str]
    versions: dict[str, str]
    """Of the packages that made the report."""
    command: str

    @property
    def missing(self) -> str:
        """The cells that are not finished, as text; of many, the first and the last."""
        if len(self.unfinished) <= NAMED:
            return ", ".join(self.unfinished)
        whole = len(self.unfinished) + len(self.cells)
        first, last = self.unfinished[0], self.unfinished[-1]
        return f"{len(self.unfinished)} of {whole} cells, from {first} to {last}"

    @property
    def comparisons(self) -> int:
        """With the baseline, in the whole experiment; in reports older than `definition`, here."""
        here = sum(row["gain_bleu"] is not None for row in self.means)
        return max(_gains_asked(self.definition), here)

    @property
    def arms(self) -> list[str]:
        return list(dict.fromkeys(row["arm"] for row in self.cells))

    def sizes_asked(self, arm: str) -> set[Size]:
        """Those that it is to be trained at; in reports older than `definition`, those it was."""
        if self.definition:
            return _sizes(self.definition, arm)
        return {row["size"] for row in self.cells if row["arm"] == arm}

    @property
    def listed(self) -> list[Row]:
        """The gains of all arms at the sizes where some arm is that is asked at no other; none
        where all are."""
        asked = {arm: self.sizes_asked(arm) for arm in self.arms}
        if len(set().union(*asked.values())) < 2:
            return []
        compared = [row for row in self.means if row["gain_bleu"] is not None]
        sizes = {row["size"] for row in compared if len(asked[row["arm"]]) == 1}
        return [row for row in compared if row["size"] in sizes]

    @property
    def curves(self) -> list[str]:
        """The arms that aren't only listed."""
        lone = {row["arm"] for row in self.listed if len(self.sizes_asked(row["arm"])) == 1}
        return [arm for arm in self.arms if arm not in lone]

    def runs(self, arm: str, key: str) -> list[list[Row]]:
        """An arm's means that have such a value, parted at the sizes where only others have one: a
        line from one to the next would pass over what wasn't measured."""
        means = [row for row in self.means if row[key] is not None]
        own = {row["size"]: row for row in means if row["arm"] == arm}
        sizes = groupby(dict.fromkeys(row["size"] for row in means), own.__contains__)
        return [[own[size] for size in run] for measured, run in sizes if measured]

    def compared(self, mean: Row) -> list[Row]:
        """The cells whose gains a mean is of."""
        same = mean["size"], mean["arm"]
        return [
            row
            for row in self.cells
            if (row["size"], row["arm"]) == same and row["gain_bleu"] is not None
        ]


def gather(
    pipeline: Pipeline, workspace: Workspace, command: str, with_examples: bool = True
) -> Findings:
    """Of all cells that are finished.

    Raises:
        UserError: cells that can't be compared are.
    """
    experiment = pipeline.experiment
    definition = experiment.model_dump(mode="json")
    cells = collect(pipeline, workspace)
    drawn = resampled(pipeline, workspace, cells)
    finished = {cell_of(row) for row in cells}
    records = records_of(pipeline, workspace, finished)
    return Findings(
        name=experiment.name,
        pair=experiment.pair,
        baseline=experiment.baseline,
        definition=definition,
        cells=cells,
        drawn=drawn,
        unfinished=[str(cell) for cell in experiment.cells() if cell not in finished],
        means=summarise(cells, drawn, experiment.baseline, _gains_asked(definition)),
        contrasts=contrast(cells, drawn, experiment.contrasts, _contrasts_asked(definition)),
        corpora=corpora(pipeline, records) if cells else [],
        monolingual=monolingual(pipeline, records) if cells else [],
        examples=list(_examples(pipeline, workspace, cells)) if cells and with_examples else [],
        cited=references.as_text(experiment, references.entries()).splitlines(),
        versions={name: version(name) for name in PACKAGES},
        command=command,
    )


def save(findings: Findings, cells: Path) -> None:
    """Cells as NAME.jsonl, a line each; beside it their scores on resamples, NAME.npz, and the rest
    as one JSON object, NAME.json."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in findings.cells)
    write_atomically(cells, "".join(lines))
    rest = findings.model_dump_json(exclude={"cells"}, indent=1) + "\n"
    write_atomically(cells.with_suffix(".json"), rest)
    if findings.drawn:
        packed, names = BytesIO(), [str(cell) for cell in findings.drawn]
        resamples = {
            # The first is the score on the test set, which the cells have.
            metric: np.array([scores[metric][1:] for scores in findings.drawn.values()], "f4")
            for metric in METRICS
        }
        np.savez_compressed(packed, cells=names, **resamples, allow_pickle=False)
        write_atomically(cells.with_suffix(".npz"), packed.getvalue())


def load(cells: Path) -> Findings:
    """What `save` has written.

    Raises:
        UserError: there is no such file, or it is something else.
    """
    rest = cells.with_suffix(".json")
    for path in (cells, rest):
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; nmt-ablation report writes it")
    rows = []
    for number, line in enumerate(cells.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise UserError(f"{cells}: line {number} is no JSON: {error}; report anew") from None
    try:
        found = Findings(cells=rows, **json.loads(rest.read_text(encoding="utf-8")))
        if found.definition:  # where older reports have it, and only there
            for row in found.cells:
                row.setdefault("precision", found.definition["training"]["precision"])
    except (json.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        raise UserError(f"{rest}: is not what nmt-ablation report writes: {error}") from None
    return found.model_copy(update={"drawn": _drawn(cells.with_suffix(".npz"), rows)})


def _drawn(path: Path, rows: Sequence[Row]) -> Drawn:
    """Of these cells; none where there is no such file."""
    if not path.is_file():
        return {}
    try:
        with np.load(path) as found:
            at = {str(cell): number for number, cell in enumerate(found["cells"])}
            scores = {metric: found[metric].astype(float) for metric in METRICS}
        return {
            (cell := cell_of(row)): {
                metric: np.concatenate([[row[metric]], scores[metric][at[str(cell)]]])
                for metric in METRICS
            }
            for row in rows
        }
    except (BadZipFile, KeyError, ValueError) as error:
        raise UserError(f"{path}: is not what nmt-ablation report writes: {error}") from None


def join(parts: Sequence[Findings]) -> list[Findings]:
    """Experiments whole again that come in parts, each with cells of its own: trained on several
    machines, say.

    Raises:
        UserError: parts have other scores of one cell, cells that can't be compared, or not the
            resamples that comparing takes; or are of experiments that only share a name.
    """
    of_names: dict[str, list[Findings]] = {}
    for part in parts:
        of_names.setdefault(part.name, []).append(part)
    return [_joined(same) if len(same) > 1 else same[0] for same in of_names.values()]


def _joined(parts: Sequence[Findings]) -> Findings:
    first = parts[0]
    definition = first.definition
    if any(not part.definition or _asked(part) != _asked(first) for part in parts):
        raise UserError(
            f"two of the experiments are called {first.name}, and are not the same: rename one, "
            "and report it again"
        )
    of_names: dict[str, Row] = {}
    for row in (row for part in parts for row in part.cells):
        before = of_names.setdefault(name := str(cell_of(row)), row)
        if any(before[metric] != row[metric] for metric in METRICS):
            raise UserError(
                f"{first.name}: two parts have {name}, with other scores: delete its line in one "
                "of their JSONL files"
            )
    cells = sorted(of_names.values(), key=lambda row: _rank(row, definition))
    set_beside(cells, first.baseline)
    known = {cell: scores for part in parts for cell, scores in part.drawn.items()}
    drawn = {cell: known[cell] for row in cells if (cell := cell_of(row)) in known}
    means, contrasts = list[Row](), list[Row]()
    for size in dict.fromkeys(row["size"] for row in cells):
        of_size = [row for row in cells if row["size"] == size]
        having = [part for part in parts if any(row["size"] == size for row in part.cells)]
        if len(having) == 1:
            means += [row for row in having[0].means if row["size"] == size]
            contrasts += [row for row in having[0].contrasts if row["size"] == size]
        elif all(part.drawn for part in having):
            means += summarise(of_size, drawn, first.baseline, 0)
            contrasts += contrast(of_size, drawn, definition["contrasts"], 0)
        else:
            raise UserError(
                f"{first.name}: two parts have cells of size {size}, and to compare these takes "
                f"{first.name}.npz beside each: report it anew where the cells are"
            )
    return first.model_copy(
        update={
            "cells": cells,
            "drawn": drawn if len(drawn) == len(cells) else {},
            "unfinished": [name for name in first.unfinished if name not in of_names],
            "means": with_corrected(means, _gains_asked(definition)),
            "contrasts": with_corrected(contrasts, _contrasts_asked(definition)),
            "examples": _merged(example for part in parts for example in part.examples),
            "command": "; ".join(dict.fromkeys(part.command for part in parts)),
        }
    )


def _asked(findings: Findings) -> dict[str, Any]:
    """What parts of an experiment have in common. Precision may be what their machines are fast in:
    each cell says its own, and arms of another are not compared."""
    training = dict(findings.definition.get("training", {}))
    training.pop("precision", None)
    return findings.definition | {"training": training}


def _rank(row: Row, definition: Mapping[str, Any]) -> tuple[float, int, int]:
    """Where a cell stands in its experiment."""
    pairs = size_limit(row["size"])[0] or float("inf")
    return pairs, definition["seeds"].index(row["seed"]), list(definition["arms"]).index(row["arm"])


def _merged(examples: Iterable[Example]) -> list[Example]:
    """Smallest first, and what all parts made of a sentence beside each other."""
    found: dict[tuple[int, str], Example] = {}
    for example in examples:
        before = found.setdefault((example.pairs, example.source), example)
        hypotheses = before.hypotheses | example.hypotheses
        found[example.pairs, example.source] = before.model_copy(update={"hypotheses": hypotheses})
    return sorted(found.values(), key=lambda example: example.pairs)


def _gains_asked(definition: Mapping[str, Any]) -> int:
    """How many comparisons with the baseline an experiment asks for, finished or not."""
    arms = definition.get("arms", {})
    return sum(len(_sizes(definition, arm)) for arm in arms if arm != definition["baseline"])


def _contrasts_asked(definition: Mapping[str, Any]) -> int:
    """How many comparisons of two other arms."""
    return sum(
        len(_sizes(definition, arm) & _sizes(definition, other))
        for arm, other in definition.get("contrasts", ())
    )


def _sizes(definition: Mapping[str, Any], arm: str) -> set[Size]:
    return set(definition["arms"][arm]["sizes"] or definition["sizes"])


def _examples(pipeline: Pipeline, workspace: Workspace, cells: Sequence[Row]) -> Iterator[Example]:
    """Some of the test set, drawn by chance and not by how they look: the same at each size."""
    experiment = pipeline.experiment
    test = workspace.path(pipeline.hold_out())
    sources, texts = (
        list(stream_lines(test / f"test.{language}"))
        for language in (experiment.source, experiment.target)
    )
    chosen = sorted(random.Random(1).sample(range(len(texts)), min(EXAMPLES, len(texts))))
    sizes = sorted({(row["pairs"], row["size"]) for row in cells}, key=lambda pair: pair[0])
    seed = min(row["seed"] for row in cells)
    for pairs, size in dict.fromkeys([sizes[0], sizes[-1]]):
        of_arms = {
            row["arm"]: cell_of(row) for row in cells if (row["size"], row["seed"]) == (size, seed)
        }
        found = {
            arm: list(stream_lines(workspace.path(pipeline.translate(cell)) / "hypotheses.txt"))
            for arm, cell in of_arms.items()
        }
        for at in chosen:
            yield Example(
                pairs=pairs,
                source=sources[at],
                reference=texts[at],
                hypotheses={arm: lines[at] for arm, lines in found.items()},
            )
