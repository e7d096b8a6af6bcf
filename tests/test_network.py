"""Networks: pretrained by fairseq, resumed to the same weights, and what arms start from."""

import csv
import re
from pathlib import Path

import pytest
import torch
from fairseq import checkpoint_utils

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.model import checkpoint
from nmt_ablation.model.parts import SUMS, place_of
from nmt_ablation.opus.synthetic import write_mirror
from nmt_ablation.pretrained.records import HeldOutLoss as HeldOut
from nmt_ablation.pretrained.records import NetworkRecord, write_losses
from nmt_ablation.report import data_tables
from tests.conftest import TINY, NewRun, Run, tiny
from tests.rows import BART, cell, mean, results
from tests.slow import TRAINING

JOINT = ("fit_on: monolingual", "fit_on: monolingual, joint: true")
PRETRAINED = (
    "  word2vec: {kind: word2vec, epochs: 2}\n",
    """\
  word2vec: {kind: word2vec, epochs: 2}
  bart: {kind: network, objective: denoising, updates: 60, validate_every: 20, batch_tokens: 256}
  mlm: {kind: network, objective: masked-lm, updates: 20, batch_tokens: 256}
  lm: {kind: network, objective: causal-lm, languages: target, updates: 20, batch_tokens: 256}
  own: {kind: network, objective: {mass: {share: 0.3}}, text: sample, updates: 20}
""",
)
ARMS = (
    "baseline: random",
    """\
  whole: {start: {model: bart}}
  xlm: {start: {encoder: mlm, decoder: lm}}
  own: {start: {model: own}}
  mixed: {start: {source-embeddings: word2vec, encoder-layers: bart}}
baseline: random""",
)
NETWORKS = (JOINT, PRETRAINED, ARMS)
OF_ARMS = ("random", "whole", "xlm", "own", "mixed")


def _cells(*arms: str) -> list[str]:
    return [part for arm in arms for part in ("--cell", f"200-{arm}-s1")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Run:
    """A run of arms that start from networks."""
    run = tiny(tmp_path_factory.mktemp("networks"), mirror, *NETWORKS)
    result = run.call("run", *_cells(*OF_ARMS))
    assert result.returncode == 0, result.stderr
    return run


def _record(run: Run, name: str) -> NetworkRecord:
    return run.workspace.record(run.pipeline.network(name, 200, 1))


def _weights(run: Run, name: str) -> dict[str, torch.Tensor]:
    file = run.workspace.file(run.pipeline.network(name, 200, 1).weights)
    found: dict[str, torch.Tensor] = checkpoint.read(file)["model"]
    return found


def test_a_network_learns_and_says_how_far(trained: Run) -> None:
    bart, own, lm = (_record(trained, name) for name in ("bart", "own", "lm"))
    assert [it.update for it in bart.validations] == [20, 40, 60]
    losses = [it.loss for it in bart.validations]
    assert losses == sorted(losses, reverse=True)
    assert bart.updates == 60 and bart.tokens == bart.predicted > 60 * 128
    # Lines of both languages, a tenth of them held out; of the sample both sides.
    assert (bart.lines + bart.held_out, bart.held_out) == (2 * (lm.lines + lm.held_out), 400)
    assert (own.lines, own.held_out) == (360, 40)
    assert own.predicted < own.tokens / 2 and own.epochs > 1
    every = {name: it.numel() for name, it in _weights(trained, "lm").items()}
    learnt = sum(
        size
        for name, size in every.items()
        if not ("version" in name or "embed_positions" in name)
        if place_of(name, 1, 1).part in ("target-embeddings", "decoder-layers")
    )
    assert lm.parameters == learnt


def test_what_an_objective_has_no_use_for_stays_as_drawn(trained: Run) -> None:
    whole, mlm, lm = (_weights(trained, name) for name in ("bart", "mlm", "lm"))
    for name in whole:
        if "version" in name or "embed_positions" in name:
            continue
        part = place_of(name, 1, 1).part
        drawn = {
            "encoder-layers": lm,
            "decoder-layers": mlm,
            "cross-attention": lm,
        }.get(part)
        if drawn is not None and "layer_norm" not in name and "bias" not in name:
            assert not torch.equal(whole[name], drawn[name]), name
        if part == "cross-attention":
            assert torch.equal(lm[name], mlm[name])


def test_cells_start_from_the_same_draw_and_differ_in_what_they_name(trained: Run) -> None:
    stages = {arm: trained.pipeline.train(trained.cell(200, arm)) for arm in OF_ARMS}
    records = {arm: trained.workspace.record(stage) for arm, stage in stages.items()}
    assert len({record.initial_weights for record in records.values()}) == 1
    assert len({tuple(record.batches.items()) for record in records.values()}) == 1
    assert len({record.weights for record in records.values()}) == len(OF_ARMS)
    assert set(stages["xlm"].networks) == {*SUMS["encoder"], *SUMS["decoder"]}
    assert set(stages["mixed"].networks) == {"encoder-layers"} and stages["mixed"].rows


def test_stock_fairseq_loads_a_network(trained: Run) -> None:
    stage = trained.pipeline.network("bart", 200, 1)
    cell = trained.pipeline.train(trained.cell(200, "whole"))
    with checkpoint.readable():
        (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(trained.workspace.file(stage.weights))],
            arg_overrides={"data": str(trained.workspace.file(cell.binarise.data))},
        )
    assert type(task).__name__ == "TranslationTask"
    for name, weight in _weights(trained, "bart").items():
        assert torch.equal(model.state_dict()[name], weight)


