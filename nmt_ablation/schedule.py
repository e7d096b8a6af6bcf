"""The order in which cells are built: grouped, some at once, preparation first."""

from collections.abc import Mapping, Sequence

from nmt_ablation.experiment import Cell
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.runner import Work
from nmt_ablation.training.config import Training


def jobs_at_once(training: Training, gpu: bool, cores: int) -> int:
    """Return how many jobs a machine with so many cores runs at once."""
    places = 1 if gpu else cores  # a GPU is one device, however many cores stand beside it
    return max(1, places // (training.threads * training.processes))


def group(cells: Sequence[Cell], together: bool) -> dict[str, list[Cell]]:
    """Group cells into jobs, by name.

    Args:
        cells: cells in their order.
        together: put the arms of one size and seed into one job.
    """
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        name = f"{cell.size}-s{cell.seed}" if together else str(cell)
        groups.setdefault(name, []).append(cell)
    return {name if len(of) > 1 else str(of[0]): of for name, of in groups.items()}


def phases(
    pipeline: Pipeline,
    cells: Sequence[Cell],
    groups: Mapping[str, list[Cell]],
    prepare_only: bool,
) -> list[dict[str, Work]]:
    """List the jobs of each phase, by name; a phase begins when the one before has ended.

    Args:
        cells: the cells to prepare.
        groups: the same cells, grouped into jobs.
        prepare_only: leave out training and what follows.
    """
    found = [{"preparation": Work(pipeline.preparation(cells))}]
    if not prepare_only:
        found.append(
            {
                name: Work(
                    pipeline.scores(of),
                    of,
                    [pipeline.train(cell) for cell in of] if len(of) > 1 else (),
                )
                for name, of in groups.items()
            }
        )
    return found
