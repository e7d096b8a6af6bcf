"""Encoders: small ones, made here, and a server that answers as the hub does."""

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

transformers = pytest.importorskip("transformers", reason="transformers is in the extra `test`")

import torch  # noqa: E402
from tokenizers import (  # noqa: E402
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from nmt_ablation.errors import UserError  # noqa: E402
from nmt_ablation.foreign.hub import fetch  # noqa: E402
from nmt_ablation.foreign.tokenizer import EncoderTokenizer  # noqa: E402
from nmt_ablation.foreign.weights import token_embeddings  # noqa: E402
from nmt_ablation.opus.synthetic import Language  # noqa: E402

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SIZE = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


def _ignore(done: float, whole: float) -> None:
    pass


def _sentences() -> list[str]:
    language, chance = Language(3), random.Random(3)
    return [side for _ in range(100) for side in language.sentence(chance)]


SENTENCES = _sentences()


def _word_piece() -> Any:
    """Return a tokenizer like mBERT's and LaBSE's: cased, no spaces kept."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=300,
        special_tokens=special,
        initial_alphabet=list("<>/[],'"),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def _unigram() -> Any:
    """Return a tokenizer like XLM-R's, with "<s>" both as a subword and as a special token."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
        initial_alphabet=list("<>/"),
        unk_token="<unk>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


@pytest.fixture(scope="session")
def mbert(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Saved with the head it was trained with, and beside what nobody needs."""
    folder = tmp_path_factory.mktemp("mbert")
    word_piece = _word_piece()
    config = transformers.BertConfig(vocab_size=word_piece.get_vocab_size(), **SIZE)
    model = transformers.BertForMaskedLM(config)
    model.save_pretrained(folder)
    word_piece.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    (folder / "tf_model.h5").write_bytes(b"TensorFlow's")
    (folder / "modeling.py").write_text("raise SystemExit('I was run')")
    (folder / "onnx").mkdir()
    return folder, model.get_input_embeddings().weight.detach().numpy()


@pytest.fixture(scope="session")
def xlmr(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("xlmr")
    unigram = _unigram()
    config = transformers.XLMRobertaConfig(vocab_size=unigram.get_vocab_size(), **SIZE)
    model = transformers.XLMRobertaModel(config)
    model.save_pretrained(folder)
    unigram.save(str(folder / "tokenizer.json"))
    return folder, model.get_input_embeddings().weight.detach().numpy()


@pytest.fixture(params=["mbert", "xlmr"])
def encoder(request: pytest.FixtureRequest) -> tuple[Path, Any]:
    found: tuple[Path, Any] = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def copy(tmp_path: Path, mbert: tuple[Path, Any]) -> Path:
    """A model to damage."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in mbert[0].iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "fetched"
    folder.mkdir()
    return folder


def _change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_rows_are_the_model_s_own_in_the_order_wanted(encoder: tuple[Path, Any], out: Path) -> None:
    folder, weights = encoder
    fetch(str(folder), None, out, _ignore)
    rows = EncoderTokenizer(out).rows
    wanted = random.Random(1).sample([*rows, "noSuchPiece", "<unk>", "[CLS]", "</s>"], len(rows))
    found, values = token_embeddings(out, wanted)
    assert found == [subword for subword in wanted if subword in rows]
    assert values.dtype == np.float32
    assert np.array_equal(values, weights[[rows[subword] for subword in found]])
    assert token_embeddings(out, [])[1].shape == (0, 8)


def test_tokens_are_the_tokenizer_s_own(encoder: tuple[Path, Any], out: Path) -> None:
    fetch(str(encoder[0]), None, out, _ignore)
    own = transformers.AutoTokenizer.from_pretrained(encoder[0], local_files_only=True)
    tokenizer = EncoderTokenizer(out)
    for line in SENTENCES:
        assert tokenizer.encode(line) == own.tokenize(line)
        assert "<unk>" not in tokenizer.encode(line)


def test_sentences_come_back_as_they_were(encoder: tuple[Path, Any], out: Path) -> None:
    fetch(str(encoder[0]), None, out, _ignore)
    tokenizer = EncoderTokenizer(out)
    for line in ["", *SENTENCES]:
        assert tokenizer.decode(tokenizer.encode(line)) == line


def test_word_pieces_get_english_spacing_and_unigrams_keep_theirs(
    mbert: tuple[Path, Any], xlmr: tuple[Path, Any], tmp_path: Path
) -> None:
    tokenizers = []
    for name, folder in (("mbert", mbert[0]), ("xlmr", xlmr[0])):
        (tmp_path / name).mkdir()
        fetch(str(folder), None, tmp_path / name, _ignore)
        tokenizers.append(EncoderTokenizer(tmp_path / name))
    word_pieces, unigrams = (to.decode(to.encode("The dog<the cat .")) for to in tokenizers)
    assert word_pieces == "The dog < the cat."
    assert unigrams == "The dog<the cat ."
    assert tokenizers[0].decode(["##er", "dog"]) == "er dog"


@pytest.mark.parametrize("symbol", ["<s>", "<pad>", "</s>", "<unk>", "[CLS]", "[UNK]", "<mask>"])
def test_special_symbols_in_a_text_never_come_out_as_such(
    encoder: tuple[Path, Any], out: Path, symbol: str
) -> None:
    fetch(str(encoder[0]), None, out, _ignore)
    tokenizer = EncoderTokenizer(out)
    for line in (symbol, f"The dog {symbol} the cat.", f"The{symbol}cat"):
        tokens = tokenizer.encode(line)
        assert not {"<s>", "<pad>", "</s>", "[CLS]", "[UNK]", "<mask>"}.intersection(tokens)
        assert {*tokens} <= {*tokenizer.rows, "<unk>"}


def test_what_the_tokenizer_does_not_know_is_unknown_and_has_no_row(
    encoder: tuple[Path, Any], out: Path
) -> None:
    fetch(str(encoder[0]), None, out, _ignore)
    tokenizer = EncoderTokenizer(out)
    tokens = tokenizer.encode("The dog 漢字 the cat.")
    assert "<unk>" in tokens
    assert not any("漢" in token for token in tokens)
    assert "<unk>" not in tokenizer.rows


def test_no_token_has_white_space_in_it(encoder: tuple[Path, Any], out: Path) -> None:
    fetch(str(encoder[0]), None, out, _ignore)
    added = Tokenizer.from_file(str(out / "tokenizer.json"))
    spaced = ["the cat", "big\u00a0dog", "a\u3000b"]
    added.add_tokens([AddedToken(subword, normalized=False) for subword in spaced])
    added.save(str(out / "tokenizer.json"))
    tokenizer = EncoderTokenizer(out)
    for line in ("The the cat big\u00a0dog a\u3000b.", "a\nb\tc\r\x85d\u2028e\u2009f  g", " \n "):
        tokens = tokenizer.encode(line)
        assert all(token.split() == [token] for token in tokens)
    assert not set(spaced) & set(tokenizer.rows)


def test_long_lines_are_neither_cut_off_nor_short_ones_filled_up(
    mbert: tuple[Path, Any], out: Path
) -> None:
    fetch(str(mbert[0]), None, out, _ignore)
    cutting = Tokenizer.from_file(str(out / "tokenizer.json"))
    cutting.enable_truncation(6)
    cutting.enable_padding(length=6)
    cutting.save(str(out / "tokenizer.json"))
    tokenizer = EncoderTokenizer(out)
    assert tokenizer.decode(tokenizer.encode(SENTENCES[1] * 9)) != SENTENCES[1]
    assert len(tokenizer.encode("the " * 50)) == 50
    assert tokenizer.encode("the") == ["the"]


def test_only_what_is_needed_is_fetched_and_put_on_record(
    mbert: tuple[Path, Any], out: Path
) -> None:
    told: list[tuple[float, float]] = []
    record = fetch(str(mbert[0]), None, out, lambda done, whole: told.append((done, whole)))
    needed = ["config.json", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in out.iterdir()) == needed == list(record.files)
    assert record.model_type == "bert"
    assert record.dimension == 8
    assert record.vocabulary == len(mbert[1]) - 5  # the special tokens
    assert (record.name, record.revision) == (str(mbert[0]), None)
    assert told[-1][0] == told[-1][1] == sum(path.stat().st_size for path in out.iterdir())


@pytest.mark.parametrize("mapped", [True, False])
def test_weights_of_torch_are_read_too(copy: Path, out: Path, mapped: bool) -> None:
    from safetensors.torch import load_file

    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin", _use_new_zipfile_serialization=mapped)
    record = fetch(str(copy), None, out, _ignore)
    assert "pytorch_model.bin" in record.files
    _, values = token_embeddings(out, ["the"])
    row = EncoderTokenizer(out).rows["the"]
    assert np.array_equal(values[0], weights["bert.embeddings.word_embeddings.weight"][row].numpy())


def test_rows_in_half_precision_become_float32(
    copy: Path, out: Path, mbert: tuple[Path, Any]
) -> None:
    model = transformers.BertForMaskedLM.from_pretrained(mbert[0], local_files_only=True)
    model.to(torch.bfloat16).save_pretrained(copy)
    fetch(str(copy), None, out, _ignore)
    _, values = token_embeddings(out, ["the"])
    assert values.dtype == np.float32
    assert np.allclose(values[0], mbert[1][EncoderTokenizer(out).rows["the"]], rtol=0.01)


def test_of_weights_in_several_files_the_one_with_the_table_is_fetched(
    xlmr: tuple[Path, Any], tmp_path: Path, out: Path
) -> None:
    folder = tmp_path / "sharded"
    model = transformers.AutoModel.from_pretrained(xlmr[0], local_files_only=True)
    model.save_pretrained(folder, max_shard_size="12KB")
    (folder / "tokenizer.json").write_bytes((xlmr[0] / "tokenizer.json").read_bytes())
    assert len(list(folder.glob("*.safetensors"))) > 1
    record = fetch(str(folder), None, out, _ignore)
    assert len([file for file in record.files if file.endswith(".safetensors")]) == 1
    rows = EncoderTokenizer(out).rows
    found, values = token_embeddings(out, list(rows))
    assert np.array_equal(values, xlmr[1][[rows[subword] for subword in found]])


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "cause", "remedy"),
    [
        (lambda at: (at / "config.json").unlink(), "has no config.json", "as transformers saves"),
        (lambda at: (at / "model.safetensors").unlink(), "has no model.safetensors", "PyTorch"),
        (lambda at: (at / "tokenizer.json").unlink(), "no tokenizer.json", "save_pretrained"),
        (
            lambda at: (at / "tokenizer.json").write_text('{"model": {"type": "Mine"}}'),
            "is no tokenizer",
            "fetch the encoder again",
        ),
        (
            lambda at: (at / "model.safetensors").write_bytes(b"\x08" + bytes(100)),
            "can't be read as weights",
            "save it again",
        ),
        (
            lambda at: os.truncate(at / "model.safetensors", 5000),
            "can't be read as weights",
            "save it again",
        ),
        (
            lambda at: _change(at / "config.json", model_type="mine"),
            "is of type 'mine'",
            "choose a model of type bert, ",
        ),
        (
            lambda at: _change(at / "config.json", model_type="xlm-roberta"),
            "has no embeddings.word_embeddings.weight (like it: bert.",
            "of one model",
        ),
        (
            lambda at: (at / "config.json").write_text("{"),
            "config.json: can't be read",
            "fetch the encoder again",
        ),
    ],
    ids=[
        "no config", "no weights", "no tokenizer", "strange tokenizer", "damaged weights",
        "cut weights", "unknown type", "other type", "no JSON",
    ],
)  # fmt: skip
def test_what_is_missing_or_damaged_is_named_with_a_remedy(
    copy: Path, out: Path, damage: Damage, cause: str, remedy: str
) -> None:
    damage(copy)
    with pytest.raises(UserError) as error:
        fetch(str(copy), None, out, _ignore)
    assert cause in str(error.value)
    assert remedy in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_weights_that_would_run_code_are_refused(copy: Path, out: Path) -> None:
    (copy / "model.safetensors").unlink()
    torch.save({"a": _Runs()}, copy / "pytorch_model.bin")
    with pytest.raises(UserError, match="can't be read as weights"):
        fetch(str(copy), None, out, _ignore)
    assert not (copy / "ran").exists()