def test_a_report_of_arms_with_networks_is_written(trained: Run) -> None:
    result = trained.call("report")
    assert result.returncode == 0, result.stderr
    report = trained.workspace_root / "tiny" / "report"
    text = (report / "tiny.md").read_text()
    assert "## Networks" in text
    (line,) = re.findall(r"^\| bart \| denoising .*$", text, re.MULTILINE)
    assert "denoising | monolingual, xx and en | 1 | 3,600 | 60 |" in line
    (line,) = re.findall(r"^\| own \| mass .*$", text, re.MULTILINE)
    assert "mass | sample, xx and en | 1 | 360 | 20 |" in line
    rows = list(csv.DictReader((report / "tiny.csv").open()))
    of_arm = {row["arm"]: row for row in rows}
    assert (of_arm["xlm"]["networks"], of_arm["random"]["networks"]) == ("mlm lm", "")
    tokens = {arm: int(row["pretraining_tokens"]) for arm, row in of_arm.items()}
    assert tokens["random"] == 0 < tokens["xlm"] and tokens["mixed"] == tokens["whole"]


def test_a_report_says_that_one_network_serves_all_seeds() -> None:
    rows = [
        cell(100, arm, 5.0, seed=seed, networks=(BART,) if arm == "whole" else ())
        for arm in ("random", "whole")
        for seed in (1, 2, 3)
    ]
    table = data_tables.networks(results([mean(100, "whole", 1.0)], rows))
    assert [str(entry) for entry in table.lines[0][-4:]] == ["5.50 to 4.25", "60", "3", "20"]
    assert any("One network serves all seeds: bart." in note for note in table.notes)
    own = [row.model_copy(update={"seed": 1}) for row in rows]
    notes = data_tables.networks(results([mean(100, "whole", 1.0)], own)).notes
    assert not any("serves all seeds" in note for note in notes)


def test_status_shows_networks_before_and_after(trained: Run, tmp_path: Path) -> None:
    lines = trained.call("status").stdout.splitlines()
    assert any(
        re.match(r"network-bart +done +\d\.\d\d bits on held-out lines$", it) for it in lines
    )
    assert "5 done" in lines[-1]  # cells, not networks
    fresh = Run(trained.file, tmp_path / "fresh", trained.mirror)
    assert "network-own-200-s1" in fresh.call("status").stdout
    stage = fresh.pipeline.network("bart", 200, 1)
    fresh.workspace.partial(stage).mkdir(parents=True)
    write_losses(fresh.workspace.partial(stage), [HeldOut(20, 6.5)])
    assert re.search(r"network-bart +to do +network; 6\.50 bits", fresh.call("status").stdout)


