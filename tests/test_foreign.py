"""Somebody's models, written into fairseq's stock Transformer, compute what they computed."""

import argparse
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

transformers = pytest.importorskip("transformers", reason="transformers is in the extra `test`")

import torch  # noqa: E402
from fairseq.data import Dictionary  # noqa: E402
from fairseq.models.transformer import TransformerModel, base_architecture  # noqa: E402
from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: E402
from torch.nn import functional  # noqa: E402

from nmt_ablation import segmentation  # noqa: E402
from nmt_ablation.errors import UserError  # noqa: E402
from nmt_ablation.foreign.family import StackShape  # noqa: E402
from nmt_ablation.foreign.start import write  # noqa: E402
from nmt_ablation.foreign.tokenizer import EncoderTokenizer  # noqa: E402
from nmt_ablation.foreign.weights import CONFIG, Weights  # noqa: E402
from nmt_ablation.model import checkpoint  # noqa: E402
from nmt_ablation.model.config import Model, StackName  # noqa: E402
from nmt_ablation.model.parts import PARTS, SUMS  # noqa: E402
from nmt_ablation.model.transformer import layer_states  # noqa: E402
from nmt_ablation.segmentation.config import SegmentationConfig  # noqa: E402
from nmt_ablation.training.launch import architecture  # noqa: E402
from nmt_ablation.translation.retrieval import retrieval  # noqa: E402
from nmt_ablation.values import SIDES  # noqa: E402

