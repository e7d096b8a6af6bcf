"""Results as data frames, for notebooks; see docs/results-format.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmt_ablation.errors import UserError
from nmt_ablation.results import flat
from nmt_ablation.results.files import load
from nmt_ablation.results.results import Results

if TYPE_CHECKING:
    import pandas


def cells(results: Results | Path | str) -> "pandas.DataFrame":
    """Return a row for each finished cell.

    Args:
        results: results, or NAME.jsonl of a report.

    Raises:
        UserError: the file is missing, or pandas isn't installed.
    """
    return frame(flat.cells([_loaded(results)]))


def means(results: Results | Path | str) -> "pandas.DataFrame":
    """Return a row for each size and arm: means over seeds and gains, with their 95% intervals."""
    return frame(flat.means([_loaded(results)]))


def _loaded(results: Results | Path | str) -> Results:
    return results if isinstance(results, Results) else load(Path(results))


def frame(rows: Sequence[Mapping[str, object]]) -> "pandas.DataFrame":
    """Return rows as a data frame.

    Raises:
        UserError: pandas isn't installed.
    """
    try:
        import pandas
    except ImportError:
        raise UserError("this needs pandas: bash recipes/setup.sh notebook") from None
    return pandas.DataFrame(rows)
