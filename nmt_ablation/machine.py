"""The machine that this process runs on."""

import os
import shutil
import sys


def has_gpu() -> bool:
    """Return whether there is an NVIDIA GPU, without loading torch."""
    return shutil.which("nvidia-smi") is not None


def cores() -> int:
    """Return the number of cores that this process may use, where the system can say."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def computes_bfloat16() -> bool:
    """Return whether the processor has instructions for bfloat16."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    return any(features.get(name) for name in ("avx512bf16", "amx-bf16", "bf16"))