TOKENS = 300
ROWS = range(TOKENS)
SHARED = Path(__file__).parents[2] / "shared"
E5 = SHARED / "models" / "multilingual-e5-small-de-en"
TATOEBA = SHARED / "data" / "tatoeba-de-en"
BERT = {
    "vocab_size": TOKENS,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 60,
}
GPT2 = {"n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 60, "vocab_size": TOKENS}
TRANSLATOR = {
    "vocab_size": TOKENS,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 60,
    "scale_embedding": True,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
"""Sizes that all differ where they may."""


def _models() -> Mapping[str, Any]:
    """Models of all families, by name, none of them trained."""
    config = transformers
    distil = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48, "vocab_size": TOKENS}
    xlm_r = {**BERT, "layer_norm_eps": 1e-5}
    return {
        "bert": lambda: config.BertModel(config.BertConfig(**BERT)),
        "bert with a head": lambda: config.BertForMaskedLM(config.BertConfig(**BERT)),
        "roberta": lambda: config.RobertaModel(config.RobertaConfig(**xlm_r)),
        "xlm-r": lambda: config.XLMRobertaForMaskedLM(config.XLMRobertaConfig(**xlm_r)),
        "distilbert": lambda: config.DistilBertModel(config.DistilBertConfig(**distil)),
        "gpt2": lambda: config.GPT2LMHeadModel(config.GPT2Config(**GPT2)),
        "mbart": lambda: config.MBartForConditionalGeneration(config.MBartConfig(**TRANSLATOR)),
        "nllb": lambda: config.M2M100ForConditionalGeneration(config.M2M100Config(**TRANSLATOR)),
    }


MODELS = _models()
ENCODERS = [name for name in MODELS if name != "gpt2"]
DECODERS = ["gpt2", "mbart", "nllb"]


def _saved(name: str, folder: Path, **options: Any) -> Any:
    """Save a model of a family; see `_stirred`."""
    return _stirred(MODELS[name](), folder, **options)


def _stirred(model: Any, folder: Path, **options: Any) -> Any:
    """Save a model with random weights, all of which matter, and return it."""
    torch.manual_seed(1)
    model.eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight += torch.randn_like(weight) * 0.05
    model.save_pretrained(folder, **options)
    return model


def _settings(stack: StackName, shape: StackShape) -> dict[str, object]:
    """fairseq's settings of a stack of this shape."""
    return {
        f"{stack}_layers": shape.layers,
        f"{stack}_embed_dim": shape.dimension,
        f"{stack}_ffn_embed_dim": shape.feed_forward,
        f"{stack}_attention_heads": shape.heads,
        f"{stack}_normalize_before": shape.norm_first,
        f"{stack}_learned_pos": shape.positions > 0,
        f"max_{'source' if stack == 'encoder' else 'target'}_positions": shape.positions or 60,
        "activation_fn": shape.activation,
        "layernorm_embedding": shape.embedding_norm,
        "no_scale_embedding": not shape.scaled,
    }


def _plain(settings: dict[str, object], tokens: int = TOKENS) -> Any:
    """fairseq's Transformer."""
    dictionary = Dictionary()
    for number in range(tokens - len(dictionary)):
        dictionary.add_symbol(f"token{number}")
    arguments = argparse.Namespace(dropout=0.0, share_decoder_input_output_embed=True, **settings)
    base_architecture(arguments)
    task = argparse.Namespace(source_dictionary=dictionary, target_dictionary=dictionary)
    return TransformerModel.build_model(arguments, task).eval()


def _stock(folder: Path, stacks: tuple[StackName, ...], layers: int | None = None) -> Any:
    """fairseq's Transformer with these stacks of a model."""
    weights = Weights(folder)
    shapes = {stack: weights.family.shape(stack, layers) for stack in stacks}
    settings: dict[str, object] = {}
    for stack in ("encoder", "decoder"):  # the other one is small
        settings |= {f"{stack}_layers": 1, f"{stack}_embed_dim": 16, f"{stack}_ffn_embed_dim": 16}
        settings |= {f"{stack}_attention_heads": 2}
    for stack, shape in shapes.items():
        settings |= _settings(stack, shape)
    model = _plain(settings)
    state = model.state_dict()
    for stack in stacks:
        found = weights.family.weights(weights, stack, ROWS, layers)
        assert found.keys() <= state.keys()
        left = {it for it in state if it.startswith(stack) and it not in found}
        if stack == "decoder" and "gpt2" in str(weights.family.config["model_type"]):
            left = {it for it in left if "encoder_attn" not in it}
        assert not {it for it in left if "version" not in it and "_float_tensor" not in it}
        state |= found
    model.load_state_dict(state)
    return model


def _ids(*shape: int) -> torch.Tensor:
    return torch.randint(5, TOKENS, shape)


def _states(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """The states of the encoder of a model of transformers."""
    translates = hasattr(model, "get_encoder") and model.config.is_encoder_decoder
    encoder = model.get_encoder() if translates else model.base_model
    found: torch.Tensor = encoder(input_ids=ids).last_hidden_state
    return found


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_has_the_states_of_the_original(name: str, tmp_path: Path) -> None:
    original = _saved(name, tmp_path)
    model, ids = _stock(tmp_path, ("encoder",)), _ids(3, 9)
    with torch.no_grad():
        found = model.encoder(ids, torch.tensor([9] * 3))["encoder_out"][0].transpose(0, 1)
        expected = _states(original, ids)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-3


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_predicts_what_the_original_predicts(name: str, tmp_path: Path) -> None:
    original, ids, source = _saved(name, tmp_path), _ids(3, 9), _ids(3, 7)
    stacks: tuple[StackName, ...] = ("decoder",) if name == "gpt2" else ("encoder", "decoder")
    model = _stock(tmp_path, stacks)
    with torch.no_grad():
        found = model(source, torch.tensor([7] * 3), ids)[0]
        if name == "gpt2":  # whose cross-attention is silent
            expected = original(input_ids=ids).logits
        else:
            expected = original(input_ids=source, decoder_input_ids=ids).logits
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-3


def test_states_of_a_sentence_beyond_its_positions_are_computed(tmp_path: Path) -> None:
    _saved("bert", tmp_path)
    model = _stock(tmp_path, ("encoder",))
    found = layer_states(model.encoder, _ids(2, 70), 1, torch.float32, "all")
    assert found.shape == (4, 2, 70, 32)
    assert bool(found.isfinite().all())


def test_the_lowest_layers_may_be_taken(tmp_path: Path) -> None:
    original, ids = _saved("xlm-r", tmp_path), _ids(2, 5)
    model = _stock(tmp_path, ("encoder",), layers=2)
    with torch.no_grad():
        found = model.encoder(ids, torch.tensor([5] * 2))["encoder_out"][0].transpose(0, 1)
        every = original.base_model(input_ids=ids, output_hidden_states=True).hidden_states
    assert (found - every[2]).abs().max() < 1e-3
    with pytest.raises(UserError, match="has 3 layers in its encoder, and 4 are asked for"):
        Weights(tmp_path).family.shape("encoder", 4)


@pytest.mark.parametrize("options", [{"max_shard_size": "20KB"}, {"variant": None}])
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_shards_and_half_precision_are_read(
    tmp_path: Path, options: dict[str, Any], kind: str
) -> None:
    original = _saved("bert", tmp_path / "whole").to(getattr(torch, kind))
    original.save_pretrained(tmp_path / "half", **options)
    whole, half = (
        Weights(tmp_path / name).family.weights(Weights(tmp_path / name), "encoder", ROWS)
        for name in ("whole", "half")
    )
    assert whole.keys() == half.keys()
    for name, weight in half.items():
        assert weight.dtype == torch.float32
        assert (weight - whole[name]).abs().max() < 0.02


def _config(folder: Path, **changes: object) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("name", "changes", "stack", "says"),
    [
        ("bert", {"hidden_act": "gelu_fast"}, "encoder", "its hidden_act is 'gelu_fast'"),
        ("bert", {"position_embedding_type": "relative_key"}, "encoder", "positions are 'relative"),
        ("bert", {"is_decoder": True}, "encoder", "is a decoder"),
        ("bert", {}, "decoder", "is of type bert, which has no decoder"),
        ("bert", {"num_attention_heads": None}, "encoder", "has no num_attention_heads"),
        ("gpt2", {}, "encoder", "is of type gpt2, which has no encoder"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "decoder", "this start can't follow"),
        ("mbart", {"activation_function": "swish"}, "decoder", "is 'swish', which fairseq"),
    ],
)
def test_what_fairseq_can_not_compute_is_refused(
    name: str, changes: dict[str, object], stack: StackName, says: str, tmp_path: Path
) -> None:
    _saved(name, tmp_path)
    _config(tmp_path, **changes)
    with pytest.raises(UserError, match=says):
        Weights(tmp_path).family.shape(stack)


def test_an_output_layer_with_a_bias_is_refused(tmp_path: Path) -> None:
    model = _saved("mbart", tmp_path)
    model.final_logits_bias += 1
    model.save_pretrained(tmp_path)
    weights = Weights(tmp_path)
    weights.family.weights(weights, "encoder", ROWS)
    with pytest.raises(UserError, match=r"output layer has a bias.*encoder alone can be a start"):
        weights.family.weights(weights, "decoder", ROWS)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    _saved("bert", tmp_path)
    _config(tmp_path, num_hidden_layers=4)
    weights = Weights(tmp_path)
    with pytest.raises(UserError, match=r"has no encoder\.layer\.3\.attention\.self\.query\.wei"):
        weights.family.weights(weights, "encoder", ROWS)


def test_a_real_encoder_has_the_states_of_the_original() -> None:
    if not E5.exists():
        pytest.skip(f"there is no {E5}")
    original = transformers.AutoModel.from_pretrained(E5, dtype=torch.float32).eval()
    tokenizer = EncoderTokenizer(E5)
    tokens = tokenizer.encode("Zwei junge Männer sind im Freien in der Nähe vieler Büsche.")
    weights = Weights(E5)
    # fairseq's special symbols, then the tokens of the sentence.
    rows = [0, 1, 2, 3, *(tokenizer.rows[token] for token in tokens)]
    state = weights.family.weights(weights, "encoder", rows + [0] * (TOKENS - len(rows)))
    ids = torch.tensor([[*range(4, len(rows)), 2]])
    settings = _settings("encoder", weights.family.shape("encoder"))
    model = _plain(settings | {"decoder_layers": 1, "decoder_embed_dim": 32})
    model.load_state_dict(model.state_dict() | state)
    with torch.no_grad():
        found = model.encoder(ids, torch.tensor([ids.shape[1]]))["encoder_out"][0].transpose(0, 1)
        expected = original(input_ids=torch.tensor([[*rows[4:], 2]])).last_hidden_state
    assert (found - expected).abs().max() < 1e-3


SHAPES: Mapping[str, dict[str, Any]] = {
    "gpt2": {"style": "gpt2", "feed_forward": 128, "encoder_layers": 1, "decoder_layers": 3},
    "mbart": {"style": "mbart", "feed_forward": 48, "encoder_layers": 2, "decoder_layers": 2},
    "nllb": {"style": "plain", "feed_forward": 48, "encoder_layers": 2, "decoder_layers": 2},
}
"""The models that an experiment asks for, for each decoder."""


@pytest.mark.parametrize("name", SHAPES)
def test_in_a_model_of_its_style_it_predicts_what_it_predicted(name: str, tmp_path: Path) -> None:
    """From the keys of an experiment to the logits of the tokens in its dictionary."""
    alike = {"decoder_ffn_dim": 48, "decoder_attention_heads": 4, "decoder_layers": 2}
    if name == "gpt2":
        original = MODELS[name]()
    elif name == "mbart":
        config = transformers.MBartConfig(**{**TRANSLATOR, **alike})
        original = transformers.MBartForConditionalGeneration(config)
    else:
        config = transformers.M2M100Config(**{**TRANSLATOR, **alike})
        original = transformers.M2M100ForConditionalGeneration(config)
    _stirred(original, tmp_path)
    names = ["<s>", "<pad>", "</s>", "<unk>", *(f"w{number}" for number in range(4, TOKENS))]
    tokenizer = Tokenizer(models.WordLevel({it: row for row, it in enumerate(names)}, "<unk>"))
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(names[:4])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    known = [names[row] for row in (9, 5, 200, 77)]
    dictionary = tmp_path / "dict.txt"
    dictionary.write_text("".join(f"{token} 1\n" for token in [*known, "unheard-of"]))
    model = Model(dimension=32, heads=4, **SHAPES[name])
    parts = (*SUMS["decoder"], "cross-attention") if name == "gpt2" else PARTS
    counts = write(tmp_path, model, parts, dict.fromkeys(SIDES, dictionary), tmp_path / "out.pt")
    assert set(counts.values()) == {len(known)}
    settings: dict[str, object] = {
        option.removeprefix("--").replace("-", "_"): True if value is None else value
        for option, value in architecture(model).items()
        if option not in ("--arch", "--dropout")
    }
    ours = _plain(settings, tokens=len(known) + 5)
    state: dict[str, torch.Tensor] = checkpoint.read(tmp_path / "out.pt")["model"]
    assert bool(state["decoder.embed_tokens.weight"][-1].isnan().all())  # of the unheard-of
    ours.load_state_dict(ours.state_dict() | {key: it.nan_to_num() for key, it in state.items()})
    ids = torch.tensor([[2, 4, 6, 5, 7]])
    theirs = torch.tensor([[2, 9, 200, 5, 77]])
    with torch.no_grad():
        found = ours(ids, torch.tensor([5]), ids)[0][0, :, 4:8]
        if name == "gpt2":
            logits = original(input_ids=theirs).logits
        else:
            logits = original(input_ids=theirs, decoder_input_ids=theirs).logits
    assert (found - logits[0][:, [9, 5, 200, 77]]).abs().max() < 1e-3


def test_language_codes_begin_sentences_and_start_from_the_original(tmp_path: Path) -> None:
    original = _saved("nllb", tmp_path)
    names = ["<s>", "<pad>", "</s>", "<unk>", "deu", "eng", *(f"w{it}" for it in range(6, TOKENS))]
    tokenizer = Tokenizer(models.WordLevel({it: row for row, it in enumerate(names)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(names[:6])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    text = tmp_path / "text"
    text.write_text("w9 w9 deu w7\n")
    asked = {"type": "checkpoint", "checkpoint": "nllb", "size": 4, "fit_on": "sample"}

    def fitted(**codes: str) -> SegmentationConfig:
        config = SegmentationConfig.model_validate({**asked, "codes": codes})
        (tmp_path / "cut").mkdir(exist_ok=True)
        segmentation.fit(config, {side: [text] for side in SIDES}, tmp_path / "cut", tmp_path)
        return config

    config = fitted(source="deu", target="eng")
    dictionary = segmentation.dictionary_file(tmp_path / "cut", "source")
    assert segmentation.read_dictionary(dictionary) == ["deu", "eng", "w9", "w7"]
    source, target = (segmentation.load(config, tmp_path / "cut", side) for side in SIDES)
    assert source.encode("w9 deu") == ["deu", "w9", "<unk>"]  # a code in a text is text
    assert (target.encode("w7"), target.decode(["eng", "w7", "w9"])) == (["eng", "w7"], "w7w9")
    model = Model(dimension=32, heads=4, encoder_layers=2, feed_forward=48)
    dictionaries = dict.fromkeys(SIDES, dictionary)
    write(tmp_path, model, SUMS["encoder"], dictionaries, tmp_path / "out.pt")
    table = checkpoint.read(tmp_path / "out.pt")["model"]["encoder.embed_tokens.weight"]
    assert torch.equal(table[4:], original.model.shared.weight[[4, 5, 9, 7]])
    with pytest.raises(UserError, match=r"segmentation.codes: the tokenizer has no 'de' \(like"):
        fitted(source="de")


def test_an_encoder_finds_the_same_sentences_and_not_others(tmp_path: Path) -> None:
    """Planted: of two equal texts each sentence finds itself; of shuffled ones, by chance."""
    original = _saved("bert", tmp_path)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(4, TOKENS))]
    tokenizer = Tokenizer(models.WordLevel({it: row for row, it in enumerate(names)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(names[:4])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    chance = random.Random(1)
    lines = [" ".join(chance.sample(names[4:], chance.randint(2, 9))) for _ in range(60)]
    others = [" ".join(chance.sample(names[4:], 6)) for _ in range(60)]
    same = retrieval(tmp_path, lines, lines, lambda *_: None)
    assert same == [(1.0, 1.0)] * 4
    by_chance = retrieval(tmp_path, lines, others, lambda *_: None)
    assert max(max(it) for it in by_chance) < 0.15
    # The last layer's are the means of the original's states.
    ids = [[*tokenizer.encode(line).ids, names.index("[SEP]")] for line in (*lines, *others)]
    with torch.no_grad():
        means = [original(torch.tensor([it])).last_hidden_state[0].mean(0) for it in ids]
    found = functional.normalize(torch.stack(means), dim=1)
    nearest = (found[:60] @ found[60:].T).argmax(1)
    expected = float((nearest == torch.arange(60)).float().mean())
    assert by_chance[-1][0] == pytest.approx(expected)


def test_a_real_encoder_finds_translations_in_its_upper_layers() -> None:
    if not (E5.exists() and TATOEBA.exists()):
        pytest.skip(f"there is no {E5} or no {TATOEBA}")
    source, target = (
        (TATOEBA / f"test.{code}").read_text().splitlines()[:100] for code in ("de", "en")
    )
    found = retrieval(E5, source, target, lambda *_: None)
    assert len(found) == 13
    assert min(found[-1]) > 0.9 > max(found[0])
