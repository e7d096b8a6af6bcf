"""Translation by a published translator (OPUS-MT, M2M-100, NLLB, mBART-50), as it is.

transformers computes it, with its own tokenizer and beam search. No code that comes with a model is
run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nmt_ablation.errors import UserError, first_line, optional
from nmt_ablation.foreign.weights import SAVED_AGAIN, configuration
from nmt_ablation.progress import OnProgress
from nmt_ablation.translation.config import Decoding
from nmt_ablation.translation.translator import BATCH_SENTENCES, longest_hypothesis
from nmt_ablation.values import SIDES, Side

TYPES = ("marian", "m2m_100", "mbart")
"""The types that are known, as configurations name them; NLLB is of M2M-100's."""


class PublishedTranslator:
    """A published translator, ready to translate plain text.

    Attributes:
        parameters: the number of its parameters, shared ones once.
        truncated: the number of sentences so far that were cut to the positions that it has.
    """

    def __init__(
        self, folder: Path, codes: Mapping[Side, str], decoding: Decoding, threads: int
    ) -> None:
        """Read a translator.

        Args:
            folder: the translator's files.
            codes: the languages, as a multilingual translator calls them.
            decoding: beam and length penalty; it computes in float32.
            threads: threads on a CPU.

        Raises:
            UserError: it is of a type that is not known or damaged, it doesn't know a language, or
                a library is missing.
        """
        with optional("published translators need", "translators"):
            import transformers
        config = configuration(folder, TYPES, "OPUS-MT, M2M-100, NLLB and mBART-50")
        self.kind, self.decoding, self.threads = config["model_type"], decoding, threads
        self.longest, self.truncated = int(config.get("max_position_embeddings", 512)), 0
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        with _readable(folder):
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
            model: Any = transformers.AutoModelForSeq2SeqLM.from_pretrained(
                folder, dtype=torch.float32
            )
        self._model = model.eval().to(self._device)
        self.parameters = sum(weight.numel() for weight in self._model.parameters())
        self._before, self._forced = self._marked(folder, codes)

    def _marked(self, folder: Path, codes: Mapping[Side, str]) -> tuple[str, dict[str, int]]:
        """Return what stands before each source, and the settings by which each hypothesis begins
        with its language; have the tokenizer mark the source language."""
        if self.kind == "marian":
            if "source" in codes:
                raise UserError(f"{folder}: reads one language; leave codes.source out")
            if (target := codes.get("target")) is None:
                return "", {}
            self._language(folder, f">>{target}<<", "target")
            return f">>{target}<< ", {}
        for side in SIDES:
            if side not in codes:
                raise UserError(
                    f"{folder}: knows several languages; name the {side} one under codes, such as "
                    f"{', '.join(self._languages()[:5])}"
                )
        of_m2m = getattr(self._tokenizer, "lang_code_to_token", {})
        tokens = {side: of_m2m.get(code, code) for side, code in codes.items()}
        rows = {side: self._language(folder, token, side) for side, token in tokens.items()}
        self._tokenizer.src_lang = codes["source"]
        return "", {"forced_bos_token_id": rows["target"]}

    def _language(self, folder: Path, token: str, side: Side) -> int:
        """Return the row of a language's token.

        Raises:
            UserError: there is none.
        """
        row = self._tokenizer.convert_tokens_to_ids(token)
        if row in (None, self._tokenizer.unk_token_id):
            raise UserError(
                f"{folder}: has no language '{token}' for codes.{side}; it has "
                f"{', '.join(self._languages()) or 'none'}"
            )
        return int(row)

    def _languages(self) -> list[str]:
        """List the languages that it knows, as its tokenizer calls them."""
        if codes := getattr(self._tokenizer, "lang_code_to_token", None):
            return sorted(codes)
        if self.kind == "marian":
            vocabulary = self._tokenizer.get_vocab()
            return sorted(it[2:-2] for it in vocabulary if it.startswith(">>"))
        special = set(self._tokenizer.all_special_tokens)
        return sorted(special - {"<s>", "</s>", "<unk>", "<pad>", "<mask>"})

    def translate(self, sentences: Sequence[str], progress: OnProgress) -> list[str]:
        """Return the best translation of each sentence.

        Args:
            progress: a callback, called with sentences.
        """
        marked = [self._before + it for it in sentences]
        lengths = [len(self._tokenizer.encode(it)) for it in marked]
        self.truncated += sum(it > self.longest for it in lengths)
        by_length = sorted(range(len(marked)), key=lambda at: -lengths[at])
        hypotheses = [""] * len(marked)
        with _threads(self.threads):
            for start in range(0, len(by_length), BATCH_SENTENCES):
                some = by_length[start : start + BATCH_SENTENCES]
                bound = min(self.longest - 1, longest_hypothesis(lengths[some[0]]))
                found = self._generate([marked[at] for at in some], bound)
                for at, hypothesis in zip(some, found, strict=True):
                    hypotheses[at] = hypothesis.strip()
                progress(start + len(some), len(marked))
        return hypotheses

    def _generate(self, sentences: list[str], bound: int) -> list[str]:
        rows = self._tokenizer(
            sentences,
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=self.longest,
        )
        with torch.inference_mode():
            made = self._model.generate(
                **rows.to(self._device),
                **self._forced,
                num_beams=self.decoding.beam,
                length_penalty=self.decoding.length_penalty,
                max_new_tokens=bound,
                do_sample=False,
            )
        # The first symbol begins all hypotheses; a language follows, which may be none of the
        # tokenizer's special tokens.
        own = made[:, 2:] if self._forced else made
        found: list[str] = self._tokenizer.batch_decode(own, skip_special_tokens=True)
        return found


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say which file or folder can't be read."""
    from safetensors import SafetensorError

    damaged = (ValueError, OSError, KeyError, TypeError, RuntimeError, SafetensorError)
    try:
        yield
    except damaged as error:
        raise UserError(f"{path}: can't be read ({first_line(error)}); {SAVED_AGAIN}") from None


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Have torch compute with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
