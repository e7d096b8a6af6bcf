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


def _import_what_brings_much() -> None:
    """Without what fairseq's audio classification and sentence prediction score with, and without
    what CTranslate2 reads other models by: nothing here needs either, and they would take about
    half of the seconds in which a process starts."""
    names = ["sklearn", "sklearn.metrics", "scipy.stats", "transformers", "huggingface_hub"]
    names = [name for name in names if name not in sys.modules]
    sys.modules.update({name: _NotNeeded(name) for name in names})
    try:
        import ctranslate2.converters  # noqa: F401
        import fairseq  # noqa: F401
    finally:
        for name in names:
            del sys.modules[name]


_import_what_brings_much()
