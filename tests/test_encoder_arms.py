"""An encoder's pieces and rows, from a directory to a finished cell."""

from pathlib import Path

import pytest

from nmt_ablation.opus.synthetic import Language
from nmt_ablation.values import SIDES
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
            "segmentation: {type: checkpoint, checkpoint: bert, size: 300, fit_on: monolingual}",
        ),
        ("  word2vec: {kind: word2vec, epochs: 2}", "  bert: {kind: checkpoint, path: bert}"),
        (": word2vec}", ": bert}"),
        ("tuning: {embeddings: frozen}}", "tuning: {embeddings: frozen}, dimension: projection}"),
    )
    save_encoder(run.file.parent / "bert")
    result = run.call("run", "--cell", "200-frozen-s1")
    assert result.returncode == 0, result.stderr
    train = run.pipeline.train(run.cell(200, "frozen"))
    for side in SIDES:
        assert run.workspace.record(train.rows[side]).train.tokens > 0.95
    vectors = run.workspace.record(run.pipeline.vectors("bert", 200, 1))
    assert vectors["source"].dimension == 16
    hypotheses = run.pipeline.translate(run.cell(200, "frozen"), "test").hypotheses
    assert "##" not in run.workspace.file(hypotheses).read_text()
    # Of several files only the one with the embeddings was fetched, so no layer is looked at.
    assert not (run.workspace_root / "store" / "retrieval").exists()
