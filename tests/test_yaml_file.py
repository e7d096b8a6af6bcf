"""Experiment files that are no such thing: each is refused in a moment, with its place."""

import time
from pathlib import Path

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load

ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE = {
    "aliases that explode": (ALIASES, "its aliases make more than 100,000 values"),
    "an alias of itself": ("a: &a {b: *a}\n", "makes? more than|undefined alias|unknown key"),
    "a deep list": (f"a: {'[' * 20_000}", r"file\.yaml:1: is nested deeper than 50 levels"),
    "a deep mapping": (
        "".join(f"{' ' * depth}a:\n" for depth in range(900)),
        r"file\.yaml:51: is nested deeper than 50 levels",
    ),
    "a long text": (f"a: {'x' * 2_000_000}", "has more than 1,048,576 bytes"),
    "an object": ("name: !!python/object/apply:os.system [ls]\n", "name: "),
    "a huge number": (f"seeds: [{'9' * 10_000}]\n", "is not YAML: Exceeds the limit"),
    "a null": ("name: a\0b\n", "is not YAML"),
    "two documents": ("a: 1\n---\nb: 2\n", r"file\.yaml:2: is not YAML"),
    "bytes": ("name: !!binary aGk=\n", "the key 'pair' is missing"),
    "nothing": ("", "is a mapping of keys to values"),
    "writing backwards": ("name: \u202eevil\n", "has a character that can't be seen, U.202E"),
}


@pytest.mark.parametrize(("content", "says"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_in_a_moment(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(content)
    started = time.monotonic()
    with pytest.raises(UserError, match=says):
        load(path)
    assert time.monotonic() - started < 20
