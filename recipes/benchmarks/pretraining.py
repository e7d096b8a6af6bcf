"""The speed of an update of each pretraining objective, beside an update of translation and beside
stock fairseq's denoising task, on this machine.

All sides read the same made-up sentences, in batches of as many tokens, with the same model and
threads, in turn. Told in updates a second, the median of all turns, and as a share of the matrix
limit: what products of large matrices reach, and nothing else. What an objective doesn't compute
counts as no operation.

  python recipes/benchmarks/pretraining.py
"""

import argparse
import json
import random
import re
import sys
import tempfile
from pathlib import Path
from statistics import median

import torch
from sides import PROGRAMS, THREADS, machine, matrix_limit, run, timed

from nmt_ablation.corpus.text import write_lines
from nmt_ablation.model.config import SPECIAL_SYMBOLS, Model
from nmt_ablation.objectives import OBJECTIVES

VOCABULARY, SENTENCES, LENGTHS, TOKENS = 4000, 20_000, (5, 25), 2048
MODEL = Model(encoder_layers=2, decoder_layers=2, dimension=128, feed_forward=512, dropout=0.1)
SKIPPED = 3
"""Intervals of the log in which memory and caches are still cold."""


def texts(folder: Path) -> None:
    """Write a dictionary, and made-up sentences as two languages and as text of one."""
    draw = random.Random(1)
    words = [f"w{number}" for number in range(VOCABULARY)]
    write_lines(folder / "dictionary.txt", (f"{word} 1" for word in words))
    for split, count in (("train", SENTENCES), ("valid", 50), ("test", 2)):
        lines = [" ".join(draw.choices(words, k=draw.randint(*LENGTHS))) for _ in range(count)]
        for name in (f"{split}.xx", f"{split}.yy", split):
            write_lines(folder / name, lines)


def updates_a_second(log: str) -> float:
    """Return the median of the log's intervals after the first ones."""
    return median([float(it) for it in re.findall(r'"ups": "([\d.]+)"', log)][SKIPPED:])


def ours(objective: str, folder: Path, updates: int) -> tuple[float, float]:
    """Return updates a second, and operations an update, of an objective of ours."""
    from nmt_ablation.pretrained.pretraining.launch import LOG, pretrain
    from nmt_ablation.pretrained.pretraining.plan import Plan
    from nmt_ablation.training.binarise import binarise_text

    binarise_text(folder, "xx", folder / "dictionary.txt")
    (folder / "network").mkdir()
    record = pretrain(
        Plan(
            objective=OBJECTIVES[objective].model_validate({}),
            languages={"source": "xx", "target": "yy"},
            texts={"source": folder},
            dictionaries=dict.fromkeys(("source", "target"), folder / "dictionary.txt"),
            tying="all",
            model=MODEL,
            updates=updates,
            validate_every=updates,
            batch_tokens=TOKENS,
            learning_rate=0.001,
            warmup_updates=updates // 2,
            weight_decay=0.01,
            clip_norm=1.0,
            precision="float32",
            threads=THREADS,
            seed=1,
            weights=folder / "network" / "network.pt",
            where="the benchmark",
            progress=lambda *_: None,
        )
    )
    stacks = OBJECTIVES[objective].stacks
    alone = "decoder" in stacks and len(stacks) == 1
    each = (layers("encoder") if "encoder" in stacks else 0) * record.tokens
    each += (layers("decoder", cross=not alone) if "decoder" in stacks else 0) * record.tokens
    # Both directions of a bidirectional language model are computed.
    each *= 2 if objective == "bidirectional-lm" else 1
    each += MODEL.dimension * (VOCABULARY + SPECIAL_SYMBOLS) * record.predicted
    log = (folder / "network" / LOG).read_text(encoding="utf-8")
    return updates_a_second(log), 6 * each / updates


def layers(stack: str, cross: bool = True) -> int:
    """Count the products of a stack's matrices for a token, forward."""
    square, ends = MODEL.dimension**2, 2 * MODEL.dimension * MODEL.feed_forward
    if stack == "encoder":
        return MODEL.encoder_layers * (4 * square + ends)
    return MODEL.decoder_layers * ((8 if cross else 4) * square + ends)


