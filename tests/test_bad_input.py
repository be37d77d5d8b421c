"""Every mistake a user can make ends with one message that names the place and what would be right, and with code 2."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import SMALL, Hone, Outcome, only_run, record, runs
from hone.checkpoints.tiny_bert import TinyBert
from hone.cli import main

ROWS = [(f"text number {row} is {('bad', 'good')[row % 2]}", ("bad", "good")[row % 2]) for row in range(12)]
LOCAL = ("train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local")


def refused(done: Outcome, *words: str) -> None:
    """One message that has these words, no traceback, and nothing left behind."""
    assert done.code == 2, done.said
    assert done.err.count("hone: ") == 1
    assert "Traceback" not in done.said
    for word in words:
        assert word in done.err
    assert not Path("outputs").exists()


def trains(done: Outcome) -> None:
    assert done.code == 0, done.said
    assert record(only_run())["state"] == "finished"


def csv(rows: Iterable[tuple[object, object]] = ROWS, header: str = "text,label", end: str = "\n") -> str:
    return end.join([header, *(f"{text},{label}" for text, label in rows), ""])


def lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def labelled(make: Callable[[int], Any], texts: Callable[[int], Any] = lambda row: f"text {row}") -> str:
    """Twelve rows of JSON lines."""
    return lines({"text": texts(row), "label": make(row)} for row in range(12))


def store(files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


CONFIG = {
    # commands, groups, options
    "datset=tiny_emotion": "Did you mean dataset?",
    "dataset=tiny_emotoin": "Did you mean tiny_emotion?",
    "optimizer=adamm": "Did you mean adamw?",
    "dataset=null": "There are|option of dataset",
    "~dataset": "dataset: expected a section",
    "+optimizer=sgd": "write it without the +: optimizer=sgd",
    "experiment=nothing": "emotion_distilbert",
    # keys
    "lr=1": "Did you mean optimizer.lr?",
    "batch_sze=4": "Did you mean batch_size?",
    "optimizer.lrr=1": "Did you mean optimizer.lr?",
    "optmizer.lr=1": "Did you mean optimizer.lr?",
    "max_length=9": "Did you mean task.max_length?",
    "hydra.verbos=true": "Did you mean hydra.verbose?",
    "dataset.path=x": "dataset=tiny_emotion has none; these have: |dataset=imdb",
    "head.pooling=mean": "head=auto has none; these have: |head=linear",
    "optimizer.algorithm.amsgrad=true": "+optimizer.algorithm.amsgrad=true",
    "checkpoint.hyperparameters.x=1": "+checkpoint.hyperparameters.x=1",
    "task.class_weights.joy=2": "+task.class_weights.joy=2",
    "+optimizer.algorithm.amsgradd=true": "AdamW takes no such option|Did you mean amsgrad?",
    "+batch_size=4": "write it without the +: batch_size=4",
    "+mine=4": "mine: hone train takes no such option",
    "~batch_size": "batch_size: hone train needs this",
    # values
    "precision=bf17": "expected one of|Did you mean bf16-mixed?",
    "epochs=abc": "epochs=abc: expected a number (above 0) or null",
    "epochs=inf": "expected a number",
    "batch_size=0": "expected a whole number (at least 1)",
    "batch_size=1.5": "expected a whole number",
    "batch_size=true": "batch_size=true: expected a whole number",
    "seed=null": "seed=null: expected a whole number",
    "patience=0": "patience=0: expected a whole number (at least 1) or null",
    "optimizer.lr=nan": "expected a number (above 0)",
    "notes=null": "notes=null: expected text",
    "trust=mine": "expected [text, …]",
    "task.label_smoothing=1": "expected a number (at least 0, below 1)",
    "task.class_weights=[1,1,1,1,1,-1]": "Item 5 (counting from 0) is -1",
    "optimizer.algorithm.betas=[2,3]": "optimizer.algorithm: |beta",
    "optimizer.algorithm=null": "expected a section with a class in _target_",
    "dataset._target_=hone.data.tiny_emotion.TinyEmotoin": "Did you mean TinyEmotion?",
    "dataset._target_=hone.heads.auto.Auto": "Auto takes no such option",
    "dataset._target_=null": "expected the dotted name of a class",
    # several of them together
    "steps=100": "epochs=3 and steps=100|add epochs=null",
    "epochs=null": "epochs=null and steps=null",
    "epochs=null steps=10%": "steps=10%: expected a duration above 0 that is no share",
    "epochs=null steps=0": "expected a duration above 0",
    "evaluate_every=often": "expected a duration|500 steps",
    "scheduler.warmup=-1": "scheduler.warmup=-1: expected a duration",
    "scheduler.warmup=200%": "scheduler.warmup=200%: expected a duration",
    "strategy=ddp": "devices=1",
    "accelerator=cuda devices=99": "accelerator=cuda|GPU",
    "monitor=f1_makro": "Did you mean f1_macro?",
    "adapter=top_layers adapter.count=10": "adapter.count=10|2 layers",
    "adapter=lora adapter.targets=[qwery]": "Did you mean query?",
    "adapter=lora adapter.targets=[]": "adapter.targets=[]|query",
    "task.max_length=129": "task.max_length=129|128",
    "task.max_length=2": "task.max_length=2|no room",
    "task.pad_to_multiple_of=1000": "task.pad_to_multiple_of=1000|128",
    "task.class_weights=[1,2]": "2 weights for 6 labels|sadness",
    "'task.class_weights={joyy: 2}'": "task.class_weights.joyy|Did you mean joy?",
    "+checkpoint.hyperparameters.hiden_size=64": "Did you mean hidden_size?",
    "+checkpoint.hyperparameters.hidden_size=abc": "checkpoint.hyperparameters.hidden_size=abc|expected int",
    "+checkpoint.hyperparameters.hidden_size=97": "checkpoint|not a multiple",
    "'checkpoint.hyperparameters={hidden_act: foo}'": "checkpoint|foo",
    "+checkpoint.hyperparameters.vocab_size=10": "the network only 10 embeddings",
    # what is missing
    "dataset=hub": "dataset.path has no value",
    "checkpoint=hub": "checkpoint.path has no value|checkpoint.path=…",
    "checkpoint=scratch checkpoint.architecture=bert": "checkpoint.tokenizer has no value",
    # how it is written
    "nothing": "'nothing': expected key=value",
    "=3": "expected key=value",
    "''": "expected key=value",
    "name=[1,2": "name=[1,2: this cannot be read",
    "batch_size=1,2": "batch_size=1,2: several values; add -m",
    "'batch_size=choice(1,2)'": "add -m",
    "batch_size=${nothing}": "batch_size: |nothing",
    "'batch_size=${oc.env:NOTHING_THERE}'": "batch_size: |NOTHING_THERE",
    # where things go
    "output_root=/proc/nowhere": "output_root=/proc/nowhere",
    "output_root=''": "output_root=: expected a path",
    f"output_root={'x' * 300}": "output_root=xxx",
    f"dataset=local dataset.path={'x' * 300}": "dataset.path=xxx",
    f"checkpoint=hub checkpoint.path={'x' * 300}": "checkpoint.path=xxx",
    "name=../elsewhere": "name=../elsewhere: expected a name",
    "resume=nowhere": "nowhere: no run there",
}


@pytest.mark.parametrize(("line", "said"), CONFIG.items(), ids=lambda text: text[:60])
def test_a_wrong_config(line: str, said: str, hone: Hone) -> None:
    refused(hone("train", "tracker=none", *shlex.split(line)), *said.split("|"))
    assert list(Path().iterdir()) == []


def test_words_that_are_no_text(hone: Hone) -> None:
    refused(hone("train", "notes=\udcff"), "UTF-8")


FILES = {
    "dataset/broken": ("_target_: [1\npath: x", "dataset=broken|line 2"),
    "dataset/tabs": ("path:\tx\n\ty: 1", "line 1"),
    "dataset/twice": ("path: x\npath: y", "duplicate key path"),
    "dataset/latin": (b"path: caf\xe9", "dataset=latin|utf-8"),
    "dataset/bare": ("path: x", "dataset: expected a section with a class in _target_|{path: x}"),
    "dataset/empty": ("", "dataset: expected a section"),
    "dataset/list": ("- 1", "dataset: expected a section"),
    "dataset/loose": ("_target_: hone.data.local.Local\npath: ${nothing}", "dataset.path: |nothing"),
    "experiment/key": ("# @package _global_\nepoch: 3", "epoch: |Did you mean epochs?"),
    "experiment/nested": ("# @package _global_\noptimizer: {lrr: 3}", "optimizer.lrr: |Did you mean lr?"),
    "experiment/value": ("# @package _global_\nepochs: abc", "epochs=abc: expected a number"),
    "experiment/option": ("# @package _global_\ndefaults: [override /dataset: nothing]", "dataset=nothing: no such"),
    "experiment/group": ("# @package _global_\ndefaults: [override /datset: imdb]", "datset|Did you mean dataset?"),
    "experiment/plain": ("# @package _global_\ndefaults: [/dataset: imdb]", "override /dataset: …"),
    "experiment/defaults": ("# @package _global_\ndefaults: 3", "defaults must be a list"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_config_file(name: str, hone: Hone) -> None:
    content, said = FILES[name]
    store({f"configs/{name}.yaml": content})
    refused(hone("train", "tracker=none", "--config-dir=configs", name.replace("/", "=")), *said.split("|"))


def test_a_misspelt_option_of_an_own_group_is_found_among_all(hone: Hone) -> None:
    store({"configs/dataset/mine.yaml": "path: x"})
    refused(hone("train", "--config-dir=configs", "dataset=mien"), "Did you mean mine?", "imdb")


DATA: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "no file": ({"good.csv": csv()}, "dataset.path=goood.csv", "no such file|Did you mean good.csv?"),
    "no format": ({"a.txt": "x"}, "dataset.path=a.txt", "a.txt|'.txt'|.csv"),
    "empty file": ({"a.csv": ""}, "dataset.path=a.csv", "a.csv: the file is empty"),
    "blank file": ({"a.csv": "\n\n"}, "dataset.path=a.csv", ["a.csv", "no columns", "No columns"][0]),
    "a header alone": ({"a.csv": "text,label\n"}, "dataset.path=a.csv", "a.csv: it has no rows"),
    "an empty split": ({"d/train.csv": csv(), "d/test.csv": "text,label\n"}, "dataset.path=d", "test.csv: it has no rows"),
    "an empty folder": ({"d/readme": ""}, "dataset.path=d", "no train.csv|readme|dataset.splits.train=…"),
    "other columns": ({"a.csv": csv(header="sentence,lable")}, "dataset.path=a.csv", "'text'|sentence, lable|dataset.columns.text=…"),
    "a misspelt column": ({"a.csv": csv()}, "dataset.path=a.csv dataset.columns.label=lable", "'lable'|Did you mean label?"),
    "one column, two roles": ({"a.csv": csv()}, "dataset.path=a.csv dataset.columns.text=label", "one column for two roles"),
    "no such role": ({"a.csv": csv()}, "dataset.path=a.csv +dataset.columns.txt=label", "dataset.columns.txt|text, label, text_pair"),
    "labels in one split": ({"d/train.csv": csv(), "d/test.csv": "text\na\n"}, "dataset.path=d", "test split: no column 'label'"),
    "no such split": ({"a.csv": csv()}, "dataset.path=a.csv +dataset.splits.valid=a.csv", "Did you mean validation?"),
    "no file of a split": ({"a.csv": csv()}, "dataset.path=a.csv dataset.splits.test=b.txt", "b.txt: no such file"),
    "other separators": ({"a.csv": csv().replace(",", ";")}, "dataset.path=a.csv", "separated by ';'"),
    "missing text": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: None if row == 3 else "x")}, "dataset.path=a.jsonl", "column 'text': the text is missing (row 3)|dataset.on_bad_row=skip"),
    "blank text": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: " \t" * (row > 8) + "x" * (row < 9))}, "dataset.path=a.jsonl", "the text is empty (3 rows: 9, 10, 11)"),
    "numbers for text": ({"a.csv": csv((row, label) for row, (_, label) in enumerate(ROWS))}, "dataset.path=a.csv dataset.on_bad_row=skip", "12 of 12 rows|expected text, not int64"),
    "lists for text": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: ["x"])}, "dataset.path=a.jsonl", "expected text, not list"),
    "a missing label": ({"a.csv": csv([*ROWS, ("hello", "")])}, "dataset.path=a.csv", "column 'label': the label is missing (row 12)"),
    "no label at all": ({"a.csv": csv((text, "") for text, _ in ROWS)}, "dataset.path=a.csv", "12 of 12 rows"),
    "secret labels": ({"a.csv": csv([*((text, row % 2) for row, (text, _) in enumerate(ROWS)), ("x", -1)])}, "dataset.path=a.csv dataset.labels=[no,yes]", "label '-1'|(row 12)|secret"),
    "labels out of range": ({"a.csv": csv([*((text, row % 2) for row, (text, _) in enumerate(ROWS)), ("x", 7)])}, "dataset.path=a.csv dataset.labels=[no,yes]", "label '7' is none of the training labels no, yes|(row 12)"),
    "too few names": ({"a.csv": csv((text, row % 2) for row, (text, _) in enumerate(ROWS))}, "dataset.path=a.csv dataset.labels=[no]", "label '1' is none of"),
    "a name twice": ({"a.csv": csv((text, row % 2) for row, (text, _) in enumerate(ROWS))}, "dataset.path=a.csv dataset.labels=[no,no]", "dataset.labels=[no, no]|none twice"),
    "no file of names": ({"a.csv": csv()}, "dataset.path=a.csv dataset.labels=names.txt", "dataset.labels=|names.txt"),
    "names that are no text": ({"a.csv": csv(), "names": b"\xff\xfe\x00"}, "dataset.path=a.csv dataset.labels=names", "one name a line"),
    "unseen labels": ({"d/train.csv": csv(), "d/validation.csv": csv([("a", "good"), ("b", "ugly")])}, "dataset.path=d", "validation split: 1 of 2|label 'ugly' is none of the training labels bad, good|(row 1)"),
    "labels of mixed kinds": ({"a.jsonl": labelled(lambda row: ["a"] if row == 5 else "ab"[row % 2])}, "dataset.path=a.jsonl", "expected one label, not ['a']|task.kind=multi_label|(row 5)"),
    "lists for one label": ({"a.jsonl": labelled(lambda row: ["ab"[row % 2]])}, "dataset.path=a.jsonl task.kind=single_label", "expected one label|task.kind=multi_label"),
    "mappings for labels": ({"a.jsonl": labelled(lambda row: {"x": "ab"[row % 2]})}, "dataset.path=a.jsonl", "expected one label, not {'x'"),
    "missing labels in lists": ({"a.jsonl": labelled(lambda row: ["ab"[row % 2], None] if row == 4 else ["ab"[row % 2]])}, "dataset.path=a.jsonl", "a label is missing (row 4)"),
    "numbers that are none": ({"a.jsonl": labelled(lambda row: float("nan") if row == 3 else row / 3)}, "dataset.path=a.jsonl", "expected a number, not nan (row 3)"),
    "words for numbers": ({"a.csv": csv()}, "dataset.path=a.csv task.kind=regression", "expected a number, not 'good'"),
    "names for numbers": ({"a.jsonl": labelled(lambda row: row / 3)}, "dataset.path=a.jsonl dataset.labels=[a,b]", "numbers to predict|a, b"),
    "smoothed numbers": ({"a.jsonl": labelled(lambda row: row / 3)}, "dataset.path=a.jsonl task.label_smoothing=0.1", "task.label_smoothing|numbers to predict"),
    "one class": ({"a.csv": csv((text, "good") for text, _ in ROWS)}, "dataset.path=a.csv", "All training rows have the label good"),
    "one class once the bad are out": ({"a.jsonl": labelled(lambda row: "ab"[row < 3], lambda row: "" if row < 3 else "x")}, "dataset.path=a.jsonl dataset.on_bad_row=skip", "All training rows have the label a"),
    "two rows": ({"a.csv": csv(ROWS[:2])}, "dataset.path=a.csv", "2 training rows are too few"),
    "nothing held out": ({"a.csv": csv()}, "dataset.path=a.csv dataset.holdout=0", "no validation split"),
    "truncated lines": ({"a.jsonl": labelled(lambda row: row)[:-9]}, "dataset.path=a.jsonl", "a.jsonl: not readable as json|row 11"),
    "truncated parquet": ({"a.parquet": b"PAR1" + b"x" * 99}, "dataset.path=a.parquet", "a.parquet: not readable as parquet"),
    "ragged rows": ({"a.csv": "text,label\na,b\nc,d,e\n"}, "dataset.path=a.csv", "a.csv: not readable as csv|line 3"),
    "an open quote": ({"a.csv": 'text,label\n"a,b\n'}, "dataset.path=a.csv", "a.csv: not readable as csv"),
    "another encoding": ({"a.csv": csv(((f"caf\xe9 {text}", label) for text, label in ROWS)).encode("latin-1")}, "dataset.path=a.csv", "hone reads UTF-8"),
    "a lone surrogate": ({"a.jsonl": '{"text": "\\ud800", "label": 1}\n'}, "dataset.path=a.jsonl", "a.jsonl: not readable as json"),
    "a key twice": ({"a.jsonl": '{"text": "a", "label": 1, "text": "b"}\n'}, "dataset.path=a.jsonl", "text"),
    "all rows bad": ({"a.jsonl": labelled(lambda row: "ab"[row % 2], lambda row: " ")}, "dataset.path=a.jsonl dataset.on_bad_row=skip", "12 of 12 rows cannot be used"),
    "too long a text": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: "x " * 200 * (row == 5) + "x")}, "dataset.path=a.jsonl task.truncation=do_not_truncate", "The text of row 5 has 403 tokens and 128 are allowed"),
    "half a saved data set": ({"d/dataset_dict.json": "nonsense"}, "dataset.path=d", "dataset.path=|no whole saved data set"),
}  # fmt: skip


@pytest.mark.parametrize("case", DATA)
def test_wrong_data(case: str, hone: Hone) -> None:
    files, line, said = DATA[case]
    store(files)
    refused(hone(*LOCAL, *line.split()), *said.split("|"))


FINE: dict[str, tuple[dict[str, str | bytes], str]] = {
    "a byte-order mark": ({"a.csv": b"\xef\xbb\xbf" + csv().encode()}, "dataset.path=a.csv"),
    "Windows line ends": ({"a.csv": csv(end="\r\n")}, "dataset.path=a.csv"),
    "every script": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: ["😀 é", "مرحبا \u202e", "日本", "a\u200db"][row % 4])}, "dataset.path=a.jsonl"),
    "labels in any script": ({"a.jsonl": labelled(lambda row: ["😀", "شر"][row % 2])}, "dataset.path=a.jsonl"),
    "a NUL": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: f"a\x00b{row}")}, "dataset.path=a.jsonl"),
    "a very long text": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: "w" * 10 ** (6 * (row == 0)))}, "dataset.path=a.jsonl"),
    "a column name twice": ({"a.csv": csv(((f"{text},{text}", label) for text, label in ROWS), "text,text,label")}, "dataset.path=a.csv"),
    "an own id": ({"a.csv": csv(((f"7,{text}", label) for text, label in ROWS), "id,text,label")}, "dataset.path=a.csv"),
    "yes and no": ({"a.jsonl": labelled(lambda row: row % 2 == 0)}, "dataset.path=a.jsonl"),
    "dates for labels": ({"a.jsonl": labelled(lambda row: f"2020-01-0{row % 2 + 1}")}, "dataset.path=a.jsonl"),
    "gaps between numbers": ({"a.csv": csv((text, 5 * (row % 2)) for row, (text, _) in enumerate(ROWS))}, "dataset.path=a.csv"),
    "capitals": ({"d/Train.CSV": csv()}, "dataset.path=d"),
    "a rare label": ({"a.csv": csv([*ROWS, ("unique", "rare")])}, "dataset.path=a.csv dataset.holdout=0.4"),
}  # fmt: skip


@pytest.mark.parametrize("case", FINE)
def test_odd_data_that_is_fine(case: str, hone: Hone) -> None:
    files, line = FINE[case]
    store(files)
    trains(hone(*LOCAL, *line.split()))


def test_bad_rows_are_left_out_and_counted_where_the_user_says_so(hone: Hone) -> None:
    bad = [{"text": "", "label": "good"}, {"text": None, "label": "bad"}, {"text": "x", "label": None}]
    store({"a.jsonl": lines([*({"text": text, "label": label} for text, label in ROWS), *bad])})
    done = hone(*LOCAL, "dataset.path=a.jsonl", "dataset.on_bad_row=skip")
    trains(done)
    assert "3 of 15 rows cannot be used and are left out" in done.err
    assert "the text is empty (row 12)" in done.err
    assert "the label is missing (row 14)" in done.err
    assert sum(record(only_run())["data"]["rows"].values()) == 12


HUB = {
    "dataset.path=nobody/nothing": "dataset.path=nobody/nothing: no such folder here|Offline",
    "dataset.path=fodler": "Did you mean folder?",
    "dataset.path=folder dataset.subset=nothing": "dataset.subset=nothing: not in|default",
    "dataset.path=folder dataset.splits.train=tran": "dataset.splits.train=tran: not in|Did you mean train?",
    "dataset.path=folder dataset.splits.train=null": "no training split|dataset.splits.train=…",
    "dataset.path=folder 'dataset.splits.train=\"train[:5\"'": "train[:5",
    "dataset.path=parts": "dataset.subset: |aa, bb",
    "dataset.path=script": "dataset.revision=refs/convert/parquet",
    "dataset.path=broken": "dataset.path=|row 11",
    "dataset.path=folder/train.csv": "dataset=local",
}


@pytest.mark.parametrize(("line", "said"), HUB.items())
def test_a_wrong_data_set_of_the_hub(line: str, said: str, hone: Hone) -> None:
    parts = "".join(f"- config_name: {name}\n  data_files: {name}.csv\n" for name in ("aa", "bb"))
    store(
        {
            "folder/train.csv": csv(),
            "folder/test.csv": csv(),
            "parts/README.md": f"---\nconfigs:\n{parts}---\n",
            "parts/aa.csv": csv(),
            "parts/bb.csv": csv(),
            "script/script.py": "import datasets\n",
            "broken/train.jsonl": labelled(lambda row: row)[:-9],
        }
    )
    refused(hone("train", "tracker=none", "dataset=hub", *shlex.split(line)), *said.split("|"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as it should be; tests spoil copies of it."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from hone.facts import Facts

    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = TinyBert(lr=1e-3).processor("AutoTokenizer", Facts("single_label"))
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
        "T5EncoderModel": transformers.T5Config(vocab_size=403, d_model=8, d_kv=8, d_ff=8, num_layers=1, num_heads=1),
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
    "a broken tokenizer": (lambda at: cut(at / TOKENS), "", "no AutoTokenizer"),
    "half a tokenizer": (lambda at: (at / TOKENS).write_text("{}"), "", "no AutoTokenizer"),
    "too large a tokenizer": (lambda at: grow(at / TOKENS), "", "only 403 embeddings|checkpoint.tokenizer"),
    "pictures": (lambda at: other(at, "ViTModel"), "", "head=auto|vit"),
    "pictures for our head": (lambda at: other(at, "ViTModel"), "head=mean", "reads pixel_values|input_ids"),
    "half a T5": (lambda at: other(at, "T5EncoderModel"), "", "its weights do not fit|decoder"),
    "another folder": (lambda at: at.rename("elsewhere"), "", "no such folder|not to be had from the hub"),
    "a misspelt folder": (lambda at: at.rename("spoilled"), "", "Did you mean"),
    "a file": (lambda at: (shutil.rmtree(at), at.write_text("x")), "", "this is a file"),
    "no such tokenizer": (lambda at: None, "checkpoint.tokenizer=spoild", "spoild: no AutoTokenizer|Did you mean spoilt?"),
    "a folder without tokenizer": (lambda at: Path("void").mkdir(), "checkpoint.tokenizer=void", "void: no AutoTokenizer"),
    "too many layers": (lambda at: None, "+checkpoint.hyperparameters.num_hidden_layers=5", "its weights do not fit"),
    "no such attention": (lambda at: None, "checkpoint.attention=fast", "checkpoint|fast"),
    "beyond its positions": (lambda at: None, "task.max_length=65", "task.max_length=65|64"),
    "no such dtype": (lambda at: None, "checkpoint.dtype=float31", "Did you mean float32?"),
}  # fmt: skip


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


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it should be."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hone", "train", *SMALL, "limit=8", "save_every=1"])
        with pytest.raises(SystemExit):
            main()
    return only_run(folder)


@pytest.fixture
def run(finished: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(finished, "run"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train output_root=file", "output_root=file|is a file"),
        ("train output_root=file/below", "output_root=file/below|is a file"),
        ("train resume=file", "file: no run there"),
        ("train resume=run seed=7 optimizer.lr=1", "resume=run|seed: 0 → 7|optimizer.lr: "),
        ("train resume=rum", "rum: no run there|Did you mean"),
        ("evaluate run=rum", "rum: no run there|Did you mean"),
        ("export run=rum", "rum: no run there|Did you mean"),
        ("evaluate", "run has no value"),
        ("evaluate run=run split=tets", "Did you mean test?"),
        ("evaluate runn=run", "Did you mean run?"),
        ("evaluate run=run output=file", "file"),
        ("export run=run output=folder", "output=folder: exists already|overwrite=true"),
        ("export run=run output=file overwrite=true", "output=file: is a file"),
    ],
)
def test_a_wrong_place(line: str, said: str, hone: Hone, run: Path) -> None:
    store({"file": "mine", "folder/mine": ""})
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    refused(hone(*line.split(), *(("tracker=none", "limit=8") if line.startswith("train") else ())), *said.split("|"))
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_an_unfinished_run_has_no_model(command: str, hone: Hone, run: Path) -> None:
    shutil.rmtree(run / "model")
    configure(run / "run.json", state="preempted", reason="SIGTERM")
    refused(hone(command, "run=run"), "run=run: there is no model, it is preempted: SIGTERM", "hone train resume=run")


def test_a_split_that_the_data_set_lacks(hone: Hone) -> None:
    store({"a.csv": csv()})
    trains(hone(*LOCAL, "dataset.path=a.csv"))
    done = hone("evaluate", f"run={only_run()}", "split=test")
    assert done.code == 2
    assert "split=test: a.csv has train, validation" in done.err


def test_a_mistake_of_one_run_leaves_the_others_alone(hone: Hone) -> None:
    assert hone("train", *SMALL, "limit=8").code == 0
    assert hone("train", *SMALL, "limit=8", "monitor=nothing").code == 2
    assert len(runs()) == 1
    assert torch.get_num_threads() >= 1
