"""Segmented text into fairseq's binary form, by fairseq's own preprocessing."""

from pathlib import Path

from fairseq import options
from fairseq_cli import preprocess

SPLITS = ("train", "valid", "test")


def binarise(texts: Path, dictionaries: dict[str, Path], folder: Path) -> None:
    """Write a data-bin of `{train,valid,test}.LANGUAGE` in `texts`, segmented already.

    `dictionaries` gives a dictionary file for source and target language, in this order.
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
