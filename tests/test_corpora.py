"""Corpora of all kinds, through the pipeline's own steps, up to samples."""

import gzip
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from nmt_ablation.corpus.text import read_pairs, stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.pipeline import Pipeline
from nmt_ablation.workspace import PROVENANCE
from tests.conftest import NewRun, Run

LANGUAGES = ("xx", "en")


def sample(run: Run, size: int | str, seed: int = 1) -> list[tuple[str, str]]:
    folder = run.workspace.ensure(run.pipeline.sample(size, seed))
    return list(read_pairs(folder / "train", LANGUAGES))


def add_xml_corpus(mirror: Path) -> None:
    """Documents/v1: 30 sentences a side, aligned one to one, but for two that are one."""
    root = mirror / "OPUS-Documents/v1"
    for language in LANGUAGES:
        sentences = "".join(
            f'<s id="{n}">Sentence {n} of language {language}.</s>\n' for n in range(1, 31)
        )
        (root / "raw").mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(root / "raw" / f"{language}.zip", "w") as archive:
            archive.writestr(
                f"Documents/raw/{language}/a.xml",
                f'<?xml version="1.0" encoding="utf-8"?>\n<text>{sentences}</text>',
            )
    links = "".join(f'<link xtargets="{n};{n}"/>\n' for n in range(1, 29))
    links += '<link xtargets="29 30;29 30"/>\n'
    (root / "xml").mkdir()
    with gzip.open(root / "xml" / "en-xx.xml.gz", "wt") as file:
        file.write(
            '<?xml version="1.0" encoding="utf-8"?>\n<cesAlign version="1.0">\n<linkGrp '
            'fromDoc="en/a.xml.gz" toDoc="xx/a.xml.gz">\n' + links + "</linkGrp>\n</cesAlign>\n"
        )


def add_scored_corpus(mirror: Path) -> None:
    """Scored/v1, under other codes: 40 pairs, of which every second scores 1.2, and others 1.0."""
    root = mirror / "OPUS-Scored/v1/moses"
    root.mkdir(parents=True)
    with zipfile.ZipFile(root / "en-xx_yy.txt.zip", "w") as archive:
        for ending, line in (("xx_yy", "satzlein {}"), ("en", "little sentence {}")):
            text = "".join(line.format(n) + "\n" for n in range(40))
            archive.writestr(f"Scored.en-xx_yy.{ending}", text)
        scores = "".join(f"{1.2 if n % 2 else 1.0}\n" for n in range(40))
        archive.writestr("Scored.en-xx_yy.scores", scores)


def test_corpora_of_every_kind_make_one_pool(new_run: NewRun, mirror: Path, tmp_path: Path) -> None:
    own = tmp_path / "mirror"
    own.mkdir()
    (own / "OPUS-Synthetic").symlink_to(mirror / "OPUS-Synthetic")
    add_xml_corpus(own)
    add_scored_corpus(own)
    run = new_run(
        (
            "  parallel: [Synthetic/v1]",
            "  parallel:\n    - Synthetic/v1\n    - {corpus: Documents/v1, format: xml}\n"
            "    - {corpus: Scored/v1, pair: xx_yy-en, min_score: 1.1}",
        ),
        ("sizes: [50, 200]", "sizes: [50, all]"),
        mirror=own,
    )
    pairs = sample(run, "all")
    assert ("Sentence 7 of language xx.", "Sentence 7 of language en.") in pairs
    assert ("satzlein 7", "little sentence 7") in pairs
    assert ("satzlein 8", "little sentence 8") not in pairs
    record = run.workspace.record(run.pipeline.sample("all", 1))
    assert record.corpora["Documents/v1"] == 29
    assert record.corpora["Scored/v1 xx_yy-en"] == 20
    assert len(pairs) == sum(record.corpora.values())


