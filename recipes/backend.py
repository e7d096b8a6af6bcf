"""The build of this package: setuptools', once there is what fairseq is compiled with.

pip asks for the metadata before it fetches anything, so what is missing is said at once.
recipes/setup.sh runs this file for the same check.
"""

import os
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

COMPILED = "and fairseq has to be compiled; on Debian and Ubuntu: apt-get install"


def missing() -> str | None:
    """Say what is missing to compile fairseq, with the remedy."""
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        return f"there is no {compiler}, {COMPILED} g++"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return f"there is no {header}, {COMPILED} python3-dev"
    return None


def prepare_metadata_for_build_wheel(*settings: Any) -> str:
    """Write the metadata of a wheel, as pip asks before it installs one."""
    from setuptools import build_meta

    _check()
    folder: str = build_meta.prepare_metadata_for_build_wheel(*settings)
    return folder


def prepare_metadata_for_build_editable(*settings: Any) -> str:
    """Write the metadata of an editable installation."""
    from setuptools import build_meta

    _check()
    folder: str = build_meta.prepare_metadata_for_build_editable(*settings)
    return folder


def __getattr__(hook: str) -> Any:
    """Return another hook: all of them are setuptools'."""
    from setuptools import build_meta

    return getattr(build_meta, hook)


def _check() -> None:
    if problem := missing():
        sys.exit(f"nmt-ablation: {problem}")


if __name__ == "__main__":
    if problem := missing():
        sys.exit(f"setup: {problem}")
