"""The speed of reading vectors from a text file, beside fairseq's own loader, on this machine.

Makes once a file of so many words x 300, and a dictionary of 30,000 of them. Each side then brings
the dictionary's vectors into memory, in turn, in a process of its own:
  ours     nmt_ablation.pretrained.vector_file, which keeps an array of the dictionary's rows
  fairseq  parse_embedding and load_embedding of fairseq.utils, into a torch Embedding
Times are wall clock and leave imports out, which are slow for torch and fairseq; memory is the peak
of the process less what it had after its imports.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

DIMENSION = 300
TOKENS = 30_000
DIFFERENT = 10_000
"""Lines whose numbers are repeated: printing all of them would take minutes."""

Reading = tuple[float, int, int]
"""Seconds, bytes of memory that reading took, bytes of memory of the whole process."""


def make(folder: Path, words: int) -> None:
    """Write vectors in fastText's form, and a dictionary whose words stand all over the file."""
    dictionary = folder / "dictionary.txt"
    if dictionary.exists():
        return
    random = np.random.default_rng(1)
    values = random.normal(0, 0.1, (DIFFERENT, DIMENSION))
    lines = [" ".join(map("{:.4f}".format, row)) for row in values]
    with (folder / "vectors.vec").open("w", encoding="utf-8", newline="\n") as out:
        out.write(f"{words} {DIMENSION}\n")
        out.writelines(f"wört{at} {lines[at % DIFFERENT]}\n" for at in range(words))
    # Written last: where there is a dictionary, the vectors are whole.
    chosen = random.permutation(words)[:TOKENS]
    dictionary.write_text("".join(f"wört{at} 1\n" for at in chosen), encoding="utf-8")


def ours(file: Path, dictionary: Path) -> Callable[[], object]:
    from nmt_ablation.corpus.text import stream_lines
    from nmt_ablation.pretrained.vector_file import read

    tokens = [line.rpartition(" ")[0] for line in stream_lines(dictionary)]
    return lambda: read(file, tokens, lambda done, whole: None)


def fairseq(file: Path, dictionary: Path) -> Callable[[], object]:
    import torch
    from fairseq.data import Dictionary
    from fairseq.utils import load_embedding, parse_embedding

    tokens = Dictionary.load(str(dictionary))
    rows = torch.nn.Embedding(len(tokens), DIMENSION)
    return lambda: load_embedding(parse_embedding(str(file)), tokens, rows)


SIDES = {"ours": ours, "fairseq": fairseq}


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_here(side: str, folder: Path) -> Reading:
    """Read in the side's own process, once everything is imported."""
    read = SIDES[side](folder / "vectors.vec", folder / "dictionary.txt")
    before, start = peak(), time.monotonic()
    kept = read()
    took = time.monotonic() - start
    assert kept is not None
    return took, peak() - before, peak()


def measured(side: str, folder: Path) -> Reading:
    """Return the costs of a side, held to one core."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    result = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]),
    )
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed")
    seconds, memory, whole = result.stdout.split()
    return float(seconds), int(memory), int(whole)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/benchmark-vectors"))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        print(*read_here(given.side, given.folder))
        return
    folder = given.folder.resolve() / str(given.words)
    folder.mkdir(parents=True, exist_ok=True)
    make(folder, given.words)
    readings: dict[str, list[Reading]] = {side: [] for side in SIDES}
    for _ in range(given.rounds):
        for side in SIDES:
            readings[side].append(measured(side, folder))
    mine = median(seconds for seconds, _, _ in readings["ours"])
    print(f"{given.words:,} words x {DIMENSION}, {min(TOKENS, given.words):,} of them wanted")
    for side, found in readings.items():
        seconds, memory, whole = zip(*found, strict=True)
        took = median(seconds)
        print(
            f"  {side:8} {took:7.2f} s  {max(memory) / 2**20:6,.0f} MiB, with imports "
            f"{max(whole) / 2**20:6,.0f} MiB  {took / mine:5.2f} x ours"
            f"  ({', '.join(f'{time:.2f}' for time in seconds)})"
        )


if __name__ == "__main__":
    main()
