from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.pretrained.kind import Built, Given, PretrainedVectors, Setting, TextName
from nmt_ablation.values import SIDES, Side


class Vectors(PretrainedVectors):
    """Vectors from the user's files: the text formats of fastText, GloVe, word2vec and MUSE,
    word2vec's binary, or fastText's .bin, packed (gzip, bzip2, xz, zstd) or not. Relative paths
    start at the data folder."""

    version = 4
    respelled = True
    unsigned: ClassVar[frozenset[str]] = PretrainedVectors.unsigned | {"source", "target"}

    kind: Literal["vectors"]
    source: str
    """The file of the source language."""
    target: str
    """The file of the target language."""

    @property
    def shared(self) -> bool:
        return self.source == self.target and self.align is None

    @property
    def segmented(self) -> bool:
        return True

    def needed_text(self, setting: Setting) -> TextName | None:
        if self.unit == "token":
            return None
        return "monolingual" if setting.monolingual == SIDES else "sample"

    def files(self, data: Path) -> Mapping[str, Path]:
        return {"source": data / self.source, "target": data / self.target}

    def build(self, given: Given) -> dict[Side, Built]:
        from nmt_ablation.pretrained import compose, vec
        from nmt_ablation.pretrained.vector_file import read

        record = {}
        for side in SIDES:
            names = given.tokens[side]
            if self.unit == "word":
                counts = compose.words(stream_lines(given.texts[side]))
                names = [word for word, _ in counts.most_common()]
            wanted = dict.fromkeys(it for name in names for it in compose.spellings(name))
            found = read(given.files[side], list(wanted), given.progress)
            if not found.tokens:
                raise UserError(
                    f"{given.files[side]}: has a vector for none of {len(names):,} "
                    f"{given.setting.languages[side]} {self.unit}s"
                )
            vec.write(given.vectors(side), found.tokens, found.values)
            details = {"of_ngrams": len(found.composed), "duplicates": found.duplicates}
            record[side] = Built(len(found.tokens), found.dimension, details)
        return record
