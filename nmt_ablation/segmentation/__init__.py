"""Cut sentences into tokens and put them together again.

`fit` writes a segmentation and its dictionaries into a folder; `load` returns its segmenter.

To add a segmenter, write a class with the methods of `FittedSegmenter` in a file of its own and
enter its name into `SEGMENTERS`; a package of your own names its class under the entry points
`nmt_ablation.segmenters`.
"""

from pathlib import Path

from nmt_ablation.corpus.text import stream_lines, write_lines
from nmt_ablation.segmentation.config import SegmentationConfig
from nmt_ablation.segmentation.segmenter import (
    SEGMENTERS,
    Coded,
    FittedSegmenter,
    Material,
    Segmenter,
)
from nmt_ablation.segmentation.words import CONTINUES, JOINER, Words
from nmt_ablation.values import SIDES, Side

__all__ = [
    "CONTINUES",
    "JOINER",
    "SEGMENTERS",
    "FittedSegmenter",
    "Material",
    "Segmenter",
    "Words",
    "dictionary_file",
    "fit",
    "load",
    "read_dictionary",
]


def fit(
    config: SegmentationConfig,
    texts: dict[Side, list[Path]],
    folder: Path,
    encoder: Path | None = None,
) -> None:
    """Fit a segmentation to text and write it, with a dictionary for each side.

    Args:
        config: type and size.
        texts: files of each side.
        folder: where the files go.
        encoder: the folder of the encoder, for a segmentation by its tokenizer.

    Raises:
        UserError: the text is too little for the size asked for.
    """
    segmenter = SEGMENTERS[config.type]
    for sides in [SIDES] if config.joint else [(side,) for side in SIDES]:
        first, *others = sides
        paths = [path for side in sides for path in texts[side]]
        codes = tuple(config.codes[side] for side in sides if side in config.codes)
        tokens = segmenter.fit(Material(config.size, paths, encoder, codes), folder, first)
        for side in sides:
            write_lines(dictionary_file(folder, side), [f"{token} 1" for token in tokens])
        fitted = segmenter.model_file(folder, first)
        for other in others:
            theirs = segmenter.model_file(folder, other)
            if fitted is not None and theirs is not None:
                theirs.hardlink_to(fitted)


def load(config: SegmentationConfig, folder: Path, side: Side) -> Segmenter:
    """Return the segmenter that `fit` left in a folder."""
    fitted = SEGMENTERS[config.type].load(folder, side)
    return Coded(fitted, config.codes[side]) if side in config.codes else fitted


def dictionary_file(folder: Path, side: Side) -> Path:
    """Return where a side's dictionary is: tokens in fairseq's format, the most frequent first."""
    return folder / f"dictionary.{side}.txt"


def read_dictionary(path: Path) -> list[str]:
    """Return the tokens of a dictionary, in the order of their ids."""
    return [line.rsplit(" ", 1)[0] for line in stream_lines(path)]
