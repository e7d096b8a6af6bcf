"""One file over HTTP: resumed where it broke off, tried again while that makes sense.

What has come of `NAME` stands in `NAME.part`, and beside it in `NAME.part.json` what the server
said of the file, so that a process that is killed leaves something to go on from.
"""

import errno
import hashlib
import json
import logging
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
import urllib3
from filelock import AcquireReturnProxy, FileLock, Timeout

from nmt_ablation.errors import UserError
from nmt_ablation.files import machine_lock, write_atomically
from nmt_ablation.progress import OnProgress

BLOCK = 1 << 16
CONNECT_SECONDS, READ_SECONDS = 15.0, 60.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 300.0
ATTEMPTS = 6
"""In a row without one byte more than ever before."""
ATTEMPTS_UNANSWERED = 3
"""While no server has answered: nobody waits long to hear that there is no network."""
CONNECTIONS = 2
"""At most, over all processes of a user on a machine: OPUS is a guest's house."""
MARGIN_BYTES = 64 << 20
"""Left free on the disk: what is fetched is unpacked soon."""

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
    """What a server says of a file: where it is, which state of it, how long (bytes)."""

    url: str
    etag: str | None
    last_modified: str | None
    total: int | None

    @property
    def validator(self) -> str | None:
        """What `If-Range` takes: no weak ETag, which doesn't promise the same bytes."""
        if self.etag is not None and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified


class Part:
    """A file that is on its way here."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self.about = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """How many bytes are here."""
        return self.path.stat().st_size if self.path.exists() else 0

    def facts(self, url: str) -> Facts | None:
        """What is known of the file, if its beginning is here and came from `url`."""
        if not self.size:
            return None
        try:
            facts = Facts(**json.loads(self.about.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return facts if facts.url == url else None

    def begin(self, facts: Facts) -> None:
        """Start anew. The old bytes go first: they must never stand beside the new facts."""
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
    """Bring what `url` names into `part`, going on from what is there; return its SHA-256.

    Waits for one of the user's connections to be free, and between attempts as long as the server
    asks for, or twice as long each time. `progress` is told bytes; a whole of 0 is an unknown one.

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
            log.warning("%s: %s; next attempt in %.0f s", url, reason, wait)
            time.sleep(wait)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say what the user can mend where a file can't be written.

    Raises:
        UserError: the disk is full, or the folder is not ours to write.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{folder}: the disk is full; {ROOM}") from None
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise UserError(
                f"{error.filename or folder}: {error.strerror}; see that it may be read and "
                "written, or name another folder"
            ) from None
        raise


ROOM = "make room, or name a folder on another disk, and call the same command again"


def check_size(what: str, size: int, here: int, folder: Path, max_bytes: int | None) -> None:
    """Refuse a file of `size` bytes, of which so many are `here`, before it is fetched.

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
    """Go on with a whole file or a part of it, and nothing else."""
    status, reason = response.status_code, response.reason
    if status == 429 or status >= 500:
        raise _BrokenError(f"the server answered {status} {reason}", _retry_after(response))
    if status == 416:  # it was cut, or is another file
        part.discard()
        raise _BrokenError("the file has fewer bytes than are here")
    if status == 404:
        raise UserError(
            f"{url}: there is no such file (404); see that corpus, version and languages are "
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
    """Seconds that the server asks to be left alone for; it may give a number or a date."""
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
    """The innermost reason that the libraries wrapped up."""
    inner: Any = error.args[0] if error.args else error
    for wrapper in ("reason", "original_error"):
        inner = getattr(inner, wrapper, inner)
    text = str(inner)
    return text.rsplit(">: ", 1)[-1].rsplit("): ", 1)[-1]


def _digest(path: Path) -> "hashlib._Hash":
    """SHA-256 of what is in a file, to go on with."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _connection() -> "AcquireReturnProxy[FileLock]":
    """One of the user's connections, once it is free."""
    slots = [machine_lock(f"connection {number}") for number in range(CONNECTIONS)]
    while True:
        for slot in slots:
            with suppress(Timeout):
                return slot.acquire(timeout=0)
        time.sleep(0.2)
