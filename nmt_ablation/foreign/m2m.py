from collections.abc import Mapping
from typing import ClassVar

from nmt_ablation.foreign.mbart import Translator


class M2M(Translator):
    """M2M-100 and NLLB (Fan et al. 2021; NLLB Team 2022)."""

    norms: ClassVar[Mapping[str, str]] = {"layer_norm": "{0}.layer_norm"}
