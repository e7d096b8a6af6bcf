"""The tensors of a published model, read by name."""

import json
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.errors import UserError, first_line, optional
from nmt_ablation.foreign.family import FAMILIES, Family
from nmt_ablation.foreign.tokenizer import FETCH_AGAIN, EncoderTokenizer

if TYPE_CHECKING:
    import torch

CONFIG = "config.json"
INDEX = ".index.json"
"""The ending of an index, which names the file of each tensor."""
WEIGHTS = tuple(
    name + ending
    for name in ("model.safetensors", "pytorch_model.bin")
    for ending in ("", INDEX)
)  # fmt: skip
SAVED_AGAIN = "check that it came whole, or save it again with transformers"


class Weights(Mapping[str, "torch.Tensor"]):
    """The tensors of a model, by name, without the prefix of a model that was saved with a head. A
    tensor is read from its file when it is asked for, in the type that it was saved in."""

    def __init__(self, folder: Path) -> None:
        """Open a model's files.

        Raises:
            UserError: the configuration or the weights are missing or damaged, or the model is of
                a type that is not known.
        """
        self.folder, self.family = folder, family(folder)
        found = next((folder / file for file in WEIGHTS if (folder / file).exists()), None)
        if found is None:
            raise UserError(f"{folder}: has no weights; {FETCH_AGAIN}")
        self.path = found
        self._readers: dict[str, tuple[Sequence[str], Callable[[str], torch.Tensor]]] = {}

    @cached_property
    def places(self) -> dict[str, tuple[str, str]]:
        """The file of each tensor and its name there, by its name without prefix."""
        file = self.path.name
        held = (
            places(self.path) if file.endswith(INDEX) else dict.fromkeys(self._open(file)[0], file)
        )
        return {self._plain(name): (file, name) for name, file in held.items()}

    def _plain(self, name: str) -> str:
        for prefix in self.family.prefixes:
            if name.startswith(prefix):
                return name.removeprefix(prefix)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __getitem__(self, name: str) -> "torch.Tensor":
        """Read a tensor.

        Raises:
            UserError: the model has no such tensor, or its file is missing or damaged.
        """
        file, full = self._place(name)
        with self._errors(file):
            return self._open(file)[1](full)

    def file_of(self, name: str) -> str:
        """Return the name of the file that holds a tensor.

        Raises:
            UserError: the model has no such tensor.
        """
        return self._place(name)[0]

    def _place(self, name: str) -> tuple[str, str]:
        if name not in self.places:
            word = "embed" if "embed" in name else name.rpartition(".")[0].rpartition(".")[2]
            near = [full for _, full in self.places.values() if word in full][:5]
            raise UserError(
                f"{self.path}: has no {name} (like it: {', '.join(near) or 'nothing'}); check that "
                f"it and {CONFIG} are of one model, or name another"
            )
        return self.places[name]

    def _open(self, file: str) -> tuple[Sequence[str], Callable[[str], "torch.Tensor"]]:
        """Return the names of a file's tensors, and a function that reads one."""
        if file not in self._readers:
            with self._errors(file):
                self._readers[file] = _opened(self.folder / file)
        return self._readers[file]

    @contextmanager
    def _errors(self, file: str) -> Iterator[None]:
        with optional("encoders need", "encoders"):
            from safetensors import SafetensorError
        try:
            yield
        except (SafetensorError, pickle.UnpicklingError, EOFError, RuntimeError, OSError) as error:
            raise UserError(
                f"{self.folder / file}: can't be read as weights ({first_line(error)}); "
                f"{SAVED_AGAIN}"
            ) from None


def _opened(path: Path) -> tuple[Sequence[str], Callable[[str], "torch.Tensor"]]:
    import torch
    from safetensors import safe_open

    if path.suffix == ".safetensors":
        file = safe_open(path, framework="pt")
        return list(file.keys()), file.get_tensor
    # Files from before PyTorch 1.6 are no zip archives, and can't be mapped.
    mapped = zipfile.is_zipfile(path)
    held = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    return [name for name, it in held.items() if torch.is_tensor(it)], held.__getitem__


def token_embeddings(folder: Path, wanted: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
    """Return the input embeddings of the subwords that a model has, in the order wanted.

    Returns:
        the subwords found, and their embeddings (subwords x dimension).

    Raises:
        UserError: the folder has not the files that `hub.fetch` fetches.
    """
    known = EncoderTokenizer(folder).rows
    found = [subword for subword in wanted if subword in known]
    rows = embedding_matrix(folder)[[known[subword] for subword in found]]
    values: NDArray[np.float32] = rows.float().numpy()
    return found, values


def embedding_matrix(folder: Path) -> "torch.Tensor":
    """Map a model's input embeddings (vocabulary x dimension) from their file.

    Raises:
        UserError: the weights are missing or damaged, or have no input embeddings.
    """
    weights = Weights(folder)
    return weights[weights.family.embeddings]


def family(folder: Path) -> Family:
    """Return the family of a model, by its configuration.

    Raises:
        UserError: the configuration can't be read, or the family is not known.
    """
    config = configuration(folder, FAMILIES.names(), "mBERT, LaBSE and XLM-R")
    return FAMILIES[config["model_type"]](config)


def configuration(folder: Path, types: Sequence[str], examples: str) -> dict[str, Any]:
    """Read a model's configuration.

    Args:
        types: the types that the model may have.
        examples: well-known models of these types.

    Raises:
        UserError: it can't be read, or the model is of another type.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read ({error}); {FETCH_AGAIN}") from None
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind not in types:
        raise UserError(
            f"{path}: the model is of type {kind!r}; choose a model of type {', '.join(types)}, "
            f"such as {examples}"
        )
    return dict(config)


def places(index: Path) -> dict[str, str]:
    """Return the file of each tensor, by its full name, as an index gives it.

    Raises:
        UserError: the index can't be read.
    """
    try:
        held: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {name: str(file) for name, file in held.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{index}: is no index of weights; {SAVED_AGAIN}") from None
