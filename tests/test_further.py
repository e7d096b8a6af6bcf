"""Sentence pairs beside the pool: what is left of them, and networks that learn from them."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairseq.data import FairseqDataset

from nmt_ablation.corpus.text import normal_form
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.objectives import OBJECTIVES, PairObjective, Vocabulary
from nmt_ablation.opus.synthetic import Language
from nmt_ablation.pretrained.records import NetworkRecord
from nmt_ablation.training.sentences import SentencePairs
from tests.conftest import NewRun, Run, tiny

FURTHER = (
    "  monolingual: [Synthetic/v1]\n",
    """\
  monolingual: [Synthetic/v1]
  further:
    zz-en: {pair: zz-en, parallel: [{source: pairs.zz, target: pairs.en}]}
    other: {parallel: [{source: other.xx, target: other.en}]}
""",
)
JOINT = ("fit_on: monolingual", "fit_on: monolingual, also: [zz-en], joint: true")
SHORT = "updates: 60, validate_every: 30, batch_tokens: 512}"
NETWORKS = (
    "  word2vec: {kind: word2vec, epochs: 2}\n",
    f"""\
  word2vec: {{kind: word2vec, epochs: 2}}
  parent: {{kind: network, objective: translation, text: zz-en, {SHORT}
  chance: {{kind: network, objective: {{translation: {{shuffled: true}}}}, text: zz-en, {SHORT}
  tlm: {{kind: network, objective: translation-lm, text: other, lines: 200, {SHORT}
  labse: {{kind: network, objective: translation-ranking, text: other, updates: 300,
    validate_every: 150, batch_tokens: 512, learning_rate: 0.005}}
  own: {{kind: network, objective: translation-lm, text: sample, {SHORT}
""",
)
ARMS = (
    "baseline: random",
    """\
  parent: {start: {model: parent}}
  chance: {start: {model: chance}}
  cove: {start: {encoder: parent}}
  tlm: {start: {encoder: tlm}}
  labse: {start: {encoder: labse}}
  own: {start: {encoder: own}}
  beside: {auxiliary: {translation-lm: {weight: 0.5, text: zz-en}}}
  cvt: {auxiliary: {partial-views: {weight: 0.5, text: sample}}}
baseline: random""",
)
WHOLE = (FURTHER, JOINT, NETWORKS, ARMS)
OF_ARMS = ("random", "parent", "chance", "cove", "tlm", "labse", "own", "beside", "cvt")


def _write_pairs(
    folder: Path, pool: list[tuple[str, str]], held_out: list[tuple[str, str]]
) -> None:
    """Write pairs of two language pairs, some of which share a side with others."""
    for name, code, seed in (("pairs", "zz", 9), ("other", "xx", 3)):
        language, chance = Language(seed), random.Random(f"{name} {seed}")
        pairs = [language.sentence(chance) for _ in range(600)]
        pairs += [(f"Neu{at}. {source}", target) for at, (source, target) in enumerate(pairs[:3])]
        source, _ = zip(*pairs, strict=True)
        pairs[10:14] = [(source[at], pool[at][1].upper()) for at in range(10, 14)]
        pairs[20:22] = [(source[at], held_out[at][1]) for at in range(20, 22)]
        # The source of these is the pool's or held out, which counts in one language only.
        pairs[30:35] = [
            (pool[at][0], f"This is a quite new sentence, of number {at}.") for at in range(30, 35)
        ]
        pairs[40:43] = [
            (held_out[at][0], f"This is just as new a sentence, of number {at}.") for at in range(3)
        ]
        pairs.append(pairs[50])
        for code_of, side in ((code, 0), ("en", 1)):
            lines = [pair[side] + "\n" for pair in pairs]
            (folder / f"{name}.{code_of}").write_text("".join(lines))


def _read(run: Run, stem: Path, languages: tuple[str, str] = ("xx", "en")) -> list[tuple[str, str]]:
    sides = [Path(f"{stem}.{code}").read_text().splitlines() for code in languages]
    return list(zip(*sides, strict=True))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mirror: Path, prepared_module: None) -> Run:
    """A run of arms that start from networks of sentence pairs."""
    run = tiny(tmp_path_factory.mktemp("further"), mirror)
    aside, sample = run.pipeline.hold_out(), run.pipeline.sample(200, 1)
    run.workspace.ensure(sample)
    pool = _read(run, run.workspace.file(sample.pairs))
    held_out = _read(run, run.workspace.file(aside.pairs("test")))
    _write_pairs(run.file.parent, pool, held_out)
    run = tiny(run.file.parent, mirror, *WHOLE)
    cells = [part for arm in OF_ARMS for part in ("--cell", f"200-{arm}-s1")]
    result = run.call("run", "--data", str(run.file.parent), *cells)
    assert result.returncode == 0, result.stderr
    return run


def _record(run: Run, name: str) -> NetworkRecord:
    return run.workspace.record(run.pipeline.network(name, 200, 1))


@pytest.mark.parametrize("name", ["zz-en", "other"])
def test_no_pair_has_a_side_of_the_pool_or_of_a_held_out_set(trained: Run, name: str) -> None:
    stage, pipeline = trained.pipeline.further(name), trained.pipeline
    stem = trained.workspace.file(stage.side("target")).with_suffix("")
    found = _read(trained, stem, stage.languages)
    assert len(set(found)) == len(found) > 500
    (corpus,) = trained.workspace.record(stage).corpora.values()
    clean = trained.workspace.record(stage.corpora[0])
    assert corpus.pairs == len(found) == trained.workspace.record(stage).pairs
    assert clean.kept == corpus.pairs + corpus.duplicates + corpus.dropped_as_leaks + corpus.shared
    assert corpus.duplicates >= 1
    both = name == "other"
    assert corpus.dropped_as_leaks >= (5 if both else 2)
    assert corpus.shared >= (9 if both else 4)
    texts = [pipeline.hold_out().pairs(split) for split in ("valid", "test")]
    (pooled,) = (pipeline.clean(it) for it in pipeline.experiment.corpora.parallel)
    stems = [*map(trained.workspace.file, texts), trained.workspace.path(pooled) / "pairs"]
    known = [pair for stem in stems for pair in _read(trained, stem)]
    for side in (0, 1) if both else (1,):
        others = {normal_form(pair[side]) for pair in known}
        assert not others & {normal_form(pair[side]) for pair in found}
    if not both:  # a sentence of another language may look the same
        assert {pair[0] for pair in known} & {pair[0] for pair in found}


def test_networks_learn_from_pairs_and_say_how_well(trained: Run) -> None:
    parent, tlm, labse, own = (_record(trained, it) for it in ("parent", "tlm", "labse", "own"))
    for record in (parent, tlm, labse):
        first, last = record.validations
        assert last.loss < first.loss
    assert (tlm.lines, tlm.held_out) == (180, 20) and (own.lines, own.held_out) == (180, 20)
    found = labse.validations[-1].precision
    assert found is not None and found > 3 / labse.held_out
    assert all(it.precision is None for it in parent.validations)
    # Of a pair, both sides are read, and both are ranked.
    assert 2 * (labse.epochs - 1) * labse.lines < labse.predicted <= 2 * labse.epochs * labse.lines
    assert parent.tokens > parent.predicted > parent.tokens / 4


def test_arms_are_paired_and_the_report_says_what_was_left_out(trained: Run) -> None:
    stages = {arm: trained.pipeline.train(trained.cell(200, arm)) for arm in OF_ARMS}
    records = {arm: trained.workspace.record(stage) for arm, stage in stages.items()}
    assert len({record.initial_weights for record in records.values()}) == 1
    assert len({tuple(record.batches.items()) for record in records.values()}) == 1
    assert len({record.weights for record in records.values()}) == len(OF_ARMS)
    assert records["beside"].auxiliary_tokens > 0 and records["cvt"].auxiliary_tokens > 0
    result = trained.call("report", "--data", str(trained.file.parent))
    assert result.returncode == 0, result.stderr
    text = (trained.workspace_root / "tiny" / "report" / "tiny.md").read_text()
    kept = trained.workspace.record(trained.pipeline.further("zz-en")).pairs
    assert f"Sentence pairs zz-en (zz-en) for networks: {kept:,} of 604." in text
    assert "retrieved, held out" in text and "| zz-en, zz and en |" in text


def test_shuffled_pairs_keep_no_pair_and_all_sentences() -> None:
    texts = [[np.array([at, 2]) for at in range(10, 30)] for _ in range(2)]
    objective = OBJECTIVES["translation"].model_validate({"shuffled": True})
    assert isinstance(objective, PairObjective)

    class Text(FairseqDataset):  # type: ignore[misc]
        """Sentences in memory."""

        def __init__(self, lines: list[Any]) -> None:
            self.lines, self.sizes = lines, [len(it) for it in lines]

        def __len__(self) -> int:
            return len(self.lines)

        def __getitem__(self, at: int) -> torch.Tensor:
            return torch.from_numpy(self.lines[at])

    sides = Text(texts[0]), Text(texts[1])
    vocabulary = Vocabulary(50, first=4, padding=1, end=2, mask=0)
    data = SentencePairs(sides, objective, vocabulary, seed=1)
    pairs = [(data[at][1][0].source, data[at][1][0].target) for at in range(20)]
    assert all(source[0] != target[0] for source, target in pairs if source is not None)
    assert sorted(int(target[0]) for _, target in pairs) == list(range(10, 30))


def test_a_test_set_that_is_added_later_loses_what_further_pairs_have(trained: Run) -> None:
    stage = trained.pipeline.further("zz-en")
    seen = trained.workspace.file(stage.side("target")).read_text().splitlines()[:3]
    folder = trained.file.parent
    new = [("Ganz neu hier.", "Nobody has seen this.")]
    for at, code in enumerate(("xx", "en")):
        lines = [pair[at] for pair in [*(("Etwas anderes.", it) for it in seen), *new]]
        (folder / f"later.{code}").write_text("".join(f"{it}\n" for it in lines))
    later = "test: {home: 30, away: {source: later.xx, target: later.en, added: true}}"
    run = Run(folder / "later.yaml", trained.workspace_root, trained.mirror)
    run.file.write_text(trained.file.read_text().replace("test: 30", later))
    run.workspace.ensure(run.pipeline.added_test_set("away"))
    record = run.workspace.record(run.pipeline.added_test_set("away"))
    assert (record.pairs, record.left_out) == (1, 3)


MISTAKES = {
    "in the pool": (
        "other.xx, target: other.en}",
        "a.xx, target: b.en}, {corpus: Synthetic/v1}",
        8,
        "in corpora.parallel too, so all of its pairs are in the pool",
    ),
    "a name that is taken": ("    other: {", "    sample: {", 8, "choose another name"),
    "no such text": ("text: zz-en, updates", "text: zz, updates", 15, "allowed: monolingual"),
    "text without pairs": ("text: zz-en, updates", "updates", 15, "has none; set text to one of"),
    "one side": ("text: zz-en, updates", "text: zz-en, languages: source, updates", 15, "both"),
    "two dictionaries": ("joint: true", "joint: false", 15, "set segmentation.joint"),
    "its own teacher": ("objective: translation,", "objective: partial-views,", 15, "under an arm"),
    "nothing to fit on": ("also: [zz-en]", "also: [zzz]", 12, "allowed: zz-en, other"),
    "beside, no such text": ("0.5, text: zz-en", "0.5, text: zz", 32, "there is no text 'zz'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_its_line_and_the_remedy(new_run: NewRun, mistake: str) -> None:
    old, new, line, words = MISTAKES[mistake]
    run = new_run(*WHOLE)
    text = run.file.read_text()
    assert old in text
    run.file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        load(run.file)
    assert words in str(error.value), error.value
    assert f"tiny.yaml:{line}: " in str(error.value), error.value


def test_pairs_that_are_all_in_the_pool_are_refused(new_run: NewRun) -> None:
    run = new_run(*WHOLE)
    run.workspace.ensure(run.pipeline.sample(50, 1))
    pairs = _read(run, run.workspace.file(run.pipeline.sample(50, 1).pairs))
    for name, code, side in (("other", "xx", 0), ("other", "en", 1), ("pairs", "zz", 0)):
        lines = [f"{pair[side]}\n" for pair in pairs]
        (run.file.parent / f"{name}.{code}").write_text("".join(lines))
    (run.file.parent / "pairs.en").write_text((run.file.parent / "other.en").read_text())
    with pytest.raises(UserError, match=r"further\.other: each of its 50 pairs has a side"):
        run.workspace.ensure(run.pipeline.further("other"))
