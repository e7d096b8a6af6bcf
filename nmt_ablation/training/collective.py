"""Operations of all processes that train one model; a single process agrees with itself."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

Anything = TypeVar("Anything")


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def is_first() -> bool:
    """Return True in the process that writes files."""
    return not _several() or dist.get_rank() == 0


def agreed(yes: Tensor) -> Tensor:
    """Return, for each question, True if all processes say yes.

    Processes that decide differently would wait for each other for ever.
    """
    if not _several():
        return yes
    answers = yes.to(torch.int32)
    dist.all_reduce(answers, op=dist.ReduceOp.MIN)
    return answers.bool()


def first_ones(make: Callable[[], Anything]) -> Anything:
    """Call a function in the first process, and return its result in all processes."""
    if not _several():
        return make()
    made = [make() if is_first() else None]
    dist.broadcast_object_list(made, src=0)
    (found,) = made
    return found  # type: ignore[return-value]


def leave() -> None:
    """Wait for all processes, and leave their group."""
    if _several():
        dist.barrier()
        dist.destroy_process_group()


def mean(tensors: Sequence[Tensor]) -> None:
    """Average tensors over all processes, in place."""
    if not _several() or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    sizes = [tensor.numel() for tensor in tensors]
    parts = torch.split(flat.div_(dist.get_world_size()), sizes)
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))
