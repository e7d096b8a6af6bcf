"""States of sentences, kept on disk while a model learns from them."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

KEPT = 16 << 30
"""The most bytes of states of training pairs that are kept while a model is trained."""
STATE_BYTES = 2
"""Bytes of a number."""


class Kept:
    """States in half precision, in a file without a name that goes with the process.

    Args:
        folder: a folder on the disk to keep them on.
        room: the most bytes.
    """

    def __init__(self, folder: Path, room: int) -> None:
        self._room = room
        # Open as long as this is.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._places: dict[bytes, tuple[int, int]] = {}
        """The first number and the length of each sentence, by its tokens."""
        self._map: np.memmap[tuple[int], np.dtype[np.float16]] | None = None
        self._shape = 0, 0

    def __len__(self) -> int:
        return len(self._places)

    def add(self, tokens: "Tensor", states: "Tensor") -> bool:
        """Keep a sentence's states, layers x length x width; return False if there is no room."""
        numbers = states.half().cpu().contiguous().numpy()
        if numbers.nbytes > self._room:
            return False
        self._room -= numbers.nbytes
        self._places[key_of(tokens)] = self._file.tell() // STATE_BYTES, len(tokens)
        self._file.write(numbers.tobytes())
        self._shape = len(states), states.shape[2]
        return True

    def close(self) -> None:
        """Map what was added into memory; nothing is added any more."""
        self._file.flush()
        if self._places:
            self._map = np.memmap(self._file, np.float16, "r")

    def find(self, rows: "Tensor", padding: int) -> "Tensor | None":
        """Return the states of sentences: layers x sentences x length x width, in half precision,
        with zeros for padding; None if any isn't kept.

        Args:
            rows: the tokens (sentences x length), padded anywhere; rows of padding alone count as
                kept.
        """
        import torch

        if self._map is None:
            return None
        layers, width = self._shape
        found = torch.zeros(layers, *rows.shape, width, dtype=torch.float16)
        for number, row in enumerate(rows.cpu()):
            there = row != padding
            tokens = row[there]
            if not len(tokens):
                continue
            if (place := self._places.get(key_of(tokens))) is None:
                return None
            start, length = place
            numbers = self._map[start : start + layers * length * width]
            own = torch.from_numpy(np.array(numbers)).view(layers, length, width)
            found[:, number, there] = own
        return found


def key_of(tokens: "Tensor") -> bytes:
    """Return a sentence's tokens as a key."""
    return tokens.numpy().tobytes()
