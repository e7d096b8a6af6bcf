"""Results as data frames, for notebooks; see docs/results-format.md."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_ablation.errors import UserError
from nmt_ablation.results import flat
from nmt_ablation.results.files import load

if TYPE_CHECKING:
    import pandas


def cells(results: Path | str) -> "pandas.DataFrame":
    """Return a row for each finished cell.

    Args:
        results: NAME.jsonl of a report.

    Raises:
        UserError: the file is missing, or pandas isn't installed.
    """
    return _frame(flat.cells([load(Path(results))]))


def means(results: Path | str) -> "pandas.DataFrame":
    """Return a row for each size and arm: means over seeds and gains, with their 95% intervals."""
    return _frame(flat.means([load(Path(results))]))


def _frame(rows: Sequence[flat.Flat]) -> "pandas.DataFrame":
    try:
        import pandas
    except ImportError:
        raise UserError("this needs pandas: bash recipes/setup.sh notebook") from None
    return pandas.DataFrame(rows)
