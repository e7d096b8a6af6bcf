"""Promise 2: what arms share and what they don't, on real trainings by fairseq."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.file_io import PathManager
from fairseq.trainer import Trainer

from nmt_ablation.errors import UserError
from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.stopping import StoppedError
from nmt_ablation.training import task
from nmt_ablation.training.calibration import calibrate
from nmt_ablation.training.launch import LOG, train
from nmt_ablation.training.plan import ArmPlan
from nmt_ablation.training.record import Trained
from nmt_ablation.transfer.start import Transfer
from nmt_ablation.values import Side
from tests.conftest import COMMAND, NewRun, Run
from tests.stepwise import Stepwise, arguments_of

FROZEN = "  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}"
Weights = dict[str, torch.Tensor]


def _folder(run: Run, arm: str, size: int = 200) -> Path:
    return run.workspace.path(run.pipeline.train(run.cell(size, arm)))


def _record(run: Run, arm: str, size: int = 200) -> Trained:
    return run.workspace.record(run.pipeline.train(run.cell(size, arm)))


def _weights(run: Run, arm: str) -> Weights:
    path = _folder(run, arm) / "checkpoint_best.pt"
    weights: Weights = checkpoint.read(path)["model"]
    return weights


def _rows(run: Run, side: Side) -> tuple[torch.Tensor, torch.Tensor]:
    stage = run.pipeline.train(run.cell(200, "frozen")).rows[side]
    with np.load(run.workspace.file(stage.rows)) as rows:
        return torch.from_numpy(rows["indices"]) + SPECIAL_SYMBOLS, torch.from_numpy(rows["values"])


def _losses(run: Run, arm: str) -> list[tuple[str, str]]:
    text = (_folder(run, arm) / LOG).read_text()
    return re.findall(r'"loss": "([\d.]+)".*"num_updates": "(\d+)"', text)


def test_a_frozen_table_drifts_by_exactly_nothing(finished: Run) -> None:
    weights = _weights(finished, "frozen")
    stacks: dict[Side, str] = {"source": "encoder", "target": "decoder"}
    for side, stack in stacks.items():
        indices, values = _rows(finished, side)
        assert torch.equal(weights[f"{stack}.embed_tokens.weight"][indices], values)


def test_a_finetuned_table_starts_there_and_moves(finished: Run) -> None:
    indices, values = _rows(finished, "source")
    table = _weights(finished, "finetuned")["encoder.embed_tokens.weight"][indices]
    assert not torch.equal(table, values)
    cosine = torch.nn.functional.cosine_similarity(table, values).mean()
    at_random = _weights(finished, "random")["encoder.embed_tokens.weight"][indices]
    assert cosine > 0.5 > torch.nn.functional.cosine_similarity(at_random, values).mean().abs()


def test_one_side_leaves_the_other_as_it_was(finished: Run) -> None:
    indices, values = _rows(finished, "target")
    table = _weights(finished, "source")["decoder.embed_tokens.weight"][indices]
    assert (table - values).norm(dim=1).min() > 0.1
    source, rows = _rows(finished, "source")
    assert torch.equal(_weights(finished, "source")["encoder.embed_tokens.weight"][source], rows)


def test_rows_have_the_scale_of_random_rows(finished: Run) -> None:
    _, values = _rows(finished, "source")
    random = float(torch.normal(0, 16**-0.5, (10_000, 16)).norm(dim=1).mean())
    assert float(values.norm(dim=1).mean()) == pytest.approx(random, rel=0.03)


def test_all_arms_share_data_order_and_other_weights(finished: Run) -> None:
    records = [_record(finished, arm) for arm in ("random", "frozen", "finetuned", "source")]
    assert len({record.initial_weights for record in records}) == 1
    cells = [finished.cell(200, arm) for arm in ("random", "frozen", "finetuned")]
    assert len({finished.pipeline.train(cell).binarise for cell in cells}) == 1
    for one, other in pairwise(record.batches for record in records):
        shared = one.keys() & other.keys()
        assert 1 in shared
        assert all(one[update] == other[update] for update in shared)
    other_size = _record(finished, "random", 50).batches
    assert other_size[1] != records[0].batches[1]


def test_two_identical_arms_train_alike_to_the_last_digit(
    prepared: None, finished: Run, new_run: NewRun
) -> None:
    again = new_run((FROZEN, "  same: {}"))
    result = again.call("run", "--cell", "200-same-s1")
    assert result.returncode == 0, result.stderr
    assert len(_losses(again, "same")) >= 2
    assert _losses(again, "same") == _losses(finished, "random")
    ours, theirs = _record(again, "same"), _record(finished, "random")
    assert replace(ours, training_seconds=0) == replace(theirs, training_seconds=0)


def test_arms_of_equal_content_are_one_artifact(new_run: NewRun) -> None:
    run = new_run((FROZEN, "  same: {}"))
    same, random = (run.pipeline.train(run.cell(200, arm)) for arm in ("same", "random"))
    assert same.digest == random.digest


def test_how_a_training_ended_is_recorded(finished: Run) -> None:
    for arm in ("random", "frozen", "finetuned"):
        record = _record(finished, arm)
        best = max(validation.bleu for validation in record.validations)
        assert record.valid_bleu == best
        at = [validation.update for validation in record.validations if validation.bleu == best]
        assert record.best_update in at
        if record.ended_by == "patience":
            assert record.updates - min(at) >= 2 * 20
        else:
            assert record.updates == 60


def test_coverage_is_recorded_by_types_and_tokens(finished: Run) -> None:
    for stage in finished.pipeline.train(finished.cell(200, "frozen")).rows.values():
        record = finished.workspace.record(stage)
        for coverage in (record.train, record.test):
            assert 0.5 < coverage.types <= 1
            assert 0.9 < coverage.tokens <= 1


def test_every_pair_is_in_every_epoch(finished: Run, tmp_path: Path) -> None:
    """With fairseq's own default up to 7 pairs are silently left out."""
    batches = Stepwise(finished, tmp_path, Transfer()).epoch.next_epoch_itr()
    assert sorted(int(i) for batch in batches for i in batch["id"]) == list(range(200))


