"""An encoder's pieces and rows, from a directory to a finished cell."""

from pathlib import Path

import pytest

from nmt_ablation.experiment import SIDES
from nmt_ablation.opus.synthetic import Language
from tests.conftest import NewRun

pytest.importorskip("tokenizers", reason="the extra 'encoders' is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")


def save_encoder(folder: Path) -> None:
    """A tiny BERT with a WordPiece tokenizer of its own."""
    import random

    from tokenizers import BertWordPieceTokenizer

    language, chance = Language(3), random.Random(1)
    lines = [side for _ in range(500) for side in language.sentence(chance)]
    tokenizer = BertWordPieceTokenizer(lowercase=False)
    tokenizer.train_from_iterator(lines, vocab_size=400, show_progress=False)
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    transformers.BertModel(config).save_pretrained(folder)


def test_a_cell_is_trained_on_an_encoders_pieces_and_rows(new_run: NewRun) -> None:
    run = new_run(
        (
            "segmentation: {type: sentencepiece-unigram, size: 300, fit_on: monolingual}",
            "encoder: {name: bert}\nsegmentation: {type: encoder, size: 300, fit_on: monolingual}",
        ),
        ("  word2vec: {epochs: 2}", "  word2vec: {encoder: input}"),
        (
            "  frozen: {vectors: word2vec, tuning: frozen}",
            "  frozen: {vectors: word2vec, tuning: frozen, dimension: projection}",
        ),
    )
    save_encoder(run.file.parent / "bert")
    result = run.call("run", "--cell", "200-frozen-s1")
    assert result.returncode == 0, result.stderr
    train = run.pipeline.train(run.cell(200, "frozen"))
    record = run.workspace.record(train.inputs["rows"])
    for side in SIDES:
        assert record[side]["train"]["tokens"] > 0.95
    vectors = run.workspace.record(train.inputs["rows"].inputs["vectors"])
    assert vectors["source"]["dimension"] == 16
    hypotheses = run.workspace.path(run.pipeline.translate(run.cell(200, "frozen")))
    assert "##" not in (hypotheses / "hypotheses.txt").read_text()
