"""Earlier trainings with a smaller budget: a training goes on from where such a one ended.

A budget that is raised changes the digest of a training, but none of the updates before its end.
So a training that its budget ended leaves its state, and a later one that differs in nothing else
begins with a copy.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from shutil import copyfile

from nmt_ablation.files import write_atomically
from nmt_ablation.training.plan import ArmPlan
from nmt_ablation.training.record import BEST

STATE = "checkpoint_last.pt"
"""fairseq's checkpoint to resume from."""
LINEAGE = "lineage.txt"
"""A line for each arm: its lineage, the budget, and the name of its folder."""


def leave(arms: Sequence[ArmPlan], folder: Path, budget: int) -> None:
    """Leave the state of arms that their budget ended, for trainings with a larger one.

    Args:
        folder: the folder with the checkpoint of all arms.
        budget: the number of updates.
    """
    lines = [f"{arm.lineage} {budget} {arm.folder.stem}\n" for arm in arms]
    write_atomically(folder / LINEAGE, "".join(lines))


def take(arms: Sequence[ArmPlan], folder: Path, budget: int) -> None:
    """Copy the state of the longest earlier training of these arms into a folder, if there is
    one."""
    found = max(_earlier([arm.lineage for arm in arms], folder.parent, budget), default=None)
    if found is None:
        return
    for arm, name in zip(arms, found[2], strict=True):
        best = folder.parent / name / BEST
        if best.exists():
            copyfile(best, arm.folder / BEST)
    # Last, and whole or not at all: with a state, a killed command would not come here again.
    copyfile(found[1] / STATE, folder / f"{STATE}.copy")
    (folder / f"{STATE}.copy").replace(folder / STATE)


def _earlier(
    lineages: Sequence[str], store: Path, budget: int
) -> Iterable[tuple[int, Path, list[str]]]:
    """Yield the budget, the folder and the arms' folders' names of each earlier training."""
    for path in store.glob(f"*/{LINEAGE}"):
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        of_arms, budgets, names = (list(column) for column in zip(*lines, strict=True))
        there = [path.parent / STATE, *(store / name for name in names)]
        same = of_arms == list(lineages) and int(budgets[0]) < budget
        if same and all(it.exists() for it in there):
            yield int(budgets[0]), path.parent, names
