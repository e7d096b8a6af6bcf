from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from nmt_ablation.model.parts import Part
from nmt_ablation.pretrained.hosted import WHERE, Hosted
from nmt_ablation.pretrained.kind import Pretrained, Problem, Setting
from nmt_ablation.progress import OnProgress
from nmt_ablation.values import SIDES, Side

CITED = {
    "opus-mt": "tiedemann-2020",
    "nllb": "nllb-team-2022",
    "m2m": "fan-2021",
    "mbart": "liu-2020",
}
"""The papers of well-known translators, by a part of their names."""


class Translator(Hosted, Pretrained):
    """A published translator (OPUS-MT, M2M-100, NLLB, mBART-50), which translates the test sets as
    it is, and is scored beside all arms. Nothing starts from it."""

    unsigned: ClassVar[frozenset[str]] = Pretrained.unsigned | WHERE
    scored: ClassVar[bool] = True
    papers: ClassVar[Mapping[str, str]] = CITED

    kind: Literal["translator"]
    codes: dict[Side, str] = Field(default={})
    """The languages as a multilingual translator calls them: `de` and `en` for M2M-100, `deu_Latn`
    and `eng_Latn` for NLLB, `de_DE` and `en_XX` for mBART-50."""

    def parts(self, setting: Setting) -> tuple[Part, ...]:
        return ()

    def sides(self, setting: Setting) -> tuple[Side, ...]:
        return SIDES

    def problems(self, setting: Setting) -> Iterator[Problem]:
        if list(self.codes) == ["source"]:
            yield ("codes",), "name the target language too, which is what it translates into"

    def fetch(self, data: Path, folder: Path, progress: OnProgress) -> Mapping[str, str]:
        from nmt_ablation.foreign.hub import fetch_translator

        return fetch_translator(self.place(data), self.revision, folder, progress)
