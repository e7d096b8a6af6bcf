"""Code that benchmarks share: the experiment they run on, and stock fairseq's side of it."""

import argparse
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from nmt_ablation.errors import UserError
from nmt_ablation.experiment import Cell
from nmt_ablation.experiment.file import load
from nmt_ablation.model.config import SPECIAL_SYMBOLS, Model
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.segmentation import Segmenter
from nmt_ablation.training.config import Training
from nmt_ablation.workspace import Workspace

if TYPE_CHECKING:
    from nmt_ablation.training import launch

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent
THREADS = len(os.sched_getaffinity(0))


def parser(text: str | None, experiment: str = "multi30k.yaml") -> argparse.ArgumentParser:
    """Return a parser with the options of all benchmarks on an experiment."""
    options = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--experiment", type=Path, default=HERE / experiment)
    options.add_argument("--mirror", default=os.environ.get("NMT_ABLATION_MIRROR"))
    options.add_argument(
        "--data", type=Path, default=Path(os.environ.get("NMT_ABLATION_DATA", "."))
    )
    options.add_argument("--workspace", type=Path, default=Path("checkpoints/benchmark"))
    return options


def opened(given: argparse.Namespace) -> tuple[Pipeline, Workspace]:
    """Return the experiment, and the workspace of its artifacts."""
    places = Places(mirror=given.mirror, data=given.data.resolve())
    return Pipeline(load(given.experiment), places), Workspace(given.workspace.resolve())


def data_bin(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> Path:
    stage = pipeline.binarise(cell.size, cell.seed)
    workspace.ensure(stage)
    return workspace.file(stage.data)


def arguments(
    pipeline: Pipeline, workspace: Workspace, cell: Cell, **training: object
) -> "launch.Arguments":
    """Return a cell's training arguments without some options, and without validation, which
    stock's speed doesn't include either."""
    from nmt_ablation.segmentation import load
    from nmt_ablation.training import launch

    experiment = pipeline.experiment
    segmented = workspace.ensure(pipeline.segmentation(cell.size, cell.seed))
    return launch.Arguments(
        data=data_bin(pipeline, workspace, cell),
        source=experiment.source,
        target=experiment.target,
        model=experiment.model,
        training=experiment.training.model_copy(update={"validate_every": 10**9} | training),
        seed=1,
        segmenter=load(experiment.segmentation, segmented, "target"),
        bleu_tokenizer="13a",
    )


def stock_training(
    data: Path,
    source: str,
    target: str,
    model: Model,
    training: Training,
    folder: Path,
    seed: int = 1,
) -> list[str]:
    """Return the command that trains a cell's model by fairseq alone."""
    return [
        str(PROGRAMS / "fairseq-train"),
        str(data),
        *(f"--source-lang={source}", f"--target-lang={target}", "--arch=transformer"),
        *(f"--encoder-layers={model.encoder_layers}", f"--decoder-layers={model.decoder_layers}"),
        *(f"--encoder-embed-dim={model.dimension}", f"--decoder-embed-dim={model.dimension}"),
        f"--encoder-ffn-embed-dim={model.feed_forward}",
        f"--decoder-ffn-embed-dim={model.feed_forward}",
        f"--encoder-attention-heads={model.heads}",
        f"--decoder-attention-heads={model.heads}",
        *("--encoder-normalize-before", "--decoder-normalize-before"),
        f"--dropout={model.dropout}",
        "--criterion=label_smoothed_cross_entropy",
        f"--label-smoothing={training.label_smoothing}",
        *("--optimizer=adam", "--adam-betas=(0.9, 0.98)", f"--clip-norm={training.clip_norm}"),
        *("--lr-scheduler=inverse_sqrt", f"--lr={training.learning_rate}"),
        f"--warmup-updates={training.warmup_updates}",
        f"--max-tokens={training.batch_tokens}",
        "--required-batch-size-multiple=1",
        f"--max-update={training.max_updates}",
        *(f"--seed={seed}", "--num-workers=0", f"--save-dir={folder}", "--no-epoch-checkpoints"),
        *("--log-format=json", "--log-interval=10", "--no-progress-bar"),
        *([] if torch.cuda.is_available() else ["--cpu"]),
    ]


def stock_translation(data: Path, checkpoint: Path, beam: int) -> list[str]:
    """Return the command that translates the test set by fairseq alone."""
    return [
        *(str(PROGRAMS / "fairseq-generate"), str(data), f"--path={checkpoint}", "--cpu"),
        *(f"--beam={beam}", "--max-len-a=1.2", "--max-len-b=10", "--max-tokens=4000"),
    ]


def hypotheses_in(log: str, segmenter: Segmenter) -> list[str]:
    """Return the hypotheses in the output of `fairseq-generate`, in the order of the test set."""
    found = re.findall(r"^H-(\d+)\t[^\t]*\t(.*)$", log, re.MULTILINE)
    in_order = sorted(found, key=lambda hypothesis: int(hypothesis[0]))
    return [segmenter.decode(tokens.split()) for _, tokens in in_order]


def timed(command: list[str], threads: int = THREADS) -> tuple[float, str]:
    """Run a command; return its seconds and its output."""
    environment = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        # fairseq's programs name no types for torch's safe unpickler.
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    start = time.monotonic()
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{result.stderr[-2000:]}")
    return time.monotonic() - start, result.stdout + result.stderr


def matrix_limit(dtype: torch.dtype, threads: int = THREADS) -> float:
    """Measure the operations a second in products of large matrices, an upper bound for
    training."""
    before, size = torch.get_num_threads(), 2048
    torch.set_num_threads(threads)
    one, other = (torch.randn(size, size).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(20):
        start = time.perf_counter()
        one @ other
        seconds.append(time.perf_counter() - start)
    torch.set_num_threads(before)
    return 2 * size**3 / min(seconds)


def target_tokens(pipeline: Pipeline, workspace: Workspace, cell: Cell) -> int:
    """Count the tokens of a cell's target dictionary, special ones included."""
    path = data_bin(pipeline, workspace, cell) / f"dict.{pipeline.experiment.target}.txt"
    return len(path.read_text(encoding="utf-8").splitlines()) + SPECIAL_SYMBOLS


def operations(model: Model, size: int) -> int:
    """Count the operations of matrix products for a target token, forward and backward.

    Attention itself is left out, and as many source as target tokens are assumed.
    """
    square, ends = model.dimension**2, 2 * model.dimension * model.feed_forward
    encoder = model.encoder_layers * (4 * square + ends)
    decoder = model.decoder_layers * (8 * square + ends)
    return 6 * (encoder + decoder + model.dimension * size)


def machine() -> str:
    """Describe the features of this machine that matter here."""
    flags = ""
    if (info := Path("/proc/cpuinfo")).exists():
        known = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
        found = set(info.read_text(encoding="utf-8").split())
        flags = ", ".join(flag for flag in known if flag in found)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{platform.machine()}, {THREADS} cores ({flags}), {device}, torch {torch.__version__}"


def run(main: Callable[[], None]) -> None:
    """Run a script's main function, and print errors the user can mend without a traceback."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
