"""Analyses of trained models: planted answers are found, and a whole run is analysed."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt_ablation.analysis import Finding, TextAnalysis
from nmt_ablation.analysis.alignment import _precisions
from nmt_ablation.analysis.cka import Covariances
from nmt_ablation.analysis.side_effects import SideEffects
from nmt_ablation.analysis.texts import Texts
from nmt_ablation.analysis.words import Words
from nmt_ablation.pretrained.align import Space
from nmt_ablation.results.files import load
from nmt_ablation.results.results import Results
from nmt_ablation.stages.analysis import AnalyseModel, AnalyseTexts
from nmt_ablation.workspace import Workspace
from tests.conftest import NewRun, Run, call

MEASURES = {
    "drift": 4,
    "similarity": 1,
    "reset": 6,
    "alignment": 2,
    "flatness": 1,
    "words": 2,
    "side-effects": 2,
}
"""The number of quantities that each analysis finds in any cell, the baseline's too."""


def _similarity(one: Tensor, other: Tensor, batches: int = 1) -> float:
    """Return the similarity of two layers' states, added in batches."""
    sums = Covariances([("one", "other")])
    for own, theirs in zip(one.chunk(batches), other.chunk(batches), strict=True):
        sums.add({"one": own}, {"other": theirs})
    return sums.similarities()["one", "other"]


@pytest.fixture
def states() -> Tensor:
    return torch.randn(2000, 12, generator=torch.Generator().manual_seed(1)) + 3


class TestSimilarity:
    def test_a_rotation_a_factor_and_a_shift_change_nothing(self, states: Tensor) -> None:
        rotation, _ = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator()))
        assert _similarity(states, 7 * states @ rotation - 5) == pytest.approx(1, abs=1e-6)

    def test_independent_states_have_what_chance_gives(self, states: Tensor) -> None:
        other = torch.randn(2000, 12, generator=torch.Generator().manual_seed(2))
        assert 0 < _similarity(states, other) < 3 * 12 / 2000

    def test_states_that_share_half_of_their_directions_are_half_alike(
        self, states: Tensor
    ) -> None:
        other = torch.randn(2000, 12, generator=torch.Generator().manual_seed(2))
        mixed = torch.cat([states[:, :6], other[:, :6]], 1)
        assert _similarity(states, mixed) == pytest.approx(0.5, abs=0.03)

    def test_it_is_that_of_all_tokens_at_once(self, states: Tensor) -> None:
        other = states.square()
        centred = [it.double() - it.double().mean(0) for it in (states, other)]
        grams = [it @ it.T for it in centred]
        direct = (grams[0] * grams[1]).sum() / (grams[0].norm() * grams[1].norm())
        assert _similarity(states, other) == pytest.approx(float(direct))
        assert _similarity(states, other, batches=7) == pytest.approx(float(direct))


class TestAlignment:
    def _found(self, source: Tensor, target: Tensor) -> dict[str, float]:
        names = [str(number) for number in range(len(source))]
        one, other = Space(names, source.numpy()), Space(names, target.numpy())
        found = _precisions("here", one, other, list(zip(names, names, strict=True)))
        return {it.measure: it.value for it in found}

    def test_rotations_of_each_other_are_perfect_after_a_rotation_alone(
        self, states: Tensor
    ) -> None:
        rotation, _ = torch.linalg.qr(torch.randn(12, 12, generator=torch.Generator()))
        centred = states - 3
        found = self._found(centred, centred @ rotation)
        assert found["nearest as they are, in %"] < 5
        assert found["nearest after a rotation, in %"] == 100

    def test_one_space_needs_no_rotation(self, states: Tensor) -> None:
        found = self._found(states - 3, 2 * (states - 3))
        assert set(found.values()) == {100}

    def test_independent_vectors_have_what_chance_gives(self, states: Tensor) -> None:
        other = torch.randn(2000, 12, generator=torch.Generator().manual_seed(2))
        assert max(self._found(states, other).values()) < 1


