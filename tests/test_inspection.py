"""`validate --data`, and the warnings of plan, run, status and report."""

import bz2
import gzip
import shutil
from pathlib import Path

import pytest

from tests.conftest import NewRun, Run, call
from tests.sentences import ENGLISH, FRENCH, GERMAN, many

OWN = """\
name: own
pair: de-en
corpora: {{parallel: [{{source: {source}, target: {target}}}]}}
held_out:
  valid: {{source: valid.de.gz, target: valid.en.bz2}}
  test: {{source: test.de, target: {reference}}}
sizes: [50]
seeds: [1]
segmentation: {{type: words, size: {words}, fit_on: pool}}
{pretrained}
arms: {{random: {{}}{arms}}}
baseline: random
model: {{encoder_layers: 1, decoder_layers: 1, dimension: 8, feed_forward: 16, heads: 2}}
training:
  batch_tokens: 256
  learning_rate: 0.01
  warmup_updates: 5
  max_updates: 10
  validate_every: 10
  patience: 2
decoding: {{beam: 1}}
"""


def write(path: Path, lines: list[str], encoding: str = "utf-8") -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding=encoding)


def own(folder: Path, **changes: str) -> Run:
    """An experiment on files of one's own, among them bad ones to choose from."""
    for name, sentences in (("de", GERMAN), ("en", ENGLISH), ("fr", FRENCH)):
        write(folder / f"train.{name}", many(sentences, 20))
        write(folder / f"test.{name}", [f"{it} – test" for it in many(sentences)])
    write(folder / "latin.de", many(GERMAN, 20), "cp1252")
    write(folder / "short.en", many(ENGLISH, 20)[:-1])
    valid = ("\n".join(f"{it} (valid)" for it in of) + "\n" for of in (GERMAN, ENGLISH))
    (folder / "valid.de.gz").write_bytes(gzip.compress(next(valid).encode()))
    (folder / "valid.en.bz2").write_bytes(bz2.compress(next(valid).encode()))
    values = {
        "source": "train.de",
        "target": "train.en",
        "reference": "test.en",
        "words": "90",
        "pretrained": "",
        "arms": "",
    }
    file = folder / "own.yaml"
    file.write_text(OWN.format(**(values | changes)))
    return Run(file, folder / "workspace", folder)


def told(run: Run, *command: str) -> str:
    result = call(*command, str(run.file), "--workspace", str(run.workspace_root))
    assert "Traceback" not in result.stderr
    return result.stdout + result.stderr


class TestValidateData:
    def test_it_says_what_there_is(self, tmp_path: Path) -> None:
        run = own(tmp_path)
        result = call("validate", str(run.file), "--workspace", str(run.workspace_root), "--data")
        assert result.returncode == 0, result.stderr
        assert "160 pairs, 160 of them in the pool; dropped: none" in result.stdout
        assert "held_out.test: 80 pairs" in result.stdout
        assert "valid, as is its data" in result.stdout
        assert not (run.workspace_root / "store" / "train").exists()

    def test_all_that_is_wrong_is_said_at_once(self, tmp_path: Path) -> None:
        run = own(tmp_path, source="latin.de", reference="nowhere.en")
        result = call("validate", str(run.file), "--workspace", str(run.workspace_root), "--data")
        assert result.returncode == 1
        assert (
            "latin.de:2: is the first of 140 lines that are not UTF-8, among 160" in result.stderr
        )
        assert "nowhere.en: there is no such file" in result.stderr

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"source": "train.en", "target": "train.de"}, "its sides are swapped"),
            ({"target": "short.en"}, "ends after line 159"),
            ({"source": "/dev/zero"}, "/dev/zero: is a device or a pipe"),
            ({"source": "."}, "is a folder, and should be a file"),
        ],
    )
    def test_bad_files_are_refused(
        self, tmp_path: Path, changes: dict[str, str], says: str
    ) -> None:
        run = own(tmp_path, **changes)
        result = call("validate", str(run.file), "--workspace", str(run.workspace_root), "--data")
        assert result.returncode == 1 and "Traceback" not in result.stderr
        assert says in result.stderr

    def test_run_refuses_them_too(self, tmp_path: Path) -> None:
        assert "its sides are swapped" in told(
            own(tmp_path, source="train.en", target="train.de"), "run"
        )

    def test_unknown_test_sets_and_what_a_server_has_are_told(self, new_run: NewRun) -> None:
        run = new_run(("test: 30", "test: {sacrebleu: wmt99}"))
        result = run.call("validate", "--data")
        assert result.returncode == 1
        assert "sacreBLEU has no test set 'wmt99' for xx-en" in result.stderr

    def test_without_it_no_data_is_read(self, tmp_path: Path) -> None:
        run = own(tmp_path, source="nowhere.de")
        result = call("validate", str(run.file))
        assert result.returncode == 0
        assert f"nmt-ablation validate {run.file} --data" in result.stderr


