"""Lay Multi30k (Elliott et al. 2016) out for the study.

  git clone https://github.com/multi30k/dataset
  python recipes/multi30k.py dataset FOLDER
  bash recipes/study-strong.sh --mirror FOLDER/mirror --data FOLDER/data

The mirror has the pairs of task 1 as Multi30k/v1, and the five independent descriptions of each
picture of task 2, one after another, as Multi30kDescriptions/v1; the data folder has valid, test
(2016), and three further test sets (2017, COCO, 2018). White space is made single. It says where a
text isn't that of the results in docs/results.
"""

import argparse
import gzip
import hashlib
import sys
import zipfile
from collections.abc import Iterable
from pathlib import Path

LANGUAGES = ("de", "en")
TESTS = {
    "test": "test_2016_flickr",
    "test_2017_flickr": "test_2017_flickr",
    "test_2017_mscoco": "test_2017_mscoco",
    "test_2018_flickr": "test_2018_flickr",
}
"""The names of the test sets, here and in the repository."""
CAPTIONS = 5
"""Captions of each picture and language, in task 2."""
KEPT = {
    "parallel.de": "550c2612c7ae45ed46754e67c3011fde500b1bf88592a376e2ed6126903766f7",
    "parallel.en": "f7cb7c7d411f6039a15de94de8c4d1709fada7b7474791598fd18451ec62427d",
    "descriptions.de": "504d9decf80065c0c2ca5d4ec3a30e645ded4bdb3fca19d3f7b6092b64daf711",
    "descriptions.en": "97e18e5e141536d73c0c1cb221ab9cca719e59e113c4d63f5d5135e89aae91c2",
    "val.de": "c02c1d05fb89dba12b00503a2744b1105d45fef287501fd701b4fea5b1fca3e5",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "test.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    "test.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2017_flickr.de": "0ae2c070897390d162c867271596ca6d6c9bc4fdcf6bb153621eb46eb19a027b",
    "test_2017_flickr.en": "89f1090381c6663a596cb69df930ed331b1f3869a0863774ab9471748ab29f45",
    "test_2017_mscoco.de": "6fa27772f7927065df845bac373d0d743fe91930f83f541ff320b7e6398d394c",
    "test_2017_mscoco.en": "61426c11a797dcf771149e10de1c311912182a96db3bcd1b9af0a34e8694df0f",
    "test_2018_flickr.de": "0bda93bdb29f1286a996a941b6c6dd65fb9d821490a2c9a61e3b47c1e07d781f",
    "test_2018_flickr.en": "f6dd003466429a028d5e162254efae70bd1088d7a2b7c89c829caa0046198600",
}
"""SHA-256 of the texts that the results in docs/results were made with."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clone", type=Path, help="of github.com/multi30k/dataset")
    parser.add_argument("folder", type=Path, help="where mirror and data go")
    arguments = parser.parse_args()
    try:
        texts = {name: _text(arguments.clone / "data", files) for name, files in _files().items()}
    except FileNotFoundError as error:
        sys.exit(
            f"error: {error.filename}: there is no such file; is {arguments.clone} a clone of "
            "https://github.com/multi30k/dataset?"
        )
    for name, text in texts.items():
        if hashlib.sha256(text).hexdigest() != KEPT[name]:
            lines = text.count(b"\n")
            print(f"{name}: {lines:,} lines, which aren't the text of the results in docs/results")
    _lay_out(texts, arguments.folder / "mirror", arguments.folder / "data")


def _files() -> dict[str, list[str]]:
    """List the places of all texts in the repository."""
    files = {}
    for language in LANGUAGES:
        files[f"parallel.{language}"] = [f"task1/raw/train.{language}.gz"]
        files[f"descriptions.{language}"] = [
            f"task2/raw/train.{number}.{language}.gz" for number in range(1, CAPTIONS + 1)
        ]
        files[f"val.{language}"] = [f"task1/raw/val.{language}.gz"]
        for name, there in TESTS.items():
            files[f"{name}.{language}"] = [f"task1/raw/{there}.{language}.gz"]
    return files


def _text(root: Path, files: Iterable[str]) -> bytes:
    lines = []
    for file in files:
        with gzip.open(root / file, "rt", encoding="utf-8-sig", newline="\n") as text:
            lines += [" ".join(line.split()) + "\n" for line in text]
    return "".join(lines).encode()


def _lay_out(texts: dict[str, bytes], mirror: Path, data: Path) -> None:
    pairs = mirror / "OPUS-Multi30k" / "v1" / "moses" / "de-en.txt.zip"
    mono = mirror / "OPUS-Multi30kDescriptions" / "v1" / "mono"
    for folder in (pairs.parent, mono, data):
        folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(pairs, "w", zipfile.ZIP_DEFLATED) as archive:
        for language in LANGUAGES:
            archive.writestr(f"Multi30k.de-en.{language}", texts[f"parallel.{language}"])
        archive.writestr("README", "https://github.com/multi30k/dataset; Elliott et al. 2016\n")
    for language in LANGUAGES:
        with gzip.open(mono / f"{language}.txt.gz", "wb") as file:
            file.write(texts[f"descriptions.{language}"])
        for name in ("val", *TESTS):
            (data / f"{name}.{language}").write_bytes(texts[f"{name}.{language}"])


if __name__ == "__main__":
    main()
