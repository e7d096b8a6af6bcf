"""Back-translation: a model of the other direction, its pairs, and what they are mixed into."""

import re
from pathlib import Path

import pytest
from fairseq import checkpoint_utils

from nmt_ablation import references
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.model import checkpoint
from nmt_ablation.schedule import group
from nmt_ablation.stages.tokens import TAG
from tests.conftest import TINY, NewRun, Run, tiny

JOINT = ("fit_on: monolingual", "fit_on: monolingual, joint: true")
NETWORK = (
    "  word2vec: {kind: word2vec, epochs: 2}\n",
    "  word2vec: {kind: word2vec, epochs: 2}\n"
    "  bart: {kind: network, objective: denoising, updates: 20, batch_tokens: 256}\n",
)
ARMS = (
    "baseline: random",
    """\
  back: {back_translation: {ratio: 0.5}}
  plain: {back_translation: {ratio: 0.5, tagged: false}}
  both: {start: {model: bart}, back_translation: {ratio: 0.5}}
baseline: random""",
)
WHOLE = (JOINT, NETWORK, ARMS)
OF_ARMS = ("random", "back", "plain", "both")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Run:
    """A run of arms that learn from pairs translated back."""
    run = tiny(tmp_path_factory.mktemp("back"), mirror, *WHOLE)
    cells = [part for arm in OF_ARMS for part in ("--cell", f"200-{arm}-s1")]
    result = run.call("run", *cells)
    assert result.returncode == 0, result.stderr
    assert "network-reverse-200-s1: done" in result.stderr
    return run


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_the_other_direction_learns_from_the_same_pairs(trained: Run) -> None:
    pipeline, workspace = trained.pipeline, trained.workspace
    ours, theirs = pipeline.binarise(200, 1), pipeline.reverse(200, 1).binarise
    assert theirs.languages == ("en", "xx")
    for split in ("train", "valid", "test"):
        for side, other in (("source", "target"), ("target", "source")):
            mine = _lines(workspace.file(ours.segmented(split, side)))  # type: ignore[arg-type]
            assert mine == _lines(workspace.file(theirs.segmented(split, other)))  # type: ignore[arg-type]
    file = workspace.file(pipeline.reverse(200, 1).checkpoint)
    with checkpoint.readable():
        _, _, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(file)], arg_overrides={"data": str(workspace.file(theirs.data))}
        )
    assert (task.cfg.source_lang, task.cfg.target_lang) == ("en", "xx")


def test_pairs_are_monolingual_lines_and_their_translations(trained: Run) -> None:
    pipeline, workspace = trained.pipeline, trained.workspace
    stage = pipeline.back_translate("back", 200, 1)
    record = workspace.record(stage)
    assert record.pairs + record.empty == 100 and record.seconds > 0
    text = _lines(workspace.file(pipeline.text("target")))[:100]
    targets, sources = (_lines(workspace.file(stage.side(it))) for it in ("target", "source"))
    assert len(sources) == len(targets) == record.pairs and all(sources)
    assert [line for line in text if line in set(targets)] == targets
    # Tagged or not, it is one artifact.
    assert stage == pipeline.back_translate("plain", 200, 1)


