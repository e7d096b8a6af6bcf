"""Scalars of a training for TensorBoard."""

from pathlib import Path
from typing import Any

from nmt_ablation.errors import UserError


def check() -> None:
    """Check that scalars can be written.

    Raises:
        UserError: the package that writes them is not installed.
    """
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise UserError(
            "TensorBoard's files are written by the package tensorboardX: bash "
            "recipes/setup.sh tensorboard"
        ) from None


class Events:
    """Scalars of one training, written to a folder; without a folder nothing is written."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.writer: Any = None

    def add(self, update: int, scalars: dict[str, float | None]) -> None:
        """Write scalars after an update. Updates that are repeated after a resumption replace the
        earlier ones."""
        if self.folder is None:
            return
        from tensorboardX import SummaryWriter

        if self.writer is None:
            self.writer = SummaryWriter(str(self.folder), purge_step=update, flush_secs=10)
        for name, value in scalars.items():
            if value is not None:
                self.writer.add_scalar(name, value, update)

    def close(self) -> None:
        """Write the scalars that the writer's thread still holds."""
        if self.writer is not None:
            self.writer.close()
