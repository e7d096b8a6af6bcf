"""Fetching: from folders and a server with real faults, pinned by a lock, killed and resumed."""

import gzip
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest

from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.experiment.versions import resolve
from nmt_ablation.opus import download
from nmt_ablation.opus.corpora import CorpusVersion
from nmt_ablation.opus.fetch import alignment_file, documents_file, fetch
from nmt_ablation.opus.lock import Lock
from nmt_ablation.opus.mirror import write_listing
from nmt_ablation.opus.synthetic import write_mirror
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.places import Places
from nmt_ablation.runner import Runner
from nmt_ablation.workspace import Workspace
from tests.conftest import COMMAND, TINY, NewRun, remount
from tests.slow import RUNNING

PARALLEL = "OPUS-Synthetic/v1/moses/en-xx.txt.zip"
MONOLINGUAL = "OPUS-Synthetic/v1/mono/en.txt.gz"
FILE = "OPUS-Made/v1/moses/de-en.txt.zip"

Answer = Callable[["Handler", bytes], None]


def _ignore(done: float, whole: float) -> None:
    pass


def _archive(seed: int = 1, **more: str) -> bytes:
    """A zip of some 300,000 bytes that can't be compressed."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        held: dict[str, bytes | str] = {
            "Made.de-en.de": random.Random(seed).randbytes(300_000),
            "Made.de-en.en": "one\n",
        }
        for name, content in (held | more).items():
            # With a date of its own: by the clock's, two archives of one seed would differ.
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.server.asked.append((name, dict(self.headers)))
        answers = self.server.answers[name]
        if name not in self.server.files and not answers:
            self.send_error(404)
            return
        with self.server.counting():
            (answers.pop(0) if answers else whole)(self, self.server.files.get(name, b""))

    def do_CONNECT(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        self.send_error(503)

    def head(self, status: int, **headers: str | int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)

    def log_message(self, *ignored: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """OPUS's store on this machine; `answers` are the faults of the next requests for a file."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: defaultdict[str, list[Answer]] = defaultdict(list)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def counting(self) -> "Server":
        return self

    def __enter__(self) -> "Server":
        with self.lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        return self

    def __exit__(self, *exception: object) -> None:
        with self.lock:
            self.at_once -= 1

    def parts_asked(self, file: str) -> list[bool]:
        """For each request, whether it asked for the second half, or not quite as little."""
        half, asked = len(self.files[file]) // 2, []
        for name, headers in self.asked:
            if name == file:
                start = re.fullmatch(r"bytes=(\d+)-", headers.get("Range", "bytes=0-"))
                assert start is not None
                assert start[1] == "0" or half - download.BLOCK < int(start[1]) <= half
                asked.append(start[1] != "0")
        return asked

    def handle_error(self, *ignored: object) -> None:
        pass  # those who hang up are what the tests are about


def _etag(data: bytes) -> str:
    return f'"{zlib.crc32(data):x}"'


def _good_head(to: Handler, data: bytes) -> int:
    """Answer as a good server does: with the part asked for, if the file is still the same.

    Returns:
        where that part begins.
    """
    start = 0
    if (asked := to.headers.get("Range")) and to.headers.get("If-Range") == _etag(data):
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        to.head(
            206,
            Content_Length=len(data) - start,
            Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}",
            ETag=_etag(data),
        )
    else:
        to.head(200, Content_Length=len(data), ETag=_etag(data))
    return start


def whole(to: Handler, data: bytes) -> None:
    to.wfile.write(data[_good_head(to, data) :])


