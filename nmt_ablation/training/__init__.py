"""fairseq's trainer, and the plug-in that gives it arms."""

import logging
import sys
from types import ModuleType
from typing import Any

# Says at each import that tensorboardX is missing, which nothing here needs.
logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)


class _NotNeeded(ModuleType):
    """Has whatever is asked of it, and all of it is None."""

    def __getattr__(self, name: str) -> Any:
        return None


def _import_fairseq() -> None:
    """Without scikit-learn, which two of its tasks import for scores that nothing here computes: a
    third of the seconds that a process takes to start."""
    names = [name for name in ("sklearn", "sklearn.metrics") if name not in sys.modules]
    sys.modules.update({name: _NotNeeded(name) for name in names})
    try:
        import fairseq  # noqa: F401
    finally:
        for name in names:
            del sys.modules[name]


_import_fairseq()
