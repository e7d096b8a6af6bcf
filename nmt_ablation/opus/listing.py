"""Listings of OPUS's files: its API, the copy of its database in opustools, a mirror's own."""

import json
import re
import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import requests
from opustools import OpusGet
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nmt_ablation.errors import UserError

API = "https://opus.nlpl.eu/opusapi"
SNAPSHOT_DATE = "2023-04-04"
"""The date of the database in opustools 1.9, which doesn't state it."""
TIMEOUT = 20.0
"""Seconds without an answer after which a server counts as unreachable."""

Kind = Literal["moses", "mono"]
_SUFFIX: dict[Kind, str] = {"moses": ".txt.zip", "mono": ".txt.gz"}

# OPUS writes what it doesn't know as an empty string, in places as a word.
_UNKNOWN = BeforeValidator(lambda value: None if value in ("", "None") else value)
# A count of 0 is an unknown one: such files are megabytes large.
_Count = Annotated[int | None, BeforeValidator(lambda value: value or None), _UNKNOWN]


class File(BaseModel):
    """A file of OPUS, as its API describes it."""

    model_config = ConfigDict(frozen=True)

    corpus: str
    version: str
    latest: bool
    preprocessing: str
    source: str
    target: str
    """The second code; empty for text in one language."""
    pairs: _Count = Field(None, alias="alignment_pairs")
    """Sentence pairs, or lines in one language."""
    kib: Annotated[float | None, _UNKNOWN] = Field(None, alias="size")
    """The size of the compressed file, rounded down by OPUS."""
    source_tokens: _Count = None
    target_tokens: _Count = None
    url: str

    @property
    def bytes(self) -> int | None:
        return None if self.kib is None else int(self.kib * 1024)

    @property
    def age(self) -> tuple[bool, list[int], str]:
        """A key that sorts the files of a corpus, oldest first.

        Versions have names and no dates: `v2`, `v20190709` and `v2020-05-31` are of one corpus, in
        this order.
        """
        dated = re.sub(r"(\d{4})(\d\d)(\d\d)", r"\1-\2-\3", self.version)
        return self.latest, [int(number) for number in re.findall(r"\d+", dated)], self.version


class Unreachable(Exception):
    """A server can't be reached, or what it says is no listing."""


class Listing(ABC):
    """A listing of OPUS's files."""

    name: str

    @abstractmethod
    def codes(self) -> set[str]:
        """Return all language codes that have files."""

    @abstractmethod
    def partners(self, code: str) -> set[str]:
        """Return the codes that some corpus pairs with `code`."""

    @abstractmethod
    def files(self, kind: Kind, one: str, other: str | None = None) -> list[File]:
        """List all versions of all corpora in a pair of codes, in either order.

        Without `other`, list text in one code (`mono`), or pairs of it with any other code
        (`moses`).
        """


class _Opus(Listing):
    """OPUS, asked through opustools."""

    name = "OPUS"

    @abstractmethod
    def _languages(self, **parameters: str) -> list[str]: ...

    @abstractmethod
    def _files(self, **query: str | None) -> list[dict[str, Any]]: ...

    def codes(self) -> set[str]:
        return {str(code) for code in self._languages()} - {""}

    def partners(self, code: str) -> set[str]:
        return {str(other) for other in self._languages(source=code, preprocessing="moses")}

    def files(self, kind: Kind, one: str, other: str | None = None) -> list[File]:
        # No release: `latest` would hide a corpus whose newest version lacks these languages.
        rows = self._files(source=one, target=other, preprocess=kind, release=None)
        return [file for file in map(File.model_validate, rows) if _of(kind, file)]


class Online(_Opus):
    """OPUS's API."""

    def __init__(self, api: str = API) -> None:
        self.api = api

    def _languages(self, **parameters: str) -> list[str]:
        # opustools' own list_languages sends a query that the API doesn't understand.
        query = "&".join(f"{key}={value}" for key, value in parameters.items())
        return list(self._get(f"{self.api}?languages=True&{query}", "languages"))

    def _files(self, **query: str | None) -> list[dict[str, Any]]:
        url: str = OpusGet(**query).url
        return list(self._get(url.replace(API, self.api), "corpora"))

    def files(self, kind: Kind, one: str, other: str | None = None) -> list[File]:
        try:
            return super().files(kind, one, other)
        except ValidationError:
            raise Unreachable(f"{self.api}: its answer is no listing") from None

    def _get(self, url: str, key: str) -> Any:
        try:
            with _timeout(TIMEOUT):
                # It drops the last character, the & that its own queries end with.
                return OpusGet().get_response(url.rstrip("&") + "&")[key]
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{self.api}: {error}") from None
        except (ValueError, KeyError, TypeError):
            raise Unreachable(f"{self.api}: its answer is no listing") from None


