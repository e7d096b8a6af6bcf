"""Measure which pretrained thing helps a translation model, by corpus size.

`nmt_ablation.Experiment` does from Python what the command line does.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt_ablation.api import Experiment

__all__ = ["Experiment", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import the class when it is used: it takes a second, which `--help` should not."""
    if name == "Experiment":
        from nmt_ablation.api import Experiment

        return Experiment
    raise AttributeError(f"module {__name__} has no attribute {name}")
