"""The private names of transformers that are used: where one has gone, a test fails with its name."""

import transformers
from transformers import MODEL_MAPPING, BertConfig, BertForSequenceClassification

from hone.models import compatibility as fitting
from hone.models.checkpoints.tiny_text import TinyBert


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