def test_a_plan_names_what_is_left_to_pretrain(trained: Run, tmp_path: Path) -> None:
    assert "network-bart" not in trained.call("plan").stdout
    said = Run(trained.file, tmp_path / "fresh", trained.mirror).call("plan").stdout
    assert "network-bart: denoising, 60 updates of up to 256 tokens." in said
    assert "network-own-50-s1: mass, 20 updates of up to 2,048 tokens." in said


def test_a_network_that_is_not_there_is_refused(trained: Run) -> None:
    result = trained.call("run", "--network", "bart")
    assert result.returncode == 1
    assert "has no network 'bart'; allowed: network-bart, network-mlm" in result.stderr


@pytest.mark.slow(*TRAINING)
def test_a_killed_pretraining_resumes_to_the_same_weights(trained: Run, tmp_path: Path) -> None:
    cut = Run(trained.file, tmp_path / "cut", trained.mirror)
    stage = cut.pipeline.network("bart", 200, 1)
    assert cut.kill_at_checkpoint(stage, *_cells("whole")) == -9
    assert not cut.workspace.done(stage)
    assert cut.call("run", *_cells("whole")).returncode == 0
    again, before = _record(cut, "bart"), _record(trained, "bart")
    assert (again.weights, again.validations) == (before.weights, before.validations)
    assert (again.tokens, again.epochs) == (before.tokens, before.epochs)


@pytest.mark.slow(*TRAINING)
def test_a_killed_training_from_a_network_resumes_to_the_same_score(
    trained: Run, tmp_path: Path
) -> None:
    cut = Run(trained.file, tmp_path / "cut", trained.mirror)
    stage = cut.pipeline.train(cut.cell(200, "whole"))
    assert cut.kill_at_checkpoint(stage, *_cells("whole")) == -9
    result = cut.call("run", *_cells("whole"))
    assert result.returncode == 0, result.stderr
    again, before = cut.workspace.record(stage), trained.workspace.record(stage)
    assert (again.weights, again.validations) == (before.weights, before.validations)


def test_an_arm_without_outside_text_scores_the_same_without_any(
    trained: Run, tmp_path: Path
) -> None:
    """A network of the sample, with a segmentation of the pool."""
    of_pool = ("fit_on: monolingual, joint: true", "fit_on: pool, joint: true")
    with_text = trained.file.read_text().replace(*of_pool)
    without = with_text.replace("  monolingual: [Synthetic/v1]\n", "")
    for arm in ("whole", "xlm", "mixed", "frozen", "finetuned", "source"):
        without = "".join(
            line
            for line in without.splitlines(keepends=True)
            if not line.startswith(f"  {arm}: {{start")
        )
    for thing in ("word2vec", "bart", "mlm", "lm"):
        without = "".join(
            line
            for line in without.splitlines(keepends=True)
            if not line.startswith(f"  {thing}: {{kind")
        )
    found = []
    for name, text in (("with", with_text), ("without", without)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "tiny.yaml").write_text(text)
        run = Run(folder / "tiny.yaml", folder / "workspace", trained.mirror)
        found.append(run.pipeline.score(run.cell(200, "own")).digest)
    assert found[0] == found[1]
    assert load(tmp_path / "without" / "tiny.yaml").experiment.corpora.text_sides() == ()


def test_a_text_too_short_to_hold_lines_out_is_refused(new_run: NewRun, tmp_path: Path) -> None:
    few = tmp_path / "few"
    write_mirror(few, pairs=500, lines=9, seed=3)
    run = new_run(*NETWORKS, ("fit_on: monolingual", "fit_on: pool"), mirror=few)
    result = run.call("run", *_cells("random", "xlm"))
    assert result.returncode == 1
    assert re.search("monolingual text in ..: has . lines, too few to pretrain", result.stderr)
    assert result.stderr.count("too few to pretrain") == 1
    assert re.search("not run, as they need what failed: .*, 200-xlm-s1", result.stderr)
    assert "Traceback" not in result.stderr
    assert run.workspace.done(run.pipeline.score(run.cell(200, "random")))
    said = run.call("status").stdout
    assert "200-xlm-s1: the monolingual text in" in said


