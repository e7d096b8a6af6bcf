"""The speed of making samples from corpora, beside OpusFilter and opus_read, on this machine.

Each side does its work in processes of its own, one after the other, held to the same cores:
  ours        reads the zip, cleans, holds out 2,000 + 2,000 pairs, removes duplicates and leaks,
              and writes samples of 1k, 10k, 100k and 1M pairs (or a tenth of what there is)
  opusfilter  from plain text, unpacked for it beforehand: the same filters, duplicates removed,
              what overlaps the held-out sets removed, and one sample, the largest; in so many
              jobs as there are cores
  opus_read   unpacks the zip into two files of lines, and does nothing else
Times are wall clock, memory is the peak of the largest process.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from nmt_ablation.experiment.file import load
from nmt_ablation.opus.synthetic import write_mirror
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.workspace import Workspace

EXPERIMENT = """\
name: benchmark
pair: xx-en
corpora: {{parallel: [Synthetic/v1]}}
held_out: {{valid: 2000, test: 2000}}
sizes: [{sizes}]
seeds: [1]
segmentation: {{type: words, size: 1000, fit_on: pool}}
arms: {{random: {{}}}}
baseline: random
"""

# OpusFilter has no filter for copies of the other side but an edit distance, which would be slow.
OPUSFILTER = """\
common: {{output_directory: {folder}, default_n_jobs: {jobs}}}
steps:
  - type: filter
    parameters:
      inputs: [pairs.xx, pairs.en]
      outputs: [clean.xx, clean.en]
      filters:
        - LengthFilter: {{unit: word, min_length: 1, max_length: 100}}
        - LengthFilter: {{unit: char, min_length: 1, max_length: 1000}}
        - LengthRatioFilter: {{unit: char, threshold: 4}}
        - AlphabetRatioFilter: {{threshold: 0.5, exclude_whitespace: true}}
        - CharacterScoreFilter: {{scripts: [Latin, Latin], thresholds: [0.5, 0.5]}}
  - type: remove_duplicates
    parameters:
      inputs: [clean.xx, clean.en]
      outputs: [distinct.xx, distinct.en]
      lowercase: true
      letters_only: true
      letter_words_only: false
  - type: remove_duplicates
    parameters:
      inputs: [distinct.xx, distinct.en]
      overlap: [held.xx, held.en]
      outputs: [pool.xx, pool.en]
      compare: [0]
      lowercase: true
  - type: remove_duplicates
    parameters:
      inputs: [pool.xx, pool.en]
      overlap: [held.xx, held.en]
      outputs: [train.xx, train.en]
      compare: [1]
      lowercase: true
  - type: subset
    parameters:
      inputs: [train.xx, train.en]
      outputs: [sample.xx, sample.en]
      size: {largest}
      seed: 1
