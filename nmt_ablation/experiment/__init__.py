"""What an experiment is: the whole question, typed, and the rules its parts have to keep.

Nothing here touches files, corpora, models or the network; `experiment_file` reads one.
"""

from nmt_ablation.experiment.arms import READY_MADE, Arm, Tying
from nmt_ablation.experiment.corpora import (
    Cleaning,
    CorpusVersion,
    HeldOutSet,
    Monolingual,
    MonolingualCorpus,
    OwnText,
    ParallelCorpus,
)
from nmt_ablation.experiment.experiment import Cell, Experiment
from nmt_ablation.experiment.model import BleuTokenizer, Decoding, Model, Training
from nmt_ablation.experiment.vectors import (
    EncoderVectors,
    FileVectors,
    SegmentationConfig,
    TrainedVectors,
    Vectors,
)
from nmt_ablation.values import (
    SIDES,
    Block,
    Pair,
    Positive,
    Side,
    Size,
    parse_size,
    size_limit,
)

__all__ = [
    "READY_MADE",
    "SIDES",
    "Arm",
    "BleuTokenizer",
    "Block",
    "Cell",
    "Cleaning",
    "CorpusVersion",
    "Decoding",
    "EncoderVectors",
    "Experiment",
    "FileVectors",
    "HeldOutSet",
    "Model",
    "Monolingual",
    "MonolingualCorpus",
    "OwnText",
    "Pair",
    "ParallelCorpus",
    "Positive",
    "SegmentationConfig",
    "Side",
    "Size",
    "TrainedVectors",
    "Training",
    "Tying",
    "Vectors",
    "parse_size",
    "size_limit",
]
