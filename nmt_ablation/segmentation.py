"""Cut sentences into tokens and put them together again, with sentencepiece, subword-nmt or words.

`fit` writes what a `Segmentation` needs into a folder, `Segmentation(folder, side)` reads it. A
dictionary is a file of tokens, the most frequent first, in fairseq's format.
"""

import contextlib
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import regex
import sentencepiece
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from nmt_ablation.corpus.text import stream_lines, write_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment import SIDES, SegmentationConfig, Side

# Marks where a token is glued to its neighbour, so that words can be put together again.
JOINER = "￭"
# A word keeps its combining marks: in many scripts they are vowels.
_TOKEN = regex.compile(r"(?P<word>[\w\p{M}]+)|[^\w\p{M}\s]")
CONTINUES = "@@"


class Segmenter(Protocol):
    def encode(self, line: str) -> list[str]: ...
    def decode(self, tokens: list[str]) -> str: ...


class Words:
    """Words and punctuation marks, each a token; a mark carries a joiner where it was glued."""

    def encode(self, line: str) -> list[str]:
        tokens: list[str] = []
        end = -1
        for match in _TOKEN.finditer(line.replace(JOINER, "■")):
            token = match[0]
            if match.start() == end:  # no space between; one of the two is punctuation
                if match["word"]:
                    tokens[-1] += JOINER
                else:
                    token = JOINER + token
            tokens.append(token)
            end = match.end()
        return tokens

    def decode(self, tokens: list[str]) -> str:
        return " ".join(tokens).replace(f"{JOINER} ", "").replace(f" {JOINER}", "").strip(JOINER)


class SubwordNmt:
    """Byte-pair encoding (Sennrich et al. 2016) of the words of `Words`, by subword-nmt."""

    def __init__(self, codes: Path) -> None:
        self.words = Words()
        with codes.open(encoding="utf-8") as file:
            self.bpe = BPE(file, separator=CONTINUES)

    def encode(self, line: str) -> list[str]:
        return list(self.bpe.segment_tokens(self.words.encode(line)))

    def decode(self, tokens: list[str]) -> str:
        words = " ".join(tokens).replace(f"{CONTINUES} ", "").removesuffix(CONTINUES)
        return self.words.decode(words.split())


class SentencePiece:
    """Unigram language model (Kudo 2018) or BPE pieces, by sentencepiece."""

    def __init__(self, model: Path) -> None:
        self.processor = sentencepiece.SentencePieceProcessor(model_file=str(model))

    def encode(self, line: str) -> list[str]:
        return list(self.processor.encode(line, out_type=str))

    def decode(self, tokens: list[str]) -> str:
        return str(self.processor.decode(tokens))

    def pieces(self) -> list[str]:
        """All pieces but the control symbols, the most probable first."""
        every = range(self.processor.get_piece_size())
        controls = (self.processor.is_control, self.processor.is_unknown)
        return [
            self.processor.id_to_piece(i) for i in every if not any(test(i) for test in controls)
        ]


def fit(
    config: SegmentationConfig,
    texts: dict[Side, list[Path]],
    folder: Path,
    encoder: Path | None = None,
) -> None:
    """Fit a segmentation on text and write it, with a dictionary for each side.

    Args:
        config: what kind, and how large.
        texts: of each side.
        folder: where it goes.
        encoder: where the encoder is whose tokenizer it is, if it is one's.

    Raises:
        UserError: the text is too little for the size asked for.
    """
    if encoder is not None:
        (folder / "tokenizer.json").write_bytes((encoder / "tokenizer.json").read_bytes())
    if config.joint:
        _fit_one(config, [path for side in SIDES for path in texts[side]], folder, SIDES)
    else:
        for side in SIDES:
            _fit_one(config, texts[side], folder, (side,))


def load(config: SegmentationConfig, folder: Path, side: Side) -> Segmenter:
    """The segmenter that `fit` left in a folder."""
    if config.type == "words":
        return Words()
    if config.type == "subword-nmt":
        return SubwordNmt(folder / f"codes.{side}")
    if config.type == "encoder":
        from nmt_ablation.pretrained.encoder import EncoderTokenizer

        return EncoderTokenizer(folder)
    return SentencePiece(folder / f"sentencepiece.{side}.model")


def dictionary_file(folder: Path, side: Side) -> Path:
    return folder / f"dictionary.{side}.txt"


def _fit_one(
    config: SegmentationConfig, texts: list[Path], folder: Path, sides: tuple[Side, ...]
) -> None:
    first = sides[0]
    if config.type == "words":
        counts = Counter(token for line in _lines(texts) for token in Words().encode(line))
        tokens = [token for token, _ in _by_frequency(counts)][: config.size]
    elif config.type == "encoder":
        encoder = load(config, folder, first)
        counts = Counter(token for line in _lines(texts) for token in encoder.encode(line))
        tokens = [token for token, _ in _by_frequency(counts) if token != "<unk>"][: config.size]
    elif config.type == "subword-nmt":
        words = Counter(token for line in _lines(texts) for token in Words().encode(line))
        frequencies = [f"{token} {count}" for token, count in _by_frequency(words)]
        codes = folder / f"codes.{first}"
        with codes.open("w", encoding="utf-8") as out, contextlib.redirect_stderr(io.StringIO()):
            learn_bpe(frequencies, out, config.size, min_frequency=2, is_dict=True)
        segmenter = SubwordNmt(codes)
        pieces: Counter[str] = Counter()
        for word, count in words.items():
            for piece in segmenter.bpe.segment_tokens([word]):
                pieces[piece] += count
        tokens = [token for token, _ in _by_frequency(pieces)]
    else:
        # Not written by sentencepiece: it would keep the path of the file in the file.
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=_lines(texts),
                model_writer=model,
                model_type=config.type.removeprefix("sentencepiece-"),
                vocab_size=config.size,
                character_coverage=1.0,
                # The references are raw; a model that never saw the raw form can't produce it.
                normalization_rule_name="identity",
                hard_vocab_limit=False,
                num_threads=1,  # more would change the sums' rounding with the machine
                minloglevel=1,
            )
        except RuntimeError as error:
            raise UserError(
                f"sentencepiece can't make {config.size} pieces of this text "
                f"({str(error).strip().splitlines()[-1]}); "
                "change segmentation.size, or fit it on other text"
            ) from None
        path = folder / f"sentencepiece.{first}.model"
        path.write_bytes(model.getvalue())
        tokens = SentencePiece(path).pieces()
    for side in sides:
        write_lines(dictionary_file(folder, side), [f"{token} 1" for token in tokens])
    for other in sides[1:]:
        for path in (folder / f"codes.{first}", folder / f"sentencepiece.{first}.model"):
            if path.exists():
                (folder / path.name.replace(first, other)).hardlink_to(path)


def _lines(texts: Iterable[Path]) -> Iterator[str]:
    for path in texts:
        yield from stream_lines(path)


def _by_frequency(counts: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent first; ties in the order of the text's code points, on every machine."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
