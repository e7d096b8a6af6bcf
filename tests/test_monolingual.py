"""Monolingual text: of both languages, of one, and the rest of the pool."""

import gzip
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt_ablation.corpus import cleaned, pool, rest
from nmt_ablation.corpus.hold_out import KnownSides
from nmt_ablation.corpus.records import RestRecord
from nmt_ablation.corpus.text import Pair, normal_form, read_pairs, stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.stage import File
from nmt_ablation.values import SIDES, Side
from tests.conftest import NewRun, Run
from tests.test_pool import LANGUAGES, corpus

MONOLINGUAL = "  monolingual: [Synthetic/v1]"
POOL = ("fit_on: monolingual", "fit_on: pool")
REST = (MONOLINGUAL, "  monolingual: rest")
ARMS = (
    "  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}\n"
    "  finetuned: {start: {embeddings: word2vec}}\n",
    "",
)
"""The arms of TINY that start both sides' embeddings."""

LINE = st.text(alphabet="abAB .\r\x0b\x85\u2028", min_size=1, max_size=4)
PAIRS = st.lists(st.tuples(LINE, LINE), max_size=40)


def lines(run: Run, file: File) -> list[str]:
    run.workspace.ensure(file.stage)
    return list(stream_lines(run.workspace.file(file)))


def forms(run: Run, file: File) -> set[str]:
    return {normal_form(line) for line in lines(run, file)}


def held_out(run: Run, side: Side) -> set[str]:
    hold_out = run.pipeline.hold_out()
    return forms(run, hold_out.side("valid", side)) | forms(run, hold_out.side("test", side))


def fetched(run: Run) -> list[str]:
    return [stage.file for stage in run.pipeline.fetched()]


class TestOneSide:
    def test_text_of_one_language_makes_vectors_of_one_side(self, new_run: NewRun) -> None:
        run = new_run((MONOLINGUAL, "  monolingual: {source: [Synthetic/v1]}"), POOL, ARMS)
        assert fetched(run) == [
            "OPUS-Synthetic/v1/moses/en-xx.txt.zip",
            "OPUS-Synthetic/v1/mono/xx.txt.gz",
        ]
        stage = run.pipeline.vectors("word2vec", 200, 1)
        folder = run.workspace.ensure(stage)
        assert [path.name for path in folder.glob("*.vec")] == ["source.vec"]
        assert run.workspace.record(stage).keys() == {"source"}
        arm = run.pipeline.train(run.cell(200, "source"))
        assert arm.rows.keys() == {"source"}
        run.workspace.ensure(arm.rows["source"])
        assert run.workspace.record(arm.rows["source"]).rows > 50

    def test_an_arm_can_not_start_the_other_side(self, new_run: NewRun) -> None:
        run = new_run((MONOLINGUAL, "  monolingual: {target: [Synthetic/v1]}"), POOL, ARMS)
        with pytest.raises(
            UserError,
            match=r":14: arms\.source\.start: source-embeddings can't start from 'word2vec', .* "
            "parts that can: target-embeddings$",
        ):
            load(run.file)

    @pytest.mark.parametrize("packed", [False, True])
    def test_each_side_has_corpora_of_its_own(
        self, new_run: NewRun, tmp_path: Path, packed: bool
    ) -> None:
        run = new_run(
            (
                MONOLINGUAL,
                "  monolingual:\n    source: [{corpus: Synthetic/v1, language: xx}]\n"
                "    target: [{file: own.en}, {file: more.en}]",
            )
        )
        hold_out = run.pipeline.hold_out()
        secret = lines(run, hold_out.side("test", "target"))[0]
        taught = lines(run, run.pipeline.sample(200, 1).side("target"))[0]
        own = "".join(f"{line}\n" for line in ("a new line", secret.upper(), taught, "a b c"))
        (tmp_path / "own.en").write_bytes(gzip.compress(own.encode()) if packed else own.encode())
        (tmp_path / "more.en").write_text("one line more\n")
        assert lines(run, run.pipeline.text("target")) == ["a new line", "a b c", "one line more"]
        source = run.pipeline.text("source")
        assert len(lines(run, source)) > 1000
        assert not forms(run, source) & held_out(run, "source")
        assert fetched(run)[1:] == ["OPUS-Synthetic/v1/mono/xx.txt.gz"]

    def test_a_file_that_is_missing_is_said(self, new_run: NewRun) -> None:
        run = new_run((MONOLINGUAL, "  monolingual: {source: [{file: own.xx}]}"), POOL, ARMS)
        with pytest.raises(UserError, match=r"own\.xx: there is no such file, .*; pass --data DIR"):
            run.pipeline.text("source")

    def test_texts_of_a_side_count_by_content_and_order(
        self, new_run: NewRun, tmp_path: Path
    ) -> None:
        (tmp_path / "a.xx").write_text("one\n")
        (tmp_path / "b.xx").write_text("other\n")
        (tmp_path / "c.xx").write_text("one\n")
        digests = []
        for files in ("{file: a.xx}", "{file: c.xx}", "{file: b.xx}", "{file: a.xx}, {file: b.xx}"):
            run = new_run((MONOLINGUAL, f"  monolingual: {{source: [{files}]}}"), POOL, ARMS)
            digests.append(run.pipeline.text("source").stage.digest)
        assert digests[0] == digests[1]
        assert len(set(digests)) == 3