@pytest.fixture(scope="module")
def analysed(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The finished run with all analyses, in a workspace of its own."""
    run = _copied(finished, tmp_path_factory.mktemp("analysed"))
    result = run.call("analyse")
    assert result.returncode == 0, result.stderr
    return run


def _copied(finished: Run, folder: Path) -> Run:
    """Copy the finished run, to add to it."""
    run = Run(folder / finished.file.name, folder / "workspace", finished.mirror)
    shutil.copy(finished.file, run.file)
    shutil.copytree(finished.workspace_root, run.workspace_root)
    return run


@pytest.fixture(scope="module")
def results(analysed: Run, tmp_path_factory: pytest.TempPathFactory) -> Results:
    out = tmp_path_factory.mktemp("report")
    result = analysed.call("report", "--out", str(out))
    assert result.returncode == 0, result.stderr
    return load(out / "tiny.jsonl")


def _values(results: Results, name: str, arm: str, measure: str) -> dict[str, float]:
    (row,) = (it for it in results.cells if (it.arm, it.pairs) == (arm, 200))
    return {it.place: it.value for it in row.findings[name] if it.measure == measure}


class TestARun:
    def test_every_cell_has_all_findings(self, results: Results) -> None:
        assert list(results.analyses) == list(MEASURES)
        for row in results.cells:
            for name, number in MEASURES.items():
                measures = {it.measure for it in row.findings[name]}
                compared = name == "similarity" and row.arm != "random"
                assert len(measures) == number + compared, (row.cell, name)

    def test_frozen_parts_have_not_moved_and_others_have(self, results: Results) -> None:
        moved = _values(results, "drift", "frozen", "distance")
        assert (
            moved["source-embeddings"]
            == moved["target-embeddings"]
            == 0
            < min(value for place, value in moved.items() if not place.endswith("embeddings"))
        )
        by_frequency = _values(results, "drift", "source", "distance, by frequency in the sample")
        assert set(by_frequency) > {"source, 1 to 9 times", "target, 1 to 9 times"}
        for place, value in _values(results, "drift", "random", "distance").items():
            assert value > 0.01, place

    def test_a_layer_that_did_not_learn_loses_nothing(self, results: Results) -> None:
        lost = _values(results, "reset", "source", "bits added, reset to its start")
        assert lost["source-embeddings"] == 0
        assert max(lost.values()) > 0.01

    def test_the_random_arm_s_start_is_random(self, results: Results) -> None:
        to_start, to_random = (
            _values(results, "reset", "random", f"bits added, reset to {label}")
            for label in ("its start", "random weights")
        )
        assert to_start == to_random
        vectors = _values(results, "reset", "source", "bits added, reset to random weights")
        assert vectors["source-embeddings"] != 0

    def test_noise_takes_more_bits_the_more_of_it_there_is(self, results: Results) -> None:
        (row,) = (it for it in results.cells if (it.arm, it.pairs) == ("finetuned", 200))
        bits = [it.value for it in row.findings["flatness"]]
        assert bits == sorted(bits) and bits[-1] > 0.01

    def test_states_are_compared_with_the_baseline_s(self, results: Results) -> None:
        (row,) = (it for it in results.cells if (it.arm, it.pairs) == ("finetuned", 200))
        found = [it for it in row.findings["similarity"] if it.measure == "CKA with the baseline"]
        assert {(it.place, it.other) for it in found} == {
            (f"{stack} {one}", f"{stack} {other}")
            for stack in ("encoder", "decoder")
            for one in range(2)
            for other in range(2)
        }
        assert all(0 < it.value < 1 for it in found)

    def test_a_second_time_does_nothing(self, analysed: Run) -> None:
        before = _made(analysed.workspace)
        result = analysed.call("analyse")
        assert "drift" not in result.stderr
        assert _made(analysed.workspace) == before
        assert "How far training moved weights: distance" in result.stdout

    def test_what_was_found_is_kept_when_a_workspace_is_cleaned(self, analysed: Run) -> None:
        result = call("clean", str(analysed.file), *analysed.places, text=b"n\n")
        assert "analysis" not in result.stdout, result.stdout

    def test_models_with_features_and_of_low_rank_are_analysed_too(self, new_run: NewRun) -> None:
        run = new_run(
            ("size: 300", "size: 300, joint: true"),
            ("[50, 200]", "[50]"),
            (
                "word2vec: {kind: word2vec, epochs: 2}",
                "bilm: {kind: network, objective: bidirectional-lm, updates: 5}",
            ),
            (
                "  frozen: {start: {embeddings: word2vec}, tuning: {embeddings: frozen}}\n"
                "  finetuned: {start: {embeddings: word2vec}}\n"
                "  source: {start: {source-embeddings: word2vec}, "
                "tuning: {source-embeddings: frozen}}\n",
                "  fused: {features: {source: {of: bilm, enters: fused}}}\n"
                "  low: {start: {encoder: bilm}, tuning: {encoder-layers: {low-rank: 2}}}\n",
            ),
        )
        for command in ("run", "analyse"):
            result = run.call(command)
            assert result.returncode == 0, result.stderr
        cells = run.pipeline.experiment.cells()
        found = {
            cell.arm: run.workspace.record(run.pipeline.analysis("drift", cell)) for cell in cells
        }
        places = {arm: [it.place for it in of] for arm, of in found.items()}
        assert places["fused"] == places["low"] == places["random"]
        still = {it.place: it.value for it in found["low"] if it.measure == "distance"}
        assert still["encoder-layers 1"] > 0

    def test_the_report_has_tables_figure_and_page(self, analysed: Run, tmp_path: Path) -> None:
        analysed.call("report", "--out", str(tmp_path))
        assert (tmp_path / "tiny.analysis.png").stat().st_size > 10_000
        assert "tiny.analysis.svg" in (tmp_path / "tiny.md").read_text()
        page = (tmp_path / "tiny.html").read_text()
        assert "What is lost when one layer is reset: tokens predicted in %" in page
        assert "Inside the models" in page
        call("draw", str(tmp_path / "tiny.jsonl"), "--out", str(tmp_path / "again"))
        for name in ("tiny.analysis.svg", "tiny.jsonl"):
            assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()

    def test_only_what_is_asked_for_is_analysed(self, finished: Run, tmp_path: Path) -> None:
        run = _copied(finished, tmp_path)
        run.file.write_text(run.file.read_text() + "analysis: [drift]\n")
        result = run.call("analyse", "--cell", "50-frozen-s1")
        assert result.returncode == 0, result.stderr
        assert "distance" in result.stdout
        assert "reset" not in result.stdout
        assert len(_made(run.workspace)) == 1


def _made(workspace: Workspace) -> list[str]:
    stages = (AnalyseModel, AnalyseTexts)
    folders = (it for of in stages for it in (workspace.root / "store" / of.name).glob("*"))
    return sorted(it.name for it in folders if it.is_dir())


def _texts(tmp_path: Path, *lines: tuple[str, str, str], more: str = "") -> Texts:
    """Sentences, each as source, reference and hypothesis, of which a sample of one line has some
    words."""
    for name, text in (("sample", "a a a a a a a a a a b\n"), ("more", more)):
        (tmp_path / name).write_text(text)
    sources, references, hypotheses = map(list, zip(*lines, strict=True))
    files = tmp_path / "sample", tmp_path / "more" if more else None
    return Texts(sources, references, hypotheses, *files, "13a")


def _found(analysis: TextAnalysis, texts: Texts) -> dict[tuple[str, str], Finding]:
    return {(it.measure, it.place): it for it in analysis.findings(texts)}


class TestTranslations:
    def test_words_are_told_apart_by_their_frequency(self, tmp_path: Path) -> None:
        lines = ("x", "a b c d", "a b c e"), ("x", "a c", "d d")
        found = _found(Words(), _texts(tmp_path, *lines, more="d d d\n"))
        values = {
            place: round(it.value, 1)
            for (measure, place), it in found.items()
            if "frequency" in measure
        }
        assert values == {
            "10 to 99 times": 66.7,  # a: one of two matched, one was made
            "1 to 9 times": 100.0,  # b
            "unseen": 50.0,  # c: one of two matched, and e was made
            "unseen, but in text to pretrain on": 0.0,  # d
        }

    def test_intervals_hold_the_value_and_are_those_of_sentences(self, tmp_path: Path) -> None:
        lines = [("x", "a b", "a b" if at % 2 else "c c") for at in range(100)]
        it = _found(Words(), _texts(tmp_path, *lines))[
            "F1 in %, by length of the reference", "1 to 10 words"
        ]
        assert it.value == 50
        assert it.interval is not None
        half = 100 * 1.96 * 0.5 / 10  # of the mean of 100 coins
        assert it.interval == pytest.approx((50 - half, 50 + half), abs=2)

    def test_copies_and_length_are_counted(self, tmp_path: Path) -> None:
        lines = [("Haus und Berlin 7", "house and Berlin 7", "Haus and Berlin")]
        found = _found(SideEffects(), _texts(tmp_path, *lines))
        copied = "words that are in the source, in %"
        assert found[copied, "translations"].value == pytest.approx(200 / 3)
        assert found[copied, "references"].value == pytest.approx(100 / 3)
        assert found["words for each word of the references", "translations"].value == 3 / 4


class TestBadInput:
    def test_an_untrained_experiment_is_refused(self, new_run: NewRun) -> None:
        result = new_run().call("analyse")
        assert result.returncode == 1
        assert "no model of tiny can be analysed" in result.stderr
        assert "nmt-ablation run" in result.stderr

    @pytest.mark.parametrize(
        ("block", "says"),
        [
            ("[drifts]", "tiny.yaml:27: analysis: 'drifts' is no analysis; allowed: drift,"),
            ("drift", "tiny.yaml:27: analysis: write a list of some of drift, similarity, reset"),
            ("{drift: {sentences: 0}}", "tiny.yaml:27: analysis.drift.sentences: "),
            ("{drift: {tokens: 1}}", "unknown key 'tokens'"),
        ],
    )
    def test_a_block_says_what_is_wrong(self, new_run: NewRun, block: str, says: str) -> None:
        run = new_run()
        run.file.write_text(run.file.read_text() + f"analysis: {block}\n")
        result = call("validate", str(run.file))
        assert result.returncode == 1
        assert says in result.stderr, result.stderr

    @pytest.mark.parametrize("analyses", ["", "analysis: [drift]\n", "analysis: [similarity]\n"])
    def test_a_model_that_can_not_be_drawn_again_is_refused(
        self, finished: Run, tmp_path: Path, analyses: str
    ) -> None:
        run = _copied(finished, tmp_path)
        run.file.write_text(run.file.read_text() + analyses)
        cell = run.cell(50, "random")
        folder = run.workspace.path(run.pipeline.train(cell))
        manifest = json.loads((folder / "artifact.json").read_text())
        manifest["record"]["initial_weights"] = "0"
        (folder / "artifact.json").write_text(json.dumps(manifest))
        (folder / "artifact.sha256").unlink()
        result = run.call("analyse", "--cell", str(cell))
        assert result.returncode == 1
        assert "its first weights can't be drawn again with torch" in result.stderr
