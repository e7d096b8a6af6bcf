"""The voice of the code: imperative verbs, nouns, and the words of the glossary."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

VERBS = set(
    re.findall(
        r"\w+",
        """
        add align answer append apply ask assert average begin binarise bring build calibrate call
        cast check choose clean clip close collect combine compare compose compute concatenate
        configure continue convert copy count create cut decide decode describe detach discard
        divide do download draw drop encode end enter escape estimate evaluate exit expand export
        extract fetch fill filter find finish fit fold follow forget format forward freeze gather
        give group hand hash have hold import index initialise insert install interpolate invent
        join keep label learn leave limit link list load locate lock log look make map mark match
        mean measure merge mix move name normalise note number offer open order pack parse pass pick
        pin place plan plot pool prepare print project put queue raise rank read recall record
        refuse register release remove rename render repeat replace report require reset reshape
        resolve restore resume return reuse rewrite round run sample save say scale schedule score
        search seek segment select send set share shorten show shuffle signal skip sort spell split
        stack start step stir stop store stream submit subtract sum switch synthesise take tell test
        tie time train transform translate trim try turn undo unfreeze unpack update upload use
        validate verify wait walk warn weigh whiten wrap write yield
        """,
    )
)
"""Verbs that a function's docstring may start with; add the ones that are missing."""

NO_START = set(
    re.findall(
        r"\w+",
        """
        as at by for from how if in is it its like of on only or such that their them these they
        this those to until what when where while whether which who whom whose why with
        """,
    )
)
"""Words that no docstring starts with."""

AFTER_A_NOUN = set(
    re.findall(
        r"\w+",
        """
        after among and as at before beside between by for from in into of on or over per to under
        whose with without
        """,
    )
)
"""Words after which `Counts` or `Scores` is a noun, and no verb in the third person."""

ARTICLES = {"a", "all", "an", "any", "each", "every", "some", "the"}

FORBIDDEN = {
    r"thaw\w*": "unfreeze",
    r"pieces?": "subwords",
    r"sure|surer|surest": "(statistically) significant",
    r"a doubt|doubts": "not significant after correction",
    r"told from": "(not) significantly different",
    r"ticks?": "progress",
    r"resembl\w+": "near-duplicates",
    r"looks? at the valid(ation)?( set)?": "validation",
    r"valid set": "validation set",
}
"""Words that the glossary replaces, and their replacements."""

KEPT = {
    "nmt_ablation/experiment/arms.py": "thaw_at",
    "nmt_ablation/report/chart.py": "ticks",
    "recipes/study_judged.py": "thawed",
}
"""Words that a file needs: a former key that an error names, the ticks of an axis, and the name of
an arm in stored results."""


@dataclass(frozen=True)
class Docstring:
    """A docstring and its owner."""

    line: int
    name: str
    kind: str
    """`function`, `thing` (a class, an attribute or a property) or `module`."""
    text: str

    @property
    def words(self) -> list[str]:
        return re.findall(r"[\w'-]+|[^\w\s]", self.text.lstrip("`\"' "))


def modules() -> list[Path]:
    return sorted(
        path for room in ("nmt_ablation", "recipes") for path in (ROOT / room).rglob("*.py")
    )


def docstrings(tree: ast.Module) -> Iterator[Docstring]:
    """Yield all docstrings of a module, those of attributes too."""

    def text_of(node: ast.stmt) -> str | None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return node.value.value if isinstance(node.value.value, str) else None
        return None

    def of(node: ast.AST, prefix: str) -> Iterator[Docstring]:
        for child in ast.iter_child_nodes(node):
            name = f"{prefix}{getattr(child, 'name', '')}"
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if (text := ast.get_docstring(child)) is not None:
                    decorators = {ast.unparse(each).split(".")[-1] for each in child.decorator_list}
                    thing = isinstance(child, ast.ClassDef) or decorators & PROPERTIES
                    kind = "thing" if thing else "function"
                    yield Docstring(child.lineno, name, kind, text)
                yield from of(child, f"{name}.")
            elif isinstance(child, ast.stmt):
                yield from of(child, prefix)
        body = getattr(node, "body", [])
        for before, after in pairwise(body):
            text = text_of(after)
            if text is not None and isinstance(before, ast.Assign | ast.AnnAssign):
                target = before.targets[0] if isinstance(before, ast.Assign) else before.target
                yield Docstring(after.lineno, prefix + ast.unparse(target), "thing", text)

    if (text := ast.get_docstring(tree)) is not None:
        yield Docstring(1, "the module", "module", text)
    yield from of(tree, "")


