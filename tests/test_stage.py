"""Stages: the digest covers all that makes an artifact, and nothing else."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nmt_ablation.experiment.file import load
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.stage import DataFile, File, Stage
from nmt_ablation.translation.config import Decoding
from tests.conftest import TINY, NewRun

PARALLEL, MONOLINGUAL = "  parallel: [Synthetic/v1]\n", "  monolingual: [Synthetic/v1]\n"
THING = "  word2vec: {kind: word2vec, epochs: 2}"
SEGMENTATION = "{type: sentencepiece-unigram, size: 300, fit_on: monolingual}"
VARIANTS: dict[str, tuple[tuple[str, str], ...]] = {
    "plain": (),
    "aligned": (
        (PARALLEL, "  parallel: [{corpus: A/v1, format: xml}, {source: t.xx, target: t.en}]\n"),
        (THING, "  word2vec: {kind: word2vec, align: {lexicon: t.xx}, unit: word}"),
        ("test: 30", "test: {sacrebleu: wmt20}"),
    ),
    "added": (("test: 30", "test: {home: 30, away: {source: t.xx, target: t.en, added: true}}"),),
    "network": (
        (SEGMENTATION, SEGMENTATION.replace("}", ", joint: true}")),
        (THING, "  word2vec: {kind: network, objective: masked-lm, updates: 9}"),
    ),
    "further": (
        (PARALLEL, f"{PARALLEL}  further: {{aa-en: {{pair: aa-en, parallel: [Other/v1]}}}}\n"),
        (SEGMENTATION, SEGMENTATION.replace("}", ", joint: true}")),
        (THING, "  word2vec: {kind: network, objective: translation, text: aa-en, updates: 9}"),
    ),
    "parent": (
        (SEGMENTATION, SEGMENTATION.replace("}", ", joint: true}")),
        (THING, "  word2vec: {kind: parent, experiment: parent.yaml, cell: 50-random-s1}"),
    ),
    "back-translation": (("baseline: r", "  back: {back_translation: {ratio: 0.5}}\nbaseline: r"),),
    "rates": (("learning_rate: 0.01", "learning_rate: [0.01, 0.003]"),),
    "rest": ((MONOLINGUAL, "  monolingual: rest\n"),),
    "checkpoint": (
        (SEGMENTATION, "{type: checkpoint, checkpoint: word2vec, size: 300, fit_on: pool}"),
        (THING, "  word2vec: {kind: checkpoint, path: checkpoint}"),
    ),
    "published": (
        (SEGMENTATION, "{type: checkpoint, checkpoint: word2vec, size: 300, fit_on: pool}"),
        (THING, f"  word2vec: {{kind: published, path: some/model, revision: '{'0' * 40}'}}"),
    ),
    "translator": ((THING, f"{THING}\n  marian: {{kind: translator, path: checkpoint}}"),),
}
"""Experiments that have, all together, a stage of each class."""


def write_files(folder: Path) -> None:
    """Write the files that the variants name."""
    for path in (folder / "t.xx", folder / "t.en", folder / "checkpoint" / "config.json"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("a b\n")
    (folder / "parent.yaml").write_text(TINY)


def scored(pipeline: Pipeline) -> list[Stage[Any]]:
    """Return the last stages of an experiment."""
    cells = pipeline.experiment.cells()
    makers: tuple[Callable[[Any], Stage[Any]], ...] = (
        pipeline.score,
        pipeline.compare,
        pipeline.resamples,
    )
    alike = [pipeline.near_duplicates(cell.size, cell.seed) for cell in cells]
    found = map(pipeline.retrieval, pipeline.experiment.published_in(cells))
    return [
        pipeline.calibration(),
        *alike,
        *found,
        *pipeline.translators(cells),
        *(make(cell) for cell in cells for make in makers),
        *(stage for cell in cells for stage in pipeline.analyses(cell).values()),
    ]


def of_each_class(pipelines: list[Pipeline]) -> dict[type, Stage[Any]]:
    """Return a stage of each class that occurs."""
    stages = (stage for it in pipelines for last in scored(it) for stage in last.ancestors())
    return {type(stage): stage for stage in stages}


def classes(above: type[Stage[Any]] = Stage) -> Iterator[type[Stage[Any]]]:
    """Yield all classes of stages that the package has."""
    for each in above.__subclasses__():
        if each.__module__.startswith("nmt_ablation.") and hasattr(each, "name"):
            yield each
        yield from classes(each)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cell_s_graph_survives_pickling(new_run: NewRun, tmp_path: Path, variant: str) -> None:
    """Another process computes the same digests again, also where strings hash differently."""
    write_files(tmp_path)
    pipeline = new_run(*VARIANTS[variant]).pipeline
    last = pipeline.score(pipeline.experiment.cells()[-1])
    assert "digest" not in vars(last)  # which would travel along, and prove nothing
    pickled = pickle.dumps(last)
    code = (
        "import pickle, sys, json; last = pickle.load(sys.stdin.buffer); "
        "print(json.dumps([it.digest for it in last.ancestors()]))"
    )
    found = subprocess.run([sys.executable, "-c", code], input=pickled, capture_output=True)
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == [stage.digest for stage in last.ancestors()]


def test_the_digest_covers_each_field_unless_it_is_not_compared(
    new_run: NewRun, tmp_path: Path
) -> None:
    write_files(tmp_path)
    stages = of_each_class([new_run(*variant).pipeline for variant in VARIANTS.values()])
    assert set(stages) == set(classes())
    for stage in stages.values():
        for it in fields(stage):  # type: ignore[arg-type]
            other: Stage[Any] = replace(stage, **{it.name: "another value"})  # type: ignore[type-var]
            assert (other.digest != stage.digest) == it.compare, f"{type(stage)}: {it.name}"


def test_where_things_are_and_what_they_are_called_is_in_no_digest(
    new_run: NewRun, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    digests: list[list[str]] = []
    for folder, events in ((here, None), (there, tmp_path / "events")):
        folder.mkdir()
        write_files(folder)
        file = folder / "named-otherwise.yaml"
        file.write_text(new_run(*VARIANTS["aligned"]).file.read_text())
        places = Places(mirror=str(folder), data=folder, max_bytes=len(digests), events=events)
        digests.append([stage.digest for stage in scored(Pipeline(load(file), places))])
    assert digests[0] == digests[1]


def test_two_pipelines_of_one_file_make_equal_stages(new_run: NewRun) -> None:
    run = new_run()
    one, other = scored(run.pipeline), scored(run.pipeline)
    assert one == other
    assert all(a is not b for a, b in zip(one, other, strict=True))
    assert len({*one, *other}) == len(set(one))


def test_a_pipeline_makes_each_stage_once(new_run: NewRun) -> None:
    pipeline = new_run().pipeline
    one, other = scored(pipeline), scored(pipeline)
    assert all(a is b for a, b in zip(one[1:], other[1:], strict=True))
    random, frozen = (
        pipeline.train(pipeline.file.cell(f"200-{it}-s1")) for it in ("random", "frozen")
    )
    assert random.binarise is frozen.binarise
    assert frozen.rows["source"].made is frozen.rows["target"].made
    assert frozen.binarise.sample is pipeline.sample(200, 1)


def test_ways_of_tuning_with_equal_values_are_different_artifacts(new_run: NewRun) -> None:
    ways = ("rate: 1", "decay: 1", "unfreeze: 1", "gradual: 1", "rate: 1, decay: 1")
    arms = "".join(f"  a{at}: {{tuning: {{model: {{{it}}}}}}}\n" for at, it in enumerate(ways))
    pipeline = new_run(("baseline:", f"{arms}baseline:")).pipeline
    cells = [cell for cell in pipeline.experiment.cells() if cell.size == 200]
    stages = [pipeline.train(cell) for cell in cells]
    assert len(set(stages)) == len(cells) == 4 + len(ways)


@dataclass(frozen=True)
class Several:
    """A value of several values."""

    value: object
    title: str = field(default="", compare=False)
    aside: "Made | None" = field(default=None, compare=False)


@dataclass(frozen=True, eq=False)
class Made(Stage[None]):
    """A stage of one value."""

    name: ClassVar[str] = "made"

    value: object


class Later(Made):
    version = 2


ONE, OTHER = Made("one"), Made("other")
DIFFERENT = {
    "numbers": (1, 2),
    "a number and a truth value": (1, True),
    "a number and its digits": (1, "1"),
    "nothing and a word": (None, ""),
    "nothing and an empty tuple": (None, ()),
    "an empty tuple and an empty mapping": ((), {}),
    "order": ((1, 2), (2, 1)),
    "keys": ({"a": 1}, {"b": 1}),
    "stages": (ONE, OTHER),
    "order of stages": ((ONE, OTHER), (OTHER, ONE)),
    "keys of stages": ({"a": ONE, "b": OTHER}, {"a": OTHER, "b": ONE}),
    "names of files": (File(ONE, "a"), File(ONE, "b")),
    "files' stages": (File(ONE, "a"), File(OTHER, "a")),
    "values beside a stage": ((ONE, 1), (ONE, 2)),
    "blocks": (Decoding(beam=2), Decoding(beam=3)),
    "values of a value": (Several(1), Several(2)),
    "stages in a value": (Several(ONE), Several(OTHER)),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_different_values_give_different_digests(one: object, other: object) -> None:
    assert Made(one).digest != Made(other).digest
    assert Made(one) != Made(other)
    assert Made(one).digest == Made(one).digest


def test_another_version_is_another_artifact() -> None:
    assert Made(1).digest != Later(1).digest


def test_what_a_value_does_not_compare_is_in_no_digest() -> None:
    assert Made(Several(1, "a", ONE)) == Made(Several(1, "b", OTHER)) == Made(Several(1))


def test_files_of_the_user_count_by_content(tmp_path: Path) -> None:
    digests = set()
    for number, text in enumerate(("one", "other", "one")):
        path = tmp_path / str(number)
        path.write_text(text)
        digests.add(Made(DataFile(path)).digest)
    assert len(digests) == 2


def test_what_no_digest_can_cover_is_refused() -> None:
    with pytest.raises(TypeError, match="can't be part of a digest"):
        _ = Made({1, 2}).digest


def test_each_stage_comes_after_all_that_it_needs(new_run: NewRun) -> None:
    for last in scored(new_run().pipeline):
        seen: set[Stage[Any]] = set()
        for stage in last.ancestors():
            assert seen.issuperset(stage.inputs.values())
            assert stage not in seen
            seen.add(stage)
        assert stage is last
