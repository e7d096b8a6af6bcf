"""Finding corpora: what is listed for a pair, from where, and what is said where there is none.

The API is opustools' own query code over its own database behind a loopback server, which is what
OPUS runs.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from opustools.db_operations import DbOperations

from nmt_ablation.errors import UserError
from nmt_ablation.opus import catalogue, listing
from nmt_ablation.opus.catalogue import Entry, list_corpora
from nmt_ablation.opus.language import near, spellings, split_pair
from nmt_ablation.opus.listing import Mirror, Online, Snapshot, Unreachable
from tests.conftest import COMMAND

Serve = Callable[[Callable[..., BaseHTTPRequestHandler]], str]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder, for XDG_CACHE_HOME, with the database unpacked."""
    home = tmp_path_factory.mktemp("cache")
    Snapshot(home / "nmt-ablation")
    return home


@pytest.fixture(scope="session")
def snapshot(cache: Path) -> Snapshot:
    return Snapshot(cache / "nmt-ablation")


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(handler: Callable[..., BaseHTTPRequestHandler]) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


class _Answers(BaseHTTPRequestHandler):
    """Answers each request with a body."""

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        body = self.body(dict(parse_qsl(urlsplit(self.path).query)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def body(self, query: dict[str, str]) -> bytes:
        return b"<html>we are being repaired</html>"


def _api(database: Path) -> type[_Answers]:
    class Api(_Answers):
        def body(self, query: dict[str, str]) -> bytes:
            operations = DbOperations(db_file=str(database))
            if "languages" in query:
                return json.dumps({"languages": operations.run_languages_query(query)}).encode()
            return json.dumps({"corpora": operations.get_corpora(query)}).encode()

    return Api


def _row(corpus: str, source: str, target: str, pairs: int | str, **more: Any) -> dict[str, Any]:
    release, kind = more.pop("version", "v1"), "moses" if target else "mono"
    name = f"{source}-{target}.txt.zip" if target else f"{source}.txt.gz"
    return {
        "id": 1,
        "corpus": corpus,
        "version": release,
        "latest": "True",
        "preprocessing": kind,
        "source": source,
        "target": target,
        "alignment_pairs": pairs,
        "documents": "",
        "source_tokens": 10,
        "target_tokens": 20 if target else "",
        "size": 100,
        "url": f"https://object.pouta.csc.fi/OPUS-{corpus}/{release}/{kind}/{name}",
        **more,
    }


def _indexed(folder: Path, *rows: dict[str, Any]) -> Mirror:
    (folder / "opusapi.json").write_text(json.dumps({"corpora": rows}))
    return Mirror(str(folder))


def _named(entries: list[Entry]) -> list[tuple[str, str, str]]:
    return [(entry.corpus, entry.version, entry.pair) for entry in entries]


class TestLanguage:
    @pytest.mark.parametrize(
        ("code", "others"),
        [
            ("zh", "cmn zh_CN zh_HK zh_TW zh_cn zh_hk zh_tw zhs zht"),
            ("zho", "zh cmn zh_CN"),
            ("pt", "pt_BR pt_br pt_PT"),
            ("fa", "fa_IR pes"),
            ("per", "fa pes"),
            ("heb", "he"),
            ("no", "nb nb_NO"),
            ("ja", "jp"),
        ],
    )
    def test_a_language_is_known_by_all_its_codes(self, code: str, others: str) -> None:
        assert {code, *others.split()} <= set(spellings(code))

    @pytest.mark.parametrize("code", ["pt_br", "pt_BR"])
    def test_a_region_is_that_region_alone(self, code: str) -> None:
        assert sorted(spellings(code)) == ["pt_BR", "pt_br"]

    def test_what_only_looks_like_a_spelling_is_none(self) -> None:
        assert not {"yue", "zh_yue", "ze_zh", "zh_en", "chn"} & set(spellings("zh"))
        assert not {"sh", "hr"} & set(spellings("sr"))
        assert not {"nn"} & set(spellings("no"))
        assert spellings("v1") == ["v1"]

    def test_the_table_of_spellings_is_what_opus_has(self, snapshot: Snapshot) -> None:
        codes = snapshot.codes()
        for code in codes:
            live = [other for other in spellings(code, codes) if other in codes]
            assert live == [other for other in spellings(code) if other in codes]

    @pytest.mark.parametrize("pair", ["fazh", "fa_zh", "fa-zh-cn", "fa-", "fa zh", "fa-zh'", ""])
    def test_a_slip_in_the_form_of_a_pair_is_refused(self, pair: str) -> None:
        with pytest.raises(UserError, match="is no pair of languages; write two codes"):
            split_pair(pair)

    def test_a_language_is_nearer_than_a_code_that_looks_like_it(self) -> None:
        assert near("af_ZA", ["af", "fa_AF", "en_ZA"]) == ["af"]
        assert near("glx", ["gl", "de", "en"]) == ["gl"]


class TestSnapshot:
    def test_it_lists_every_spelling_of_both_languages_largest_first(
        self, snapshot: Snapshot
    ) -> None:
        entries = list_corpora(snapshot, "fa-zh")
        named = _named(entries)
        assert ("CCMatrix", "v1", "fa-zh") in named
        assert ("TED2020", "v1", "fa-zh_cn") in named
        assert ("KDE4", "v2", "fa-zh_TW") in named
        assert ("Tatoeba", "v2022-03-03", "pes-cmn") in named
        assert named[0] == ("CCMatrix", "v1", "fa-zh")
        sizes = [entry.pairs or 0 for entry in entries]
        assert sizes == sorted(sizes, reverse=True)
        assert len(set(named)) == len(named)

    def test_the_other_order_turns_pairs_and_tokens_and_nothing_else(
        self, snapshot: Snapshot
    ) -> None:
        one, other = list_corpora(snapshot, "gl-en"), list_corpora(snapshot, "en-gl")
        assert [entry.url for entry in one] == [entry.url for entry in other]
        for there, back in zip(one, other, strict=True):
            assert there.pair.split("-") == back.pair.split("-")[::-1]
            assert there.source_tokens == back.target_tokens

    def test_what_opus_knows_of_a_file_is_passed_on(self, snapshot: Snapshot) -> None:
        (entry,) = (e for e in list_corpora(snapshot, "de-en") if e.corpus == "Tatoeba")
        assert entry.version == "v2022-03-03"
        assert (entry.pairs, entry.bytes) == (313_176, 9905 * 1024)
        assert (entry.source_tokens, entry.target_tokens) == (2_181_992, 2_185_789)
        assert entry.url.endswith("OPUS-Tatoeba/v2022-03-03/moses/de-en.txt.zip")

    def test_older_versions_are_listed_where_asked_for(self, snapshot: Snapshot) -> None:
        newest = list_corpora(snapshot, "en-gl")
        every = list_corpora(snapshot, "en-gl", all_versions=True)
        assert set(_named(newest)) < set(_named(every))
        assert {e.version for e in every if e.corpus == "OpenSubtitles"} == {"v2016", "v2018"}
        assert {e.version for e in newest if e.corpus == "OpenSubtitles"} == {"v2018"}

    def test_a_region_leaves_the_others_out(self, snapshot: Snapshot) -> None:
        pairs = {entry.pair for entry in list_corpora(snapshot, "en-pt_br")}
        assert {"en-pt_br", "en-pt_BR"} <= pairs
        assert {pair.split("-")[1] for pair in pairs} == {"pt_br", "pt_BR"}

    def test_text_in_each_language_is_listed_where_asked_for(self, snapshot: Snapshot) -> None:
        entries = list_corpora(snapshot, "gl-fa", monolingual=True)
        languages = [entry.pair for entry in entries]
        assert languages.index("fa") > max(n for n, code in enumerate(languages) if code == "gl")
        assert all(entry.url.endswith(".txt.gz") for entry in entries)
        assert entries[0].corpus == "CCMatrix"
        assert entries[0].target_tokens is None

    def test_of_an_unknown_pair_it_says_what_is_near(self, snapshot: Snapshot) -> None:
        with pytest.raises(UserError) as caught:
            list_corpora(snapshot, "gl-zz")
        message = str(caught.value)
        assert "has nothing for gl-zz; nearest: gl-es (35,730,655 pairs), gl-fr" in message
        assert "is zz meant to be" in message

    def test_a_database_half_unpacked_is_not_trusted(
        self, snapshot: Snapshot, cache: Path, tmp_path: Path
    ) -> None:
        (whole,) = (cache / "nmt-ablation").iterdir()
        (tmp_path / "tmpabc").mkdir()
        (tmp_path / "tmpabc" / "opusdata.db").write_bytes(b"SQLite")  # as a kill leaves it
        assert list_corpora(Snapshot(tmp_path), "gl-eu")
        assert (tmp_path / whole.name).stat().st_size == whole.stat().st_size


class TestOnline:
    def test_the_api_gives_what_its_database_has(self, snapshot: Snapshot, serve: Serve) -> None:
        online = Online(serve(_api(snapshot._database)) + "/opusapi")
        for pair in ("fa-zh", "pt_br-gl"):
            assert list_corpora(online, pair) == list_corpora(snapshot, pair)
        assert list_corpora(online, "gl-eu", monolingual=True)
        with pytest.raises(UserError, match="OPUS has nothing for gl-zz; nearest: gl-es"):
            list_corpora(online, "gl-zz")

    def test_a_page_instead_of_a_listing_is_no_listing(self, serve: Serve) -> None:
        with pytest.raises(Unreachable, match="its answer is no listing"):
            list_corpora(Online(serve(_Answers)), "de-en")

    def test_a_server_that_says_nothing_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(listing, "TIMEOUT", 0.2)
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            pytest.raises(Unreachable, match="timed out"),
        ):
            Online(f"http://127.0.0.1:{silent.getsockname()[1]}/opusapi").codes()
        assert socket.getdefaulttimeout() is None


class TestMirror:
    def test_its_own_listing_is_read(self, tmp_path: Path) -> None:
        mirror = _indexed(
            tmp_path, _row("Small", "de", "en", 5), _row("Large", "de", "en", 50, size=3)
        )
        entries = list_corpora(mirror, "en-de")
        assert _named(entries) == [("Large", "v1", "en-de"), ("Small", "v1", "en-de")]
        assert (entries[0].bytes, entries[0].source_tokens) == (3 * 1024, 20)

    def test_a_server_has_one_too(self, tmp_path: Path, serve: Serve) -> None:
        local = _indexed(tmp_path, _row("Made", "de", "en", 5))
        url = serve(partial(_Quiet, directory=str(tmp_path)))
        assert list_corpora(Mirror(url + "/"), "de-en") == list_corpora(local, "de-en")

    def test_without_one_its_files_are_listed_by_size(self, mirror: Path, tmp_path: Path) -> None:
        copy = tmp_path / "mirror"
        shutil.copytree(mirror, copy)
        for release in ("v2", "v10"):
            larger = copy / "OPUS-Larger" / release / "moses" / "en-xx.txt.zip"
            larger.parent.mkdir(parents=True)
            larger.write_bytes(bytes(1_000_001))
        entries = list_corpora(Mirror(str(copy)), "xx-en")
        assert _named(entries) == [("Larger", "v10", "xx-en"), ("Synthetic", "v1", "xx-en")]
        assert [entry.pairs for entry in entries] == [None, None]
        assert entries[0].bytes == 1_000_001
        assert entries[0].url == larger.resolve().as_uri()
        texts = list_corpora(Mirror(str(copy)), "xx-en", monolingual=True)
        assert _named(texts) == [("Synthetic", "v1", "xx"), ("Synthetic", "v1", "en")]

    def test_of_an_unknown_pair_it_says_what_is_near(self, mirror: Path) -> None:
        with pytest.raises(UserError, match=r"has nothing for xx-de; nearest: xx-en \("):
            list_corpora(Mirror(str(mirror)), "xx-de")

    @pytest.mark.parametrize("text", ["<html>", "[]", '{"corpora": [{"corpus": "X"}]}'])
    def test_a_listing_of_another_form_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "opusapi.json").write_text(text)
        with pytest.raises(UserError, match=r"opusapi\.json: is no listing in the form of OPUS"):
            Mirror(str(tmp_path))

    def test_a_mirror_that_is_not_there_is_named(self, tmp_path: Path, serve: Serve) -> None:
        with pytest.raises(UserError, match="no such folder"):
            Mirror(str(tmp_path / "nowhere"))
        with pytest.raises(UserError, match=r"opusapi\.json: can't be fetched \(404\)"):
            Mirror(serve(partial(_Quiet, directory=str(tmp_path))))
        with pytest.raises(UserError, match=r"can't be fetched \(ConnectionError\)"):
            Mirror("http://127.0.0.1:9")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class TestWarnings:
    def test_equal_counts_may_be_copies(self, tmp_path: Path) -> None:
        mirror = _indexed(
            tmp_path,
            _row("One", "de", "en", 700),
            _row("Two", "de", "en", 700),
            _row("Three", "de", "en", 701),
            _row("Four", "de", "en", ""),
            _row("Five", "de", "en", ""),
        )
        said = {entry.corpus: entry.warnings for entry in list_corpora(mirror, "de-en")}
        assert said["One"] == ["as many pairs as Two: they may be copies"]
        assert said["Two"] == ["as many pairs as One: they may be copies"]
        assert not said["Three"] and not said["Four"] and not said["Five"]

    def test_a_size_that_can_not_be_is_not_passed_on(self, tmp_path: Path) -> None:
        mirror = _indexed(tmp_path, _row("Huge", "de", "en", 70_000_000, size=0))
        (entry,) = list_corpora(mirror, "de-en")
        assert entry.bytes is None
        assert "its size isn't known" in entry.warnings[0]

    @pytest.mark.parametrize("unknown", ["", "None", 0])
    def test_a_count_that_opus_does_not_have_is_none(
        self, tmp_path: Path, unknown: str | int
    ) -> None:
        mirror = _indexed(tmp_path, _row("Made", "de", "en", unknown, source_tokens=unknown))
        (entry,) = list_corpora(mirror, "de-en")
        assert (entry.pairs, entry.source_tokens, entry.target_tokens) == (None, None, 20)

    def test_a_corpus_whose_newest_version_lacks_the_pair_is_listed_at_an_older(
        self, tmp_path: Path
    ) -> None:
        mirror = _indexed(
            tmp_path,
            _row("Made", "de", "en", 9, version="v2"),
            _row("Made", "de", "en", 8, version="v1", latest="False"),
            _row("Made", "de", "fr", 7, version="v1", latest="False"),
        )
        assert _named(list_corpora(mirror, "de-fr")) == [("Made", "v1", "de-fr")]
        assert _named(list_corpora(mirror, "de-en")) == [("Made", "v2", "de-en")]


