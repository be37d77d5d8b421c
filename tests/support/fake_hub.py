"""A hub on disk: folders called like the hub's data sets and checkpoints, which the real loaders prefer to the network.

Data sets follow from the YAML files that name them, checkpoints from transformers' own table of architectures; what
neither can tell is written in the tables here.
"""

import importlib
import io
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import sentencepiece
import transformers
import yaml
from datasets import ClassLabel, Dataset, Features, Value
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    MarianTokenizer,
    MBart50Tokenizer,
    NllbTokenizer,
    PretrainedConfig,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING

import fake_media
from hone.config.tree import CONF
from hone.data.tiny.emotion import TinyEmotion

LABELS = {
    "CogComp/trec": ["ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"],
    "Yelp/yelp_review_full": ["1 star", "2 star", "3 stars", "4 stars", "5 stars"],
    "dair-ai/emotion/split": ["sadness", "joy", "love", "anger", "fear", "surprise"],
    "fancyzhx/ag_news": ["World", "Sports", "Business", "Sci/Tech"],
    "nyu-mll/glue/mnli": ["entailment", "neutral", "contradiction"],
}
TWO_LABELS = ["no", "yes"]
NUMBERS = {"nyu-mll/glue/stsb"}
"""Data sets whose label is a number, not a class."""
SPARE = {"label": [0.0, 2.5, 3.75, 5.0]}
"""Values for optional roles that the sample of a task leaves out."""
SECRET = -1
"""The label of all rows of a split that the public may not see."""
ROWS = {"train": 48}
"""How many a split has, where not 12."""

ALSO_CALLED = {
    "detr-resnet": "detr", "maskformer-swin": "maskformer",
    "rtdetr_r50vd": "rt_detr",
    "minilm": "bert", "deberta-v3": "deberta-v2", "opus-mt": "marian", "nllb": "m2m_100", "mit": "segformer",
    "ast": "audio-spectrogram-transformer", "vit-gpt2": "vision-encoder-decoder", "depth-anything": "depth_anything",
    "speecht5_tts": "speecht5",
}  # fmt: skip
"""Checkpoints that are not called after their architecture."""
PARTICULAR = {
    "deberta-v2": {
        "relative_attention": True, "position_biased_input": False, "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 8, "norm_rel_ebd": "layer_norm", "share_att_key": True,
    },
    "modernbert": {"local_attention": 8},
    "t5": {"decoder_start_token_id": 0},
    "mbart": {"decoder_start_token_id": 2},
}  # fmt: skip
"""What the published checkpoints of an architecture have in common and its default config has not."""
TINY = {
    "vocab_size": 400, "max_position_embeddings": 64,
    "hidden_size": 32, "embedding_size": 16, "word_embed_proj_dim": 32,
    "num_hidden_layers": 2, "decoder_layers": 2, "num_decoder_layers": 2,
    "num_attention_heads": 2, "decoder_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16, "d_kv": 16,
    "intermediate_size": 48, "hidden_dim": 48, "ffn_dim": 48, "d_ff": 48, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48,
    "initializer_range": 0.2, "init_std": 0.2,
}  # fmt: skip
"""What architectures call their sizes: positions so few that long rows are cut, weights so large that tokens matter."""
ROBERTA_TOKENS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
"""In the order that RoBERTa and its kin give them, who count positions from the pad token."""
LANGUAGES = {
    "mbart": ["task.source_language=en_XX", "task.target_language=fr_XX"],
    "m2m_100": ["task.source_language=eng_Latn", "task.target_language=fra_Latn"],
}
"""What checkpoints that write several languages want to be told."""
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def stock(folder: Path) -> None:
    """Writes everything that the configs name."""
    nodes = hub_datasets()
    for path in {node["path"] for node in nodes}:
        write_dataset(folder / path, [node for node in nodes if node["path"] == path])
    for path in hub_checkpoints():
        write_checkpoint(folder / path)
    for path in media_checkpoints():
        fake_media.write_checkpoint(folder / path, architecture(path.rpartition("/")[2]))
    write_files(folder / "files")
    fake_media.write_folders(folder)


