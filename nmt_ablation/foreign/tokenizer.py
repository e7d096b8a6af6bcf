"""Segmentation by an encoder's own tokenizer.

The tokenizer is read as data: no code that comes with an encoder is ever run.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Self

from nmt_ablation.errors import UserError, optional
from nmt_ablation.segmentation.segmenter import Material, by_frequency
from nmt_ablation.values import Side

TOKENIZER = "tokenizer.json"
UNKNOWN = "<unk>"
FAIRSEQ_SYMBOLS = {"<s>", "<pad>", "</s>", UNKNOWN}
FETCH_AGAIN = "fetch the encoder again, or name another"


class EncoderTokenizer:
    """The segmenter of an encoder, without its special tokens."""

    cites: ClassVar[tuple[str, ...]] = ()
    rows: dict[str, int]
    """The rows of the encoder's embedding matrix, by subword, for all subwords except `<unk>` that
    `encode` may return."""

    def __init__(self, folder: Path) -> None:
        """Read `tokenizer.json`.

        Raises:
            UserError: the file is missing or can't be read, or the tokenizer can't decode.
        """
        with optional("encoders need", "encoders"):
            from tokenizers import Tokenizer, decoders
        path = folder / TOKENIZER
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            raise UserError(f"{path}: is missing or no text; {FETCH_AGAIN}") from None
        try:
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as error:
            if type(error) is not Exception:  # the library raises exactly this class
                raise
            raise UserError(f"{path}: is no tokenizer ({error}); {FETCH_AGAIN}") from None
        # A file may ask for truncated or padded lines, which the encoder needs.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # "</s>" in a text is text.
        self._tokenizer.encode_special_tokens = True
        self._decoder = self._tokenizer.decoder
        if self._decoder is None:
            raise UserError(
                f"{path}: doesn't say how subwords are put together again (decoder is null); "
                "choose another encoder"
            )
        self._continues = ""
        if isinstance(self._decoder, decoders.WordPiece):
            self._decoder.cleanup = True
            self._continues = self._decoder.prefix
        added = self._tokenizer.get_added_tokens_decoder()
        special = {str(token.content) for token in added.values() if token.special}
        special |= {getattr(self._tokenizer.model, "unk_token", UNKNOWN), *FAIRSEQ_SYMBOLS}
        self.rows = {
            subword: row
            for subword, row in self._tokenizer.get_vocab().items()
            # White space ends a token for fairseq.
            if subword and subword not in special and not any(map(str.isspace, subword))
        }
        self._subwords = {row: subword for subword, row in self.rows.items()}
        self.special = {str(token.content): row for row, token in added.items()}
        """The rows of tokens that were added to the vocabulary: special ones, and codes."""

    def row(self, names: Iterable[str]) -> int | None:
        """Return the row of a special symbol, by the first of its names that the model has."""
        return next((self.special[name] for name in names if name in self.special), None)

    @classmethod
    def fit(cls, material: Material, folder: Path, side: Side) -> list[str]:
        """Copy the encoder's tokenizer, and return the `size` most frequent subwords of a text."""
        if material.encoder is None:
            raise ValueError("a segmentation by an encoder's tokenizer needs the encoder")
        (folder / TOKENIZER).write_bytes((material.encoder / TOKENIZER).read_bytes())
        tokenizer = cls(folder)
        for code in material.codes:
            if tokenizer.row([code]) is None:
                like = difflib.get_close_matches(code, tokenizer.special, n=5, cutoff=0.4)
                raise UserError(
                    f"segmentation.codes: the tokenizer has no '{code}' (like it: "
                    f"{', '.join(like) or 'nothing'}); write a code as the tokenizer does"
                )
        counts = material.count(tokenizer)
        tokens = [token for token, _ in by_frequency(counts) if token != UNKNOWN]
        return [*dict.fromkeys(material.codes), *tokens][: material.size]

    @classmethod
    def load(cls, folder: Path, side: Side) -> Self:
        return cls(folder)

    @staticmethod
    def model_file(folder: Path, side: Side) -> Path | None:
        return None

    def encode(self, line: str) -> list[str]:
        """Cut a line into subwords.

        Unknown text becomes `<unk>`, and so do subwords that fairseq can't hold: its own symbols,
        and subwords that contain white space.
        """
        # By ids, as the tokenizer's tokens would show the text of unknown subwords.
        ids = self._tokenizer.encode(line, add_special_tokens=False).ids
        return [self._subwords.get(row, UNKNOWN) for row in ids]

    def decode(self, tokens: list[str]) -> str:
        """Put a line together again.

        WordPiece loses the spaces around punctuation; they are restored by the rules of English.
        """
        return str(self._decoder.decode(tokens)).removeprefix(self._continues)
