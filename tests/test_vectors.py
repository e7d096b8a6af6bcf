"""Vectors of every origin come to a cell's tables, and what they cover is on record."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nmt_ablation.opus.synthetic import Language
from nmt_ablation.pretrained import vec
from nmt_ablation.stage import Build
from nmt_ablation.stages.pretrained import Align, RowsRecord, Vectors
from nmt_ablation.values import SIDES, Side
from tests.conftest import NewRun, Run

WORD2VEC = "  word2vec: {kind: word2vec, epochs: 2}"
OF_FILES = "kind: vectors, source: a.vec, target: b.vec"
WORDS = (WORD2VEC, f"  word2vec: {{{OF_FILES}, unit: word}}")
ALIGNED = (WORD2VEC, f"  word2vec: {{{OF_FILES}, unit: word, align: {{lexicon: lexicon.txt}}}}")
FROZEN = "  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}"


def write_files(folder: Path) -> None:
    """Vectors of all nouns of the made-up language; translations have nearly the same."""
    chance = np.random.default_rng(1)
    nouns = [noun for kind in Language(3).nouns.values() for noun in kind.lexemes]
    values = chance.normal(size=(len(nouns), 16)).astype(np.float32)
    turn = np.linalg.qr(chance.normal(size=(16, 16)))[0]
    noise = chance.normal(0, 0.05, values.shape)
    vec.write(folder / "a.vec", [noun.source for noun in nouns], (values @ turn + noise))
    vec.write(folder / "b.vec", [noun.target for noun in nouns], values)
    lexicon = "".join(f"{noun.source} {noun.target}\n" for noun in nouns)
    (folder / "lexicon.txt").write_text(lexicon)


def rows(run: Run, arm: str = "frozen") -> dict[Side, RowsRecord]:
    stages = run.pipeline.train(run.cell(200, arm)).rows
    for stage in stages.values():
        run.workspace.ensure(stage)
    return {side: run.workspace.record(stage) for side, stage in stages.items()}


def test_files_of_words_are_composed_to_pieces(new_run: NewRun) -> None:
    run = new_run(WORDS)
    write_files(run.file.parent)
    record = rows(run)
    for side in SIDES:
        assert record[side].rows > 50
        assert record[side].lengths["mean"] == pytest.approx(1)
        assert 0.3 < record[side].test.tokens <= 1


def test_files_of_tokens_are_looked_up_under_their_bare_names(new_run: NewRun) -> None:
    run = new_run((WORD2VEC, f"  word2vec: {{{OF_FILES}}}"))
    write_files(run.file.parent)
    looked_up = rows(run)["target"].rows
    assert 0 < looked_up < rows(new_run(WORDS))["target"].rows


def test_a_file_that_is_missing_is_said_before_anything_is_built(new_run: NewRun) -> None:
    result = new_run(WORDS).call("run")
    assert result.returncode == 1
    assert "a.vec: there is no such file" in result.stderr.replace("\n", "")
    assert "--data DIR" in result.stderr


def test_alignment_brings_translations_together_and_is_measured(new_run: NewRun) -> None:
    run = new_run(ALIGNED)
    write_files(run.file.parent)
    stage = run.pipeline.aligned("word2vec", 200, 1)
    folder = run.workspace.ensure(stage)
    assert isinstance(stage, Align)
    assert run.workspace.record(stage).held_out > 0
    spaces = [dict(zip(*vec.load(folder / f"{side}.vec"), strict=True)) for side in SIDES]
    pairs = [line.split() for line in (run.file.parent / "lexicon.txt").read_text().splitlines()]
    cosines = [spaces[0][a] @ spaces[1][b] for a, b in pairs if a in spaces[0] and b in spaces[1]]
    assert np.mean(cosines) > 0.9


def test_a_lexicon_may_come_from_the_sample_and_never_from_dev_or_test(new_run: NewRun) -> None:
    induced = "{kind: word2vec, epochs: 2, align: {lexicon: induced, rounds: 1}}"
    run = new_run((WORD2VEC, f"  word2vec: {induced}"))
    stage = run.pipeline.aligned("word2vec", 200, 1)
    run.workspace.ensure(stage)
    assert isinstance(stage, Align)
    record = run.workspace.record(stage)
    assert record.lexicon > 20
    assert len(record.rounds) == 2
    assert stage.inputs.keys() == {"made", "binarise"}


def test_vectors_of_words_are_trained_and_composed_too(new_run: NewRun) -> None:
    run = new_run(
        (WORD2VEC, "  word2vec: {kind: fasttext, epochs: 2, unit: word, dimension: 8}"),
        (FROZEN, f"{FROZEN[:-1]}, dimension: projection}}"),
    )
    assert rows(run)["source"].rows > 100


def test_the_report_says_how_the_data_and_the_vectors_came_about(new_run: NewRun) -> None:
    run = new_run(ALIGNED)
    write_files(run.file.parent)
    cells = ("--cell", "200-random-s1", "--cell", "200-finetuned-s1")
    assert run.call("run", *cells).returncode == 0
    assert run.call("report").returncode == 0
    page = (run.workspace_root / "tiny/report/tiny.md").read_text()
    assert "| Synthetic/v1 | 500 | 0 |" in page
    assert re.search(
        r"Near-duplicates of a test sentence in each sample: \d+ of 200 \(seed 1;", page
    )
    aligned = r"Alignment of finetuned at 200 pairs, seed 1: .* [01]\.\d\d / [01]\.\d\d in the two"
    assert re.search(aligned, page)


def test_vectors_of_the_sample_know_of_no_other_text(new_run: NewRun) -> None:
    run = new_run(
        (WORD2VEC, "  word2vec: {kind: word2vec, epochs: 2, text: sample, unit: word}"),
        ("fit_on: monolingual", "fit_on: sample"),
        ("  monolingual: [Synthetic/v1]\n", ""),
        ("size: 300", "size: 150"),
    )
    for stage in run.pipeline.train(run.cell(200, "frozen")).rows.values():
        assert {"monolingual", "test-set"}.isdisjoint(it.name for it in stage.ancestors())
    assert rows(run)["source"].rows > 50


def test_sides_trained_at_once_are_each_what_they_are_alone(
    new_run: NewRun, prepared: None, tmp_path: Path
) -> None:
    """Each language's text alone gives the same vectors as both at once."""
    run = new_run()
    both = run.pipeline.vectors("word2vec", 200, 1)
    for needed in both.inputs.values():
        run.workspace.ensure(needed)
    told: list[tuple[float, float]] = []

    def tell(done: float, whole: float) -> None:
        told.append((done, whole))

    def build(stage: Vectors, folder: Path) -> Path:
        folder.mkdir()
        folders = {needed.digest: run.workspace.path(needed) for needed in stage.inputs.values()}
        stage.build(Build(stage, folder, folders, run.workspace.file, run.workspace.record, tell))
        return folder

    together = build(both, tmp_path / "both")
    assert told == [(epochs, 4) for epochs in (1, 2, 3, 4)]
    for side in SIDES:
        setting = replace(both.setting, monolingual=(side,))
        alone = build(replace(both, setting=setting), tmp_path / side)
        assert [path.name for path in alone.iterdir()] == [f"{side}.vec"]
        assert (together / f"{side}.vec").read_bytes() == (alone / f"{side}.vec").read_bytes()


