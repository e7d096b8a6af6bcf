"""Parents: models of another experiment's cells, whose rows are mapped, and whose text is apart."""

import random
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt_ablation.corpus.text import normal_form
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.model import checkpoint
from nmt_ablation.model.config import SPECIAL_SYMBOLS
from nmt_ablation.opus.synthetic import Language
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.schedule import jobs
from nmt_ablation.segmentation import read_dictionary
from nmt_ablation.training.record import Trained
from nmt_ablation.transfer.adopt import WITH_ROWS, adopt
from nmt_ablation.values import SIDES, Side
from tests.conftest import TINY, NewRun, Run, tiny

TEXT = "parallel: [{source: o.zz, target: o.en}]"
OTHER = (
    ("name: tiny", "name: other"),
    ("pair: xx-en", "pair: zz-en"),
    ("parallel: [Synthetic/v1]\n  monolingual: [Synthetic/v1]", TEXT),
    ("[50, 200]", "[150]"),
    ("300, fit_on: monolingual", "280, fit_on: pool"),
    ("pretrained:\n  word2vec: {kind: word2vec, epochs: 2}\n", ""),
    (TINY[TINY.index("  frozen:") : TINY.index("baseline:")], ""),
)
PARENTS = (
    "  word2vec: {kind: word2vec, epochs: 2}\n",
    """\
  word2vec: {kind: word2vec, epochs: 2}
  parent: {kind: parent, experiment: other.yaml, cell: 150-random-s1}
  any: {kind: parent, experiment: other.yaml, cell: 150-random-s1, rows: random}
""",
)
ARMS = (
    "baseline: random",
    """\
  parent: {start: {model: parent}}
  cove: {start: {encoder: parent}}
  layers: {start: {layers: parent}}
  any: {start: {model: any}}
  shuffled: {start: {model: parent}, control: shuffled}
baseline: random""",
)
OF_ARMS = ("random", "parent", "cove", "layers", "any", "shuffled")


def write_other(folder: Path, *replacements: tuple[str, str]) -> Path:
    """Write the parent's experiment, a third of whose pairs share a side with the pool."""
    text = TINY
    for old, new in (*OTHER, *replacements):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "other.yaml").write_text(text)
    ours, chance = Language(3), random.Random("parallel 3")
    theirs, other = Language(9), random.Random("other")
    pairs = [theirs.sentence(other) for _ in range(600)]
    pairs[::3] = [(pair[0], ours.sentence(chance)[1]) for pair in pairs[::3]]
    for code, side in (("zz", 0), ("en", 1)):
        (folder / f"o.{code}").write_text("".join(pair[side] + "\n" for pair in pairs))
    return folder / "other.yaml"


