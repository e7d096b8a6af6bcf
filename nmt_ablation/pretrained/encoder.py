"""The input embeddings of multilingual encoders (mBERT, XLM-R, LaBSE), and their own tokenizers.

`fetch` leaves in a folder what the other two read: config, `tokenizer.json` and weights. They are
read as data: no model is made, and no code that comes with one is ever run.
"""

import io
import json
import pickle
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.errors import UserError
from nmt_ablation.files import sha256
from nmt_ablation.opus.download import writing
from nmt_ablation.progress import OnProgress
from nmt_ablation.workspace import Json

if TYPE_CHECKING:
    import torch

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
INDEX = ".index.json"
WEIGHTS = tuple(
    name + ending
    for name in ("model.safetensors", "pytorch_model.bin")
    for ending in ("", INDEX)  # of weights in several files
)
TABLE = "embeddings.word_embeddings.weight"
ENCODERS = {"bert": "bert", "xlm-roberta": "roberta"}
"""Types of model (mBERT and LaBSE are of type bert), and what stands before their tensors' names
where the model was saved with a head."""
UNKNOWN = "<unk>"
FAIRSEQ_SYMBOLS = {"<s>", "<pad>", "</s>", UNKNOWN}
ANSWER_SECONDS = 20.0


class EncoderTokenizer:
    """A `Segmenter` that cuts as an encoder's tokenizer does, without its special tokens."""

    rows: dict[str, int]
    """All pieces that `encode` may give, but for `<unk>`, and their rows in the table."""

    def __init__(self, folder: Path) -> None:
        """Read the tokenizer that `fetch` left in a folder.

        Raises:
            UserError: there is none, or it can't be read or can't put pieces together again.
        """
        with _extra():
            from tokenizers import Tokenizer, decoders
        path = folder / TOKENIZER
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, UnicodeDecodeError):
            raise UserError(f"{path}: is missing or no text; {FETCH_AGAIN}") from None
        try:
            self._tokenizer = Tokenizer.from_str(text)
        except Exception as error:
            if type(error) is not Exception:  # tokenizers raises just that, and nothing else
                raise
            raise UserError(f"{path}: is no tokenizer ({error}); {FETCH_AGAIN}") from None
        # A file may say that lines are cut off or filled up, for the encoder's sake.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # "</s>" in a text is text.
        self._tokenizer.encode_special_tokens = True
        self._decoder = self._tokenizer.decoder
        if self._decoder is None:
            raise UserError(
                f"{path}: doesn't say how pieces are put together again (decoder is null); "
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
            piece: row
            for piece, row in self._tokenizer.get_vocab().items()
            # White space ends a token for fairseq.
            if piece and piece not in special and not any(map(str.isspace, piece))
        }
        self._pieces = {row: piece for piece, row in self.rows.items()}

    def encode(self, line: str) -> list[str]:
        """Cut a line. What the tokenizer has no piece for is `<unk>`; so is a piece that fairseq
        couldn't hold: its own symbols, and what has white space in it."""
        # The tokenizer's own tokens have the text of what is unknown; its ids say that it is.
        ids = self._tokenizer.encode(line, add_special_tokens=False).ids
        return [self._pieces.get(row, UNKNOWN) for row in ids]

    def decode(self, tokens: list[str]) -> str:
        """Put a line together: as it was with sentencepiece's pieces, after its normalisation.
        WordPiece forgets the spaces around punctuation; English habits take their place."""
        return str(self._decoder.decode(tokens)).removeprefix(self._continues)


