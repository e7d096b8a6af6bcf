"""The next look of an experiment whose seeds are added one by one, and the rule that it follows."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.files import write_atomically
from nmt_ablation.results import dunnett, looks
from nmt_ablation.results.design import Design
from nmt_ablation.results.gather import gather, is_finished
from nmt_ablation.results.rows import SIGNIFICANT, ContrastRow, MeanRow
from nmt_ablation.runner import Runner

RULE = "looks.json"
"""The file of the rule, in the experiment's folder."""


class Rule(BaseModel):
    """The rule of decisions, written down before the first cell is scored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    looks: tuple[int, ...]
    """The number of seeds at each look."""
    seeds: tuple[int, ...]
    """The seeds in the order in which they are added."""
    metric: str
    smallest_gain: float | None
    compared: tuple[int, ...]
    """The number of arms that are compared with the baseline at each size."""
    boundary: float
    """The p of one comparison at one look below which it is decided."""
    trials: int
    """The number of simulated experiments that the boundary comes from."""

    def __str__(self) -> str:
        return (
            f"Looks are at {', '.join(map(str, self.looks))} seeds. A comparison is decided at a "
            f"look if its p before correction is below {self.boundary:.2g}. With this limit, at "
            "most 5 of 100 experiments decide any comparison falsely."
        )


@dataclass(frozen=True)
class NextLook:
    """The next look and what is known before it."""

    seeds: int
    """The number of seeds at this look, or at the last one if no look is left."""
    cells: list[Cell]
    """The cells that it needs, finished ones too; none if no look is left."""
    decided: int
    """The number of comparisons that are decided."""
    of: int
    """The number of all comparisons."""

    @property
    def so_far(self) -> str:
        """The number of comparisons that are decided, in words."""
        return f"{self.decided} of {self.of} comparisons are decided"

    def __str__(self) -> str:
        takes = f"this look needs {len(self.cells)} cells"
        return f"Next look, at {self.seeds} seeds: {self.so_far} so far; {takes}."


def declare(runner: Runner) -> Rule:
    """Write down the rule of an experiment, or check that it is the one it began with.

    Raises:
        UserError: the experiment declares no looks, or began with another rule.
    """
    experiment, path = runner.file.experiment, runner.folder / RULE
    design = Design.of(experiment)
    counts, primary = design.verdict.looks, experiment.scoring.primary
    if not counts:
        raise UserError(
            f"{runner.file.path}: declares no looks; write the numbers of seeds at which to look, "
            "as verdict: {looks: [3, 4, 6, 8]}, and as many seeds"
        )
    smallest = design.smallest_gains(primary, experiment.scoring.measures[primary])
    rule = Rule(
        looks=counts,
        seeds=tuple(experiment.seeds[: counts[-1]]),
        metric=primary,
        smallest_gain=smallest.get(primary),
        compared=tuple(design.compared),
        boundary=dunnett.level(SIGNIFICANT, design.compared, counts),
        trials=dunnett.TRIALS,
    )
    if not path.exists():
        runner.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, rule.model_dump_json(indent=1) + "\n")
        return rule
    try:
        before = Rule.model_validate_json(path.read_bytes())
    except ValidationError:
        raise UserError(f"{path}: is not what nmt-ablation run writes") from None
    changed = [name for name in Rule.model_fields if getattr(before, name) != getattr(rule, name)]
    if changed:
        name = changed[0]
        raise UserError(
            f"{path}: this experiment began with {name} {getattr(before, name)}, and "
            f"{runner.file.path} says {getattr(rule, name)} now; a rule that changes midway makes "
            "more false decisions. Give the changed experiment another name, or restore the former "
            "value"
        )
    return rule


def next_look(runner: Runner) -> NextLook:
    """Return the next look, without cells if all comparisons are decided or have had all looks."""
    experiment, design = runner.file.experiment, Design.of(runner.file.experiment)
    declared, known = design.looks(experiment.scoring.primary), _compared(runner)
    assert declared is not None
    block = looks.next_cells(known, design.asked, declared, design.baseline)
    decided = sum(bool(row.gains) and not looks.is_open(row, declared.primary) for row in known)
    if block is None:
        return NextLook(declared.counts[-1], [], decided, len(design.asked))
    seeds = declared.seeds[: block.look]
    cells = [
        cell
        for cell in experiment.cells()
        if cell.seed in seeds and cell.arm in block.arms.get(cell.size, ())
    ]
    return NextLook(block.look, cells, decided, len(design.asked))


def _compared(runner: Runner) -> list[MeanRow | ContrastRow]:
    """Return the comparisons of finished cells."""
    pipeline, workspace = runner.pipeline, runner.workspace
    if not any(is_finished(pipeline, workspace, it) for it in pipeline.experiment.cells()):
        return []
    found = gather(pipeline, workspace, "", with_examples=False)
    return [*found.means, *found.contrasts]
