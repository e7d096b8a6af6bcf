"""Lay sentences of Tatoeba out for recipes/tatoeba.yaml.

  git clone https://github.com/rioyshky/translation           # German pairs of 2018-05-13
  git clone https://github.com/Hoangduc212001/hoang           # Spanish pairs of 2018-05-14
  git clone https://github.com/Helsinki-NLP/OPUS-MT-testsets  # other sentences, and the test set
  python recipes/tatoeba.py translation hoang OPUS-MT-testsets FOLDER
  bash recipes/tatoeba.sh --mirror FOLDER/mirror --data FOLDER/data

The mirror has the pairs, which are manythings.org's, as Tatoeba/v2018-05, and all German and
English sentences of other pairs' test sets as TatoebaTestSets/v2021-08-07; the data folder has the
test set of German and English (Tiedemann 2020). White space is made single. It says where a text
isn't that of the results in docs/results.
"""

import argparse
import gzip
import hashlib
import sys
import zipfile
from pathlib import Path

LANGUAGES = {"de": "deu", "en": "eng"}
"""The codes of OPUS, and of the test sets."""
TEST = "tatoeba-test-v2020-07-28"
OTHERS = "tatoeba-test-v2021-08-07"
EPOCH = (2018, 5, 13, 0, 0, 0)
"""The time that archives carry, so that equal text is equal bytes, as lock files pin them."""
KEPT = {
    "de-en.de": "1c12d14dc501f6997c517393ebdbab8230eb5139fba421b490cf5521eabe113c",
    "de-en.en": "7948e7d621a2e97c550123dbd174784894e83e6e140cf72e400d4ce5170cdce1",
    "en-es.en": "c3c97cf0a5335931fe11b339b33a080acb77f03878d618affb72c0ffac834c78",
    "en-es.es": "d26beac5b8370c0afbd048dd24c05de2128d8081ec88a51a5a241ba9cc613772",
    "mono.de": "7d48624e2199331041440e38873b672c5db5c39cdce7184360c09d8e45e0c740",
    "test.de": "9373a0c7400f6b6f8940e36bc3a1e12b190a6734a451d6e18605d0ba79b658e7",
    "mono.en": "9bc1d3edb6efb5d2cf6b8b1fd523375e4084d445d216ac22b97fb4789f03beae",
    "test.en": "81db4eb4c24b9cdb684c593dcf722f812b2df74e11abd3bc247c3194ecf27bb7",
}
"""SHA-256 of the texts that the results in docs/results were made with."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("german", type=Path, help="a clone of rioyshky/translation")
    parser.add_argument("spanish", type=Path, help="a clone of Hoangduc212001/hoang")
    parser.add_argument("testsets", type=Path, help="a clone of Helsinki-NLP/OPUS-MT-testsets")
    parser.add_argument("folder", type=Path, help="where mirror and data go")
    arguments = parser.parse_args()
    try:
        texts = _texts(arguments.german, arguments.spanish, arguments.testsets)
    except (FileNotFoundError, KeyError) as error:
        missing = error.filename if isinstance(error, FileNotFoundError) else error.args[0]
        sys.exit(f"error: {missing}: there is no such file; are these clones of what --help says?")
    for name, lines in texts.items():
        if hashlib.sha256("".join(lines).encode()).hexdigest() != KEPT.get(name):
            print(f"{name}: {len(lines):,} lines, which aren't the text of the results")
    _lay_out(texts, arguments.folder / "mirror", arguments.folder / "data")


def _texts(german: Path, spanish: Path, testsets: Path) -> dict[str, list[str]]:
    """Return the lines of each text, by the names of the files that they become."""
    found = _pairs(german / "deu-eng.zip", "deu.txt", ("en", "de"), "de-en")
    found |= _pairs(spanish / "spa-eng.zip", "spa-eng/spa.txt", ("en", "es"), "en-es")
    sets = testsets / "datasets" / "helsinki_nlp" / "tatoeba" / "testsets"
    for language, code in LANGUAGES.items():
        test = sets / "deu-eng" / f"{TEST}.{code}"
        found[f"test.{language}"] = list(map(_line, _lines(test)))
        files = sorted(sets.glob(f"*/{OTHERS}.{code}"))
        if not files:
            raise FileNotFoundError(2, "no test sets", str(sets / f"*/{OTHERS}.{code}"))
        lines = (
            _line(line)
            for file in files
            if set(file.parent.name.split("-")) != set(LANGUAGES.values())
            for line in _lines(file)
        )
        found[f"mono.{language}"] = list(dict.fromkeys(lines))
    return found


def _pairs(
    archive: Path, member: str, languages: tuple[str, str], pair: str
) -> dict[str, list[str]]:
    """Return the sides of an archive of manythings.org's, each pair once."""
    with zipfile.ZipFile(archive) as packed:
        lines = packed.read(member).decode("utf-8-sig").splitlines()
    pairs = dict.fromkeys(tuple(map(_line, line.split("\t")[:2])) for line in lines)
    return {
        f"{pair}.{language}": [each[at] for each in pairs] for at, language in enumerate(languages)
    }


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _line(text: str) -> str:
    return " ".join(text.split()) + "\n"


def _lay_out(texts: dict[str, list[str]], mirror: Path, data: Path) -> None:
    moses = mirror / "OPUS-Tatoeba" / "v2018-05" / "moses"
    mono = mirror / "OPUS-TatoebaTestSets" / "v2021-08-07" / "mono"
    for folder in (moses, mono, data):
        folder.mkdir(parents=True, exist_ok=True)
    for pair in ("de-en", "en-es"):
        with zipfile.ZipFile(moses / f"{pair}.txt.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            members = {f"Tatoeba.{name}": texts[name] for name in texts if name.startswith(pair)}
            members["README"] = ["tatoeba.org by manythings.org/anki; CC BY 2.0 FR\n"]
            for name, lines in members.items():
                info = zipfile.ZipInfo(name, EPOCH)
                archive.writestr(info, "".join(lines), zipfile.ZIP_DEFLATED)
    for language in LANGUAGES:
        packed = gzip.compress("".join(texts[f"mono.{language}"]).encode(), mtime=0)
        (mono / f"{language}.txt.gz").write_bytes(packed)
        (data / f"test.{language}").write_text("".join(texts[f"test.{language}"]), encoding="utf-8")


if __name__ == "__main__":
    main()
