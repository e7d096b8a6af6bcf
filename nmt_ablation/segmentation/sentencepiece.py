"""Subwords by sentencepiece: a unigram language model (Kudo 2018) or byte-pair encoding."""

import io
from pathlib import Path
from typing import ClassVar, Self

import sentencepiece

from nmt_ablation.errors import UserError
from nmt_ablation.segmentation.segmenter import Material
from nmt_ablation.values import Side


class SentencePiece:
    """Subwords of one of sentencepiece's models."""

    cites: ClassVar[tuple[str, ...]]
    model_type: ClassVar[str]

    def __init__(self, model: Path) -> None:
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(model))

    @classmethod
    def fit(cls, material: Material, folder: Path, side: Side) -> list[str]:
        """Train a model of `size` subwords, and return them."""
        # Not written by sentencepiece: it would keep the path of the file in the file.
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=material.lines(),
                model_writer=model,
                model_type=cls.model_type,
                vocab_size=material.size,
                character_coverage=1.0,
                # The references are raw; a model that never saw the raw form can't produce it.
                normalization_rule_name="identity",
                hard_vocab_limit=False,
                num_threads=1,  # more would change the sums' rounding with the machine
                minloglevel=1,
            )
        except RuntimeError as error:
            raise UserError(
                f"sentencepiece can't make {material.size} subwords of this text "
                f"({str(error).strip().splitlines()[-1]}); "
                "change segmentation.size, or fit it on other text"
            ) from None
        path = cls.model_file(folder, side)
        path.write_bytes(model.getvalue())
        return cls(path).subwords()

    @classmethod
    def load(cls, folder: Path, side: Side) -> Self:
        return cls(cls.model_file(folder, side))

    @staticmethod
    def model_file(folder: Path, side: Side) -> Path:
        return folder / f"sentencepiece.{side}.model"

    def encode(self, line: str) -> list[str]:
        return list(self.processor.encode(line, out_type=str))

    def decode(self, tokens: list[str]) -> str:
        return str(self.processor.decode(tokens))

    def subwords(self) -> list[str]:
        """List all subwords but the control symbols, the most probable first."""
        ids = range(self.processor.get_piece_size())
        controls = (self.processor.is_control, self.processor.is_unknown)
        return [self.processor.id_to_piece(i) for i in ids if not any(test(i) for test in controls)]


class Unigram(SentencePiece):
    """Subwords of a unigram language model."""

    cites = ("kudo-2018",)
    model_type = "unigram"


class BytePairs(SentencePiece):
    """Subwords of byte-pair encoding."""

    cites = ("kudo-2018", "sennrich-2016")
    model_type = "bpe"
