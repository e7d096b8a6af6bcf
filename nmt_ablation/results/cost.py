"""The cost of a cell: training, and what its networks cost before."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from nmt_ablation.results.results import Results, at
from nmt_ablation.results.rows import CellRow, Gain, Network


@dataclass(frozen=True)
class Cost:
    """The cost of an arm's cells at a size, in core-seconds (means over seeds), and its gain.

    A core-second is a second of one thread of one process.
    """

    pairs: int
    arm: str
    gain: Gain | None
    """The gain over the baseline by the primary metric; None for the baseline."""
    training: float
    pretraining: float
    """The cost of all networks that a cell starts from."""
    beside: float
    """The number of tokens that auxiliary objectives predicted."""
    parameters: int
    learned: int | None
    """The number of parameters that learned at some update; None in reports of before."""
    share: float
    """A cell's share of this, if all finished cells that start from a network share its cost."""

    @property
    def more(self) -> float:
        """The mean gain; 0 for the baseline."""
        return self.gain.mean if self.gain else 0.0

    @property
    def shared(self) -> float:
        """The whole cost with the share of pretraining."""
        return self.training + self.share

    @property
    def alone(self) -> float:
        """The whole cost if networks are pretrained for this cell alone."""
        return self.training + self.pretraining


def costs(results: Results) -> list[Cost]:
    """Return the costs of all sizes and arms."""
    found = []
    cells_of = Counter(it.digest for row in results.cells for it in row.networks)
    threads = results.design.training.threads * results.design.training.processes
    for mean in results.means:
        rows = at(results.cells, mean.size, mean.arm)
        found.append(
            Cost(
                mean.pairs,
                mean.arm,
                mean.gains.get(results.primary),
                fmean(row.training.seconds / row.training.together * threads for row in rows),
                fmean(sum(it.core_seconds for it in row.networks) for row in rows),
                fmean(row.training.auxiliary_tokens for row in rows),
                rows[0].training.parameters,
                rows[0].training.learned,
                _shares(rows, cells_of),
            )
        )
    return found


def by_size(results: Results) -> dict[int, list[Cost]]:
    """Return the costs of all arms at each size, in pairs; none if all models have as many
    parameters, and none has a network or an auxiliary objective."""
    if len({row.training.parameters for row in results.cells}) == 1 and not any(
        row.networks or row.training.auxiliary_tokens for row in results.cells
    ):
        return {}
    found: dict[int, list[Cost]] = {}
    for cost in costs(results):
        found.setdefault(cost.pairs, []).append(cost)
    return found


def _shares(rows: Sequence[CellRow], cells_of: Counter[str]) -> float:
    """Return the mean over cells of their shares in the cost of their networks."""

    def share(network: Network) -> float:
        return network.core_seconds / cells_of[network.digest]

    return fmean(sum(map(share, row.networks)) for row in rows)
