"""Memory and time by dictionary, embedding dimension and pairs, on this machine.

Random sentences are binarised and trained on for some updates, each setting in its own process;
while one thing grows, the others stay as they are. Prints a table and draws a figure.

  python recipes/benchmarks/growth.py --out docs/growth
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sides import THREADS, machine

from nmt_ablation.model.config import Model
from nmt_ablation.training.config import Training

WORDS = 14
"""Words of a sentence, on average."""
WARM = 10
"""Updates before the timing."""


class Setting(NamedTuple):
    dictionary: int = 8_000
    dimension: int = 256
    pairs: int = 10_000


class Cost(NamedTuple):
    update: float
    """Seconds of an update."""
    start: float
    """Seconds of binarising and of all that comes before the first update."""
    memory: float
    """The peak of the process's memory, in bytes."""


AXES = {
    "dictionary": [Setting(dictionary=size) for size in (4_000, 8_000, 16_000, 32_000, 64_000)],
    "dimension": [Setting(dimension=size) for size in (128, 256, 512)],
    "pairs": [Setting(pairs=pairs) for pairs in (10_000, 100_000, 1_000_000)],
}


def write_text(folder: Path, setting: Setting) -> dict[str, Path]:
    """Write random sentences in both languages, and return the dictionaries."""
    random = np.random.default_rng(1)
    lengths = random.integers(WORDS // 2, WORDS * 3 // 2, setting.pairs)
    dictionaries = {}
    for language in ("xx", "en"):
        with (folder / f"train.{language}").open("w") as out:
            for length in lengths:
                tokens = random.integers(0, setting.dictionary, length)
                out.write(" ".join(f"w{token}" for token in tokens) + "\n")
        for split in ("valid", "test"):
            (folder / f"{split}.{language}").write_text("w1 w2\n")
        dictionaries[language] = folder / f"{language}.txt"
        words = "".join(f"w{token} 1\n" for token in range(setting.dictionary))
        dictionaries[language].write_text(words)
    return dictionaries


def measure_here(setting: Setting, updates: int) -> Cost:
    from nmt_ablation.segmentation import Words
    from nmt_ablation.training import launch
    from nmt_ablation.training.binarise import binarise
    from nmt_ablation.training.plan import ArmPlan
    from nmt_ablation.transfer.start import Transfer

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dictionaries = write_text(folder, setting)
        begun, times = time.monotonic(), list[float]()
        binarise(folder, dictionaries, folder / "data-bin")
        arguments = launch.Arguments(
            data=folder / "data-bin",
            source="xx",
            target="en",
            model=Model(
                encoder_layers=3,
                decoder_layers=3,
                dimension=setting.dimension,
                feed_forward=4 * setting.dimension,
                heads=setting.dimension // 64,
                dropout=0.1,
            ),
            training=Training(
                batch_tokens=2048,
                learning_rate=0.001,
                warmup_updates=100,
                max_updates=WARM + updates,
                validate_every=WARM + updates,
                patience=1,
                precision="bfloat16",
                threads=THREADS,
            ),
            seed=1,
            segmenter=Words(),
            bleu_tokenizer="13a",
        )
        arm = ArmPlan(Transfer(), folder)
        launch.train(arguments, [arm], folder, lambda *_: times.append(time.monotonic()))
    return Cost(
        update=float(np.median(np.diff(times[WARM:]))),
        start=times[0] - begun,
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def measure(setting: Setting, updates: int) -> Cost:
    command = [sys.executable, __file__, "--updates", str(updates), "--setting"]
    result = subprocess.run([*command, *map(str, setting)], capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr[-2000:])
    return Cost(*map(float, result.stdout.split("found:")[1].split()))


def draw(costs: dict[Setting, Cost], out: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 3, figsize=(9, 5), sharey="row", layout="constrained")
    for column, (axis, settings) in enumerate(AXES.items()):
        x = [getattr(setting, axis) for setting in settings]
        rows = {
            "ms for an update": [costs[setting].update * 1e3 for setting in settings],
            "peak memory, GiB": [costs[setting].memory / 2**30 for setting in settings],
        }
        for row, (label, values) in enumerate(rows.items()):
            panel = panels[row, column]
            panel.plot(x, values, "o-", color="#0072b2")
            panel.set(xscale="log", ylim=(0, None), xlabel=axis)
            panel.set_xticks(x, [f"{value:,}" for value in x])
            panel.minorticks_off()
            if column == 0:
                panel.set_ylabel(label)
    for kind in ("png", "svg"):
        figure.savefig(out.with_suffix(f".{kind}"), dpi=150)


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--updates", type=int, default=30)
    options.add_argument("--out", type=Path, help="a figure's path, without its ending")
    options.add_argument("--setting", type=int, nargs=3, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.setting:
        print("found:", *measure_here(Setting(*given.setting), given.updates))
        return
    print(machine())
    costs = {}
    for axis, settings in AXES.items():
        print(f"\n| {axis} | ms for an update | s before the first | peak memory, GiB |")
        print("| ---: | ---: | ---: | ---: |")
        for setting in settings:
            if setting not in costs:
                costs[setting] = measure(setting, given.updates)
            cost = costs[setting]
            print(
                f"| {getattr(setting, axis):,} | {cost.update * 1e3:.0f} | {cost.start:.1f} | "
                f"{cost.memory / 2**30:.2f} |",
                flush=True,
            )
    if given.out:
        draw(costs, given.out)


if __name__ == "__main__":
    main()