def rest_of(run: Run) -> tuple[RestRecord, dict[Side, list[str]]]:
    stage = run.pipeline.rest()
    texts = {side: lines(run, stage.text(side)) for side in SIDES}
    return run.workspace.record(stage), texts


class TestRest:
    @pytest.mark.parametrize(
        "sizes", ["sizes: [50, 100]", "sizes: [100 tokens, 500 tokens]"], ids=["pairs", "tokens"]
    )
    def test_its_lines_are_in_no_sample_and_not_held_out(self, new_run: NewRun, sizes: str) -> None:
        run = new_run(REST, ("sizes: [50, 200]", sizes), ("seeds: [1]", "seeds: [1, 2, 3]"))
        record, texts = rest_of(run)
        experiment, pipeline = run.pipeline.experiment, run.pipeline
        samples = [pipeline.sample(size, s) for size in experiment.sizes for s in experiment.seeds]
        for side in SIDES:
            found = {normal_form(line) for line in texts[side]}
            assert found
            assert not found & held_out(run, side)
            for sample in samples:
                assert not found & forms(run, sample.side(side))
        sampled = {
            pair
            for sample in samples
            for pair in zip(*(lines(run, sample.side(side)) for side in SIDES), strict=True)
        }
        assert record.pairs == run.workspace.record(pipeline.pool()).pairs
        assert record.in_samples == len(sampled)
        for at, side in enumerate(SIDES):
            assert record.kept[at] == len(texts[side])
            assert record.kept[at] + record.repeated[at] == record.pairs - record.in_samples

    def test_with_more_seeds_less_is_left(self, new_run: NewRun) -> None:
        left = []
        for seeds in ("[1]", "[1, 2]", "[1, 2, 3]"):
            run = new_run(REST, ("[50, 200]", "[50, 100]"), ("seeds: [1]", f"seeds: {seeds}"))
            left.append(rest_of(run))
        for (more, texts), (less, fewer) in pairwise(left):
            assert less.in_samples > more.in_samples
            for side in SIDES:
                assert set(fewer[side]) < set(texts[side])

    def test_all_of_the_pool_leaves_no_rest(self, new_run: NewRun) -> None:
        run = new_run(REST, ("[50, 200]", "[50, all]"))
        with pytest.raises(
            UserError, match=r":5: corpora\.monolingual: rest is empty, as the size all takes"
        ):
            load(run.file)

    def test_samples_that_are_all_of_the_pool_leave_none_either(self, new_run: NewRun) -> None:
        run = new_run(REST, ("[50, 200]", "[50, 5k]"))
        with pytest.raises(UserError, match=r"monolingual: the samples leave no rest of the pool"):
            run.workspace.ensure(run.pipeline.rest())

    def test_vectors_and_segmentation_come_of_it(self, new_run: NewRun) -> None:
        run = new_run(REST, ("[50, 200]", "[50]"))
        assert "To fetch: 1 file" in run.call("plan").stdout
        result = run.call("run", "--cell", "50-frozen-s1")
        assert result.returncode == 0, result.stderr
        score = run.pipeline.score(run.cell(50, "frozen"))
        made_of = run.workspace.provenance(score)
        vectors = run.pipeline.vectors("word2vec", 50, 1)
        assert run.pipeline.rest() in made_of and vectors in made_of
        assert {file.stage for file in vectors.texts.values()} == {run.pipeline.rest()}
        assert "monolingual" not in {stage.name for stage in score.ancestors()}

    @settings(deadline=None, max_examples=60)
    @given(
        PAIRS,
        PAIRS,
        st.lists(st.tuples(LINE, LINE), max_size=3),
        st.integers(1, 12),
        st.booleans(),
        st.sets(st.text(max_size=2), min_size=1, max_size=3),
    )
    def test_it_is_the_pool_less_all_that_a_sample_says(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        one: list[Pair],
        other: list[Pair],
        aside: list[Pair],
        limit: int,
        by_tokens: bool,
        keys: set[str],
    ) -> None:
        folder = tmp_path_factory.mktemp("rest")
        corpora = [corpus(folder / "one", one), corpus(folder / "other", other)]
        places = folder / "pool.bin"
        pool.build(corpora, KnownSides.of(aside), folder, places)

        def drawn(limit: int | None, key: str) -> Iterator[Pair]:
            chosen = pool.draw(places, limit, by_tokens and limit is not None, key)
            pool.write(chosen, corpora, folder / "drawn", LANGUAGES)
            return read_pairs(folder / "drawn", LANGUAGES)

        everything = list(drawn(None, "any"))
        sampled = {pair for key in keys for pair in drawn(limit, key)}
        paths = folder / "source.txt", folder / "target.txt"
        with pytest.MonkeyPatch.context() as patch:  # so few pairs are read in several parts
            patch.setattr(cleaned, "ROWS", 7)
            patch.setattr(cleaned, "_SLAB", 3)
            patch.setattr(pool, "ROWS", 5)
            record = rest.write(places, corpora, limit, by_tokens, sorted(keys), paths)
        assert (record.pairs, record.in_samples) == (len(everything), len(sampled))
        for at, path in enumerate(paths):
            taught = {normal_form(pair[at]) for pair in sampled}
            left = [pair[at] for pair in everything if pair not in sampled]
            expected = [line for line in left if normal_form(line) not in taught]
            assert sorted(stream_lines(path)) == sorted(expected)
            assert record.kept[at] == len(expected)
            assert record.repeated[at] == len(left) - len(expected)