class Snapshot(_Opus):
    """The copy of OPUS's database in opustools; 130 MB when unpacked, which happens once."""

    name = f"OPUS of {SNAPSHOT_DATE}"

    def __init__(self, folder: Path) -> None:
        self._database = folder / f"opusdata-{version('opustools')}.db"
        if not self._database.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            # opustools unpacks in place, and would trust half a database for ever after.
            with tempfile.TemporaryDirectory(dir=folder) as partial:
                whole = Path(partial, "opusdata.db")
                OpusGet(local_db=True, database=str(whole))
                whole.replace(self._database)

    def _languages(self, **parameters: str) -> list[str]:
        return list(self._opus_get().dbo.run_languages_query(parameters))

    def _files(self, **query: str | None) -> list[dict[str, Any]]:
        ask = self._opus_get(**query)
        return list(ask.dbo.get_corpora(ask.parameters))

    def _opus_get(self, **query: str | None) -> Any:
        return OpusGet(local_db=True, database=str(self._database), **query)


class Mirror(Listing):
    """A folder or a server in OPUS's layout: its `opusapi.json`, or else the folder's files.

    Raises:
        UserError: it can't be reached or read.
    """

    def __init__(self, place: str) -> None:
        self.name = place.rstrip("/")
        if re.match(r"https?://", place):
            self._all = self._served(f"{self.name}/opusapi.json")
            return
        folder = Path(place)
        if not folder.is_dir():
            raise UserError(f"{place}: there is no such folder to list corpora of")
        index = folder / "opusapi.json"
        self._all = (
            _parse(index.read_bytes(), str(index)) if index.is_file() else list(_found(folder))
        )

    def codes(self) -> set[str]:
        return {code for file in self._all for code in (file.source, file.target)} - {""}

    def partners(self, code: str) -> set[str]:
        files = self.files("moses", code)
        return {file.target if file.source == code else file.source for file in files}

    def files(self, kind: Kind, one: str, other: str | None = None) -> list[File]:
        return [
            file
            for file in self._all
            if _of(kind, file)
            and one in (sides := {file.source, file.target})
            and (other is None or sides == {one, other})
        ]

    @staticmethod
    def _served(url: str) -> list[File]:
        try:
            answer = requests.get(url, timeout=TIMEOUT)
            answer.raise_for_status()
        except requests.RequestException as error:
            # The message of an error without an answer is a page long.
            reason = (
                type(error).__name__ if error.response is None else str(error.response.status_code)
            )
            raise UserError(
                f"{url}: can't be fetched ({reason}); a mirror on a server needs this file, in the "
                "form of OPUS's API"
            ) from None
        return _parse(answer.content, url)


def _parse(text: bytes, where: str) -> list[File]:
    try:
        return [File.model_validate(row) for row in json.loads(text)["corpora"]]
    except (ValueError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"{where}: is no listing in the form of OPUS's API ({reason}); mend it or remove it"
        ) from None


def _found(folder: Path) -> Iterator[File]:
    """Yield the files of a mirror that has no listing; their numbers of pairs aren't known."""
    paths = [
        (kind, path)
        for kind, suffix in _SUFFIX.items()
        for path in sorted(folder.glob(f"OPUS-*/*/{kind}/*{suffix}"))
    ]
    for kind, path in paths:
        corpus, release = path.parts[-4:-2]
        source, _, target = path.name.removesuffix(_SUFFIX[kind]).partition("-")
        yield File.model_validate(
            {
                "corpus": corpus.removeprefix("OPUS-"),
                "version": release,
                "latest": False,  # so that the version's name decides
                "preprocessing": kind,
                "source": source,
                "target": target,
                "size": path.stat().st_size / 1024,
                "url": path.resolve().as_uri(),
            }
        )


def _of(kind: Kind, file: File) -> bool:
    # The API lists tokenised text as `mono` too.
    return file.preprocessing == kind and file.url.endswith(_SUFFIX[kind])


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Set the default timeout of new connections, as opustools opens its own without one."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