def test_they_are_mixed_into_the_sample_and_change_nothing_else(trained: Run) -> None:
    pipeline, workspace = trained.pipeline, trained.workspace
    of_arms = {arm: pipeline.train(trained.cell(200, arm)).binarise for arm in OF_ARMS}
    number = workspace.record(pipeline.back_translate("back", 200, 1)).pairs
    sample = _lines(workspace.file(of_arms["random"].segmented("train", "source")))
    tagged, plain = (
        _lines(workspace.file(of_arms[arm].segmented("train", "source")))
        for arm in ("back", "plain")
    )
    assert tagged[:200] == plain[:200] == sample and len(tagged) == 200 + number
    assert tagged[200:] == [f"{TAG} {line}" for line in plain[200:]]
    assert not any(TAG in line for line in plain)
    for split, side in (("train", "target"), ("valid", "source"), ("test", "target")):
        one, other = (
            _lines(workspace.file(of_arms[arm].segmented(split, side)))  # type: ignore[arg-type]
            for arm in ("random", "back")
        )
        assert other[: len(one)] == one
        assert len(other) == len(one) + (number if split == "train" else 0)
    assert of_arms["both"] == of_arms["back"]
    records = {arm: workspace.record(pipeline.train(trained.cell(200, arm))) for arm in OF_ARMS}
    assert len({record.initial_weights for record in records.values()}) == 1
    assert records["both"].batches == records["back"].batches != records["random"].batches
    assert records["plain"].weights != records["back"].weights
    # <s> is in the dictionary already, at the place that nothing else has.
    with checkpoint.readable():
        found = checkpoint_utils.load_model_ensemble_and_task(
            [str(workspace.file(pipeline.train(trained.cell(200, "back")).checkpoint))],
            arg_overrides={"data": str(workspace.file(of_arms["back"].data))},
        )
    task = found[2]
    task.load_dataset("train")
    firsts = [int(task.dataset("train")[at]["source"][0]) for at in range(200 + number)]
    assert firsts.count(task.source_dictionary.bos()) == number
    assert all(it != task.source_dictionary.bos() for it in firsts[:200])


def test_arms_of_different_pairs_are_no_job_together(new_run: NewRun) -> None:
    run = new_run(*WHOLE)
    cells = [run.cell(200, arm) for arm in OF_ARMS]
    found = group(run.pipeline, run.workspace, cells, together=True)
    assert sorted(sorted(it.arm for it in of) for of in found.values()) == [
        ["back"],
        ["both"],  # which waits for a network too
        ["plain"],
        ["random"],
    ]


def test_report_and_plan_count_the_other_model(trained: Run) -> None:
    result = trained.call("report")
    assert result.returncode == 0, result.stderr
    text = (trained.workspace_root / "tiny" / "report" / "tiny.md").read_text()
    (line,) = re.findall(
        r"^\| reverse \| translation, for back-translation .*$", text, re.MULTILINE
    )
    assert "| sample, en and xx | 1 | 200 |" in line
    (line,) = re.findall(
        r"^\| [\d,]+ \| back \| .*$", text.split("## Gain and cost")[1], re.MULTILINE
    )
    assert float(line.split("|")[5].replace(",", "")) > 0  # pretraining
    assert "back-translation at 0.5 to 1" in text
    cited = references.keys(trained.pipeline.experiment)
    assert {"sennrich-2016-monolingual", "caswell-2019"} <= set(cited)
    fresh = Run(trained.file, trained.file.parent / "fresh", trained.mirror)
    said = fresh.call("plan").stdout
    assert "back: 0.5 lines translated back for each pair of the sample" in said
    assert "network-reverse-200-s1: translation, up to 60 updates" in said


def test_too_little_text_is_said_before_anything_is_trained(new_run: NewRun) -> None:
    run = new_run(*WHOLE, ("ratio: 0.5}}\n  plain", "ratio: 50.0}}\n  plain"))
    result = run.call("run", "--prepare", "--cell", "50-back-s1")
    assert result.returncode == 1
    words = (
        "arms.back.back_translation: 2,500 lines to translate back, and the target text has 2,000"
    )
    assert words in result.stderr


def test_without_target_text_there_is_nothing_to_translate(new_run: NewRun) -> None:
    run = new_run(("baseline: random", ARMS[1]))
    text = run.file.read_text()[: TINY.index("arms:")]
    text = text.replace("monolingual: [Synthetic/v1]", "monolingual: {source: [Synthetic/v1]}")
    text = text.replace("fit_on: monolingual", "fit_on: pool")
    run.file.write_text(
        f"{text}arms: {{random: {{}}, back: {{back_translation: {{}}}}}}\nbaseline: random\n"
    )
    with pytest.raises(UserError, match=r"tiny.yaml:12: .* needs text in en to translate back"):
        load(run.file)