class TestWarnings:
    def test_plan_says_it_before_anything_is_built(self, tmp_path: Path) -> None:
        swapped = own(tmp_path, source="train.en", target="train.de")
        assert "warning: " in (said := told(swapped, "plan")) and "sides are swapped" in said
        french = own(tmp_path, target="train.fr")
        assert "the target side seems to be in 'fr', and should be in 'en'" in told(french, "plan")
        assert "warning" not in told(own(tmp_path), "plan")
        assert not (swapped.workspace_root / "store").exists()

    def test_run_status_and_report_end_or_begin_with_them(self, tmp_path: Path) -> None:
        write(tmp_path / "few.vec", ["man 1 2 3 4 5 6 7 8", "window 8 7 6 5 4 3 2 1"])
        run = own(
            tmp_path,
            reference="test.fr",
            words="5000",
            pretrained="pretrained: {few: {kind: vectors, source: few.vec, target: few.vec}}",
            arms=", few: {start: {target-embeddings: few}}",
        )
        expected = (
            "held_out.test: the target side seems to be in 'fr', and should be in 'en'",
            "segmentation.size asks for 5,000 tokens, and the text gives ",
            "few: its vectors cover ",
            "training.max_updates ended all 2 trainings",
        )
        ran = told(run, "run")
        assert f"next: nmt-ablation report {run.file} --workspace {run.workspace_root}" in ran
        reported, status = told(run, "report"), told(run, "status")
        page = (run.workspace_root / "own" / "report" / "own.html").read_text()
        for warning in expected:
            assert f"warning: {warning}" in ran
            assert f"warning: {warning}" in status
            assert f"warning: {warning}" in reported
            assert warning.replace("'", "&#39;") in page

    def test_an_empty_pool_says_what_took_the_pairs(self, tmp_path: Path) -> None:
        write(tmp_path / "train.el", ["Ένας άντρας κάθεται δίπλα στο παράθυρο."] * 160)
        run = own(tmp_path, target="train.el")
        said = told(run, "run")
        assert "a sample of 50 pairs, and the pool has 0" in said
        assert "160 pairs, 0 of them in the pool; dropped: 160 in another script" in said


def test_finished_work_needs_no_files_of_the_user_any_more(tmp_path: Path) -> None:
    run = own(tmp_path)
    assert "done in" in told(run, "run")
    before = told(run, "status")
    for name in ("train.de", "train.en", "valid.de.gz"):
        (tmp_path / name).unlink()
    assert told(run, "status") == before
    assert "own.html" in told(run, "report")
    shutil.rmtree(run.workspace_root / "store")
    assert ": there is no such file" in told(run, "run")


def test_an_error_is_said_once_and_the_end_names_the_jobs(tmp_path: Path) -> None:
    said = told(own(tmp_path, source="latin.de"), "run")
    assert said.count("It reads as cp1252") == 1
    assert "error: 1 failed, see above: 50-random-s1" in said
