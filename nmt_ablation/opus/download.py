"""Downloads over HTTP, resumed where they broke off and retried while that makes sense.

Bytes of `NAME` stand in `NAME.part`, and the server's facts about the file in `NAME.part.json`, so
that a download goes on after its process was killed.
"""

import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
import urllib3
from filelock import AcquireReturnProxy, FileLock, Timeout

from nmt_ablation.errors import UserError
from nmt_ablation.files import ROOM, machine_lock, write_atomically
from nmt_ablation.progress import OnProgress

BLOCK = 1 << 16
CONNECT_SECONDS, READ_SECONDS = 15.0, 60.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 300.0
ATTEMPTS = 6
"""Attempts in a row that bring no new byte."""
ATTEMPTS_UNANSWERED = 3
"""Attempts before any server has answered: nobody waits long to hear that there is no network."""
CONNECTIONS = 2
"""Connections of a user on a machine, over all processes; OPUS is a guest of its host."""
MARGIN_BYTES = 64 << 20
"""Disk space left free, as a fetched file is soon unpacked."""

WAITS = "next attempt"
"""Words by which a log says that a download waits."""

log = logging.getLogger(__name__)


class UnreachableError(UserError):
    """No server answered at all."""


class _BrokenError(Exception):
    """An attempt failed in a way that another may not."""

    def __init__(self, reason: str, wait: float | None = None, answered: bool = True) -> None:
        super().__init__(reason)
        self.wait, self.answered = wait, answered


