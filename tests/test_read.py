"""Reading OPUS's archives without ever shifting one side against the other."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nmt_ablation.corpus import read
from nmt_ablation.corpus.read import RawBlock, moses_pairs, own_pairs, text_blocks, xml_pairs
from nmt_ablation.errors import UserError


def ignore(done: float, whole: float) -> None:
    pass


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(f"Made.de-en.{name}", text)
    return path


def blocks(path: Path, scored: bool = False) -> list[RawBlock]:
    return list(moses_pairs(path, ("de", "en"), scored, ignore))


class TestMoses:
    @pytest.mark.parametrize("lines", [1, 2, 3, 100])
    def test_blocks_have_as_many_lines_on_both_sides(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
    ) -> None:
        monkeypatch.setattr(read, "LINES", lines)
        monkeypatch.setattr(read, "CHUNK", 5)
        source, target = b"a\n\nccc\rc\nd\ne\n", b"1\n22222222222222\n3\n\n5"
        read_blocks = blocks(archive(tmp_path / "made.zip", de=source, en=target))
        assert all(b.source.count(b"\n") == b.target.count(b"\n") <= lines for b in read_blocks)
        assert b"".join(block.source for block in read_blocks) == source
        assert b"".join(block.target for block in read_blocks) == target + b"\n"

    @pytest.mark.parametrize("lines", [1, 100])
    def test_unequal_sides_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
    ) -> None:
        monkeypatch.setattr(read, "LINES", lines)
        with pytest.raises(UserError, match=r"de-en\.en ends after line 1 and .*\.de goes on"):
            blocks(archive(tmp_path / "made.zip", de=b"eins\nzwei\n", en=b"1\n"))

    def test_a_missing_side_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"one file that ends in \.en, and holds Made.de-en.de"):
            blocks(archive(tmp_path / "made.zip", de=b"eins\n"))

    def test_scores_come_with_their_pairs(self, tmp_path: Path) -> None:
        made = archive(tmp_path / "made.zip", de=b"a\nb\n", en=b"1\n2\n", scores=b"1.5\n0.25\n")
        (block,) = blocks(made, scored=True)
        assert block.scores is not None
        assert block.scores.tolist() == [1.5, 0.25]

    def test_a_score_that_is_none_is_named_with_its_line(self, tmp_path: Path) -> None:
        made = archive(tmp_path / "made.zip", de=b"a\nb\n", en=b"1\n2\n", scores=b"1.5\nhigh\n")
        with pytest.raises(UserError, match=r"scores:2: b'high' is no score"):
            blocks(made, scored=True)

    def test_scores_that_are_not_there_are_asked_for_in_vain(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"ends in \.scores"):
            blocks(archive(tmp_path / "made.zip", de=b"a\n", en=b"1\n"), scored=True)

    def test_a_damaged_archive_is_named(self, tmp_path: Path) -> None:
        made = archive(tmp_path / "made.zip", de=b"eins\n" * 99, en=b"1\n" * 99)
        made.write_bytes(made.read_bytes().replace(b"eins", b"zwei", 1))
        with pytest.raises(UserError, match=r"made\.zip: \S+de: is damaged .*CRC.*get it again"):
            blocks(made)


class TestXml:
    DOCUMENT = """<?xml version="1.0" encoding="utf-8"?>
<document>{}</document>"""

    def _corpus(self, folder: Path) -> tuple[Path, tuple[Path, Path]]:
        zips = []
        for language, sentences in {
            "de": ["Guten Tag.", "Wie geht es?", "Ein < Zwei", "allein"],
            "en": ["Hello.", "How are", "you?", "One < two"],
        }.items():
            body = "".join(
                f'<s id="{number}">{sentence.replace("<", "&lt;")}</s>\n'
                for number, sentence in enumerate(sentences, 1)
            )
            zips.append(folder / f"{language}.zip")
            with zipfile.ZipFile(zips[-1], "w") as file:
                file.writestr(f"Made/raw/{language}/one.xml", self.DOCUMENT.format(body))
        alignment = folder / "de-en.xml.gz"
        with gzip.open(alignment, "wt") as links:
            links.write(
                '<?xml version="1.0" encoding="utf-8"?>\n<cesAlign version="1.0">\n'
                '<linkGrp targType="s" fromDoc="de/one.xml.gz" toDoc="en/one.xml.gz">\n'
                '<link xtargets="1;1" id="1"/>\n<link xtargets="2;2 3" id="2"/>\n'
                '<link xtargets="3;4" id="3"/>\n<link xtargets="4;" id="4"/>\n'
                "</linkGrp>\n</cesAlign>\n"
            )
        return alignment, (zips[0], zips[1])

    @pytest.mark.parametrize("turned", [False, True])
    def test_documents_are_paired_by_their_alignment(self, tmp_path: Path, turned: bool) -> None:
        alignment, documents = self._corpus(tmp_path)
        languages = ("de", "en")
        if turned:
            languages, documents = ("en", "de"), (documents[1], documents[0])
        (block,) = xml_pairs(alignment, documents, "Made", languages)
        sides = [block.source.decode(), block.target.decode()]
        german, english = reversed(sides) if turned else sides
        assert german == "Guten Tag.\nWie geht es?\nEin < Zwei\nallein\n"
        assert english == "Hello.\nHow are you?\nOne < two\n\n"


_LINES = "".join(f"Satz Nummer {number**2}\n" for number in range(9999)).encode()


def _cut(packed: bytes) -> bytes:
    return packed[:-20]


def _flipped(packed: bytes) -> bytes:
    return packed[:2000] + bytes([packed[2000] ^ 0xFF]) + packed[2001:]


class TestText:
    def test_a_monolingual_file_comes_as_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "de.txt.gz"
        path.write_bytes(gzip.compress(b"eins\rzwei\n\ndrei"))
        assert b"".join(text_blocks(path)) == b"eins\rzwei\n\ndrei\n"

    @pytest.mark.parametrize("damaged", [_cut, _flipped])
    def test_a_damaged_one_is_named(
        self, tmp_path: Path, damaged: Callable[[bytes], bytes]
    ) -> None:
        whole, path = tmp_path / "en.txt.gz", tmp_path / "de.txt.gz"
        whole.write_bytes(gzip.compress(_LINES))
        path.write_bytes(damaged(whole.read_bytes()))
        for blocks in (
            text_blocks(path),
            own_pairs([path, whole], ignore),
            own_pairs([whole, path], ignore),
        ):
            with pytest.raises(UserError, match=r"de\.txt\.gz: is damaged .*; get it again"):
                list(blocks)

    def test_what_has_no_lines_is_no_text(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(read, "LONGEST", 1000)
        path = tmp_path / "de.txt.gz"
        path.write_bytes(gzip.compress(b"x" * 2000))
        with pytest.raises(UserError, match=r"2,000 bytes in 1 lines; is no text"):
            list(text_blocks(path))
