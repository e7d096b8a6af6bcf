"""Published translators, scored as they are."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import sentencepiece
import torch

from nmt_ablation.corpus.text import stream_lines
from nmt_ablation.errors import UserError
from nmt_ablation.experiment.file import load
from nmt_ablation.foreign.hub import fetch_translator
from nmt_ablation.report import curves, figure
from nmt_ablation.results.files import load as load_results
from nmt_ablation.translation.config import Decoding
from nmt_ablation.translation.published import PublishedTranslator
from tests.conftest import NewRun, Run

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

LINES = [f"a cat number {number} sat on {number * 7 % 13} mats ." for number in range(300)]
SIZES = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "init_std": 1.0,
}
THING = "  word2vec: {kind: word2vec, epochs: 2}"


def _pieces(folder: Path) -> list[str]:
    """Fit SentencePiece; return its pieces, and leave the model in `sp.model`."""
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_prefix=str(folder / "sp"), vocab_size=52
    )
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / "sp.model"))
    return [model.id_to_piece(row) for row in range(model.get_piece_size())][3:]


def save_marian(folder: Path, positions: int = 128) -> None:
    """Write a random translator as OPUS-MT's are, with a bias of its output layer."""
    pieces = _pieces(folder)
    for name in ("source.spm", "target.spm"):
        shutil.copy(folder / "sp.model", folder / name)
    vocabulary = ["</s>", "<unk>", ">>en<<", *pieces, "<pad>"]
    rows = {piece: row for row, piece in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(rows))
    torch.manual_seed(1)
    config = transformers.MarianConfig(
        vocab_size=len(rows),
        pad_token_id=rows["<pad>"],
        decoder_start_token_id=rows["<pad>"],
        eos_token_id=0,
        forced_eos_token_id=0,
        bos_token_id=0,
        max_position_embeddings=positions,
        activation_function="swish",
        scale_embedding=True,
        **SIZES,
    )
    model = transformers.MarianMTModel(config)
    model.final_logits_bias.normal_()
    model.save_pretrained(folder)
    tokenizer = transformers.MarianTokenizer(
        vocab=str(folder / "vocab.json"),
        source_spm=str(folder / "source.spm"),
        target_spm=str(folder / "target.spm"),
    )
    tokenizer.save_pretrained(folder)


def save_m2m(folder: Path) -> None:
    """Write a random translator as M2M-100 is."""
    pieces = _pieces(folder)
    shutil.move(folder / "sp.model", folder / "sentencepiece.bpe.model")
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    rows = {piece: row for row, piece in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(rows))
    tokenizer = transformers.M2M100Tokenizer(
        vocab_file=str(folder / "vocab.json"), spm_file=str(folder / "sentencepiece.bpe.model")
    )
    torch.manual_seed(1)
    config = transformers.M2M100Config(
        # As the published ones have it: some rows stand for no language.
        vocab_size=len(rows) + len(tokenizer.lang_code_to_id) + 8,
        max_position_embeddings=64,
        **SIZES,
    )
    transformers.M2M100ForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _ignore(done: float, whole: float) -> None:
    """Take no note of progress."""


def _greedy(folder: Path, **codes: str) -> list[str]:
    asked = Decoding(beam=1), 1
    return PublishedTranslator(folder, codes, *asked).translate(LINES[:40], _ignore)  # type: ignore[arg-type]