class TestKnown:
    def test_every_key_to_cite_is_in_the_references(self) -> None:
        references = (catalogue.CORPORA / "references.bib").read_text(encoding="utf-8")
        keys = set(re.findall(r"^@\w+\{(\S+),$", references, re.MULTILINE))
        for name in catalogue._all_known():
            assert set(catalogue.known(name).cite) <= keys, name

    @pytest.mark.parametrize(
        ("name", "warning"),
        [
            ("NLLB", "near-copies"),
            ("CCMatrix", "near-copies"),
            ("QED", "research only"),
            ("WMT-News", "test sets"),
            ("flores200", "benchmark"),
            ("XLEnt", "not sentences"),
            ("ELRC-2724-EMEA", "twice"),
            ("ELRC_2922", "twice"),
        ],
    )
    def test_what_to_beware_of_is_said(self, name: str, warning: str) -> None:
        assert any(warning in said for said in catalogue.known(name).warnings)

    def test_a_name_goes_before_a_pattern(self) -> None:
        assert catalogue.known("ELRC-5067-SciPar").licence == "CC BY-NC-SA 4.0"

    def test_without_the_repository_nothing_is_known(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalogue, "CORPORA", tmp_path)
        catalogue._all_known.cache_clear()
        try:
            assert catalogue.known("QED").licence is None
        finally:
            catalogue._all_known.cache_clear()

    def test_of_an_unknown_corpus_it_says_where_to_look_and_whom_to_cite(self) -> None:
        about = catalogue.known("Unheard-of")
        assert (about.licence, about.warnings) == (None, ())
        assert about.page == "https://opus.nlpl.eu/Unheard-of"
        assert about.cite == ("tiedemann-2012",)