def hub_datasets() -> list[dict[str, Any]]:
    """The configs of `conf/dataset` that read from the hub, and the option each is called."""
    return list(_nodes("dataset", "hone.data.sources.hub.Hub"))


def hub_checkpoints() -> list[str]:
    """The hub ids of `conf/checkpoint` that read texts."""
    return sorted(_hub_ids() - {*media_checkpoints()})


def media_checkpoints() -> list[str]:
    """Those that read pictures, sounds, tables or pages."""
    return sorted(path for path in _hub_ids() if architecture(path.rpartition("/")[2]) in fake_media.SIZES)


def reads_texts(option: str) -> bool:
    """Whether a checkpoint of this name does."""
    node, own = _node_and_processors(option)
    tables = "tiny_documents" in node["_target_"]
    return "AutoTokenizer" in own and not tables and node.get("path") not in media_checkpoints()


def reads_both(option: str) -> bool:
    """Whether a checkpoint of this name reads or writes a text beside a picture."""
    node, own = _node_and_processors(option)
    if "path" in node:
        return node["path"] in media_checkpoints() and architecture(node["path"].rpartition("/")[2]) in fake_media.PAIRS
    return {"AutoProcessor", "AutoImageProcessor"} <= {*own}


def _node_and_processors(option: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    node = yaml.safe_load((CONF / "checkpoint" / f"{option}.yaml").read_text(encoding="utf-8"))
    module, _, name = node["_target_"].rpartition(".")
    return node, getattr(getattr(importlib.import_module(module), name), "processors", ("AutoTokenizer",))


def paths_of_checkpoints() -> dict[str, str]:
    """The hub id that each option of `conf/checkpoint` names, if it names one."""
    return {
        node["name"]: node["path"] for node in _nodes("checkpoint", "hone.models.checkpoints.pretrained.Pretrained")
    }


def _hub_ids() -> set[str]:
    return {*paths_of_checkpoints().values()}


def architectures() -> dict[str, str]:
    """A hub id for every architecture among them."""
    return {architecture(path.rpartition("/")[2]): path for path in reversed(hub_checkpoints())}


def _nodes(group: str, target: str) -> Iterator[dict[str, Any]]:
    for file in sorted((CONF / group).rglob("*.yaml")):
        node = yaml.safe_load(file.read_text(encoding="utf-8"))
        if node.get("_target_") == target and node["path"] != "???":
            yield {"name": str(file.relative_to(CONF / group).with_suffix("")), **node}


def write_dataset(folder: Path, nodes: Iterable[dict[str, Any]]) -> None:
    """A parquet file for each split of each subset, and the card that says which is which."""
    cards = []
    for node in {node["subset"]: node for node in reversed([*nodes])}.values():  # of two that share one, the first
        subset = node["subset"] or "default"
        splits = {split: f"{subset}/{split}.parquet" for split in sorted({*node["splits"].values(), "test"} - {None})}
        (folder / subset).mkdir(parents=True)
        for split, file in splits.items():
            rows_of(node, split).to_parquet(folder / file)
        files = [{"split": split, "path": file} for split, file in splits.items()]
        cards.append({"config_name": subset, "data_files": files})
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': cards})}---\n", encoding="utf-8")


def write_files(folder: Path) -> None:
    """Files such as a user has."""
    folder.mkdir()
    rows = TinyEmotion(train=48, validation=12, test=1).load()
    rows["train"].to_csv(folder / "train.csv")
    rows["validation"].to_json(folder / "dev.jsonl")


def rows_of(node: dict[str, Any], split: str) -> Dataset:
    """The columns that the config maps and one more; the labels of a split that it leaves out are secret."""
    count = ROWS.get(split, 12)
    if task_of(node) != "text_classification":
        return sampled(node, count)
    columns: dict[str, Any] = {"idx": list(range(count))}
    features = {"idx": Value("int32")}
    for role, column in node["columns"].items():
        features[column] = _label_feature(node) if role == "label" else Value("string")
        labels = _labels(node) if split in node["splits"].values() else cycle([SECRET])
        columns[column] = list(islice(labels if role == "label" else texts(f"{split} {role}"), count))
    return Dataset.from_dict(columns, Features(features))


def toy_checkpoint(task: str) -> str:
    """The option of `conf/checkpoint` that the toy experiment of a task chooses, else the built-in one for texts."""
    file = CONF / "experiment" / "toy" / f"{task}.yaml"
    node = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else {"defaults": []}
    choices = [choice["override /checkpoint"] for choice in node["defaults"] if "override /checkpoint" in choice]
    return str(choices[0]) if choices else "tiny_bert"


def task_of(node: dict[str, Any]) -> str:
    """The task that a data set names."""
    return next(str(choice["/task@_global_.task"]) for choice in node["defaults"] if isinstance(choice, dict))


def sampled(node: dict[str, Any], count: int) -> Dataset:
    """What the task samples, under the data set's names: a.b is the field b of the column a, a list is many columns."""
    options = yaml.safe_load((CONF / "task" / f"{task_of(node)}.yaml").read_text(encoding="utf-8"))
    module, _, name = options["_target_"].rpartition(".")
    sample = getattr(importlib.import_module(module), name).sample()
    rows: list[dict[str, Any]] = [{"idx": place} for place in range(count)]
    for role, column in node["columns"].items():
        for row, value in zip(rows, cycle(sample.get(role) or SPARE[role]), strict=False):
            parts = zip(column, cycle(value), strict=False) if isinstance(column, list) else [(column, value)]
            for path, part in parts:
                _put(row, path, part)
    return Dataset.from_list(rows)


def _put(row: dict[str, Any], path: str, value: Any) -> None:
    first, _, rest = path.partition(".")
    if rest:
        _put(row.setdefault(first, {}), rest, value)
    else:
        row[first] = value


def texts(title: str) -> Iterator[str]:
    """From a few words to more than a tiny checkpoint reads, each with the title in front."""
    words = " ".join(TinyEmotion(train=100, validation=1, test=1).load()["train"]["text"]).split()
    pieces = (words[9 * place :][:size] for place, size in enumerate(islice(cycle([3, 12, 5, 80, 8, 20]), 48)))
    return cycle(f"{title}: {' '.join(piece)}" for piece in pieces)


def expected_labels(node: dict[str, Any]) -> tuple[str, ...]:
    """What hone should know the labels as."""
    return ("value",) if _name(node) in NUMBERS else tuple(_label_names(node))


def _label_names(node: dict[str, Any]) -> list[str]:
    return LABELS.get(_name(node), TWO_LABELS)


def _label_feature(node: dict[str, Any]) -> Any:
    return Value("float32") if _name(node) in NUMBERS else ClassLabel(names=_label_names(node))


def _labels(node: dict[str, Any]) -> Iterator[float | int]:
    return cycle([0.0, 2.5, 3.75, 5.0] if _name(node) in NUMBERS else range(len(_label_names(node))))


def _name(node: dict[str, Any]) -> str:
    return f"{node['path']}/{node['subset']}" if node["subset"] else node["path"]


def task_for(path: str) -> list[str]:
    """The overrides for a task that an architecture has a head for: classification, or translation."""
    kind = architecture(path.rpartition("/")[2])
    if CONFIG_MAPPING[kind] in transformers.AutoModelForSequenceClassification._model_mapping:
        return ["dataset=mrpc"]
    return ["dataset=opus_books", *LANGUAGES.get(kind, [])]


def write_checkpoint(folder: Path) -> None:
    """A tiny network of the right architecture with random weights under its pretraining head, and its tokenizer."""
    kind = architecture(folder.name)
    tokenizer = make_tokenizer(kind)
    config = tiny_config(kind, tokenizer)
    names = ("AutoModelForPreTraining", "AutoModelForMaskedLM", "AutoModelForSeq2SeqLM", "AutoModel")
    autos = [getattr(transformers, name) for name in names]
    auto = next(auto for auto in autos if type(config) in auto._model_mapping)
    auto.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def architecture(name: str) -> str:
    """transformers' name for the architecture of a checkpoint, as the words of the checkpoint's name tell it."""
    known = {**{kind: kind for kind in CONFIG_MAPPING}, **ALSO_CALLED}
    words = f"-{name.lower()}-{name.lower().replace('distil', '')}-"
    found = [kind for kind in known if f"-{kind}-" in words]
    if not found:
        raise LookupError(f"{name}: which architecture is that? Say so in ALSO_CALLED.")
    return known[max(found, key=len)]


def tiny_config(kind: str, tokenizer: Any) -> PretrainedConfig:
    """Two narrow layers, and the special tokens where the tokenizer has them."""
    usual = AutoConfig.for_model(kind)
    sizes = {usual.attribute_map.get(name, name): size for name, size in TINY.items() if hasattr(usual, name)}
    roles = [name for name in usual.to_dict() if re.fullmatch(r"(pad|bos|eos|cls|sep)_token_id", name)]
    special = {name: getattr(tokenizer, name) for name in roles}
    if kind == "marian":
        special["decoder_start_token_id"] = tokenizer.pad_token_id
    return AutoConfig.for_model(kind, **{**sizes, **special, **PARTICULAR.get(kind, {})})


def make_tokenizer(kind: str) -> Any:
    """A tokenizer of the architecture's own class, trained on the built-in data."""
    if kind in OWN_WAY:
        return OWN_WAY[kind]()
    cls = TOKENIZER_MAPPING.get(CONFIG_MAPPING[kind], None)
    if cls in (None, PreTrainedTokenizerFast):
        return _byte_level_tokenizer()
    blank = cls()
    if blank.bos_token == "<s>" and isinstance(getattr(blank, "_vocab", None), dict):
        blank = cls(vocab={token: place for place, token in enumerate(ROBERTA_TOKENS)})
    return blank.train_new_from_iterator(islice(texts("text"), 48), TINY["vocab_size"], show_progress=False)


def _byte_level_tokenizer() -> PreTrainedTokenizerFast:
    """For architectures that have no tokenizer class of their own, such as ModernBERT."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=TINY["vocab_size"], special_tokens=BERT_TOKENS, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator(islice(texts("text"), 48), trainer)
    pad, unknown, first, between, mask = BERT_TOKENS
    numbered = [(token, tokenizer.token_to_id(token)) for token in (between, first)]
    tokenizer.post_processor = processors.BertProcessing(*numbered)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        unk_token=unknown,
        cls_token=first,
        sep_token=between,
        mask_token=mask,
    )


def _marian_tokenizer() -> MarianTokenizer:
    """Sentencepiece on both sides, under numbers of its own."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=islice(texts("text"), 48), model_writer=model, vocab_size=150, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    names = [pieces.IdToPiece(place) for place in range(3, pieces.GetPieceSize())]
    names += [f"unused{place}" for place in range(TINY["vocab_size"] - len(names) - 3)]
    vocabulary = {token: place for place, token in enumerate(["</s>", "<unk>", *names, "<pad>"])}
    with tempfile.TemporaryDirectory() as folder:
        spm, vocab = Path(folder, "both.spm"), Path(folder, "vocab.json")
        spm.write_bytes(model.getvalue())
        vocab.write_text(json.dumps(vocabulary), encoding="utf-8")
        return MarianTokenizer(str(spm), str(spm), str(vocab))


def _mbart_tokenizer() -> MBart50Tokenizer:
    """Letters and words; it adds the languages itself."""
    words = [f"▁{word}" for word in sorted({word for text in islice(texts("text"), 48) for word in text.split()})]
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz:"]
    room = TINY["vocab_size"] - 100
    scores = [(token, -5.0) for token in [*letters, *words][:room]]
    return MBart50Tokenizer(vocab=[("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *scores])


def _nllb_tokenizer() -> NllbTokenizer:
    """Letters, and three of the two hundred languages."""
    tokens = [*ROBERTA_TOKENS[:4], "▁", *"abcdefghijklmnopqrstuvwxyz:"]
    languages = ["eng_Latn", "fra_Latn", "deu_Latn"]
    return NllbTokenizer({token: place for place, token in enumerate(tokens)}, [], extra_special_tokens=languages)


OWN_WAY = {"marian": _marian_tokenizer, "mbart": _mbart_tokenizer, "m2m_100": _nllb_tokenizer}
"""Tokenizers that cannot be trained from their class alone."""
