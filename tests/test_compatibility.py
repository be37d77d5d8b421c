"""The private names of transformers that are used: where one has gone, a test fails with its name."""

from pathlib import Path

import transformers
from transformers import MODEL_MAPPING, AutoConfig, BertConfig, BertForSequenceClassification

from hone.checkpoints import fitting
from hone.checkpoints.tiny import TinyBert


def test_model_mapping() -> None:
    assert fitting.auto_classes("AutoModelForSequenceClassification", BertConfig()) == (BertForSequenceClassification,)
    assert fitting.auto_classes("AutoModelForSeq2SeqLM", BertConfig()) == ()
    assert transformers.AutoModel._model_mapping[BertConfig] is MODEL_MAPPING[BertConfig]


def test_attn_implementation() -> None:
    tiny = TinyBert(lr=1.0)
    config = tiny.config({})
    fitting.set_attention(config, "eager")
    assert fitting.attention_of(config) == config._attn_implementation == "eager"
    assert fitting.attention_of(tiny.network("AutoModel", config).config) == "eager"
    fitting.set_attention(config, None)
    assert fitting.attention_of(tiny.network("AutoModel", config).config) == "sdpa"


def test_commit_hash(tmp_path: Path) -> None:
    assert fitting.commit_of(AutoConfig.for_model("bert")) is None
    stored, commit = tmp_path / "models--some--model", "a" * 40
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text(commit)
    BertConfig().save_pretrained(stored / "snapshots" / commit)
    assert fitting.commit_of(AutoConfig.from_pretrained("some/model", cache_dir=tmp_path)) == commit
