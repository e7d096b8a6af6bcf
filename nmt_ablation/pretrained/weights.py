"""Embeddings from the weights of an encoder: mBERT, XLM-R or LaBSE.

The weights are read as data: no model is built, and no code of an encoder is ever run.
"""

import json
import pickle
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nmt_ablation.errors import UserError, first_line, optional
from nmt_ablation.pretrained.tokenizer import FETCH_AGAIN, EncoderTokenizer

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
EMBEDDINGS = "embeddings.word_embeddings.weight"
ENCODERS = {"bert": "bert", "xlm-roberta": "roberta"}
"""The prefix of tensors' names in a model that was saved with a head, by the type of model. mBERT
and LaBSE are of type bert."""
SAVED_AGAIN = "see that it came whole, or save it again with transformers"


def token_embeddings(folder: Path, wanted: Sequence[str]) -> tuple[list[str], NDArray[np.float32]]:
    """Return the input embeddings of the subwords that an encoder has, in the order wanted.

    Only the embeddings wanted are read from the file.

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
    """Map an encoder's input embeddings (vocabulary x dimension) from their file.

    Raises:
        UserError: the weights are missing or damaged, or have no input embeddings.
    """
    path = next((folder / file for file in WEIGHTS if (folder / file).exists()), None)
    if path is None:
        raise UserError(f"{folder}: has no weights; {FETCH_AGAIN}")
    if path.name.endswith(INDEX):
        path = folder / shard(folder, path.name)
    names = _embedding_names(folder)
    with optional("encoders need", "encoders"):
        from safetensors import SafetensorError, safe_open
    import torch

    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                name = _find(path, file.keys(), names)
                found: torch.Tensor = file.get_tensor(name)
                return found
        # Files from before PyTorch 1.6 are no zip archives, and can't be mapped.
        mapped = zipfile.is_zipfile(path)
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        found = weights[_find(path, weights, names)]
        return found
    except (SafetensorError, pickle.UnpicklingError, EOFError, RuntimeError, OSError) as error:
        raise UserError(
            f"{path}: can't be read as weights ({first_line(error)}); {SAVED_AGAIN}"
        ) from None


def model_type(folder: Path) -> str:
    """Return the type of model that an encoder's configuration names.

    Raises:
        UserError: the configuration can't be read, or the type isn't one of `ENCODERS`.
    """
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


def shard(folder: Path, index: str) -> str:
    """Return the name of the file that holds the input embeddings, as an index gives it.

    Raises:
        UserError: the index can't be read, or has no input embeddings.
    """
    path = folder / index
    names = _embedding_names(folder)
    try:
        places = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path}: is no index of weights; {SAVED_AGAIN}") from None
    return str(places[_find(path, places, names)])


def _embedding_names(folder: Path) -> list[str]:
    """List the names that the input embeddings may have."""
    return [EMBEDDINGS, f"{ENCODERS[model_type(folder)]}.{EMBEDDINGS}"]


def _find(path: Path, held: Iterable[str], names: Sequence[str]) -> str:
    every = list(held)
    for name in names:
        if name in every:
            return name
    near = [name for name in every if "embed" in name][:5]
    raise UserError(
        f"{path}: has no input embeddings ({' or '.join(names)}; of embeddings it has "
        f"{', '.join(near) or 'none'}); see that it and {CONFIG} are of one model, or name another"
    )