class _Runs:
    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('I was run')",))


def test_code_that_comes_with_a_model_is_not_run(copy: Path, out: Path) -> None:
    mine = {"AutoConfig": "modeling.Config", "AutoModel": "modeling.Model"}
    _change(copy / "config.json", model_type="mine", auto_map=mine)
    with pytest.raises(UserError, match="is of type 'mine'"):
        fetch(str(copy), None, out, _ignore)


def test_a_tokenizer_with_more_subwords_than_embeddings_is_refused(copy: Path, out: Path) -> None:
    larger = Tokenizer.from_file(str(copy / "tokenizer.json"))
    larger.add_tokens(["another"])
    larger.save(str(copy / "tokenizer.json"))
    with pytest.raises(UserError, match="more subwords than there are embeddings"):
        fetch(str(copy), None, out, _ignore)


def test_a_directory_has_no_revision(copy: Path, out: Path) -> None:
    with pytest.raises(UserError, match="leave revision out"):
        fetch(str(copy), COMMIT, out, _ignore)


def test_a_path_that_is_not_there_is_no_model_of_the_hub(tmp_path: Path, out: Path) -> None:
    with pytest.raises(UserError, match="there is no such directory"):
        fetch(str(tmp_path / "none"), COMMIT, out, _ignore)


def test_without_the_extra_the_message_says_how_to_get_it(
    copy: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(UserError, match=r"bash recipes/setup.sh encoders"):
        EncoderTokenizer(out)


class Hub(ThreadingHTTPServer):
    """Answers for one model, `some/encoder` at COMMIT, as the hub does."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.folder = folder
        self.sent: list[str] = []


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        model = "/api/models/some/encoder"
        file = self.server.folder / path.rsplit("/", 1)[-1]
        if path in (model, f"{model}/revision/main", f"{model}/revision/{COMMIT}"):
            files = [
                {"rfilename": file.name, "size": file.stat().st_size}
                for file in self.server.folder.iterdir()
                if file.is_file()
            ]
            files.append({"rfilename": "onnx/model.onnx", "size": 1})
            answer = {"id": "some/encoder", "sha": COMMIT, "siblings": files}
            self.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})
        elif path == f"/some/encoder/resolve/{COMMIT}/{file.name}" and file.is_file():
            data = file.read_bytes()
            self.answer(200, data, {"ETag": f'"{len(data)}"', "X-Repo-Commit": COMMIT})
            if self.command == "GET":
                self.server.sent.append(file.name)
        else:
            known = path.startswith(model)
            code = "RevisionNotFound" if known else "RepoNotFound"
            self.answer(404, b"{}", {"X-Error-Code": code})

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def log_message(self, *ignored: object) -> None:
        pass


@pytest.fixture
def hub(mbert: tuple[Path, Any]) -> Iterator[Hub]:
    server = Hub(mbert[0])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


FETCH = """
import json, sys
from pathlib import Path
from dataclasses import asdict
from nmt_ablation.foreign.hub import fetch
from nmt_ablation.errors import UserError
told = []
try:
    name, revision, folder = sys.argv[1:]
    progress = lambda *bytes: told.append(bytes)
    print(json.dumps([asdict(fetch(name, revision or None, Path(folder), progress)), told]))
except UserError as error:
    print(json.dumps(str(error)))
"""


def _fetch(name: str, revision: str, folder: Path, **environment: str) -> Any:
    """Fetch in a process of its own, as the client reads its settings once; return the outcome."""
    result = subprocess.run(
        [sys.executable, "-c", FETCH, name, revision, str(folder)],
        env=os.environ | {"HF_HOME": str(folder.parent / "home")} | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def _at(hub: Hub) -> str:
    return f"http://127.0.0.1:{hub.server_port}"


def test_a_commit_of_the_hub_is_fetched_and_nothing_but_what_is_needed(
    hub: Hub, out: Path, mbert: tuple[Path, Any]
) -> None:
    record, told = _fetch("some/encoder", COMMIT, out, HF_ENDPOINT=_at(hub))
    needed = ["config.json", "model.safetensors", "tokenizer.json"]
    assert sorted(path.name for path in out.iterdir()) == needed == sorted(hub.sent)
    assert (record["name"], record["revision"]) == ("some/encoder", COMMIT)
    assert told[-1][0] == told[-1][1] == sum(path.stat().st_size for path in out.iterdir())
    assert np.array_equal(
        token_embeddings(out, ["the"])[1][0], mbert[1][EncoderTokenizer(out).rows["the"]]
    )


@pytest.mark.parametrize("revision", ["", "main", COMMIT[:8]])
def test_a_model_of_the_hub_needs_a_commit_and_the_message_names_it(
    hub: Hub, out: Path, revision: str
) -> None:
    message = _fetch("some/encoder", revision, out, HF_ENDPOINT=_at(hub))
    if revision == COMMIT[:8]:  # the hub takes no short hashes
        assert "has no revision '01234567'" in message
    else:
        assert message.endswith(f"write revision: {COMMIT}")
    assert not list(out.iterdir())


def test_a_model_that_the_hub_has_not_is_named(hub: Hub, out: Path) -> None:
    message = _fetch("some/other", COMMIT, out, HF_ENDPOINT=_at(hub))
    assert "some/other: is neither a directory here nor a model" in message


@pytest.mark.parametrize(
    "environment", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}]
)
@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_without_a_network_the_message_says_how_to_bring_a_model_here(
    out: Path, environment: dict[str, str], revision: str
) -> None:
    message = _fetch("some/encoder", revision, out, **environment)
    assert "the hub can't be reached" in message
    assert f"hf download some/encoder --revision {revision} --local-dir DIR" in message
    assert ("not a full commit hash" in message) == (revision == "main")


def test_a_directory_needs_no_network(mbert: tuple[Path, Any], out: Path) -> None:
    record, _ = _fetch(str(mbert[0]), "", out, HF_HUB_OFFLINE="1")
    assert record["model_type"] == "bert"