@dataclass(frozen=True)
class Facts:
    """The facts that a server states about a file: address, version, size (bytes)."""

    url: str
    etag: str | None
    last_modified: str | None
    total: int | None

    @property
    def validator(self) -> str | None:
        """The value of `If-Range`. A weak ETag doesn't promise the same bytes."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


class Part:
    """A file being downloaded."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.about = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes downloaded so far."""
        return self.path.stat().st_size if self.path.exists() else 0

    def facts(self, url: str) -> Facts | None:
        """Return the facts about the file, if its beginning is here and came from `url`."""
        if not self.size:
            return None
        try:
            facts = Facts(**json.loads(self.about.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return facts if facts.url == url else None

    def begin(self, facts: Facts) -> None:
        """Start again."""
        # The old bytes go first: they must never stand beside the new facts.
        self.path.write_bytes(b"")
        write_atomically(self.about, json.dumps(asdict(facts)))

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Give the file its name."""
        self.path.replace(target)
        self.about.unlink(missing_ok=True)


def download(url: str, part: Part, progress: OnProgress, max_bytes: int | None = None) -> str:
    """Download `url` into `part`, going on from the bytes that are here.

    Waits for a free connection. Between attempts, waits as long as the server asks for, or twice as
    long each time. `progress` is called with bytes; a whole of 0 is an unknown one.

    Returns:
        the SHA-256.

    Raises:
        UnreachableError: no server answered.
        UserError: the server has no such file, answers with a web page, or breaks off time and
            again; the file is larger than `max_bytes` or than the disk has room for.
    """
    failures, furthest, answered = 0, part.size, False
    with _connection(), requests.Session() as session:
        while True:
            try:
                return _attempt(session, url, part, progress, max_bytes)
            except _BrokenError as broken:
                reason, wait = str(broken), broken.wait
                answered = answered or broken.answered
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if not answered and failures == ATTEMPTS_UNANSWERED:
                raise UnreachableError(f"{url}: can't be reached ({reason})")
            if failures == ATTEMPTS:
                raise UserError(
                    f"{url}: {reason}, and {failures - 1} attempts after it brought nothing more; "
                    "try again later: the same command goes on from what is here"
                )
            if wait is None:
                wait = FIRST_WAIT_SECONDS * 2 ** (failures - 1)
            wait = min(wait, LONGEST_WAIT_SECONDS)
            log.warning("%s: %s; %s in %.0f s", url, reason, WAITS, wait)
            time.sleep(wait)


def check_size(what: str, size: int, here: int, folder: Path, max_bytes: int | None) -> None:
    """Refuse a file that is too large, before it is fetched.

    Raises:
        UserError: it is larger than is allowed, or than the disk has room for.
    """
    if max_bytes is not None and size > max_bytes:
        raise _too_large(what, f"{size:,} bytes", max_bytes)
    free = shutil.disk_usage(folder).free
    if size - here + MARGIN_BYTES > free:
        raise UserError(
            f"{folder}: has {free:,} bytes free, and {what} needs {size - here:,} and "
            f"{MARGIN_BYTES:,} to work with; {ROOM}"
        )


def _too_large(what: str, has: str, max_bytes: int) -> UserError:
    return UserError(
        f"{what}: has {has}, and {max_bytes:,} are allowed; raise --max-bytes or "
        "NMT_ABLATION_MAX_BYTES, or choose a smaller corpus"
    )


def _attempt(
    session: requests.Session, url: str, part: Part, progress: OnProgress, max_bytes: int | None
) -> str:
    known = part.facts(url)
    done = part.size if known else 0
    if known and done == known.total:  # killed in its last moment
        return _digest(part.path).hexdigest()
    headers = {"Accept-Encoding": "identity"}
    if known and known.validator:
        headers |= {"Range": f"bytes={done}-", "If-Range": known.validator}
    with _get(session, url, headers) as response:
        _refuse_other_answers(response, url, part)
        if response.status_code == 206:
            found = re.fullmatch(
                r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")
            )
            if found is None or known is None or int(found[1]) != done:
                part.discard()
                raise _BrokenError("the server sent another part than was asked for")
            total = known.total if found[2] == "*" else int(found[2])
            etag = response.headers.get("ETag", known.etag)
            if (etag, total) != (known.etag, known.total or total):  # deaf to If-Range
                part.discard()
                raise _BrokenError("the file has changed")
        else:
            length = response.headers.get("Content-Length")
            total, done = int(length) if length else None, 0
        if total is not None:
            check_size(url, total, done, part.path.parent, max_bytes)
        if done == 0:
            etag, modified = (response.headers.get(name) for name in ("ETag", "Last-Modified"))
            part.begin(Facts(url, etag, modified, total))
        digest = _digest(part.path)
        with part.path.open("ab") as file:
            for block in _blocks(response):
                done += len(block)
                if max_bytes is not None and done > max_bytes:
                    raise _too_large(url, "more bytes", max_bytes)
                file.write(block)
                digest.update(block)
                progress(done, total or 0)
    if total is not None and done != total:
        raise _BrokenError(f"ended after {done:,} of {total:,} bytes")
    return digest.hexdigest()


def _get(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    timeouts = CONNECT_SECONDS, READ_SECONDS
    try:
        return session.get(url, headers=headers, stream=True, timeout=timeouts)
    except requests.exceptions.SSLError as error:
        raise UserError(
            f"{url}: there is no trust in its certificate ({_cause(error)}); behind a proxy that "
            "opens connections, set REQUESTS_CA_BUNDLE to the proxy's certificate"
        ) from None
    except requests.Timeout:
        raise _BrokenError("no answer in time", answered=False) from None
    except requests.ConnectionError as error:
        raise _BrokenError(_cause(error), answered=False) from None
    except requests.RequestException as error:
        raise UserError(f"{url}: can't be fetched: {error}") from None


def _refuse_other_answers(response: requests.Response, url: str, part: Part) -> None:
    """Raise an error unless the answer is a file or a part of one."""
    status, reason = response.status_code, response.reason
    if status == 429 or status >= 500:
        raise _BrokenError(f"the server answered {status} {reason}", _retry_after(response))
    if status == 416:  # it was cut, or is another file
        part.discard()
        raise _BrokenError("the file has fewer bytes than are here")
    if status == 404:
        raise UserError(
            f"{url}: there is no such file (404); check that corpus, version and languages are "
            "spelt as OPUS spells them: `nmt-ablation corpora` lists what there is"
        )
    if status not in (200, 206):
        raise UserError(f"{url}: the server answered {status} {reason}, and sent no file")
    if response.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise UserError(
            f"{url}: the answer is a web page and no file; see in a browser whether the server "
            "or a proxy wants something, then call the same command again"
        )


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds that the server asks to be left alone for, given as a number or a date."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    with suppress(ValueError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _blocks(response: requests.Response) -> Iterator[bytes]:
    # Bytes as they are on the wire: some servers label a .gz file as an encoding, and decoding it
    # would give another file.
    try:
        yield from response.raw.stream(BLOCK, decode_content=False)
    except urllib3.exceptions.ReadTimeoutError:
        raise _BrokenError(f"nothing more came for {READ_SECONDS:.0f} s") from None
    except urllib3.exceptions.HTTPError as error:
        raise _BrokenError(f"the connection broke ({_cause(error)})") from None


def _cause(error: Exception) -> str:
    """Return the innermost reason of a wrapped error."""
    inner: Any = error.args[0] if error.args else error
    for wrapper in ("reason", "original_error"):
        inner = getattr(inner, wrapper, inner)
    text = str(inner)
    return text.rsplit(">: ", 1)[-1].rsplit("): ", 1)[-1]


def _digest(path: Path) -> "hashlib._Hash":
    """Return a SHA-256 of a file's content that can be updated."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _connection() -> "AcquireReturnProxy[FileLock]":
    """Wait for one of the user's connections."""
    slots = [machine_lock(f"connection {number}") for number in range(CONNECTIONS)]
    while True:
        for slot in slots:
            with suppress(Timeout):
                return slot.acquire(timeout=0)
        time.sleep(0.2)