def test_what_a_sample_was_made_of_stands_beside_it(new_run: NewRun) -> None:
    run = new_run()
    folder = run.workspace.ensure(run.pipeline.sample(50, 1))
    stages = {made["stage"]: made for made in json.loads((folder / PROVENANCE).read_text())}
    assert set(stages) == {"fetch", "clean", "hold-out", "pool"}
    assert stages["fetch"]["record"]["url"].startswith("https://object.pouta.csc.fi/OPUS-Synthetic")
    assert len(stages["fetch"]["record"]["sha256"]) == 64
    assert stages["clean"]["parameters"]["limits"]["max_tokens"] == 100
    assert stages["clean"]["record"]["dropped"]["too many tokens"]["pairs"] == 0
    assert stages["hold-out"]["record"]["test"] == {
        "pairs": 30,
        "drawn": 30,
        "languages": None,
    }
    assert stages["pool"]["record"]["corpora"]["Synthetic/v1"]["dropped_as_leaks"] >= 0


def test_a_size_may_be_of_tokens(new_run: NewRun) -> None:
    run = new_run(("sizes: [50, 200]", "sizes: [300 tokens, 1k tokens]"))
    small, large = sample(run, "300-tokens"), sample(run, "1000-tokens")
    assert large[: len(small)] == small
    tokens = [len(pair[1].split()) for pair in small]
    assert sum(tokens[:-1]) < 300 <= sum(tokens)
    assert {cell.size for cell in run.pipeline.experiment.cells()} == {"300-tokens", "1000-tokens"}


def test_a_corpus_that_is_added_changes_neither_dev_nor_test(
    new_run: NewRun, mirror: Path, tmp_path: Path
) -> None:
    own = tmp_path / "mirror"
    own.mkdir()
    (own / "OPUS-Synthetic").symlink_to(mirror / "OPUS-Synthetic")
    add_xml_corpus(own)
    both = "[Synthetic/v1, {corpus: Documents/v1, format: xml}]"
    added = ("parallel: [Synthetic/v1]", f"parallel: {both}")
    assert new_run(mirror=own).pipeline.hold_out().digest == (
        new_run(added, mirror=own).pipeline.hold_out().digest
    )


SACREBLEU = ("test: 30", "test: {sacrebleu: wmt14/full}")


def hold_out(run: Run, sacrebleu: Path) -> subprocess.CompletedProcess[str]:
    """Hold sets out in a process of its own, as sacreBLEU reads its environment once."""
    file = run.file.read_text().replace("pair: xx-en", "pair: de-en", 1)
    run.file.write_text(file.replace("parallel: [Synthetic/v1]", DE_EN))
    environment = os.environ | {"SACREBLEU": str(sacrebleu), "https_proxy": "http://127.0.0.1:9"}
    environment |= {"http_proxy": "http://127.0.0.1:9"}
    code = f"""
from pathlib import Path
from nmt_ablation.errors import UserError
from tests.conftest import Run
run = Run(Path({str(run.file)!r}), Path({str(run.workspace_root)!r}), {str(run.mirror)!r})
try:
    run.workspace.ensure(run.pipeline.hold_out())
except UserError as error:
    raise SystemExit(str(error))
"""
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT
    )


ROOT = Path(__file__).parents[1]
DE_EN = "parallel: [{corpus: Synthetic/v1, pair: xx-en}]"


def test_a_test_set_that_sacrebleu_knows_is_held_out(new_run: NewRun, tmp_path: Path) -> None:
    """sacreBLEU finds what it has downloaded before."""
    kept = tmp_path / "sacrebleu/wmt14/full"
    kept.mkdir(parents=True)
    (kept / "wmt14_full.de-en.src").write_text("Ein Haus.\nZwei Häuser.\n")
    (kept / "wmt14_full.de-en.ref").write_text("A house.\nTwo houses.\n")
    for field in ("docid", "genre", "origlang"):
        (kept / f"wmt14_full.de-en.{field}").write_text("a\nb\n")
    run = new_run(
        SACREBLEU,
        (
            "  monolingual: [Synthetic/v1]\n",
            "  monolingual: [{corpus: Synthetic/v1, pair: xx-en}]\n",
        ),
    )
    result = hold_out(run, tmp_path / "sacrebleu")
    assert result.returncode == 0, result.stderr
    pipeline: Pipeline = run.pipeline
    test = run.workspace.path(pipeline.hold_out()) / "test.en"
    assert list(stream_lines(test)) == ["A house.", "Two houses."]