PROPERTIES = {"property", "cached_property"}


def third_person(word: str) -> bool:
    return any(word in (f"{verb}s", f"{verb}es", f"{verb[:-1]}ies") for verb in VERBS)


def bad_start(docstring: Docstring) -> str | None:
    """Return the words that a docstring must not start with, or None."""
    first, second = (*(word.lower() for word in docstring.words[:2]), "", "")[:2]
    wrong = first in NO_START
    if docstring.kind == "function":
        wrong = first not in VERBS
    if docstring.kind == "thing" and second.isalpha() and second not in AFTER_A_NOUN:
        wrong = wrong or third_person(first) or (first in VERBS and second in ARTICLES)
    return f"{first} {second}".strip() if wrong else None


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the names that a module gives: its functions, classes, arguments and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr


def in_words(name: str) -> str:
    """Return an identifier as words: `SentencePiece` is `sentencepiece`, `a_piece` is `a piece`."""
    return name.replace("SentencePiece", "sentencepiece").replace("_", " ").strip()


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield everything that is written in words: strings, comments, names."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A title keeps its words.
            yield node.lineno, re.sub(r'"[^"]*"', "", node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], re.sub(r'"[^"]*"', "", token.string)
    for line, name in names(tree):
        yield line, in_words(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", in_words(name)))


def complaints(source: str, kept: str | None = None) -> list[str]:
    """List the places of a module that break the rules, except for one word that it needs."""
    found = []
    for docstring in docstrings(ast.parse(source)):
        if (start := bad_start(docstring)) is not None:
            rule = "an imperative verb" if docstring.kind == "function" else "a noun"
            found.append(
                f"{docstring.line}: {docstring.name}: starts with '{start}', not with {rule}"
            )
    for line, text in texts(source):
        for pattern, instead in FORBIDDEN.items():
            for match in re.finditer(rf"\b({pattern})\b", text, re.IGNORECASE):
                if match[0] != kept:
                    found.append(f"{line}: says '{' '.join(match[0].split())}'; write {instead}")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_comments_messages_and_names_keep_to_the_voice(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    found = complaints(path.read_text(encoding="utf-8"), KEPT.get(name))
    assert not found, "\n" + "\n".join(f"{name}:{complaint}" for complaint in found)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('def f():\n    """Of the steps what needs a network."""', "1: f: starts with 'of the'"),
        ('def f():\n    """The steps."""', "1: f: starts with 'the steps', not with an imperative"),
        ('if x:\n    def f():\n        """The steps."""', "2: f: starts with 'the steps'"),
        ('class C:\n    """Yields what passes."""', "1: C: starts with 'yields what'"),
        ('class C:\n    x: int\n    """Of the file."""', "3: C.x: starts with 'of the'"),
        (
            'class C:\n    @property\n    def p(self):\n        """Whether so."""',
            "3: C.p: starts with 'whether so', not with a noun",
        ),
        ('class C:\n    """Read a file."""', "1: C: starts with 'read a', not with a noun"),
        ('"""What there is."""', "1: the module: starts with 'what there'"),
        ("word_pieces = 1", "1: says 'pieces'; write subwords"),
        ("# Nobody is\n# sure of it.", "2: says 'sure'"),
        ('f"the {x} can\'t be told from {y}"', "1: says 'told from'"),
        ("def thaw(at): ...", "1: says 'thaw'; write unfreeze"),
    ],
)
def test_the_rules_find_what_breaks_them(source: str, complaint: str) -> None:
    (found,) = complaints(source)
    assert complaint in found


def test_a_module_may_need_one_word() -> None:
    source = "axis_ticks, valid_set = [], []"
    assert [it.split(";")[0] for it in complaints(source, "ticks")] == ["1: says 'valid set'"]


@pytest.mark.parametrize(
    "source",
    [
        'def f():\n    """Return the steps."""',
        'class C:\n    """Counts of pairs."""\n    x: int\n    """Scores, one a cell."""',
        'class C:\n    @property\n    def p(self):\n        """The sum, in bytes."""',
        '"""Lines, after "On the resemblance and containment of documents"."""',
        "processor.get_piece_size()",
    ],
)
def test_the_rules_leave_the_rest_alone(source: str) -> None:
    assert not complaints(source)
