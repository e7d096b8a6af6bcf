"""Checkpoints of fairseq: read without running code, written so that stock fairseq reads them."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch import Tensor

from nmt_ablation.files import beside_it, sync

# What fairseq's checkpoints hold besides tensors. With it named, torch loads them without the
# unrestricted unpickler, which would run whatever code a checkpoint names.
torch.serialization.add_safe_globals([argparse.Namespace])


def read(path: Path) -> dict[str, Any]:
    """A checkpoint as it stands in its file, on the CPU.

    Raises:
        pickle.UnpicklingError: it names something that could be code.
    """
    checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return checkpoint


def write(path: Path, weights: Mapping[str, Tensor], configuration: Any, updates: int) -> None:
    """Write the weights of one model as the checkpoint of a stock translation task.

    Args:
        configuration: fairseq's, of the whole training.
        updates: after which the model is as it is.
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
        "extra_state": {},
    }
    beside = beside_it(path)
    torch.save(checkpoint, beside)
    sync(beside)
    beside.replace(path)


def copy(source: str, target: str, overwrite: bool = False) -> bool:
    """fairseq's copy of a checkpoint, atomically: killed midway, its own leaves a torn file, and so
    does a loss of power."""
    beside = beside_it(Path(target))
    beside.unlink(missing_ok=True)
    sync(Path(source))
    os.link(source, beside)
    beside.replace(target)
    return True
