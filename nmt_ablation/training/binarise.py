"""Conversion of segmented text into fairseq's binary form, by fairseq's own preprocessing."""

from pathlib import Path

from fairseq import options
from fairseq_cli import preprocess

SPLITS = ("train", "valid", "test")


def binarise(texts: Path, dictionaries: dict[str, Path], folder: Path) -> None:
    """Write a data-bin of the segmented files `{train,valid,test}.LANGUAGE`.

    Args:
        texts: the folder of these files.
        dictionaries: the dictionary files by language, the source's first.
        folder: the data-bin.
    """
    (source, source_dictionary), (target, target_dictionary) = dictionaries.items()
    arguments = [
        f"--source-lang={source}",
        f"--target-lang={target}",
        f"--srcdict={source_dictionary}",
        f"--tgtdict={target_dictionary}",
        f"--destdir={folder}",
        "--workers=1",
        *(f"--{split}pref={texts / split}" for split in SPLITS),
    ]
    preprocess.main(options.get_preprocessing_parser().parse_args(arguments))


def binarise_text(folder: Path, language: str, dictionary: Path) -> None:
    """Replace a folder's segmented files {train,valid}.LANGUAGE by their binary form, which fairseq
    calls {train,valid}.LANGUAGE-None.LANGUAGE."""
    arguments = [
        "--only-source",
        f"--source-lang={language}",
        f"--srcdict={dictionary}",
        f"--destdir={folder}",
        "--workers=1",
        *(f"--{split}pref={folder / split}" for split in ("train", "valid")),
    ]
    preprocess.main(options.get_preprocessing_parser().parse_args(arguments))
    for split in ("train", "valid"):
        (folder / f"{split}.{language}").unlink()