def test_a_text_too_short_for_its_updates_is_refused(prepared: None, new_run: NewRun) -> None:
    run = new_run(*NETWORKS, ("text: sample, updates: 20}", "text: sample, updates: 9000}"))
    result = run.call("run", "--cell=50-own-s1")
    assert result.returncode == 1
    (said,) = set(re.findall(r"tiny.yaml: pretrained.own: its text has 90 lines.*", result.stderr))
    found = re.search("would read ([0-9,]+) times; .* or set updates to ([0-9,]+) at most", said)
    assert found is not None
    times, most = (int(it.replace(",", "")) for it in found.groups())
    assert times > 1000 and most == pytest.approx(9000 * 1000 / times, rel=0.01)
    assert "Traceback" not in result.stderr


def test_a_diverging_pretraining_ends_its_arms_and_no_others(
    prepared: None, new_run: NewRun
) -> None:
    wild = (
        "objective: masked-lm, updates: 20",
        "objective: masked-lm, updates: 20, clip_norm: 0, learning_rate: 1.0e+30",
    )
    run = new_run(*NETWORKS, wild)
    result = run.call("run", *_cells("random", "xlm"))
    assert result.returncode == 1
    assert "pretraining diverged after" in result.stderr
    assert run.workspace.done(run.pipeline.score(run.cell(200, "random")))
    assert not run.workspace.done(run.pipeline.network("mlm", 200, 1))


SHORT = TINY.replace(*JOINT).replace(*PRETRAINED).replace(*ARMS)
BAD = [
    (("joint: true", "joint: false"), ":12:.*encoder and decoder would read text of source and"),
    (("decoder: lm", "model: lm"), "two keys name one part"),
    (("{encoder: mlm, decoder: lm}", "{model: lm}"), "encoder-layers can't start from 'lm'"),
    (("{encoder: mlm, decoder: lm}", "{cross-attention: lm}"), "cross-attention can't start from"),
    (("objective: masked-lm", "objective: masked"), "'masked' is no objective; allowed: causal-lm"),
    (("{mass: {share: 0.3}}", "{mass: {shares: 0.3}}"), "did you mean 'share'"),
    (("objective: masked-lm, updates: 20", "objective: masked-lm"), "updates"),
    (("updates: 60, validate", "updates: 60, warmup_updates: 60, validate"), "would still rise"),
    (
        ("{start: {model: own}}", "{start: {model: own}, scale: raw}"),
        "is for arms that start from vectors",
    ),
    (
        ("{start: {model: own}}", "{start: {model: own}, tuning: {encoder: {low-rank: 2}}}"),
        "low-rank is for the matrices of layers, and source-embeddings has no layers",
    ),
    (
        ("{start: {model: own}}", "{start: {layers: own}, control: shuffled}"),
        "no embeddings of this arm start",
    ),
    (
        (
            "frozen: {start: {embeddings: word2vec},",
            "frozen: {start: {embeddings: word2vec}, control: shuffled-weights,",
        ),
        "shuffles a network's numbers",
    ),
    (
        ("{start: {model: own}}", "{start: {model: own}, tying: all, tuning: {encoder: frozen}}"),
        "can't be tuned differently",
    ),
    (
        ("{start: {model: own}}", "{start: {output-layer: own}, tying: decoder}"),
        "must start from the same thing",
    ),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_what_can_t_be_is_refused_with_line_and_remedy(
    tmp_path: Path, change: tuple[str, str], said: str
) -> None:
    assert change[0] in SHORT
    file = tmp_path / "tiny.yaml"
    file.write_text(SHORT.replace(*change))
    with pytest.raises(UserError, match=said) as raised:
        load(file)
    assert "tiny.yaml:" in str(raised.value)


def test_a_segmentation_of_the_sample_serves_no_network_of_other_text(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    text = SHORT.replace("fit_on: monolingual", "fit_on: sample")
    file.write_text(text.replace("{kind: word2vec,", "{kind: word2vec, text: sample,"))
    with pytest.raises(UserError, match="this network is trained once"):
        load(file)
