"""Scalars of a training for TensorBoard."""

from pathlib import Path
from typing import Any

from nmt_ablation.errors import UserError


def check() -> None:
    """See that they can be written.

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
    """Those of one training, in a folder; none without one."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.writer: Any = None

    def add(self, update: int, scalars: dict[str, float | None]) -> None:
        """After so many updates; what training does again after a resumption takes the place of
        what it did before."""
        if self.folder is None:
            return
        from tensorboardX import SummaryWriter

        if self.writer is None:
            self.writer = SummaryWriter(str(self.folder), purge_step=update, flush_secs=10)
        for name, value in scalars.items():
            if value is not None:
                self.writer.add_scalar(name, value, update)

    def close(self) -> None:
        """Write what a thread of the writer's still holds."""
        if self.writer is not None:
            self.writer.close()