def test_a_test_set_serves_the_other_direction_too(tmp_path: Path) -> None:
    kept = tmp_path / "multi30k/2016"
    kept.mkdir(parents=True)
    (kept / "multi30k_2016.en-de.src").write_text("A house.\n")
    (kept / "multi30k_2016.en-de.ref").write_text("Ein Haus.\n")
    code = "from nmt_ablation.corpus.test_set import named; print(named('multi30k/2016', 'de-en'))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"SACREBLEU": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.stdout == "[('Ein Haus.', 'A house.')]\n"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wmt14/full", "can't be fetched .* on a machine with network: sacrebleu -t wmt14/full"),
        ("wmt99", "sacreBLEU has no test set 'wmt99' for de-en; it has .*wmt20"),
    ],
)
def test_a_test_set_that_can_not_be_had_is_named_with_the_remedy(
    new_run: NewRun, tmp_path: Path, name: str, says: str
) -> None:
    run = new_run(("test: 30", f"test: {{sacrebleu: {name}}}"))
    result = hold_out(run, tmp_path / "sacrebleu")
    assert result.returncode == 1
    assert re.search(says, result.stderr.replace("\n", " ")), result.stderr


def unpack(mirror: Path, folder: Path) -> None:
    """The text of the made-up corpora as somebody has it who has no OPUS; one side packed."""
    root = mirror / "OPUS-Synthetic" / "v1"
    with zipfile.ZipFile(root / "moses" / "en-xx.txt.zip") as archive:
        (folder / "train.xx.gz").write_bytes(gzip.compress(archive.read("Synthetic.en-xx.xx")))
        (folder / "train.en").write_bytes(archive.read("Synthetic.en-xx.en"))
    for language in ("xx", "en"):
        text = gzip.decompress((root / "mono" / f"{language}.txt.gz").read_bytes())
        (folder / f"mono.{language}").write_bytes(text)


OWN = (
    ("parallel: [Synthetic/v1]", "parallel: [{source: train.xx.gz, target: train.en}]"),
    ("monolingual: [Synthetic/v1]", "monolingual: [{source: mono.xx, target: mono.en}]"),
)


def test_text_of_ones_own_comes_to_what_opus_s_comes_to(
    finished: Run, new_run: NewRun, tmp_path: Path, mirror: Path
) -> None:
    run = new_run(*OWN, mirror=tmp_path)  # which has none
    unpack(mirror, tmp_path)
    assert "0 of 8 cells are done. To build: 1 x clean" in run.call("plan").stdout

    def texts(of: Run) -> list[bytes]:
        pipeline = of.pipeline
        files = {"train.xx": pipeline.sample(200, 1), "test.en": pipeline.hold_out()}
        files |= {"text": pipeline.monolingual("source")}
        return [(of.workspace.ensure(step) / name).read_bytes() for name, step in files.items()]

    assert texts(run) == texts(finished)
    digest = run.pipeline.sample(200, 1).digest
    with (tmp_path / "train.en").open("a") as file:
        file.write("One more.\n")
    assert run.pipeline.sample(200, 1).digest != digest
    with pytest.raises(UserError, match=r"train\.xx\.gz ends after line 500 and"):
        run.workspace.ensure(run.pipeline.sample(200, 1))


def test_own_text_that_is_not_there_is_said(new_run: NewRun) -> None:
    result = new_run(*OWN).call("run")
    assert result.returncode == 1
    said = result.stderr.replace("\n", " ")
    assert "train.xx.gz: there is no such file, and" in said and "--data DIR" in said
