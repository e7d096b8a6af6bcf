"""Arms trained together in one process against the same arms one after another, on this device.

Each side trains so many arms of a size and seed, on the same batches, by the same code. Told in
updates of an arm a second, once memory and caches are warm. On a GPU, together should win by far;
on a CPU it does not have to, and `nmt-ablation run` trains apart there.

  python recipes/benchmarks/together.py --mirror DIR --data DIR --arms 12
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from sides import THREADS, arguments, machine, opened, parser, run

from nmt_ablation.experiment import Cell

WARM = 10
"""Updates before the timing."""


def here(given: argparse.Namespace, cell: Cell) -> None:
    """Train in the side's own process, and print seconds for an update of all arms, and memory."""
    import resource

    from nmt_ablation.training import launch
    from nmt_ablation.training.plan import ArmPlan
    from nmt_ablation.transfer.start import Transfer

    threads = 1 if torch.cuda.is_available() else THREADS
    shared = arguments(*opened(given), cell, threads=threads, max_updates=WARM + given.updates)
    times = []

    def progress(done: float, whole: float) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.monotonic())

    with tempfile.TemporaryDirectory() as folder:
        plans = [ArmPlan(Transfer(), Path(folder) / str(number)) for number in range(given.side)]
        for plan in plans:
            plan.folder.mkdir()
        launch.train(shared, plans, Path(folder), progress)
    seconds = (times[-1] - times[WARM]) / (len(times) - 1 - WARM)
    if torch.cuda.is_available():
        peak = torch.cuda.max_memory_allocated()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print("found:", seconds, peak)


def main() -> None:
    options = parser(__doc__, "sweep.yaml")
    options.add_argument("--cell", default="4000-random-s1")
    options.add_argument("--arms", type=int, default=12)
    options.add_argument("--updates", type=int, default=50)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--side", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    pipeline, _ = opened(given)
    cell = pipeline.file.cell(given.cell)
    if given.side:
        here(given, cell)
        return
    print(machine())
    best: dict[int, tuple[float, float]] = {}
    for _ in range(given.rounds):
        for arms in (1, given.arms):
            command = [sys.executable, *sys.argv, "--side", str(arms)]
            result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            seconds, peak = map(float, result.stdout.split("found:")[1].split())
            best[arms] = min(best.get(arms, (seconds, peak)), (seconds, peak))
    for arms, (seconds, peak) in best.items():
        print(
            f"  {arms:3} together: {seconds * 1e3:8.1f} ms for an update of all, "
            f"{arms / seconds:8.1f} updates of an arm a second, {peak / 2**20:,.0f} MiB"
        )
    ratio = given.arms * best[1][0] / best[given.arms][0]
    print(f"  {given.arms} one after another take {ratio:.2f} times as long as together")


if __name__ == "__main__":
    run(main)
