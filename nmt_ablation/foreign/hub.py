"""Published models, copied from a local directory or downloaded from the hub."""

import io
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nmt_ablation.errors import UserError, first_line, optional
from nmt_ablation.files import sha256, writing
from nmt_ablation.foreign import weights
from nmt_ablation.foreign.tokenizer import TOKENIZER, EncoderTokenizer
from nmt_ablation.foreign.weights import CONFIG, INDEX, WEIGHTS
from nmt_ablation.progress import OnProgress

ANSWER_SECONDS = 20.0
OF_TRANSLATORS = (".json", ".spm", ".model", ".txt")
"""The endings of the files that a translator's tokenizer and configuration are made of."""


@dataclass(frozen=True)
class EncoderRecord:
    """The facts kept on record about a fetched encoder."""

    name: str
    revision: str | None
    files: dict[str, str]
    """SHA-256 by file name."""
    model_type: str
    dimension: int
    """Columns of the embedding matrix."""
    vocabulary: int
    """Subwords of the tokenizer."""


def fetch(
    name: str, revision: str | None, folder: Path, progress: OnProgress, whole: bool = False
) -> EncoderRecord:
    """Bring a model's configuration, tokenizer and weights into a folder.

    Safetensors are preferred to PyTorch's own format.

    Args:
        name: a local directory, or a model of the hub.
        revision: the full hash of a commit, for a model of the hub: branches and tags move.
        folder: where the files go.
        progress: a callback for progress in bytes.
        whole: take all of weights in several files, and not only the file with the embeddings.

    Raises:
        UserError: there is no such directory or model, the hub can't be reached, the revision is no
            commit, a file is missing or damaged, or the model is of another type.
    """
    source = _source(name, revision)
    saved = _saved(name, source)
    if TOKENIZER not in source.sizes:
        raise UserError(
            f"{name}: has no {TOKENIZER}; where transformers is installed, write it beside the "
            f'model: python -c "from transformers import AutoTokenizer as T; '
            "T.from_pretrained('DIR').save_pretrained('DIR')\""
        )

    def shards() -> set[str]:
        held = weights.Weights(folder)
        needed = held if whole else [held.family.embeddings]
        return {held.file_of(it) for it in needed}

    files = _brought(name, source, saved, [CONFIG, TOKENIZER, saved], shards, folder, progress)
    matrix, tokenizer = weights.embedding_matrix(folder), EncoderTokenizer(folder)
    if max(tokenizer.rows.values(), default=0) >= len(matrix):
        raise UserError(
            f"{name}: the tokenizer has more subwords than there are embeddings "
            f"({len(matrix):,}); check that both are of one model"
        )
    return EncoderRecord(
        name,
        revision,
        files,
        str(weights.family(folder).config["model_type"]),
        matrix.shape[1],
        len(tokenizer.rows),
    )


def fetch_translator(
    name: str, revision: str | None, folder: Path, progress: OnProgress
) -> dict[str, str]:
    """Bring a translator's configuration, tokenizer and weights into a folder.

    Args:
        name: a local directory, or a model of the hub.
        revision: the full hash of a commit, for a model of the hub: branches and tags move.
        folder: where the files go.
        progress: a callback for progress in bytes.

    Returns:
        the SHA-256 of each file, by its name.

    Raises:
        UserError: there is no such directory or model, the hub can't be reached, the revision is no
            commit, or a file is missing.
    """
    source = _source(name, revision)
    saved = _saved(name, source)
    files = [it for it in source.sizes if it.endswith(OF_TRANSLATORS) and "/" not in it]
    files += [] if saved in files else [saved]

    def shards() -> set[str]:
        return set(weights.places(folder / saved).values())

    return _brought(name, source, saved, files, shards, folder, progress)


def _saved(name: str, source: "_Source") -> str:
    """Return the file of a model's weights, or their index.

    Raises:
        UserError: there is none, or no configuration.
    """
    saved = next((file for file in WEIGHTS if file in source.sizes), None)
    if CONFIG not in source.sizes or saved is None:
        raise UserError(
            f"{name}: has no {CONFIG if saved else ' or '.join(WEIGHTS)}; name a model "
            "as transformers saves it for PyTorch"
        )
    return saved


def _brought(
    name: str,
    source: "_Source",
    saved: str,
    files: Sequence[str],
    shards: Callable[[], set[str]],
    folder: Path,
    progress: OnProgress,
) -> dict[str, str]:
    """Bring files into a folder, and those that an index of weights names; return the SHA-256 of
    each.

    Args:
        saved: the file of the weights, or their index, which is one of the files.
        shards: a function that returns the files that are needed, once the index is there.

    Raises:
        UserError: a file that the index names is missing.
    """
    with writing(folder):
        _bring(source, files, folder, progress)
        more = sorted(shards()) if saved.endswith(INDEX) else []
        for shard in more:
            if shard not in source.sizes:
                raise UserError(f"{name}: has no {shard}, which {saved} names; get it complete")
        _bring(source, more, folder, progress)
        # The hub's client keeps notes there, for resuming.
        shutil.rmtree(folder / ".cache", ignore_errors=True)
    return {file: sha256(folder / file) for file in sorted([*files, *more])}


class _Source(Protocol):
    """The place that an encoder comes from; `sizes` are the bytes of its files."""

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
            """A progress bar that calls `progress` and draws nothing."""

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
        raise UserError(
            f"{name}: there is no such directory, and the hub has no models of such names; check "
            "the spelling"
        )
    with optional("encoders need", "encoders"):
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
    said = f"'{revision}' is not a full commit hash" if revision else "a revision is missing"
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
            f"the hub can't be reached for {name} ({first_line(error)}); on a machine that can: "
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