def fetch(name: str, revision: str | None, folder: Path, progress: OnProgress) -> Json:
    """Copy from a local directory, or download from the hub, what is needed of an encoder.

    That is its config, tokenizer and weights; of several forms of weights one, safetensors if they
    are there, and of weights in several files the one with the table. A model of the hub needs the
    full hash of a commit as its revision, as branches and tags move. `progress` is told bytes.

    Returns, for the record, name, revision, the SHA-256 of each file, the type of the model, the
    dimension of its table and the number of pieces of its tokenizer.

    Raises:
        UserError: there is no such directory or model, the hub can't be reached, the revision is no
            commit, a file is missing or damaged, or the model is of another type.
    """
    source = _source(name, revision)
    weights = next((file for file in WEIGHTS if file in source.sizes), None)
    if CONFIG not in source.sizes or weights is None:
        raise UserError(
            f"{name}: has no {CONFIG if weights else ' or '.join(WEIGHTS)}; it takes a model "
            "as transformers saves it for PyTorch"
        )
    if TOKENIZER not in source.sizes:
        raise UserError(
            f"{name}: has no {TOKENIZER}; where transformers is installed, write it beside the "
            f'model: python -c "from transformers import AutoTokenizer as T; '
            "T.from_pretrained('DIR').save_pretrained('DIR')\""
        )
    files = [CONFIG, TOKENIZER, weights]
    with writing(folder):
        _bring(source, files, folder, progress)
        if weights.endswith(INDEX):
            shard = _shard(folder / weights, _names(folder))
            if shard not in source.sizes:
                raise UserError(f"{name}: has no {shard}, which {weights} names; get it complete")
            _bring(source, [shard], folder, progress)
            files.append(shard)
        # The hub's client keeps notes there to go on from.
        shutil.rmtree(folder / ".cache", ignore_errors=True)
    tensor, tokenizer = _table(folder), EncoderTokenizer(folder)
    if max(tokenizer.rows.values(), default=0) >= len(tensor):
        raise UserError(
            f"{name}: the tokenizer has more pieces than the table has rows ({len(tensor):,}); "
            "see that both are of one model"
        )
    return {
        "name": name,
        "revision": revision,
        "files": {file: sha256(folder / file) for file in sorted(files)},
        "model_type": _model_type(folder),
        "dimension": tensor.shape[1],
        "vocabulary": len(tokenizer.rows),
    }


