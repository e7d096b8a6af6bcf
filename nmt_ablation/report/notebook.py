"""Results as data frames, for notebooks; see docs/results-format.md."""

from pathlib import Path
from typing import TYPE_CHECKING

from nmt_ablation.errors import UserError
from nmt_ablation.report.findings import load

if TYPE_CHECKING:
    import pandas


def cells(results: Path | str) -> "pandas.DataFrame":
    """A row for each finished cell.

    Args:
        results: NAME.jsonl of a report.

    Raises:
        UserError: it is not there, or pandas isn't installed.
    """
    return _frame(load(Path(results)).cells)


def means(results: Path | str) -> "pandas.DataFrame":
    """A row for each size and arm: its mean over seeds and its gain, with their 95% intervals."""
    findings = load(Path(results))
    frame = _frame(findings.means)
    frame.insert(0, "experiment", findings.name)
    return frame


def _frame(rows: list[dict[str, object]]) -> "pandas.DataFrame":
    try:
        import pandas
    except ImportError:
        raise UserError("this needs pandas: bash recipes/setup.sh notebook") from None
    return pandas.DataFrame(rows)