def translation(folder: Path, updates: int) -> tuple[float, float]:
    """Return updates a second, and operations an update, of translation."""
    from nmt_ablation.segmentation import Words
    from nmt_ablation.training import launch
    from nmt_ablation.training.binarise import binarise
    from nmt_ablation.training.config import Training
    from nmt_ablation.training.plan import ArmPlan
    from nmt_ablation.transfer.start import Transfer

    binarise(folder, dict.fromkeys(("xx", "yy"), folder / "dictionary.txt"), folder / "data")
    training = Training(
        batch_tokens=TOKENS, max_updates=updates, validate_every=updates, threads=THREADS
    )
    shared = launch.Arguments(folder / "data", "xx", "yy", MODEL, training, 1, Words(), "13a")
    (folder / "arm").mkdir()
    launch.train(shared, [ArmPlan(Transfer(tying="all"), folder / "arm")], folder, lambda *_: None)
    log = (folder / launch.LOG).read_text(encoding="utf-8")
    read = mean_of("wpb", log)
    output = MODEL.dimension * (VOCABULARY + SPECIAL_SYMBOLS)
    return updates_a_second(log), 6 * read * (layers("encoder") + layers("decoder") + output)


def stock_denoising(folder: Path, updates: int) -> tuple[float, float]:
    """Return updates a second, and operations an update, of fairseq's task `denoising`."""
    run_quietly = [str(PROGRAMS / "fairseq-preprocess"), "--only-source", "--workers=1"]
    prefixes = [f"--{split}pref={folder / split}" for split in ("train", "valid")]
    dictionary = f"--srcdict={folder / 'dictionary.txt'}"
    timed([*run_quietly, *prefixes, dictionary, f"--destdir={folder / 'bin'}"])
    command = [
        *(str(PROGRAMS / "fairseq-train"), str(folder / "bin"), "--task=denoising"),
        *("--arch=transformer", "--share-all-embeddings", "--criterion=cross_entropy"),
        f"--encoder-layers={MODEL.encoder_layers}",
        f"--decoder-layers={MODEL.decoder_layers}",
        *(f"--{stack}-embed-dim={MODEL.dimension}" for stack in ("encoder", "decoder")),
        *(f"--{stack}-ffn-embed-dim={MODEL.feed_forward}" for stack in ("encoder", "decoder")),
        *(f"--{stack}-attention-heads={MODEL.heads}" for stack in ("encoder", "decoder")),
        *("--encoder-normalize-before", "--decoder-normalize-before"),
        f"--dropout={MODEL.dropout}",
        *("--mask=0.35", "--mask-length=span-poisson", "--poisson-lambda=3", "--replace-length=1"),
        # Blocks of whole sentences, about as long as one.
        *("--sample-break-mode=complete", f"--tokens-per-sample={LENGTHS[1] + 2}"),
        *("--optimizer=adam", "--adam-betas=(0.9, 0.98)", "--clip-norm=1", "--lr=0.001"),
        *(f"--max-tokens={TOKENS}", f"--max-update={updates}", "--num-workers=0", "--seed=1"),
        *("--no-save", "--disable-validation", "--log-format=json", "--log-interval=10"),
        *("--no-progress-bar", "--cpu"),
    ]
    _, log = timed(command)
    read = mean_of("wpb", log)
    output = MODEL.dimension * (VOCABULARY + SPECIAL_SYMBOLS)
    return updates_a_second(log), 6 * read * (layers("encoder") + layers("decoder") + output)


def mean_of(key: str, log: str) -> float:
    """Return the median of a number in the log: `wpb` is the tokens of a batch."""
    return median(float(it) for it in re.findall(rf'"{key}": "([\d.]+)"', log))


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--updates", type=int, default=120)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--side", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.side:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            texts(folder)
            if given.side == "translation":
                found = translation(folder, given.updates)
            elif given.side == "fairseq's denoising":
                found = stock_denoising(folder, given.updates)
            else:
                found = ours(given.side, folder, given.updates)
        print("found:", json.dumps(found))
        return
    print(machine())
    limit = matrix_limit(torch.float32)
    of_text = [it for it in OBJECTIVES.built_in if not OBJECTIVES[it].pairs]
    sides = ["translation", "fairseq's denoising", *of_text]
    results: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(given.rounds):
        for side in sides:
            command = [sys.executable, __file__, "--side", side, "--updates", str(given.updates)]
            _, log = timed(command)
            speed, each = json.loads(log.split("found:")[1].splitlines()[0])
            results[side].append((speed, each))
    for side, turns in results.items():
        speed, each = median(it[0] for it in turns), turns[0][1]
        every = ", ".join(f"{it[0]:.2f}" for it in turns)
        share = f"{speed * each / limit:4.0%} of the matrix limit"
        print(f"  {side:20} {speed:6.2f} updates/s  {share}  ({every})")


if __name__ == "__main__":
    run(main)
