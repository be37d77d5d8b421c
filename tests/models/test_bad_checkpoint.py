"""A checkpoint that is not what it should be is refused before anything is trained."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from conftest import SMALL, Hone
from hone.models.checkpoints.tiny_text import TinyBert
from mistakes import refused


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as it should be; tests spoil copies of it."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from hone.core.task import Facts

    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = TinyBert(lr=1e-3).make_processor("AutoTokenizer", Facts("single_label"))
    size = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "max_position_embeddings": 64}
    BertForSequenceClassification(
        BertConfig(vocab_size=len(tokenizer), num_hidden_layers=2, pad_token_id=0, **size)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    assert len(AutoTokenizer.from_pretrained(folder)) == len(tokenizer)
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def drop(path: Path, words: str) -> None:
    kept = {name: tensor for name, tensor in load_file(path).items() if words not in name}
    save_file(kept, path, metadata={"format": "pt"})


def configure(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def grow(path: Path) -> None:
    tokenizer = json.loads(path.read_text())
    tokenizer["model"]["vocab"] |= {f"extra{row}": 10_000 + row for row in range(10)}
    path.write_text(json.dumps(tokenizer))


def other(folder: Path, kind: str) -> None:
    """The weights of another architecture, with the tokenizer that was there."""
    import transformers

    config = {
        "ViTModel": transformers.ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=32),
        "T5EncoderModel": transformers.T5Config(vocab_size=5000, d_model=8, d_kv=8, d_ff=8, num_layers=1, num_heads=1),
    }[kind]
    getattr(transformers, kind)(config).save_pretrained(folder)


WEIGHTS, CARD, TOKENS = "model.safetensors", "config.json", "tokenizer.json"
SPOILT: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no config": (lambda at: (at / CARD).unlink(), "", "no checkpoint that transformers can read|model.safetensors"),
    "a broken config": (lambda at: (at / CARD).write_text("{"), "", "config.json"),
    "no such architecture": (lambda at: configure(at / CARD, model_type="bertt"), "", "bertt"),
    "a wrong value": (lambda at: configure(at / CARD, hidden_size="x"), "", "hidden_size"),
    "another size": (lambda at: configure(at / CARD, hidden_size=64), "", "its weights do not fit|would be random"),
    "no weights": (lambda at: (at / WEIGHTS).unlink(), "", "no weights|model.safetensors"),
    "truncated weights": (lambda at: cut(at / WEIGHTS), "", "no weights|SafetensorError"),
    "no weights at all in them": (lambda at: (at / WEIGHTS).write_bytes(b""), "", "no weights|SafetensorError"),
    "half the weights": (lambda at: drop(at / WEIGHTS, "layer.1"), "", "16 parameters|bert.encoder.layer.1"),
    "no tokenizer": (lambda at: (at / TOKENS).unlink(), "", "no vocabulary|checkpoint.tokenizer=…"),
    "a broken tokenizer": (lambda at: cut(at / TOKENS), "", "AutoTokenizer cannot be loaded"),
    "half a tokenizer": (lambda at: (at / TOKENS).write_text("{}"), "", "AutoTokenizer cannot be loaded"),
    "too large a tokenizer": (lambda at: grow(at / TOKENS), "", "tokens and the network only |checkpoint.tokenizer"),
    "pictures": (lambda at: other(at, "ViTModel"), "", "head=auto|vit"),
    "pictures for our head": (lambda at: other(at, "ViTModel"), "head=mean", "reads pixel_values|input_ids"),
    "half a T5": (lambda at: other(at, "T5EncoderModel"), "", "its weights do not fit|decoder"),
    "another folder": (lambda at: at.rename("elsewhere"), "", "no such folder|the hub does not provide it"),
    "a misspelt folder": (lambda at: at.rename("spoilled"), "", "Did you mean"),
    "a file": (lambda at: (shutil.rmtree(at), at.write_text("x")), "", "this is a file"),
    "no such tokenizer": (
        lambda at: None,
        "checkpoint.tokenizer=spoild",
        "spoild: AutoTokenizer cannot be loaded|Did you mean spoilt?",
    ),
    "a folder without tokenizer": (
        lambda at: Path("void").mkdir(),
        "checkpoint.tokenizer=void",
        "void: AutoTokenizer cannot be loaded",
    ),
    "too many layers": (lambda at: None, "+checkpoint.hyperparameters.num_hidden_layers=5", "its weights do not fit"),
    "no such attention": (lambda at: None, "checkpoint.attention=fast", "checkpoint|fast"),
    "beyond its positions": (lambda at: None, "task.max_length=65", "task.max_length=65|64"),
    "no such dtype": (lambda at: None, "checkpoint.dtype=float31", "Did you mean float32?"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_wrong_checkpoint(case: str, checkpoint: Path, hone: Hone) -> None:
    spoil, line, said = SPOILT[case]
    shutil.copytree(checkpoint, "spoilt")
    spoil(Path("spoilt"))
    refused(hone("train", *SMALL, "checkpoint=hub", "checkpoint.path=spoilt", *line.split()), *said.split("|"))


SCRATCH = {
    "checkpoint.architecture=bertt": "checkpoint.architecture=bertt|Did you mean bert?",
    "checkpoint.architecture=bert +checkpoint.hyperparameters.hiden_size=8": "Did you mean hidden_size?",
    "checkpoint.architecture=bert +checkpoint.hyperparameters.hidden_size=x": "checkpoint.hyperparameters|expected int",
    "checkpoint.architecture=bert +checkpoint.hyperparameters.hidden_size=9": "checkpoint|not a multiple",
}


@pytest.mark.parametrize(("line", "said"), SCRATCH.items())
def test_a_wrong_architecture(line: str, said: str, checkpoint: Path, hone: Hone) -> None:
    words = ("checkpoint=scratch", f"checkpoint.tokenizer={checkpoint}", *line.split())
    refused(hone("train", *SMALL, *words), *said.split("|"))