def _originals(folder: Path, target: int | None = None, source: str | None = None) -> list[str]:
    """The greedy translations of transformers."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if source is not None:
        tokenizer.src_lang = source
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    forced = {} if target is None else {"forced_bos_token_id": target}
    found = []
    for line in LINES[:40]:
        rows = tokenizer(line, return_tensors="pt")
        most = int(1.2 * 28 + 10)
        made = model.generate(**rows, num_beams=1, do_sample=False, max_new_tokens=most, **forced)
        own = made[0, 2:] if forced else made[0]
        found.append(tokenizer.decode(own, skip_special_tokens=True).strip())
    return found


def test_opus_mt_is_translated_as_transformers_does(tmp_path: Path) -> None:
    save_marian(tmp_path / "marian")
    ours, theirs = _greedy(tmp_path / "marian"), _originals(tmp_path / "marian")
    assert len(set(ours)) > 1
    assert all(
        one.startswith(other) or other.startswith(one)
        for one, other in zip(ours, theirs, strict=True)
    )


def test_m2m_is_told_both_languages(tmp_path: Path) -> None:
    folder = tmp_path / "m2m"
    save_m2m(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    theirs = _originals(folder, tokenizer.get_lang_id("en"), "de")
    ours = _greedy(folder, source="de", target="en")
    assert len(set(ours)) > 1
    assert all(
        one.startswith(other) or other.startswith(one)
        for one, other in zip(ours, theirs, strict=True)
    )


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ({}, "knows several languages; name the source one under codes, such as af"),
        ({"source": "de", "target": "xx"}, "has no language 'xx' for codes.target; it has af"),
        ({"source": "xx", "target": "de"}, "has no language 'xx' for codes.source"),
    ],
)
def test_a_language_that_it_lacks_is_refused(
    tmp_path: Path, codes: dict[str, str], said: str
) -> None:
    save_m2m(tmp_path / "m2m")
    with pytest.raises(UserError, match=said):
        _greedy(tmp_path / "m2m", **codes)


def test_opus_mt_has_codes_for_its_targets_only(tmp_path: Path) -> None:
    save_marian(tmp_path / "marian")
    with pytest.raises(UserError, match=r"reads one language; leave codes.source out"):
        _greedy(tmp_path / "marian", source="de", target="en")
    with pytest.raises(UserError, match=r"has no language '>>fr<<' for codes.target; it has en"):
        _greedy(tmp_path / "marian", target="fr")


def test_sentences_beyond_its_positions_are_counted(tmp_path: Path) -> None:
    save_marian(tmp_path / "marian", positions=40)
    asked = Decoding(beam=1), 1
    translator = PublishedTranslator(tmp_path / "marian", {}, *asked)
    translator.translate([LINES[0], " ".join(LINES[:4])], _ignore)
    assert translator.truncated == 1


@pytest.fixture
def run(new_run: NewRun, prepared: None) -> Run:
    """The tiny experiment beside a tiny translator."""
    made = new_run((THING, f"{THING}\n  marian: {{kind: translator, path: marian}}"))
    save_marian(made.file.parent / "marian")
    return made


def test_it_is_scored_beside_all_arms(run: Run, tmp_path: Path) -> None:
    assert "1 x translator" in run.call("plan").stdout
    assert run.call("run", "--cell=50-random-s1", "--cell=200-random-s1").returncode == 0
    assert run.call("report", "--out", str(tmp_path / "report")).returncode == 0
    results = load_results(tmp_path / "report" / "tiny.jsonl")
    (row,) = results.translators
    # Its scores are sacreBLEU's of what it translates.
    stage = run.pipeline.translator("marian")
    hypotheses = list(stream_lines(run.workspace.file(stage.hypotheses("test"))))
    assert results.translations["marian"] == hypotheses
    texts = (results.translations[it] for it in ("reference", "source"))
    metric = run.pipeline.experiment.scoring.metrics["bleu"]
    statistics = metric.statistics(hypotheses, *texts)
    assert row.scores["bleu"].value == metric.value(statistics.sum(0))
    assert row.scores["bleu"].signature == results.cells[0].scores["bleu"].signature
    low, high = row.intervals["bleu"]
    assert low <= row.scores["bleu"].value <= high
    assert row.parameters > 1000
    assert (row.model, row.sentences, row.truncated) == ("marian", 30, 0)
    # Tables and figures have it.
    said = (tmp_path / "report" / "tiny.md").read_text()
    assert "Published translators, as they are" in said
    assert "may hold the test set" in said
    assert "marian as it is: " in (tmp_path / "report" / "tiny.html").read_text()
    assert curves.levels(results) == {"marian": row.scores["bleu"].value}
    upper = figure.draw([results]).axes[0]
    assert "marian, as it is" in [text.get_text() for text in upper.texts]
    # All is done, so nothing is left.
    assert not run.pipeline.translators(run.pipeline.experiment.cells()[1:])
    assert "translator" not in run.call("plan").stdout


def test_it_is_translated_before_a_cluster_s_cells(run: Run) -> None:
    assert run.pipeline.translator("marian") in run.pipeline.preparation()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "  frozen: {start: {embeddings: word2vec}, ",
            "  frozen: {start: {embeddings: marian}, ",
            "kind translator, which is scored as it is; to start from its weights, name it once",
        ),
        (
            "path: marian}",
            "path: marian, codes: {source: de}}",
            "name the target language too",
        ),
        (
            "{type: sentencepiece-unigram, size: 300, fit_on: monolingual}",
            "{type: checkpoint, checkpoint: marian, size: 300, fit_on: monolingual}",
            "no checkpoint is called 'marian'",
        ),
    ],
)
def test_what_can_t_be_is_refused(run: Run, old: str, new: str, said: str) -> None:
    text = run.file.read_text()
    assert old in text
    run.file.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=said):
        load(run.file)


def test_a_folder_without_a_translator_says_so(run: Run) -> None:
    config = run.file.parent / "marian" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_type": "bert"}))
    result = run.call("run", "--cell=50-random-s1")
    assert result.returncode == 1
    assert "pretrained.marian: " in result.stderr
    assert "is of type 'bert'; choose a model of type marian, m2m_100, mbart" in result.stderr
    (run.file.parent / "marian" / "model.safetensors").unlink()
    result = run.call("run", "--cell=50-random-s1")
    assert "has no model.safetensors or" in result.stderr


def test_weights_in_several_files_are_brought_whole(tmp_path: Path) -> None:
    save_marian(tmp_path / "marian")
    model = transformers.MarianMTModel.from_pretrained(tmp_path / "marian")
    (tmp_path / "marian" / "model.safetensors").unlink()
    model.save_pretrained(tmp_path / "marian", max_shard_size="5KB")
    shards = sorted(it.name for it in (tmp_path / "marian").glob("model-*.safetensors"))
    assert len(shards) > 1
    for out in ("out", "other"):
        (tmp_path / out).mkdir()
    brought = fetch_translator(str(tmp_path / "marian"), None, tmp_path / "out", _ignore)
    assert set(shards) | {"source.spm", "vocab.json", "config.json"} <= set(brought)
    assert len(set(_greedy(tmp_path / "out"))) > 1
    (tmp_path / "marian" / shards[0]).unlink()
    with pytest.raises(UserError, match=f"has no {shards[0]}, which"):
        fetch_translator(str(tmp_path / "marian"), None, tmp_path / "other", _ignore)


def test_without_the_extra_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_marian(tmp_path / "marian")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"bash recipes/setup.sh translators"):
        _greedy(tmp_path / "marian")
