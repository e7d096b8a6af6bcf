"""Types of values in an experiment file, and the base class of its blocks."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

Side = Literal["source", "target"]
SIDES: tuple[Side, Side] = ("source", "target")

# Names become file names and arguments of programs: one plain path component, nothing else.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
LANGUAGE = r"[a-z]{2,3}(_[A-Za-z]{2,4})?"
Pair = Annotated[str, StringConstraints(pattern=f"^{LANGUAGE}-{LANGUAGE}$")]
Positive = Annotated[int, Field(strict=True, gt=0)]
NotNegative = Annotated[int, Field(strict=True, ge=0)]
UnicodeForm = Literal["NFC", "NFKC", "none"]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**31)]  # what numpy and torch both take
Share = Annotated[float, Field(strict=True, ge=0, lt=1)]
PositiveShare = Annotated[float, Field(strict=True, gt=0, le=1)]
Rate = Annotated[float, Field(strict=True, gt=0)]
JsonSchema: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Written:
    """An annotation of a type whose values stand in a file in a form that its own JSON Schema
    doesn't describe."""

    schema: Callable[[JsonSchema, Callable[[type[BaseModel]], JsonSchema]], JsonSchema]
    """A function that returns the schema, given the type's own, and a function that returns the
    schema of a block."""

    def __get_pydantic_json_schema__(self, core: Any, handler: GetJsonSchemaHandler) -> JsonSchema:
        def of(block: type[BaseModel]) -> JsonSchema:
            found = handler(block.__pydantic_core_schema__)
            return dict(handler.resolve_ref_schema(found))

        return self.schema(handler(core), of)


Size = Positive | Annotated[str, StringConstraints(pattern=r"^([1-9]\d*-tokens|all)$")]
"""A number of pairs, a number of tokens between spaces on the target side (`200000-tokens`), or
`all`."""


def parse_size(value: object) -> object:
    """Read `5k`, `1M` and `200k tokens`; leave other types to the type check."""
    if not isinstance(value, str) or value == "all":
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kM]?)([ -]tokens)?", value)
    scaled = Decimal(found[1]) * {"k": 1000, "M": 1_000_000, "": 1}[found[2]] if found else None
    if found is None or scaled is None or scaled % 1:
        raise PydanticCustomError(
            "size",
            "'{value}' is no size; write a number of pairs (500, 5k, 1M), of tokens on the target "
            "side (200k tokens), or all",
            {"value": value},
        )
    return f"{int(scaled)}-tokens" if found[3] else int(scaled)


SIZE = {"type": ["integer", "string"], "pattern": r"^(\d+(\.\d+)?[kM]?([ -]tokens)?|all)$"}
"""The JSON Schema of a size as a file has it."""
AnySize = Annotated[Size, BeforeValidator(parse_size), Written(lambda own, of: SIZE)]
Sizes = Annotated[list[AnySize], Field(min_length=1)]


def size_limit(size: Size) -> tuple[int | None, bool]:
    """Return how much of the pool a size takes (None: all), and whether it counts tokens."""
    if isinstance(size, int):
        return size, False
    return (None, False) if size == "all" else (int(size.removesuffix("-tokens")), True)


class Block(BaseModel):
    """A mapping in the experiment file: frozen, and closed to keys it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    renamed: ClassVar[Mapping[str, str]] = {}
    """Former keys, and how the same is written now."""
    short: ClassVar[JsonSchema | None] = None
    """The JSON Schema of a short form, which may stand for the mapping; None if there is none."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: Any, handler: GetJsonSchemaHandler) -> JsonSchema:
        found = handler(core)
        return {"anyOf": [cls.short, found]} if cls.short else found

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key in cls.renamed:
                    raise PydanticCustomError(
                        "unknown_key",
                        "there is no key '{key}' any more; write {now}",
                        {"key": key, "now": cls.renamed[key]},
                    )
                if key not in cls.model_fields:
                    near = difflib.get_close_matches(str(key), cls.model_fields, n=1)
                    hint = f" (did you mean '{near[0]}'?)" if near else ""
                    raise PydanticCustomError(
                        "unknown_key",
                        "unknown key '{key}'{hint}; allowed: {allowed}",
                        {"key": key, "hint": hint, "allowed": ", ".join(cls.model_fields)},
                    )
        return data


INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
"""Control characters but tab and line feed, separators of lines, and marks that turn the direction
of writing: in a name they would have what is shown differ from what is meant."""


def keys_of(value: object) -> set[str]:
    """Return the keys by which a union's member is chosen: of a mapping in a file, or of a block.

    Other values have none; the member that is tried then refuses them in its own words.
    """
    return set(value if isinstance(value, dict) else getattr(type(value), "model_fields", ()))


def fail(where: Sequence[str | int], message: str) -> NoReturn:
    """Raise an error about the part of a file at these keys.

    Raises:
        PydanticCustomError: always.
    """
    raise PydanticCustomError("inconsistent", "{message}", {"message": message, "where": where})


def within(key: str, invalid: ValidationError, without: str = "") -> ValidationError:
    """Return the errors of a block that stands under a key.

    Args:
        without: a key that is left out of where they stand, as the file doesn't have it.
    """
    return ValidationError.from_exception_data(
        invalid.title,
        [
            InitErrorDetails(
                type=PydanticCustomError(error["type"], error["msg"], error.get("ctx", {})),
                loc=(key, *(part for part in error["loc"] if part != without)),
                input=error["input"],
            )
            for error in invalid.errors()
        ],
    )