def test_words_are_trained_without_the_marks_that_glue_them(new_run: NewRun) -> None:
    run = new_run((WORD2VEC, "  word2vec: {kind: word2vec, epochs: 1, unit: word}"))
    folder = run.workspace.ensure(run.pipeline.vectors("word2vec", 200, 1))
    tokens, _ = vec.load(folder / "target.vec")
    assert "the" in tokens
    assert not any("￭" in token for token in tokens)


def test_no_token_gets_the_vector_of_another(new_run: NewRun) -> None:
    run = new_run((WORD2VEC, "  word2vec: {kind: word2vec, epochs: 1, min_count: 20}"))
    record = rows(run)
    vectors = run.workspace.ensure(run.pipeline.vectors("word2vec", 200, 1))
    for side in SIDES:
        known = vec.load(vectors / f"{side}.vec")[0]
        assert 0 < record[side].rows <= len(known)


def test_shuffled_tables_of_one_set_differ_from_each_other(new_run: NewRun) -> None:
    run = new_run(
        (WORD2VEC, "  word2vec: {kind: word2vec, epochs: 1, joint: true}"),
        (FROZEN, "  frozen: {start: {embeddings: word2vec}, control: shuffled}"),
    )
    values = []
    for stage in run.pipeline.train(run.cell(200, "frozen")).rows.values():
        run.workspace.ensure(stage)
        with np.load(run.workspace.file(stage.rows)) as rows:
            values.append(rows["values"])
    assert values[0].shape == values[1].shape  # a joint dictionary
    assert not np.array_equal(*values)