"""


def experiment(folder: Path, largest: int) -> Pipeline:
    """Return the pipeline of samples of up to `largest` pairs of the made-up corpus in `folder`."""
    file = folder / "benchmark.yaml"
    sizes = ", ".join(str(largest // 10**n) for n in (3, 2, 1, 0) if largest // 10**n)
    file.write_text(EXPERIMENT.format(sizes=sizes))
    places = Places(mirror=str(folder / "mirror"), data=folder, max_bytes=None)
    return Pipeline(load(file), places)


def ours(folder: Path, largest: int) -> None:
    """Build everything from the zip to the samples."""
    pipeline, workspace = experiment(folder, largest), Workspace(folder / "workspace")
    for size in pipeline.experiment.sizes:
        workspace.ensure(pipeline.sample(size, 1))


def measured(command: list[str], cores: int, where: Path) -> tuple[float, int]:
    """Run a command held to so many cores; return its seconds and bytes of memory."""
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=where,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, range(cores)),
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return time.monotonic() - start, usage.ru_maxrss * 1024


def sides(
    folder: Path, pairs: int, opusfilter: Path | None
) -> dict[str, Callable[[int], tuple[float, int]]]:
    """Return the sides to compare: each prepares itself, and then is timed on so many cores."""
    largest = pairs // 10
    bin_folder = Path(sys.executable).parent
    zip_name = "Synthetic_v1_moses_en-xx.txt.zip"
    mirror = folder / "mirror"
    write_mirror(mirror, pairs, 1, seed=1)
    archive = mirror / "OPUS-Synthetic/v1/moses/en-xx.txt.zip"
    plain = folder / "plain"
    plain.mkdir(exist_ok=True)
    if not (plain / zip_name).exists():
        (plain / zip_name).symlink_to(archive.resolve())

    def run_ours(cores: int) -> tuple[float, int]:
        shutil.rmtree(folder / "workspace", ignore_errors=True)
        pipeline, workspace = experiment(folder, largest), Workspace(folder / "workspace")
        for stage in pipeline.fetched():
            workspace.ensure(stage)
        command = [sys.executable, __file__, "--ours", str(largest), "--folder", str(folder)]
        return measured(command, cores, folder)

    def run_opus_read(cores: int) -> tuple[float, int]:
        names = [f"{plain}/read.xx", f"{plain}/read.en"]
        command = [str(bin_folder / "opus_read"), "-d", "Synthetic", "-s", "xx", "-t", "en"]
        command += [
            "-r",
            "v1",
            "-p",
            "moses",
            "-dl",
            str(plain),
            "-q",
            "-wm",
            "moses",
            "-w",
            *names,
        ]
        return measured(command, cores, folder)

    def run_opusfilter(cores: int) -> tuple[float, int]:
        assert opusfilter is not None
        work = folder / "opusfilter"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        pipeline, workspace = experiment(folder, largest), Workspace(folder / "workspace")
        held_out = workspace.ensure(pipeline.hold_out())
        for code in ("xx", "en"):
            subprocess.run(
                f"unzip -p {archive} '*.{code}' >{work}/pairs.{code}", shell=True, check=True
            )
            texts = [(held_out / f"{name}.{code}").read_text() for name in ("valid", "test")]
            (work / f"held.{code}").write_text("".join(texts))
        config = OPUSFILTER.format(folder=work, jobs=cores, largest=largest)
        (work / "config.yaml").write_text(config)
        return measured([str(opusfilter), str(work / "config.yaml")], cores, work)

    found: dict[str, Callable[[int], tuple[float, int]]] = {
        "opus_read": run_opus_read,
        "ours": run_ours,
    }
    return found | ({"opusfilter": run_opusfilter} if opusfilter else {})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--opusfilter", type=Path, help="its command; left out, it isn't timed")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/benchmark-corpus"))
    parser.add_argument("--ours", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        ours(given.folder, given.ours)
        return
    cores_there = len(os.sched_getaffinity(0))
    for pairs in given.pairs:
        folder = given.folder.resolve() / str(pairs)
        folder.mkdir(parents=True, exist_ok=True)
        compared = sides(folder, pairs, given.opusfilter)
        for cores in sorted({1, min(2, cores_there)}):
            seconds: dict[str, list[float]] = {name: [] for name in compared}
            memory = dict.fromkeys(compared, 0)
            # Not counted: after a change of the code its loops are compiled at their first call.
            compared["ours"](cores)
            for turn in range(given.rounds):
                for name, run in compared.items():
                    # OpusFilter takes minutes; one turn shows what there is to see.
                    if name != "opusfilter" or not turn:
                        took, used = run(cores)
                        seconds[name].append(took)
                        memory[name] = max(memory[name], used)
            mine = median(seconds["ours"])
            print(f"\n{pairs:,} pairs, {cores} core{'s' if cores > 1 else ''}")
            for name, times in seconds.items():
                took = median(times)
                print(
                    f"  {name:10} {took:7.1f} s  {pairs / took:9,.0f} pairs/s  "
                    f"{memory[name] / 2**20:6,.0f} MiB  {took / mine:5.2f} x ours"
                    f"  ({', '.join(f'{time:.1f}' for time in times)})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