class TestCommand:
    @staticmethod
    def call(cache: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("NMT_ABLATION_")}
        # A closed port: whoever goes to OPUS is told so at once, as behind a bad connection.
        blocked = {"https_proxy": "http://127.0.0.1:9", "no_proxy": "", "NO_PROXY": ""}
        return subprocess.run(
            [str(COMMAND), "corpora", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env={**inherited, **blocked, "XDG_CACHE_HOME": str(cache), **more},
        )

    def test_where_opus_is_out_of_reach_the_snapshot_answers(
        self, snapshot: Snapshot, cache: Path
    ) -> None:
        result = self.call(cache, "fa-zh", "--json")
        assert result.returncode == 0
        assert "OPUS can't be reached" in result.stderr
        assert "2023-04-04" in result.stderr
        shown = json.loads(result.stdout)
        assert shown == [entry.model_dump() for entry in list_corpora(snapshot, "fa-zh")]
        assert set(shown[0]) == {
            *("corpus", "version", "pair", "pairs", "bytes", "source_tokens", "target_tokens"),
            *("url", "licence", "warnings"),
        }

    def test_offline_asks_nobody(self, cache: Path) -> None:
        result = self.call(cache, "fa-zh", "--offline")
        assert "can't be reached" not in result.stderr
        head, *lines = result.stdout.splitlines()
        assert head.split("\t") == list(catalogue.COLUMNS)
        assert lines[0].split("\t")[:5] == ["CCMatrix", "v1", "fa-zh", "4,924,954", "279.4 MB"]
        assert {line.count("\t") for line in lines} == {len(catalogue.COLUMNS) - 1}

    def test_a_mirror_is_named_by_its_variable_too(self, cache: Path, mirror: Path) -> None:
        by_option = self.call(cache, "xx-en", "--mirror", str(mirror))
        by_variable = self.call(cache, "xx-en", NMT_ABLATION_MIRROR=str(mirror))
        assert by_option.stdout == by_variable.stdout
        assert "Synthetic\tv1\txx-en" in by_option.stdout
        assert not by_option.stderr

    @pytest.mark.parametrize(
        ("pair", "message"),
        [("gl-zz", "error: OPUS of 2023-04-04 has nothing for gl-zz"), ("fazh", "is no pair")],
    )
    def test_what_can_be_mended_is_said_without_a_traceback(
        self, cache: Path, pair: str, message: str
    ) -> None:
        result = self.call(cache, pair, "--offline")
        assert result.returncode == 1
        assert message in result.stderr
        assert "Traceback" not in result.stderr
        assert not result.stdout

    def test_a_narrow_terminal_cuts_nothing(self, tmp_path: Path) -> None:
        from rich.console import Console

        name = "A-corpus-with-a-name-of-quite-some-length"
        entries = list_corpora(_indexed(tmp_path, _row(name, "de", "en", 7_000_000)), "de-en")
        console = Console(width=60)
        with console.capture() as captured:
            console.print(catalogue.table(entries))
        text = re.sub(r"\s", "", captured.get())
        assert "…" not in text
        assert "7,000,000" in text
