"""Kill a whole small experiment at random moments, go on each time, and compare what comes out.

    python -m tests.kills --times 200 [--jobs 2] [--seed 1]

Half of the kills come after a random time, half before or after a random rename or sync, where a
file is about to become visible or has just become so. Each goes to all processes of the run at
once. When a run comes to its end, its records and files must be those of a run that nobody killed;
then a new one begins.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from nmt_ablation.opus.synthetic import write_mirror
from tests.conftest import COMMAND, Run, call, outcome

EXPERIMENT = """\
name: tiny
pair: xx-en
corpora: {parallel: [Synthetic/v1], monolingual: [Synthetic/v1]}
held_out: {valid: 20, test: 30}
sizes: [50, 200]
seeds: [1]
segmentation: {type: sentencepiece-unigram, size: 300, fit_on: monolingual, joint: true}
pretrained:
  word2vec: {kind: word2vec, epochs: 2, joint: true}
  denoiser: {kind: network, objective: denoising, updates: 12}
arms:
  random: {}
  word2vec: {start: {embeddings: word2vec}}
  whole: {start: {model: denoiser}}
baseline: random
model: {encoder_layers: 1, decoder_layers: 1, dimension: 16, feed_forward: 32, heads: 2, tying: all}
training:
  batch_tokens: 256
  learning_rate: 0.01
  warmup_updates: 10
  max_updates: 60
  validate_every: 20
  patience: 2
decoding: {beam: 2}
"""
KILLER = '''\
"""Kill all processes of a run at its N-th rename or sync: before it if N is odd, else after it."""

import os
import signal

AT, COUNTER = int(os.environ["KILL_AT"]), os.environ["KILL_COUNTER"]


def counted(call):
    def wrapper(*arguments, **options):
        file = os.open(COUNTER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, b"x")
        reached = os.fstat(file).st_size == AT
        os.close(file)
        if reached and AT % 2:
            os.killpg(0, signal.SIGKILL)
        result = call(*arguments, **options)
        if reached:
            os.killpg(0, signal.SIGKILL)
        return result

    return wrapper


for name in ("rename", "replace", "fsync"):
    setattr(os, name, counted(getattr(os, name)))
'''
"""A module that Python imports at its start, as sitecustomize."""


@dataclass
class Tally:
    """The course of a test."""

    kills: int = 0
    by_calls: int = 0
    """Kills at a rename or a sync."""
    finished: int = 0
    """Runs that came to their end, and whose outcome was compared."""
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills, {self.by_calls} of them at a rename or sync; {self.finished} "
            f"runs came to their end, {len(self.failures)} of them with another outcome"
        )


class Killer:
    """A test in a folder of its own."""

    def __init__(self, folder: Path, jobs: int, seed: int) -> None:
        self.folder, self.jobs, self.random = folder, jobs, random.Random(seed)
        self.mirror = folder / "mirror"
        write_mirror(self.mirror, pairs=500, lines=2000, seed=3)
        (folder / "sitecustomize").mkdir()
        (folder / "sitecustomize" / "sitecustomize.py").write_text(KILLER)
        self.tally = Tally()
        whole = self.new("whole")
        counter = folder / "counter"
        began = time.monotonic()
        assert self.attempt(whole, at=-1) == 0, "a run that nobody kills fails"
        self.seconds = time.monotonic() - began
        self.calls = counter.stat().st_size
        self.expected = outcome(whole)

    def new(self, name: str) -> Run:
        """Return a run in a new workspace."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "tiny.yaml").write_text(EXPERIMENT)
        return Run(folder / "tiny.yaml", folder / "workspace", self.mirror)

    def attempt(self, run: Run, at: int | None = None, after: float | None = None) -> int:
        """Run until the end or a kill; return the exit status.

        Args:
            at: the rename or sync to kill it at.
            after: the seconds to kill it after.
        """
        counter = self.folder / "counter"
        counter.unlink(missing_ok=True)
        extra = {}
        if at is not None:
            extra = {
                "PYTHONPATH": str(self.folder / "sitecustomize"),
                "KILL_AT": str(at),
                "KILL_COUNTER": str(counter),
            }
        process = subprocess.Popen(
            run.arguments("run", "--jobs", str(self.jobs)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **extra},
        )
        try:
            return process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.wait()

    def kill(self, times: int) -> Tally:
        """Kill runs so many times."""
        number, run = 0, self.new("run-0")
        while self.tally.kills < times:
            by_calls = self.random.random() < 0.5
            if by_calls:
                code = self.attempt(run, at=self.random.randint(1, max(2, self.calls // 4)))
            else:
                code = self.attempt(run, after=self.random.uniform(0.1, self.seconds / 2))
            if code == -signal.SIGKILL:
                self.tally.kills += 1
                self.tally.by_calls += by_calls
            elif code == 0:
                self.compare(run)
                number += 1
                run = self.new(f"run-{number}")
            else:
                self.tally.failures.append(f"{run.file.parent.name}: exit status {code}")
                break
        if self.attempt(run) == 0:
            self.compare(run)
        else:
            self.tally.failures.append(f"{run.file.parent.name}: fails")
        return self.tally

    def compare(self, run: Run) -> None:
        """Compare a finished run with the one that nobody killed."""
        self.tally.finished += 1
        folder = run.file.parent
        found, left = outcome(run), list(run.workspace_root.rglob("*.partial"))
        sound = call("verify", "--workspace", str(run.workspace_root)).returncode == 0
        if found != self.expected or left or not sound:
            unlike = [key for key in found if found[key] != self.expected.get(key)]
            self.tally.failures.append(
                f"{folder}: {len(unlike)} artifacts differ, {len(left)} are unfinished"
            )
        else:
            shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        killer = Killer(Path(folder), given.jobs, given.seed)
        print(
            f"{COMMAND.name} run --jobs {given.jobs}: {killer.calls} renames and syncs in "
            f"{killer.seconds:.0f} s"
        )
        tally = killer.kill(given.times)
        print(tally)
        sys.exit("\n".join(tally.failures) or 0)


if __name__ == "__main__":
    main()