def cut(to: Handler, data: bytes) -> None:
    to.head(200, Content_Length=len(data), ETag=_etag(data))
    to.wfile.write(data[: len(data) // 2])
    to.hang_up()


def cut_nameless(to: Handler, data: bytes) -> None:
    """Cut, by a server that knows neither ETag nor Last-Modified nor Range."""
    to.head(200, Content_Length=len(data))
    to.wfile.write(data[: len(data) // 2])
    to.hang_up()


def without_ranges(to: Handler, data: bytes) -> None:
    to.head(200, Content_Length=len(data))
    to.wfile.write(data)


def stall(to: Handler, data: bytes) -> None:
    """Goes no further than half of the file."""
    start = _good_head(to, data)
    to.wfile.write(data[start : len(data) // 2])
    to.wfile.flush()
    to.server.released.wait(60)


def silence(to: Handler, data: bytes) -> None:
    to.server.released.wait(60)


def busy(to: Handler, data: bytes) -> None:
    to.head(503, Content_Length=0, Retry_After=1)


def broken(to: Handler, data: bytes) -> None:
    to.head(500, Content_Length=0)


def page(to: Handler, data: bytes) -> None:
    text = b"<html>Please log in</html>"
    to.head(200, Content_Length=len(text), Content_Type="text/html; charset=utf-8")
    to.wfile.write(text)


def page_in_disguise(to: Handler, data: bytes) -> None:
    text = b"\n<!DOCTYPE html><html>Please log in</html>"
    to.head(200, Content_Length=len(text), Content_Type="application/zip")
    to.wfile.write(text)


def without_length(to: Handler, data: bytes) -> None:
    to.head(200, Connection="close", ETag=_etag(data))
    to.wfile.write(data)
    to.hang_up()


def too_long(to: Handler, data: bytes) -> None:
    to.head(200, Content_Length=len(data) + 1000)
    to.wfile.write(data)
    to.hang_up()


def too_short(to: Handler, data: bytes) -> None:
    to.head(200, Content_Length=len(data) - 1000)
    to.wfile.write(data)
    to.hang_up()


def from_elsewhere(to: Handler, data: bytes) -> None:
    """A part that wasn't asked for."""
    to.head(206, Content_Length=10, Content_Range=f"bytes 0-9/{len(data)}", ETag=_etag(data))
    to.wfile.write(data[:10])


def nothing_left(to: Handler, data: bytes) -> None:
    to.head(416, Content_Length=0)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    server.files[FILE] = _archive()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits too short to wait for, and no proxy between a test and its server."""
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(download, "READ_SECONDS", 0.3)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")


class TestFolder:
    def test_a_file_arrives_with_its_hash(self, mirror: Path, tmp_path: Path) -> None:
        record = fetch(PARALLEL, str(mirror), tmp_path, _ignore)
        copy = tmp_path / "en-xx.txt.zip"
        assert copy.read_bytes() == (mirror / PARALLEL).read_bytes()
        assert record.bytes == copy.stat().st_size
        assert len(record.sha256) == 64
        assert record.url == f"https://object.pouta.csc.fi/{PARALLEL}"
        assert record.licence == "pairs 500, lines 2000, seed 3\n"  # of its README
        assert list(tmp_path.iterdir()) == [copy]

    def test_a_missing_file_is_named_with_what_there_is(self, mirror: Path, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"has no .*de-xx.txt.zip; it has .*en-xx.txt.zip"):
            fetch("OPUS-Synthetic/v1/moses/de-xx.txt.zip", str(mirror), tmp_path, _ignore)

    @pytest.mark.parametrize("file", [PARALLEL, MONOLINGUAL])
    @pytest.mark.parametrize(
        ("damage", "says"),
        [
            (lambda data: data[: len(data) // 2], "is damaged"),
            (lambda data: data[:200] + bytes([data[200] ^ 255]) + data[201:], "is damaged"),
            (lambda data: b"<html>503</html>", "is a web page"),
            (lambda data: b"", "is empty"),
        ],
        ids=["truncated", "flipped", "html", "empty"],
    )
    def test_a_damaged_file_is_refused_and_the_next_call_is_right(
        self,
        mirror: Path,
        tmp_path: Path,
        file: str,
        damage: Callable[[bytes], bytes],
        says: str,
    ) -> None:
        bad, to = tmp_path / "mirror", tmp_path / "to"
        shutil.copytree(mirror, bad)
        (bad / file).write_bytes(damage((bad / file).read_bytes()))
        to.mkdir()
        with pytest.raises(UserError, match=says):
            fetch(file, str(bad), to, _ignore)
        assert not list(to.iterdir())
        fetch(file, str(mirror), to, _ignore)
        assert (to / Path(file).name).read_bytes() == (mirror / file).read_bytes()

    def test_a_whole_licence_is_kept_rather_than_a_readme(self, tmp_path: Path) -> None:
        (tmp_path / FILE).parent.mkdir(parents=True)
        (tmp_path / FILE).write_bytes(_archive(LICENSE="CC BY\n" * 1000, README="read"))
        (tmp_path / "to").mkdir()
        record = fetch(FILE, str(tmp_path), tmp_path / "to", _ignore)
        assert record.licence == "CC BY\n" * 1000

    def test_documents_and_their_alignment_are_files_like_others(self, tmp_path: Path) -> None:
        corpus = CorpusVersion(name="Made", version="v1")
        alignment = alignment_file(corpus, "en", "de")
        documents = documents_file(corpus, "en")
        assert alignment == "OPUS-Made/v1/xml/de-en.xml.gz"
        assert documents == "OPUS-Made/v1/raw/en.zip"
        for file, data in ((alignment, gzip.compress(b"<x/>")), (documents, _archive())):
            (tmp_path / file).parent.mkdir(parents=True)
            (tmp_path / file).write_bytes(data)
            fetch(file, str(tmp_path), tmp_path, _ignore)
            assert (tmp_path / Path(file).name).read_bytes() == data


# What the server does first, and for each request that this comes to, whether it asks for a part.
MENDED: dict[str, tuple[list[Answer], list[bool]]] = {
    "busy": ([busy], [False, False]),
    "broken": ([broken, broken], [False, False, False]),
    "cut": ([cut], [False, True]),
    "cut without ranges": ([cut_nameless, without_ranges], [False, False]),
    "stall": ([stall], [False, True]),
    "silence": ([silence], [False, False]),
    "no length": ([without_length], [False]),
    "another part": ([cut, from_elsewhere], [False, True, False]),
    "nothing left": ([cut, nothing_left], [False, True, False]),
}


class TestServer:
    @pytest.mark.parametrize(("answers", "parts"), MENDED.values(), ids=MENDED)
    def test_what_goes_wrong_for_once_is_tried_again(
        self, server: Server, tmp_path: Path, answers: list[Answer], parts: list[bool]
    ) -> None:
        server.answers[FILE] = list(answers)
        started, seen = time.monotonic(), []
        record = fetch(
            FILE, server.url, tmp_path, lambda done, whole: seen.append((int(done), int(whole)))
        )
        (arrived,) = tmp_path.iterdir()
        assert arrived.read_bytes() == server.files[FILE]
        assert seen[-1] == (record.bytes, 0 if without_length in answers else record.bytes)
        assert record.url == f"https://object.pouta.csc.fi/{FILE}"
        assert server.parts_asked(FILE) == parts
        if busy in answers:
            assert time.monotonic() - started >= 1

    @pytest.mark.parametrize("deaf", [False, True], ids=["If-Range", "deaf to If-Range"])
    def test_a_file_that_changed_since_is_fetched_anew(
        self, server: Server, tmp_path: Path, deaf: bool
    ) -> None:
        def change(to: Handler, data: bytes) -> None:
            server.files[FILE] = _archive(2)
            if deaf:
                to.headers.replace_header("If-Range", _etag(_archive(2)))
            whole(to, server.files[FILE])

        server.answers[FILE] = [cut, change]
        fetch(FILE, server.url, tmp_path, _ignore)
        (arrived,) = tmp_path.iterdir()
        assert arrived.read_bytes() == _archive(2)
        assert server.parts_asked(FILE) == ([False, True, False] if deaf else [False, True])

    @pytest.mark.parametrize(
        ("answer", "requests", "says"),
        [
            (page, 1, "the answer is a web page and no file"),
            (page_in_disguise, 1, "it is a web page"),
            (lambda to, data: to.head(200, Content_Length=0), 1, "is empty"),
            (too_long, 6, "5 attempts after it brought nothing more"),
            (too_short, 1, "is damaged"),
            (lambda to, data: to.send_error(404), 1, r"http.*zip: there is no such file \(404\)"),
            (lambda to, data: to.head(403, Content_Length=0), 1, "answered 403 Forbidden"),
            (broken, 6, "answered 500 .*5 attempts after it brought nothing more"),
            (lambda to, data: to.hang_up(), 3, "can't be reached .*mirror's server runs"),
        ],
        ids=["page", "disguise", "empty", "long", "short", "404", "403", "500", "hangs up"],
    )
    def test_what_stays_wrong_is_said_and_the_next_call_is_right(
        self, server: Server, tmp_path: Path, answer: Answer, requests: int, says: str
    ) -> None:
        server.answers[FILE] = [answer] * requests
        with pytest.raises(UserError, match=says):
            fetch(FILE, server.url, tmp_path, _ignore)
        assert len(server.asked) == requests
        assert not (tmp_path / "de-en.txt.zip").exists()
        fetch(FILE, server.url, tmp_path, _ignore)
        (arrived,) = tmp_path.iterdir()
        assert arrived.read_bytes() == server.files[FILE]

    @pytest.mark.parametrize("answer", [whole, without_length])
    def test_a_file_above_the_limit_is_refused(
        self, server: Server, tmp_path: Path, answer: Answer
    ) -> None:
        server.answers[FILE] = [answer]
        with pytest.raises(UserError, match="and 200,000 are allowed; raise --max-bytes"):
            fetch(FILE, server.url, tmp_path, _ignore, max_bytes=200_000)
        kept = sum(path.stat().st_size for path in tmp_path.glob("*.part"))
        assert kept == 0 if answer is whole else 0 < kept <= 200_000
        fetch(FILE, server.url, tmp_path, _ignore, max_bytes=400_000)

    def test_without_a_mirror_opus_is_asked_through_the_proxy(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, server.url)
        says = "can't be reached .*nmt-ablation mirror EXPERIMENT --to DIR.*pass --mirror DIR"
        with pytest.raises(UserError, match=says):
            fetch(FILE, None, tmp_path, _ignore)
        assert {name for name, _ in server.asked} == {"object.pouta.csc.fi:443"}

    def test_no_more_than_two_connections_are_open_at_once(
        self, server: Server, tmp_path: Path
    ) -> None:
        def slowly(to: Handler, data: bytes) -> None:
            time.sleep(0.1)
            whole(to, data)

        folders = [tmp_path / str(number) for number in range(5)]
        for folder in folders:
            folder.mkdir()
        server.answers[FILE] = [slowly] * 5
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda to: fetch(FILE, server.url, to, _ignore), folders))
        assert server.most_at_once <= 2

    def test_two_fetchers_at_once_fetch_once(self, server: Server, tmp_path: Path) -> None:
        write_mirror(tmp_path / "mirror", pairs=50, lines=50, seed=1)
        server.files[PARALLEL] = (tmp_path / "mirror" / PARALLEL).read_bytes()
        (tmp_path / "tiny.yaml").write_text(TINY)
        both = [
            multiprocessing.Process(target=_ensure_fetched, args=(tmp_path, server.url))
            for _ in range(2)
        ]
        for process in both:
            process.start()
        for process in both:
            process.join()
            assert process.exitcode == 0
        assert [name for name, _ in server.asked] == [PARALLEL]


def _ensure_fetched(root: Path, mirror: str) -> None:
    pipeline = Pipeline(load(root / "tiny.yaml"), Places(mirror=mirror, data=root))
    Workspace(root / "workspace").ensure(pipeline.fetched()[0])


class TestDisk:
    def test_a_file_that_will_not_fit_is_not_begun(self, server: Server, small_disk: Path) -> None:
        with pytest.raises(UserError, match=r"bytes free, and .* needs 300,\d+ .*make room"):
            fetch(FILE, server.url, small_disk, _ignore)
        assert not list(small_disk.iterdir())

    def test_a_disk_that_fills_up_is_said_and_with_room_it_goes_on(
        self, server: Server, small_disk: Path
    ) -> None:
        server.answers[FILE] = [without_length]
        with pytest.raises(UserError, match="the disk is full; make room"):
            fetch(FILE, server.url, small_disk, _ignore)
        remount(small_disk, "size=100m")
        fetch(FILE, server.url, small_disk, _ignore)
        (arrived,) = small_disk.iterdir()
        assert arrived.read_bytes() == server.files[FILE]
        assert "Range" in server.asked[1][1]

    def test_a_folder_that_can_not_be_written_is_said(
        self, mirror: Path, server: Server, small_disk: Path
    ) -> None:
        remount(small_disk, "ro,size=100m")
        for file, source in ((FILE, server.url), (PARALLEL, str(mirror))):
            with pytest.raises(UserError, match=r"small.*: Read-only file system; check that"):
                fetch(file, source, small_disk, _ignore)

    def test_a_lock_that_can_not_be_written_stops_only_what_is_new(self, small_disk: Path) -> None:
        lock = Lock(small_disk / "mine.lock")
        lock.pin_file(FILE, 1, "a" * 64)
        remount(small_disk, "ro")
        lock.pin_file(FILE, 1, "a" * 64)
        with pytest.raises(UserError, match=r"mine\.lock: can't be written .*copy the experiment"):
            lock.pin_file(MONOLINGUAL, 1, "a" * 64)


class TestLock:
    def test_it_is_sorted_text_for_people(self, tmp_path: Path) -> None:
        lock = Lock.beside(tmp_path / "mine.yaml")
        lock.pin_file(FILE, 5, "1" * 64)
        lock.pin_file("OPUS-A/v1/mono/en.txt.gz", 3, "b" * 64)
        lock.pin_version("Made", "2018")
        assert (tmp_path / "mine.lock").read_text() == (
            "# Generated by nmt-ablation: what OPUS had when this experiment fetched it. "
            "Commit it.\n"
            "latest:\n  Made: '2018'\n"
            "files:\n"
            f"  OPUS-A/v1/mono/en.txt.gz:\n    bytes: 3\n    sha256: {'b' * 64}\n"
            f"  {FILE}:\n    bytes: 5\n    sha256: '{'1' * 64}'\n"
        )
        assert lock.version("Made") == "2018"

    def test_another_file_than_it_names_is_refused_and_not_kept(
        self, server: Server, tmp_path: Path
    ) -> None:
        lock, to = Lock(tmp_path / "mine.lock"), tmp_path / "to"
        to.mkdir()
        fetch(FILE, server.url, to, _ignore, lock)
        (to / "de-en.txt.zip").unlink()
        then, server.files[FILE] = server.files[FILE], _archive(2)
        with pytest.raises(UserError, match=r"is not what it was when .*mine\.lock was written"):
            fetch(FILE, server.url, to, _ignore, lock)
        assert not list(to.iterdir())
        server.files[FILE] = then
        fetch(FILE, server.url, to, _ignore, lock)

    def test_a_file_of_the_users_that_it_does_not_name_is_left_alone(
        self, server: Server, tmp_path: Path
    ) -> None:
        lock = Lock(tmp_path / "mine.lock")
        lock.pin_file(FILE, 1, "a" * 64)
        (tmp_path / "de-en.txt.zip").write_bytes(_archive(2))
        with pytest.raises(UserError, match="is not what it was"):
            fetch(FILE, server.url, tmp_path, _ignore, lock)
        assert (tmp_path / "de-en.txt.zip").read_bytes() == _archive(2)

    def test_nothing_is_lost_when_several_write_at_once(self, tmp_path: Path) -> None:
        all_of_them = [
            multiprocessing.Process(target=_pin_many, args=(tmp_path / "mine.lock", name))
            for name in "abc"
        ]
        for process in all_of_them:
            process.start()
        for process in all_of_them:
            process.join()
            assert process.exitcode == 0
        text = (tmp_path / "mine.lock").read_text()
        assert text.count("sha256") == 30
        assert [path.name for path in tmp_path.iterdir()] == ["mine.lock"]

    @pytest.mark.parametrize("text", ["<<<<<<< ours\n", "files: 3\n", "files: {a: {}}\n", "\0"])
    def test_a_broken_lock_is_refused_with_the_remedy(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "mine.lock").write_text(text)
        with pytest.raises(UserError, match=r"mine\.lock: is no lock file .*remove it"):
            Lock(tmp_path / "mine.lock").version("Made")

    def test_latest_is_asked_for_once_and_pinned(self, tmp_path: Path) -> None:
        (tmp_path / "tiny.yaml").write_text(
            TINY.replace("[Synthetic/v1]", "[Synthetic/latest, Other/v1]", 1).replace(
                "[Synthetic/v1]", "[{corpus: Synthetic/latest, pair: xx-en_GB}]"
            )
        )
        file, asked = load(tmp_path / "tiny.yaml"), []

        def latest(name: str, pair: str) -> str:
            asked.append((name, pair))
            return f"v{len(asked)}"

        for _ in range(2):
            corpora = resolve(file.experiment, Lock.beside(file.path), latest).corpora
            assert [str(one) for one in corpora.parallel] == ["Synthetic/v1", "Other/v1"]
            assert [str(one) for one in corpora.monolingual] == ["Synthetic/v1 xx-en_GB"]
            assert [str(one) for one in corpora.of_opus()] == ["Synthetic/v1", "Other/v1"]
        assert asked == [("Synthetic", "xx-en")]


def _pin_many(path: Path, name: str) -> None:
    for number in range(10):
        Lock(path).pin_file(f"OPUS-{name}/v{number}/mono/en.txt.gz", number, "a" * 64)


class TestCommands:
    @pytest.mark.slow(*RUNNING)
    def test_killed_while_it_fetches_a_run_goes_on_from_there(
        self, server: Server, new_run: NewRun, tmp_path: Path
    ) -> None:
        write_mirror(tmp_path / "served", pairs=8000, lines=2000, seed=3)
        for path in (tmp_path / "served").rglob("*.*z*"):
            server.files[str(path.relative_to(tmp_path / "served"))] = path.read_bytes()
        run = new_run(mirror=Path("MIRROR"))
        command = [
            server.url if part == "MIRROR" else part for part in run.arguments("run", "--prepare")
        ]
        server.answers[PARALLEL] = [stall, stall]
        store = run.workspace_root / "store" / "fetch"
        half = len(server.files[PARALLEL]) // 2
        for number, how in enumerate((signal.SIGKILL, signal.SIGINT), 1):
            process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)
            end = time.monotonic() + 60
            while len(server.asked) < number or not _has(store, half - download.BLOCK):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < end
                time.sleep(0.02)
            os.killpg(process.pid, how)
            _, stderr = process.communicate(timeout=30)
            assert process.returncode == (130 if how == signal.SIGINT else -how), stderr
        result = subprocess.run(command, capture_output=True, text=True, timeout=100)
        assert result.returncode == 0, result.stderr
        assert server.parts_asked(PARALLEL) == [False, True, True]
        found = {path.name for path in store.glob("*/*") if path.is_file()}
        files = {"en-xx.txt.zip", "en.txt.gz", "xx.txt.gz"}
        assert found == files | {"artifact.json", "artifact.sha256", "made-of.json"}
        assert Lock.beside(run.file).path.read_text().count("sha256") == 3

    def test_what_is_in_the_workspace_already_is_checked_and_recorded(
        self, new_run: NewRun, tmp_path: Path
    ) -> None:
        run = new_run()
        for step in run.pipeline.fetched():
            run.workspace.ensure(step)
        other = run.file.rename(tmp_path / "other.yaml")
        lock = Lock.beside(other)
        places = Places(mirror=None, data=tmp_path)
        Runner(load(other), places, run.workspace).check()
        assert lock.path.read_text() == Lock.beside(run.file).path.read_text()
        lock.path.write_text(re.sub(r"sha256: \S+", f"sha256: {'a' * 64}", lock.path.read_text()))
        with pytest.raises(UserError, match=r"not what it was .*remove that folder .*--workspace"):
            Runner(load(other), places, run.workspace).check()

    def test_a_mirror_is_filled_resumed_and_enough_to_run_from(
        self, mirror: Path, server: Server, new_run: NewRun, tmp_path: Path
    ) -> None:
        for path in mirror.rglob("*.*z*"):
            server.files[str(path.relative_to(mirror))] = path.read_bytes()
        gone = server.files.pop(MONOLINGUAL)
        run, to = new_run(), tmp_path / "to"
        command = [str(COMMAND), "mirror", str(run.file), "--to", str(to), "--mirror", server.url]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == 1
        assert re.search(r"error: http\S+/mono/en\.txt\.gz: there is no such file", result.stderr)
        assert not list(to.rglob("*.part*"))

        server.files[MONOLINGUAL] = gone
        (to / PARALLEL).write_bytes(server.files[PARALLEL][:1000])  # as a copy broken off leaves it
        server.asked.clear()
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        assert [name for name, _ in server.asked] == [PARALLEL, MONOLINGUAL]
        rows = json.loads((to / "opusapi.json").read_text())["corpora"]
        assert [
            (row["id"], row["preprocessing"], row["source"], row["target"]) for row in rows
        ] == [
            (1, "moses", "en", "xx"),
            (2, "mono", "xx", ""),
            (3, "mono", "en", ""),
        ]
        assert [row["alignment_pairs"] for row in rows] == [500, 2000, 2000]
        assert rows[0]["latest"] == "True"
        assert rows[0]["url"] == f"https://object.pouta.csc.fi/{PARALLEL}"

        server.asked.clear()
        offline = new_run(mirror=to)
        offline.workspace.ensure(offline.pipeline.monolingual("source"))
        assert not server.asked

    def test_a_listing_is_merged_and_knows_the_latest_version(self, tmp_path: Path) -> None:
        files = [f"OPUS-Made/{version}/moses/de-en.txt.zip" for version in ("v9", "v10")]
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True)
            (tmp_path / file).write_bytes(_archive())
            write_listing(tmp_path, [file])
        rows = json.loads((tmp_path / "opusapi.json").read_text())["corpora"]
        assert [(row["version"], row["latest"]) for row in rows] == [
            ("v9", "False"),
            ("v10", "True"),
        ]

    @pytest.mark.parametrize(
        ("limit", "says"),
        [("1k", "and 1,000 are allowed"), ("5X", "'5X' is no size; write bytes, 500M or 5G")],
    )
    def test_a_limit_of_bytes_is_kept(self, new_run: NewRun, limit: str, says: str) -> None:
        run = new_run()
        to = run.file.parent / "to"
        result = subprocess.run(
            [str(COMMAND), "mirror", str(run.file), "--to", str(to), "--max-bytes", limit],
            capture_output=True,
            text=True,
            env=os.environ | {"NMT_ABLATION_MIRROR": str(run.mirror)},
        )
        assert result.returncode != 0
        assert says in result.stderr.replace("\n", " ")
        assert "Traceback" not in result.stderr


def _has(folder: Path, size: int) -> bool:
    return any(path.stat().st_size >= size for path in folder.glob("*.partial/*.part"))
