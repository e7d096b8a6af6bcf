"""The time and memory of an update on this machine, measured on made-up text."""

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
from nmt_ablation.model.config import Model
from nmt_ablation.progress import OnProgress
from nmt_ablation.segmentation import Words
from nmt_ablation.stopping import StoppedError
from nmt_ablation.training import launch
from nmt_ablation.training.binarise import SPLITS, binarise
from nmt_ablation.training.config import Training
from nmt_ablation.training.glue import session
from nmt_ablation.training.plan import ArmPlan
from nmt_ablation.training.record import Calibrated
from nmt_ablation.transfer.start import Transfer

UPDATES = 15
WARM_UP = 5
"""Updates at the start that are excluded from the timing."""
ENOUGH_SECONDS = 20
"""Seconds after which the timing of a large model ends, with fewer updates."""
TOKENS = 5, 40
"""Tokens of the shortest and of the longest sentence."""


def calibrate(
    model: Model, training: Training, vocabulary: int, folder: Path, progress: OnProgress
) -> Calibrated:
    """Time an update, and measure the most memory that this process takes.

    Call this once in a process, like `launch.train`.

    Args:
        vocabulary: the size of the dictionary.
        folder: a folder for temporary files.

    Raises:
        StoppedError, UserError: as `launch.train` does; nothing is measured then.
    """
    draw = random.Random(1)
    words = [f"w{number}" for number in range(vocabulary)]
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
            session().ask_to_stop()

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
    arm = ArmPlan(Transfer(tying=model.tying), folder / "arm")
    arm.folder.mkdir()
    try:
        launch.train(arguments, [arm], folder, timed)
    except StoppedError:
        if not enough():
            raise
    seconds = [after - before for before, after in itertools.pairwise(times)]
    on_gpu = torch.cuda.is_available()
    return Calibrated(
        seconds=statistics.median(seconds[min(WARM_UP, len(seconds) // 2) :]),
        memory=_peak_memory(),
        gpu_memory=torch.cuda.max_memory_reserved() if on_gpu else None,
        device=torch.cuda.get_device_name() if on_gpu else _processor(),
        threads=training.threads,
        machine=platform.node(),
    )


def _peak_memory() -> int:
    """Return the peak memory of this process, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _processor() -> str:
    """Return the processor's name, as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return platform.processor() or os.uname().machine
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else os.uname().machine
