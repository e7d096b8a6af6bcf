"""A cell's model as a folder that needs neither this program nor its store."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from nmt_ablation.errors import UserError
from nmt_ablation.transfer.features import features_of
from nmt_ablation.translation.engine import load, save

README = """\
# {cell}

A model of {pair}, trained by nmt-ablation (fairseq's Transformer, {updates} updates).

- `checkpoint.pt`, `dict.*.txt`: for fairseq
- `ctranslate2/`: for CTranslate2
{segmentation}
Before translation, bring the text to Unicode form {unicode} with
single spaces, and cut it into subwords of the type {type}.

With fairseq (it needs torch's unrestricted unpickler, so load only models that you trust):

    TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 fairseq-interactive . --path checkpoint.pt \\
        --source-lang {source} --target-lang {target} --beam {beam} --lenpen {penalty} <subwords

With CTranslate2, in Python:

    import ctranslate2
    translator = ctranslate2.Translator("ctranslate2")
    sentences = [["subwords", "of", "a", "sentence"]]
    translator.translate_batch(sentences, beam_size={beam}, length_penalty={penalty})
"""


def export(
    checkpoint: Path, data: Path, segmentation: Sequence[Path], folder: Path, about: dict[str, str]
) -> None:
    """Write a model into a folder, for fairseq and for CTranslate2.

    Args:
        checkpoint: a cell's checkpoint.
        data: the data-bin that the cell was trained on.
        segmentation: the files of the segmentation.
        folder: the folder to fill, which must be empty or not there.
        about: what README says.

    Raises:
        UserError: the model has features, which neither of them knows.
    """
    model, task = load(checkpoint, data)
    if features_of(model):
        raise UserError(
            f"{about['cell']}: states of a network feed its model, which neither stock fairseq nor "
            "CTranslate2 can do; nmt-ablation translate can"
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(checkpoint, folder / "checkpoint.pt")
    for path in [*sorted(data.glob("dict.*.txt")), *segmentation]:
        shutil.copyfile(path, folder / path.name)
    (folder / "ctranslate2").mkdir()
    save(model, task.source_dictionary, task.target_dictionary, folder / "ctranslate2")
    listed = "".join(f"- `{path.name}`: the segmentation\n" for path in segmentation)
    text = README.format(**about, segmentation=listed)
    (folder / "README.md").write_text(text, encoding="utf-8")