def _new(folder: Path, mirror: Path) -> Run:
    write_other(folder)
    return tiny(folder, mirror, PARENTS, ARMS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Run:
    """A run of arms that start from a parent."""
    run = _new(tmp_path_factory.mktemp("parent"), mirror)
    cells = [part for arm in OF_ARMS for part in ("--cell", f"200-{arm}-s1")]
    result = run.call("run", *cells)
    assert result.returncode == 0, result.stderr
    assert "network-parent: done" in result.stderr
    return run


def _parent(run: Run) -> Pipeline:
    return run.pipeline.parent("parent")


def _weights(path: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = checkpoint.read(path)["model"]
    return found


def _record(run: Run, arm: str) -> Trained:
    return run.workspace.record(run.pipeline.train(run.cell(200, arm)))


def test_a_parent_has_no_sentence_of_the_child(trained: Run) -> None:
    ours, theirs = trained.pipeline, _parent(trained)
    pool = trained.workspace.record(theirs.pool())
    (corpus,) = pool.corpora.values()
    assert corpus.shared > 150
    assert pool.pairs + corpus.shared + corpus.dropped_as_leaks + corpus.duplicates <= 600
    (own,) = (ours.clean(it) for it in ours.experiment.corpora.parallel)
    known = (trained.workspace.path(own) / "pairs.en").read_text().splitlines()
    learned = trained.workspace.file(theirs.sample(150, 1).side("target")).read_text()
    forms = {normal_form(it) for it in learned.splitlines()}
    assert len(forms) == 150 and not forms & {normal_form(it) for it in known}
    # Alone, the same experiment has them.
    alone = Pipeline(load(trained.file.parent / "other.yaml"), theirs.places)
    trained.workspace.ensure(alone.pool())
    assert trained.workspace.record(alone.pool()).pairs > pool.pairs + 150


def test_a_token_has_the_row_of_the_same_token(trained: Run) -> None:
    ours, theirs = trained.pipeline, _parent(trained)
    parent = _weights(
        trained.workspace.file(theirs.train(theirs.file.cell("150-random-s1")).checkpoint)
    )
    adopted = ours.adopted("parent", 200, 1)
    found = _weights(trained.workspace.file(adopted.weights))
    record = trained.workspace.record(adopted)
    for name, side in WITH_ROWS.items():
        own, other = (
            read_dictionary(
                trained.workspace.file(
                    it.segmentation(200 if it is ours else 150, 1).dictionary(side)
                )
            )
            for it in (ours, theirs)
        )
        assert torch.equal(found[name][:SPECIAL_SYMBOLS], parent[name][:SPECIAL_SYMBOLS])
        matched = 0
        for at, token in enumerate(own):
            row = found[name][at + SPECIAL_SYMBOLS]
            if token in other:
                assert torch.equal(row, parent[name][other.index(token) + SPECIAL_SYMBOLS])
                matched += 1
            else:
                assert row.isnan().all()
        assert 10 < matched == record.rows[side] < record.tokens[side] == len(own)
    assert all(torch.equal(found[it], parent[it]) for it in found if it not in WITH_ROWS)


def test_arms_differ_in_what_they_name(trained: Run) -> None:
    records = {arm: _record(trained, arm) for arm in OF_ARMS}
    assert len({record.initial_weights for record in records.values()}) == 1
    assert len({tuple(record.batches.items()) for record in records.values()}) == 1
    assert len({record.weights for record in records.values()}) == len(OF_ARMS)
    for record in records.values():
        assert all(it.loss is not None for it in record.validations)


def test_report_status_and_plan_name_the_parent(trained: Run) -> None:
    status = trained.call("status").stdout
    (line,) = re.findall(r"^network-parent .*$", status, re.MULTILINE)
    assert re.search(r"done +BLEU \d+\.\d on its validation set", line)
    assert trained.call("run", "--network", "network-parent").returncode == 0
    result = trained.call("report")
    assert result.returncode == 0, result.stderr
    text = (trained.workspace_root / "tiny" / "report" / "tiny.md").read_text()
    (line,) = re.findall(r"^\| parent \| translation, matching rows .*$", text, re.MULTILINE)
    assert "| other 150-random-s1, zz and en | 1 | 150 |" in line
    rows = trained.workspace.record(trained.pipeline.adopted("parent", 200, 1)).rows
    assert f"parent is a parent, and has rows for {rows['source']} source tokens" in text
    pool = trained.workspace.record(_parent(trained).pool())
    (corpus,) = pool.corpora.values()
    assert f"Sentence pairs parent (zz-en) for networks: {pool.pairs:,} of 600." in text
    assert f"{corpus.shared:,} more with a side that this experiment's own text has" in text
    fresh = Run(trained.file, trained.file.parent / "fresh", trained.mirror)
    assert "network-parent: translation, up to 60 updates of up to 256" in fresh.call("plan").stdout


def test_rows_at_random_are_the_parent_s_and_one_order_where_tokens_are(tmp_path: Path) -> None:
    tokens: dict[str, list[str]] = {"theirs": [f"t{at}" for at in range(7)]}
    tokens["ours"] = [f"o{at}" for at in range(9)]
    files: dict[str, dict[Side, Path]] = {}
    for whose, of in tokens.items():
        path = tmp_path / whose
        path.write_text("".join(f"{it} 1\n" for it in of))
        files[whose] = dict.fromkeys(SIDES, path)
    weight = torch.arange(11 * 2).reshape(11, 2).float()
    torch.save({"model": dict.fromkeys(WITH_ROWS, weight)}, tmp_path / "parent.pt")

    def rows(seed: int) -> Tensor:
        out = tmp_path / "out.pt"
        both = files["theirs"], files["ours"]
        found = adopt(tmp_path / "parent.pt", *both, out, matching=False, seed=seed)
        assert found == {"source": 7, "target": 7}
        weights = _weights(out)
        one, *others = (weights[name] for name in WITH_ROWS)
        assert all(torch.allclose(one, other, equal_nan=True) for other in others)
        return one

    found = rows(1)
    given = ~found.isnan().any(1)
    assert torch.equal(found[:SPECIAL_SYMBOLS], weight[:SPECIAL_SYMBOLS])
    assert sorted(found[given][:, 0].tolist()) == weight[:, 0].tolist()
    assert not torch.allclose(found, rows(2), equal_nan=True)
    with pytest.raises(UserError, match="no token in common"):
        adopt(
            tmp_path / "parent.pt",
            files["theirs"],
            files["ours"],
            tmp_path / "out.pt",
            matching=True,
            seed=0,
        )


def test_jobs_wait_for_the_parent_and_not_for_each_other(tmp_path: Path, mirror: Path) -> None:
    run = _new(tmp_path, mirror)
    pipeline, cells = run.pipeline, [run.cell(200, arm) for arm in OF_ARMS]
    found = jobs(pipeline, run.workspace, {str(it): [it] for it in cells}, prepare_only=False)
    names = list(found)
    (adopting,) = (
        name for name, work in found.items() if pipeline.adopted("parent", 200, 1) in work.stages
    )
    assert "network-parent" in found[adopting].needs
    for cell in cells:
        needs = found[str(cell)].needs
        assert not {it for it in needs if it in map(str, cells)}
        waits = cell.arm in ("parent", "cove", "layers", "shuffled")
        assert (adopting in needs) == waits
        assert all(names.index(it) < names.index(str(cell)) for it in needs)
    parent = _parent(run).train(_parent(run).file.cell("150-random-s1"))
    assert found["network-parent"].stages[-1] == parent
    # What is prepared beforehand is all that needs no training, the parent's text too.
    prepared = pipeline.preparation(cells)
    assert _parent(run).binarise(150, 1) in prepared
    assert not any(it.alone or it.waits for it in prepared)


MISTAKES = {
    "another shape": (
        "other",
        ("dimension: 16", "dimension: 32"),
        "tiny.yaml:12: pretrained.parent.experiment: model.dimension is 16 here and 32 in",
    ),
    "no such cell": (
        "tiny",
        ("cell: 150-random-s1}", "cell: 150-random-s2}"),
        "tiny.yaml:12: pretrained.parent.cell: ",
    ),
    "no such file": ("tiny", ("experiment: other.yaml", "experiment: others.yaml"), "no such file"),
    "a mistake of its own": ("other", ("seeds: [1]", "seeds: []"), "other.yaml:"),
    "tied": (
        "tiny",
        ("parent: {start: {model: parent}}", "parent: {start: {model: parent}, tying: all}"),
        "has several; set model.tying to all there",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_its_line_and_the_remedy(
    tmp_path: Path, mirror: Path, mistake: str
) -> None:
    which, replacement, words = MISTAKES[mistake]
    write_other(tmp_path, *([replacement] if which == "other" else []))
    run = tiny(tmp_path, mirror, PARENTS, ARMS, *([replacement] if which == "tiny" else []))
    with pytest.raises(UserError) as error:
        load(run.file)
    assert words in str(error.value), error.value


def test_no_experiment_is_its_own_parent(new_run: NewRun, tmp_path: Path) -> None:
    run = new_run(PARENTS, ARMS)
    (tmp_path / "other.yaml").write_text(run.file.read_text().replace("other.yaml", "tiny.yaml"))
    with pytest.raises(UserError, match=r"other.yaml:12: .* itself starts from this experiment"):
        load(run.file)
