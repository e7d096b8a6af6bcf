"""The JSON Schemas of files: they know every key, take every recipe, and refuse what is none."""

import copy
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from nmt_ablation.cli.schema import schema_of
from nmt_ablation.pretrained.kind import KINDS
from tests.conftest import call

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "docs" / "schema"
FILES = {
    "experiment": sorted((ROOT / "recipes").rglob("*.yaml")),
    "cluster": [ROOT / "slurm" / "cluster.yaml"],
    "card": sorted((ROOT / "corpora").glob("*-*.yaml")),
}


def _errors(file: str, data: Any) -> list[str]:
    plain = json.loads(json.dumps(data))  # where keys are words
    found = jsonschema.Draft202012Validator(schema_of(file)).iter_errors(plain)
    return [f"{list(it.absolute_path)}: {it.message}" for it in found]


def _read(path: Path) -> Any:
    return YAML(typ="safe").load(path) or {}


@pytest.mark.parametrize("file", FILES)
def test_it_is_published_as_it_is_printed(file: str) -> None:
    printed = call("schema", file).stdout
    path = PUBLISHED / f"{file}.json"
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text(printed)
    assert path.read_text() == printed
    jsonschema.Draft202012Validator.check_schema(json.loads(printed))


@pytest.mark.parametrize(
    ("file", "path"), [(file, path) for file, paths in FILES.items() for path in paths]
)
def test_every_file_here_is_valid_and_names_it(file: str, path: Path) -> None:
    assert not _errors(file, _read(path))
    (named,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", path.read_text(), re.M)
    assert (path.parent / named).resolve() == PUBLISHED / f"{file}.json"


def _undescribed(part: Any, where: str) -> Iterator[str]:
    """The keys without a meaning of their own or of the block that they refer to."""
    if isinstance(part, list):
        for number, inner in enumerate(part):
            yield from _undescribed(inner, f"{where}[{number}]")
    if isinstance(part, dict):
        properties = part.get("properties")
        for key, its in properties.items() if isinstance(properties, dict) else ():
            if not its.get("description") and "$ref" not in its:
                yield f"{where}.{key}"
        for key, inner in part.items():
            yield from _undescribed(inner, f"{where}/{key}")


@pytest.mark.parametrize("file", FILES)
def test_every_key_and_every_block_says_what_it_means(file: str) -> None:
    found = schema_of(file)
    assert not list(_undescribed(found, ""))
    for name, block in found.get("$defs", {}).items():
        assert any(it.get("description") for it in (block, *block.get("anyOf", ()))), name
    assert list(_undescribed({"properties": {"key": {"type": "string"}}}, "")) == [".key"]


def _changed(keys: str, value: object) -> Any:
    data = copy.deepcopy(_read(ROOT / "recipes" / "quickstart.yaml"))
    *path, last = keys.split(".")
    place = data
    for key in path:
        place = place[key]
    place[last] = value
    return data


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("modle", {}),
        ("model.layers", 3),
        ("model.heads", "4"),
        ("sizes", ["many"]),
        ("segmentation.type", "morfessor"),
        ("pretrained.word2vec.kind", "word3vec"),
        ("pretrained.word2vec.windows", 3),
        ("pretrained.word2vec", {"kind": "network", "objective": "unmasked-lm", "updates": 9}),
        ("arms.frozen.tuning", {"embeddings": "still"}),
        ("arms.frozen.tuning", {"embeddings": {"rate": -1}}),
        ("arms", ["random", "frosted"]),
        ("scoring", {"metrics": {"bleu": {"tokeniser": "zh"}}}),
        ("training.schedule", "endless"),
    ],
)
def test_a_mistake_is_seen(keys: str, value: object) -> None:
    assert _errors("experiment", _changed(keys, value))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        ("sizes", [500, "2.5k", "1M", "200k tokens", "all"]),
        ("arms", ["random", "frozen"]),
        ("arms.frozen.tuning", {"encoder": {"rate": 0.1, "gradual": 500}}),
        ("pretrained.word2vec", {"kind": "network", "objective": {"mass": {}}, "updates": 9}),
        ("scoring", {"metrics": {"bleu": {"tokenizer": "zh"}, "spm": {"kind": "chrf"}}}),
        ("held_out.test", {"one": 30, "other": {"sacrebleu": "wmt20", "weight": 2}}),
    ],
)
def test_short_and_long_forms_are_taken(keys: str, value: object) -> None:
    assert not _errors("experiment", _changed(keys, value))


def _properties(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield all keys of a schema, at any depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for part in schema.values():
            yield from _properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _properties(part)


def test_every_kind_is_in_it() -> None:
    kinds = {it["const"] for name, it in _properties(schema_of("experiment")) if "const" in it}
    assert set(KINDS.names()) <= kinds