def test_stock_fairseq_translates_with_a_cell(finished: Run) -> None:
    """Without the task and without any vectors at hand."""
    stage = finished.pipeline.train(finished.cell(200, "frozen"))
    command = [
        str(COMMAND.with_name("fairseq-generate")),
        str(finished.workspace.file(stage.binarise.data)),
        f"--path={finished.workspace.file(stage.checkpoint)}",
        "--beam=2",
        "--cpu",
        "--required-batch-size-multiple=1",
    ]
    # fairseq's programs name no types for torch's safe unpickler.
    environment = os.environ | {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr
    assert len(re.findall(r"^H-\d+", result.stdout, re.MULTILINE)) == 30


def test_a_checkpoint_that_names_code_is_not_run(tmp_path: Path) -> None:
    import pickle

    class Malicious:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path}/ran",)

    torch.save({"model": Malicious()}, tmp_path / "bad.pt")
    with pytest.raises(pickle.UnpicklingError):
        checkpoint.read(tmp_path / "bad.pt")
    assert not (tmp_path / "ran").exists()


def test_hypotheses_are_plain_text_in_the_order_of_the_test_set(finished: Run) -> None:
    stage = finished.pipeline.translate(finished.cell(200, "finetuned"), "test")
    lines = finished.workspace.file(stage.hypotheses).read_text().splitlines()
    assert len(lines) == 30
    assert not any("▁" in line for line in lines)


def test_scores_carry_their_signatures(finished: Run) -> None:
    for cell in finished.pipeline.experiment.cells():
        score = finished.workspace.record(finished.pipeline.score(cell))
        signatures = {name: of.signature for name, of in score.scores.items()}
        assert signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|v")
        assert signatures["chrf"].startswith("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|v")


def test_a_training_that_breaks_is_scored_with_a_warning(new_run: NewRun) -> None:
    breaks = ("learning_rate: 0.01", "learning_rate: 1.0e+30")
    run = new_run(breaks, ("validate_every: 20", "validate_every: 1"))
    cell = run.cell(50, "random")
    result = run.call("run", "--cell", str(cell))
    assert result.returncode == 0, result.stderr
    assert run.workspace.record(run.pipeline.train(cell)).ended_by == "divergence"
    assert run.workspace.record(run.pipeline.score(cell)).warnings
    assert "warning:" in result.stderr


def test_a_training_that_breaks_at_once_is_refused_with_the_remedy(new_run: NewRun) -> None:
    run = new_run(("learning_rate: 0.01", "learning_rate: 1.0e+30"))
    result = run.call("run", "--cell", "50-random-s1")
    assert result.returncode == 1
    assert "lower training.learning_rate" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.fixture
def unpatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fairseq, what a training in this process leaves as it was."""
    monkeypatch.setattr(Trainer, "train_step", Trainer.train_step)
    monkeypatch.setattr(PathManager, "copy", PathManager.copy)


def test_too_little_memory_is_said_with_the_remedy(
    unpatched: None, finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nSee also")

    monkeypatch.setattr(task, "batch_losses", too_much)
    arm = ArmPlan(Transfer(), tmp_path / "arm")
    arm.folder.mkdir()
    with pytest.raises(
        UserError, match=r"enough memory \(CUDA .*GiB\.\); lower training\.batch_tok"
    ):
        train(arguments_of(finished), [arm], tmp_path, lambda *_: None)
    assert not list(tmp_path.glob("*.pt"))


def test_a_calibration_that_is_stopped_is_none(
    unpatched: None, finished: Run, tmp_path: Path
) -> None:
    experiment = finished.pipeline.experiment

    def stop(done: float, whole: float) -> None:
        if done == 3:
            os.kill(os.getpid(), signal.SIGUSR1)

    with pytest.raises(StoppedError):
        calibrate(experiment.model, experiment.training, 50, tmp_path, stop)


def test_pairs_that_no_batch_takes_are_counted(finished: Run, tmp_path: Path) -> None:
    all_taken = Stepwise(finished, tmp_path, Transfer())
    assert all_taken.task.training.too_long == 0
    lengths = all_taken.task.dataset("train").sizes.max(axis=1)
    limit = int(lengths.max()) - 1
    some_left_out = Stepwise(finished, tmp_path, Transfer(), batch_tokens=limit)
    assert some_left_out.task.training.too_long == int((lengths > limit).sum()) > 0


UNNEEDED = """
import sys
from importlib import import_module
from nmt_ablation.runner import PRELOAD
for module in PRELOAD:
    import_module(module)
import torch
from fairseq.optim.adam import FairseqAdamConfig
from nmt_ablation.training.optimizer import FusedAdam
weight = torch.nn.Parameter(torch.ones(1))
optimizer = FusedAdam(FairseqAdamConfig(adam_betas="(0.9, 0.98)", lr=[0.1]), [weight])
weight.sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
assert weight < 0.95, "it has learnt nothing"
print(*{"sklearn", "sympy", "torch._dynamo", "transformers"} & set(sys.modules))
"""


def test_no_library_is_loaded_that_training_does_not_need() -> None:
    """They would double the time in which a job starts."""
    assert subprocess.check_output([sys.executable, "-c", UNNEEDED], text=True) == "\n"
