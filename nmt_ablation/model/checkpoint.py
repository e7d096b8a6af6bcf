"""Checkpoints of fairseq: read without running code, and written for stock fairseq."""

import argparse
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from nmt_ablation.files import beside_it, sync


@contextmanager
def readable() -> Iterator[None]:
    """Have torch's safe unpickler read fairseq's checkpoints.

    They hold a Namespace besides tensors. With that class allowed, torch needs no unrestricted
    unpickler, which would run any code that a checkpoint names.
    """
    # torch's own context is not for nesting: the end of an inner one would end the outer one.
    if argparse.Namespace in torch.serialization.get_safe_globals():
        yield
        return
    with torch.serialization.safe_globals([argparse.Namespace]):
        yield


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        pickle.UnpicklingError: the file names something that could be code.
    """
    with readable():
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return checkpoint


def write(
    path: Path,
    weights: Mapping[str, Tensor],
    configuration: Any,
    updates: int,
    features: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the weights of one model as the checkpoint of a stock translation task.

    Args:
        configuration: fairseq's configuration of the training.
        updates: the number of updates that the model has had.
        features: the shapes of the features that feed it, as plain values. Stock fairseq can't load
            such a model.
    """
    stock: Any = OmegaConf.to_container(configuration, resolve=True, enum_to_str=True)
    stock["task"]["_name"] = "translation"
    stock["optimizer"]["_name"] = "adam"
    checkpoint = {
        "args": None,
        "cfg": stock,
        "model": {name: weight.cpu() for name, weight in weights.items()},
        "criterion": None,
        "optimizer_history": [
            {
                "criterion_name": "LabelSmoothedCrossEntropyCriterion",
                "optimizer_name": "FairseqAdam",
                "lr_scheduler_state": {},
                "num_updates": updates,
            }
        ],
        "task_state": {},
        "extra_state": {"features": list(features)} if features else {},
    }
    beside = beside_it(path)
    torch.save(checkpoint, beside)
    sync(beside)
    beside.replace(path)


def digest_of_weights(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all weights of a model's state, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].numpy(force=True).tobytes())
    return digest.hexdigest()


def average(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Return the mean weights of some checkpoints of one model."""
    of_all = [read(path)["model"] for path in paths]
    return {
        name: torch.stack([weights[name].double() for weights in of_all]).mean(0).to(first.dtype)
        for name, first in of_all[0].items()
    }


def copy(source: str, target: str, overwrite: bool = False) -> bool:
    """Copy a checkpoint atomically. If the process is killed or the power fails, fairseq's own copy
    leaves a torn file."""
    beside = beside_it(Path(target))
    beside.unlink(missing_ok=True)
    sync(Path(source))
    os.link(source, beside)
    beside.replace(target)
    return True
