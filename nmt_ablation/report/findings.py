"""All that a report says of one experiment, in a form that goes to files and comes back, so that it
can be drawn again where no model is."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from nmt_ablation import references
from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import size_limit
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.report.results import Row, cell_of, collect, corpora, monolingual
from nmt_ablation.report.summary import contrast, resampled, summarise, with_corrected
from nmt_ablation.workspace import Workspace, write_atomically

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

    model_config = ConfigDict(extra="forbid")

    name: str
    pair: str
    baseline: str
    definition: dict[str, Any] = {}
    """The whole experiment file, defaults included; empty in reports older than this key."""
    cells: list[Row]
    """The finished ones; see docs/results-format.md."""
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
    return Findings(
        name=experiment.name,
        pair=experiment.pair,
        baseline=experiment.baseline,
        definition=definition,
        cells=cells,
        unfinished=[str(cell) for cell in experiment.cells() if cell not in finished],
        means=summarise(cells, drawn, experiment.baseline, _gains_asked(definition)),
        contrasts=contrast(cells, drawn, experiment.contrasts, _contrasts_asked(definition)),
        corpora=corpora(pipeline, workspace) if cells else [],
        monolingual=monolingual(pipeline, workspace) if cells else [],
        examples=list(_examples(pipeline, workspace, cells)) if cells and with_examples else [],
        cited=references.as_text(experiment, references.entries()).splitlines(),
        versions={name: version(name) for name in PACKAGES},
        command=command,
    )


def save(findings: Findings, cells: Path, rest: Path) -> None:
    """Cells as JSONL, a line each; the rest as one JSON object."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in findings.cells)
    write_atomically(cells, "".join(lines))
    write_atomically(rest, findings.model_dump_json(exclude={"cells"}, indent=1) + "\n")


def load(cells: Path) -> Findings:
    """What `save` has written: the cells from NAME.jsonl, the rest from NAME.json beside it.

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
        return Findings(cells=rows, **json.loads(rest.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError, ValidationError) as error:
        raise UserError(f"{rest}: is not what nmt-ablation report writes: {error}") from None


def join(parts: Sequence[Findings]) -> list[Findings]:
    """Experiments whole again that come in parts, each with sizes of its own: trained on several
    machines, say. An interval takes all cells of a size, so a size can't be in two parts.

    Raises:
        UserError: parts have a size in common, or are of experiments that only share a name.
    """
    of_names: dict[str, list[Findings]] = {}
    for part in parts:
        of_names.setdefault(part.name, []).append(part)
    return [_joined(same) if len(same) > 1 else same[0] for same in of_names.values()]


def _joined(parts: Sequence[Findings]) -> Findings:
    first = parts[0]
    if any(not part.definition or part.definition != first.definition for part in parts):
        raise UserError(
            f"two of the experiments are called {first.name}, and are not the same: rename one, "
            "and report it again"
        )
    where: dict[str, int] = {}
    for number, part in enumerate(parts):
        for row in part.cells:
            if where.setdefault(row["size"], number) != number:
                raise UserError(
                    f"{first.name}: two parts have cells of size {row['size']}, and all that is to "
                    "be compared has to be in one: report it from one workspace"
                )
    cells = _by_size(row for part in parts for row in part.cells)
    means = _by_size(row for part in parts for row in part.means)
    contrasts = _by_size(row for part in parts for row in part.contrasts)
    examples = [example for part in parts for example in part.examples]
    finished = {str(cell_of(row)) for row in cells}
    return first.model_copy(
        update={
            "cells": cells,
            "unfinished": [name for name in first.unfinished if name not in finished],
            "means": with_corrected(means, _gains_asked(first.definition)),
            "contrasts": with_corrected(contrasts, _contrasts_asked(first.definition)),
            "examples": sorted(examples, key=lambda example: example.pairs),
            "command": "; ".join(dict.fromkeys(part.command for part in parts)),
        }
    )


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


def _sizes(definition: Mapping[str, Any], arm: str) -> set[int | str]:
    return set(definition["arms"][arm]["sizes"] or definition["sizes"])


def _by_size(rows: Iterable[Row]) -> list[Row]:
    """Smallest first, as the experiment has its cells."""
    return sorted(rows, key=lambda row: size_limit(row["size"])[0] or float("inf"))


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
