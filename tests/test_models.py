"""A cell's model is found, used, and taken elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import ctranslate2
import pytest
import sentencepiece

from tests.conftest import Run, call
from tests.slow import TRAINING

CELL = "200-finetuned-s1"
SCRIPTS = Path(sys.executable).parent


def lines_of(run: Run) -> tuple[list[str], list[str]]:
    """The sources of the test set, and the cell's hypotheses."""
    cell = run.cell(200, "finetuned")
    sources = run.workspace.file(run.pipeline.hold_out().side("test", "source"))
    hypotheses = run.workspace.file(run.pipeline.translate(cell, "test").hypotheses)
    return sources.read_text().splitlines(), hypotheses.read_text().splitlines()


def translate(run: Run, text: bytes, *options: str) -> "subprocess.CompletedProcess[str]":
    return call(*run.arguments("translate", CELL, *options)[1:], text=text)


def alike(one: str, other: str) -> bool:
    """True if two hypotheses begin alike: a batch's longest sentence bounds the length of all."""
    return one.split()[:8] == other.split()[:8]


class TestPath:
    def test_it_lists_files_that_are_there(self, finished: Run) -> None:
        listed = dict(line.split() for line in finished.call("path", CELL).stdout.splitlines())
        assert set(listed) == {"checkpoint", "data-bin", "segmentation", "hypotheses", "scores"}
        assert all(Path(it).exists() for it in listed.values())
        assert finished.call("path", CELL, "checkpoint").stdout == f"{listed['checkpoint']}\n"

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ((CELL, "weights"), "allowed: checkpoint, data-bin"),
            (("9-x-s1",), "has no cell '9-x-s1'"),
        ],
    )
    def test_what_there_isn_t_is_refused(
        self, finished: Run, words: tuple[str, ...], says: str
    ) -> None:
        result = finished.call("path", *words)
        assert result.returncode == 1 and says in result.stderr


class TestTranslate:
    def test_it_gives_the_scored_hypotheses(self, finished: Run) -> None:
        sources, hypotheses = lines_of(finished)
        result = translate(finished, "\n".join(sources).encode())
        assert result.returncode == 0, result.stderr
        assert result.stdout.splitlines() == hypotheses
        assert result.stderr == ""

    def test_the_best_of_several_comes_first(self, finished: Run) -> None:
        sources, hypotheses = lines_of(finished)
        text = "\n".join(sources[:5]).encode()
        said = translate(finished, text, "--best", "2").stdout.splitlines()
        assert all(map(alike, said[::2], hypotheses[:5])) and len(said) == 10

    def test_more_than_the_beam_holds_is_refused(self, finished: Run) -> None:
        assert "add --beam 7" in translate(finished, b"x\n", "--best", "7").stderr
        assert translate(finished, b"x\n", "--best", "7", "--beam", "7").stdout.count("\n") == 7

    def test_empty_lines_stay_lines_and_nothing_is_nothing(self, finished: Run) -> None:
        assert translate(finished, b"\n\n").stdout.count("\n") == 2
        assert translate(finished, b"").stdout == ""

    def test_what_is_not_utf8_is_refused_with_its_line(self, finished: Run) -> None:
        result = translate(finished, b"a\n\xff\n")
        assert result.returncode == 1 and "line 2 of the text is not UTF-8" in result.stderr


class TestExport:
    @pytest.fixture(scope="class")
    def exported(self, finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("export") / "model"
        result = finished.call("export", CELL, "--to", str(folder))
        assert result.returncode == 0, result.stderr
        return folder

    def subwords(self, exported: Path, sources: list[str]) -> list[list[str]]:
        model = str(exported / "sentencepiece.source.model")
        processor = sentencepiece.SentencePieceProcessor(model_file=model)
        return [list(processor.encode(line, out_type=str)) for line in sources]

    def text(self, exported: Path, subwords: list[str]) -> str:
        model = str(exported / "sentencepiece.target.model")
        processor = sentencepiece.SentencePieceProcessor(model_file=model)
        return str(processor.decode(subwords))

    def test_ctranslate2_needs_nothing_else(self, finished: Run, exported: Path) -> None:
        sources, hypotheses = lines_of(finished)
        translator = ctranslate2.Translator(str(exported / "ctranslate2"))
        cut = self.subwords(exported, sources)
        found = translator.translate_batch(cut, beam_size=2, max_decoding_length=99)
        texts = [self.text(exported, it.hypotheses[0]) for it in found]
        assert sum(map(alike, texts, hypotheses)) >= 0.9 * len(hypotheses)

    @pytest.mark.slow(*TRAINING)
    def test_stock_fairseq_needs_nothing_else(self, finished: Run, exported: Path) -> None:
        sources, hypotheses = lines_of(finished)
        cut = "".join(" ".join(it) + "\n" for it in self.subwords(exported, sources[:9]))
        result = subprocess.run(
            [
                *(SCRIPTS / "fairseq-interactive", ".", "--path", "checkpoint.pt", "--cpu"),
                *("--source-lang", "xx", "--target-lang", "en", "--beam", "2"),
            ],
            input=cut,
            capture_output=True,
            text=True,
            cwd=exported,
            env={**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
        )
        assert result.returncode == 0, result.stderr
        found = [it.split("\t")[2] for it in result.stdout.splitlines() if it.startswith("H-")]
        texts = [self.text(exported, it.split()) for it in found]
        assert sum(map(alike, texts, hypotheses[:9])) >= 8

    def test_a_folder_in_use_is_not_touched(self, finished: Run, exported: Path) -> None:
        result = finished.call("export", CELL, "--to", str(exported))
        assert result.returncode == 1 and "is not empty; name a new folder" in result.stderr
