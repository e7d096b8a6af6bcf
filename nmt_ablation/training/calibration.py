"""What an update of a model takes on this machine, by training it for a moment on made-up text."""

import itertools
import os
import platform
import random
import resource
import statistics
import sys
import time
from pathlib import Path

import torch

from nmt_ablation.corpus.text import write_lines
from nmt_ablation.experiment import Model, Training
from nmt_ablation.model.tables import Tables
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Words
from nmt_ablation.stopping import StoppedError
from nmt_ablation.training import launch
from nmt_ablation.training.binarise import SPLITS, binarise
from nmt_ablation.training.plugin import ArmPlan, ArmsTask
from nmt_ablation.workspace import Json

UPDATES, FIRST = 15, 5
"""Of them the first ones, in which memory is got hold of, don't count."""
ENOUGH_SECONDS = 20
"""After which a large model's few updates have to do."""
TOKENS = 5, 40
"""Shortest and longest sentence."""


def calibrate(
    model: Model, training: Training, pieces: int, folder: Path, progress: OnProgress
) -> Json:
    """Seconds of an update, and the most memory that this process takes, in bytes.

    Call it once in a process, as `launch.train`.

    Args:
        pieces: size of the dictionary.
        folder: for files that are of no use afterwards.

    Raises:
        StoppedError, UserError: as there; nothing is known then.
    """
    draw = random.Random(1)
    words = [f"w{number}" for number in range(pieces)]
    dictionary = folder / "dictionary.txt"
    write_lines(dictionary, (f"{word} 1" for word in words))
    tokens = UPDATES * training.batch_tokens
    for split in SPLITS:
        sentences = tokens // TOKENS[0] if split == "train" else 2
        for language in ("xx", "yy"):
            lengths = (draw.randint(*TOKENS) for _ in range(sentences))
            lines = (" ".join(draw.choices(words, k=length)) for length in lengths)
            write_lines(folder / f"{split}.{language}", lines)
    binarise(folder, {"xx": dictionary, "yy": dictionary}, folder / "data-bin")

    times: list[float] = []

    def enough() -> bool:
        return len(times) > 2 and times[-1] - times[0] > ENOUGH_SECONDS

    def timed(done: float, whole: float) -> None:
        times.append(time.perf_counter())
        progress(done, whole)
        if enough():
            ArmsTask.ask_to_stop()

    short = training.model_copy(update={"max_updates": UPDATES, "validate_every": UPDATES})
    arguments = launch.Arguments(
        data=folder / "data-bin",
        source="xx",
        target="yy",
        model=model,
        training=short,
        seed=1,
        segmenter=Words(),
        bleu_tokenizer="13a",
    )
    arm = ArmPlan(Tables(tying=model.tying), folder / "arm")
    arm.folder.mkdir()
    try:
        launch.train(arguments, [arm], folder, timed)
    except StoppedError:
        if not enough():
            raise
    seconds = [after - before for before, after in itertools.pairwise(times)]
    on_gpu = torch.cuda.is_available()
    return {
        "seconds": statistics.median(seconds[min(FIRST, len(seconds) // 2) :]),
        "memory": _peak_memory(),
        "gpu_memory": torch.cuda.max_memory_reserved() if on_gpu else None,
        "device": torch.cuda.get_device_name() if on_gpu else _processor(),
        "threads": training.threads,
        "machine": platform.node(),
    }


def _peak_memory() -> int:
    """Of this process, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _processor() -> str:
    """As the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return platform.processor() or os.uname().machine
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else os.uname().machine