def table(folder: Path, wanted: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
    """The wanted pieces that the encoder has, in their order, and their rows of its table of input
    embeddings (pieces x dimension). Of the weights only these rows are read.

    Raises:
        UserError: the folder isn't as `fetch` leaves it.
    """
    known = EncoderTokenizer(folder).rows
    found = [piece for piece in wanted if piece in known]
    rows = _table(folder)[[known[piece] for piece in found]]
    values: NDArray[np.float32] = rows.float().numpy()
    return found, values


FETCH_AGAIN = "fetch the encoder again, or name another"
SAVED_AGAIN = "see that it came whole, or save it again with transformers"


class _Source(Protocol):
    """Where an encoder's files are; `sizes` are bytes."""

    @property
    def sizes(self) -> dict[str, int]: ...
    def bring(self, file: str, folder: Path, progress: OnProgress) -> None: ...


@dataclass(frozen=True)
class _Directory:
    path: Path

    @property
    def sizes(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in self.path.iterdir() if path.is_file()}

    def bring(self, file: str, folder: Path, progress: OnProgress) -> None:
        shutil.copyfile(self.path / file, folder / file)


@dataclass(frozen=True)
class _Hub:
    name: str
    revision: str
    sizes: dict[str, int]

    def bring(self, file: str, folder: Path, progress: OnProgress) -> None:
        from huggingface_hub import hf_hub_download
        from tqdm import tqdm

        size = self.sizes[file]

        class Bar(tqdm):  # type: ignore[misc]
            """Tells `progress` what the client would draw."""

            def __init__(self, *args: Any, **settings: Any) -> None:
                super().__init__(*args, **settings | {"file": io.StringIO()})

            def update(self, n: float | None = 1) -> bool | None:
                drawn: bool | None = super().update(n)
                progress(self.n, size)
                return drawn

        with _hub_errors(self.name, self.revision):
            hf_hub_download(
                self.name, file, revision=self.revision, local_dir=folder, tqdm_class=Bar
            )


def _source(name: str, revision: str | None) -> _Source:
    directory = Path(name).expanduser()
    if directory.is_dir():
        if revision is not None:
            raise UserError(f"{name}: a directory has no revisions; leave revision out")
        return _Directory(directory)
    if not re.fullmatch(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", name):
        raise UserError(f"{name}: there is no such directory, and no model of the hub is so called")
    with _extra():
        from huggingface_hub import HfApi
    pinned = revision is not None and re.fullmatch("[0-9a-f]{40}", revision) is not None
    try:
        with _hub_errors(name, revision):
            info = HfApi().model_info(
                name, revision=revision, timeout=ANSWER_SECONDS, files_metadata=True
            )
    except _UnreachableError as error:
        if pinned:
            raise
        raise UserError(f"{_unpinned(name, revision)}; {error}") from None
    if not pinned:
        raise UserError(f"{_unpinned(name, revision)}: write revision: {info.sha}")
    assert revision is not None
    return _Hub(name, revision, {file.rfilename: file.size or 0 for file in info.siblings or []})


def _unpinned(name: str, revision: str | None) -> str:
    said = f"'{revision}' is no commit's full hash" if revision else "it has no revision"
    return f"{name}: there is no such directory, and for a model of the hub {said}"


class _UnreachableError(UserError):
    """The hub gave no answer."""


@contextmanager
def _hub_errors(name: str, revision: str | None) -> Iterator[None]:
    # HTTPError is of whichever HTTP library the client is built on.
    from huggingface_hub.errors import (
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except RevisionNotFoundError:
        raise UserError(
            f"{name}: the hub has no revision '{revision}' of it; take a commit's hash from the "
            "model's page, Files, History"
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{name}: is neither a directory here nor a model that the hub shows to everyone; see "
            "the spelling, or download it yourself and name the directory"
        ) from None
    except (HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        at = f" --revision {revision}" if revision else ""
        raise _UnreachableError(
            f"the hub can't be reached for {name} ({_first_line(error)}); on a machine that can: "
            f"hf download {name}{at} --local-dir DIR, bring DIR here and name it in place of {name}"
        ) from None


def _bring(source: _Source, files: Sequence[str], folder: Path, progress: OnProgress) -> None:
    whole = sum(source.sizes[file] for file in files)
    done = 0
    for file in files:

        def within(at: float, size: float, before: int = done) -> None:
            progress(before + min(at, size), whole)

        source.bring(file, folder, within)
        done += source.sizes[file]
        progress(done, whole)


def _table(folder: Path) -> "torch.Tensor":
    """The table of input embeddings, mapped from its file: rows come as they are used."""
    names = _names(folder)
    path = next((folder / file for file in WEIGHTS if (folder / file).exists()), None)
    if path is None:
        raise UserError(f"{folder}: has no weights; {FETCH_AGAIN}")
    if path.name.endswith(INDEX):
        path = folder / _shard(path, names)
    with _extra():
        from safetensors import SafetensorError, safe_open
    import torch

    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                name = _find(path, file.keys(), names)
                found: torch.Tensor = file.get_tensor(name)
                return found
        # Files of before PyTorch 1.6 are no zip archives, and can't be mapped.
        mapped = zipfile.is_zipfile(path)
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        found = weights[_find(path, weights, names)]
        return found
    except (SafetensorError, pickle.UnpicklingError, EOFError, RuntimeError, OSError) as error:
        raise UserError(
            f"{path}: can't be read as weights ({_first_line(error)}); {SAVED_AGAIN}"
        ) from None


def _names(folder: Path) -> list[str]:
    """What the table of input embeddings may be called in the weights."""
    before = ENCODERS[_model_type(folder)]
    return [TABLE, f"{before}.{TABLE}"]


def _model_type(folder: Path) -> str:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise UserError(f"{path}: can't be read ({error}); {FETCH_AGAIN}") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in ENCODERS:
        raise UserError(
            f"{path}: the model is of type {kind!r}; choose an encoder of type "
            f"{' or '.join(ENCODERS)}, such as mBERT, LaBSE and XLM-R are"
        )
    return str(kind)


def _shard(index: Path, names: Sequence[str]) -> str:
    try:
        places = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{index}: is no index of weights; {SAVED_AGAIN}") from None
    return str(places[_find(index, places, names)])


def _find(path: Path, held: Iterable[str], names: Sequence[str]) -> str:
    every = list(held)
    for name in names:
        if name in every:
            return name
    near = [name for name in every if "embed" in name][:5]
    raise UserError(
        f"{path}: has no table of input embeddings ({' or '.join(names) or 'nor has its model'}; "
        f"of embeddings it has {', '.join(near) or 'none'}); see that it and {CONFIG} are of one "
        "model, or name another"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


@contextmanager
def _extra() -> Iterator[None]:
    """Say what to install where a library is missing that only encoders need."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(
            f"encoders need {error.name}; install it: bash recipes/setup.sh encoders"
        ) from None
