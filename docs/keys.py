"""A Sphinx extension that writes a page of all keys for each file that a user writes.

What it says comes from the docstrings of the files' models, by way of their JSON Schemas.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nmt_ablation.cli.schema import schema_of

FILES = {
    "experiment": "Keys of an experiment file",
    "cluster": "Keys of a cluster file",
    "card": "Keys of a pair's card",
}
FOLDER = Path(__file__).parent / "reference"
SIMPLE = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "`true`, `false`",
}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}

Schema = Mapping[str, Any]


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx write the pages before it reads."""
    app.connect("builder-inited", lambda _: write(FOLDER))
    return {"parallel_read_safe": True}


def write(folder: Path) -> None:
    """Write a page for each file, unless it is there as it should be."""
    for name, title in FILES.items():
        text = Page(name, title).text()
        path = folder / f"{name}-keys.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


class Page:
    """The page of a file: its own keys, then a section for each block in it."""

    def __init__(self, name: str, title: str) -> None:
        self.name, self.title, self.schema = name, title, schema_of(name)
        self.sections: dict[str, Schema] = {}
        """Blocks, by titles that are their places in the file."""
        self._titles: dict[str, str] = {}
        """Titles, by a block's own JSON: a block that has several places has a section once."""
        blocks: list[tuple[str, Schema]] = [("", self.schema)]
        # It grows on the way: what is nearest to the file's own keys comes first.
        for place, block in blocks:
            for key, its in block["properties"].items():
                for inner in self._blocks(its, f"{place}.{key}".strip(".")):
                    if self._add(*inner):
                        blocks.append(inner)

    def _add(self, place: str, block: Schema) -> bool:
        if _key(block) in self._titles:
            return False
        kind = block["properties"].get("kind", {}).get("const")
        title = f"{place}, kind: {kind}" if kind and place.endswith("NAME") else place
        if title in self.sections:
            title = f"{title}, with {next(iter(block['properties']))}"
        self._titles[_key(block)] = title
        self.sections[title] = block
        return True

    def _blocks(self, its: Schema, place: str) -> Iterator[tuple[str, Schema]]:
        """Yield the blocks that a key's values may be, with their places."""
        its = self._resolved(its)
        if "properties" in its:
            yield place, its
        for form in _forms(its):
            yield from self._blocks(form, place)
        if "items" in its:
            yield from self._blocks(its["items"], place)
        for named in (its.get("additionalProperties"), *its.get("patternProperties", {}).values()):
            if isinstance(named, dict):
                yield from self._blocks(named, f"{place}.NAME")

    def _resolved(self, its: Schema) -> Schema:
        if "$ref" not in its:
            return its
        block: Schema = self.schema["$defs"][its["$ref"].rpartition("/")[2]]
        return block

    def text(self) -> str:
        """Return the page in Markdown."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from (f"# {self.title}", "", "<!-- Written by docs/keys.py. -->", "")
        yield f"Editors complete these keys by a [schema](../schema/{self.name}.json)."
        yield from ("", *self._table(self.schema))
        for title, block in self.sections.items():
            yield from ("", f"## {title}", "")
            if said := _line(block.get("description", "")):
                yield from (said, "")
            yield from self._table(block)

    def _table(self, block: Schema) -> Iterator[str]:
        required = block.get("required", ())
        yield from ("| key | value | default | meaning |", "| --- | --- | --- | --- |")
        for key, its in block["properties"].items():
            default = "required" if key in required else _default(its)
            meaning = its.get("description") or self._resolved(its).get("description", "")
            yield f"| `{key}` | {self._value(its)} | {default} | {_line(meaning)} |"

    def _value(self, its: Schema) -> str:
        """Describe the values that a key takes."""
        its = self._resolved(its)
        if "const" in its:
            return f"`{json.dumps(its['const'])}`".replace('"', "")
        if "enum" in its:
            return ", ".join(f"`{each}`" for each in its["enum"])
        if _forms(its):
            forms = [form for form in _forms(its) if form.get("type") != "null"]
            return " or ".join(dict.fromkeys(map(self._value, forms)))
        if "properties" in its:
            title = self._titles[_key(its)]
            return f"[{title.rpartition(', ')[2]}](#{_anchor(title)})"
        kind = its.get("type")
        if kind == "array":
            return f"list of {self._value(its['items'])}" if "items" in its else "list"
        if kind == "object":
            named = its.get("additionalProperties") or next(
                iter(its.get("patternProperties", {}).values()), None
            )
            return f"mapping of names to {self._value(named)}" if named else "mapping"
        kinds = [kind] if isinstance(kind, str) else kind or ["string"]
        simple = " or ".join(SIMPLE[each] for each in kinds if each != "null") or "–"
        return ", ".join(
            [simple, *(f"{words} {its[it]}" for it, words in BOUNDS.items() if it in its)]
        )


def _forms(its: Schema) -> list[Schema]:
    """Return the forms of a value, of which one is chosen."""
    return [*its.get("anyOf", ()), *its.get("oneOf", ())]


def _key(block: Schema) -> str:
    """Return what tells a block from others, whichever of its keys have to be there."""
    return json.dumps({**block, "required": []}, sort_keys=True)


def _default(its: Schema) -> str:
    default = its.get("default")
    if isinstance(default, dict) and default:
        return "see there"
    return "–" if default in (None, {}, [], "") else f"`{json.dumps(default)}`".replace('"', "")


def _anchor(title: str) -> str:
    """Return a heading's anchor, as GitHub and MyST make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _line(text: str) -> str:
    """Return a description as the content of a table's cell."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()
