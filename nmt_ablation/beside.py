"""The folders that come with the code: cards of corpora, recipes, and templates of scripts."""

from importlib.metadata import files
from pathlib import Path
from typing import Literal

SHARED = "share/nmt-ablation"
"""The place of these folders in an installation, below its root; setup.cfg puts them there."""


def folder(name: Literal["corpora", "recipes", "slurm"]) -> Path:
    """Return a folder: of the checkout that the code runs from, or else of the installation."""
    checkout = Path(__file__).parents[1]
    if (checkout / "setup.cfg").is_file():
        return checkout / name
    there = (it for it in files("nmt_ablation") or () if it.parent.match(f"{SHARED}/{name}"))
    return Path(str(next(there).locate())).parent
