"""A wrong override or config file ends with one message that names the place and what would be right, and code 2."""

import shlex
from pathlib import Path

import pytest

from conftest import Hone
from mistakes import refused, store

CONFIG = {
    # commands, groups, options
    "datset=tiny_emotion": "Did you mean dataset?",
    "dataset=tiny_emotoin": "Did you mean tiny_emotion?",
    "optimizer=adamm": "Did you mean adamw?",
    "dataset=null": "option of dataset|tiny_emotion",
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
    "dataset.path=x": "dataset=tiny_emotion has no path; add dataset=local for|dataset=local dataset.path=x",
    "checkpoint.path=x": "checkpoint=tiny_bert has no path; add checkpoint=hub|checkpoint=hub checkpoint.path=x",
    "head.pooling=mean": "head=auto does not have it; these do: |head=linear",
    "model=bert": "Did you mean checkpoint=bert?",
    "model=org/name": "Did you mean checkpoint=hub checkpoint.path=org/name?",
    "learning_rate=1": "Did you mean optimizer.lr?",
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
    "dataset._target_=hone.data.tiny.emotion.TinyEmotoin": "Did you mean TinyEmotion?",
    "dataset._target_=hone.models.heads.auto.Auto": "Auto takes no such option",
    "dataset._target_=null": "expected the dotted name of a class",
    # several of them together
    "steps=100": "epochs=3 and steps=100|add epochs=null",
    "epochs=null": "epochs=null and steps=null",
    "epochs=null steps=10%": "steps=10%: expected a duration above 0 that is not a share",
    "epochs=null steps=0": "expected a duration above 0",
    "evaluate_every=often": "expected a duration|500 steps",
    "scheduler.warmup=-1": "scheduler.warmup=-1: expected a duration",
    "scheduler.warmup=200%": "scheduler.warmup=200%: expected a duration",
    "strategy=ddp": "devices=1",
    "accelerator=cuda devices=99": "accelerator=cuda|GPU",
    "devices=9999": "devices=9999: this machine has|cores",
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
    "'checkpoint.hyperparameters={hidden_size: 48}' 'checkpoint.hyperparameters={num_hidden_layers: 1}'": (
        "+checkpoint.hyperparameters.num_hidden_layers=…"
    ),
    # what is missing
    "dataset=hub": "dataset.path has no value",
    "checkpoint=hub": "checkpoint.path has no value|checkpoint.path=…",
    "checkpoint=scratch checkpoint.architecture=bert": "checkpoint.tokenizer has no value|needs an AutoTokenizer",
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
    "name=../elsewhere": "name=../elsewhere: expected a folder name",
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
    "dataset/loose": ("_target_: hone.data.sources.local.Local\npath: ${nothing}", "dataset.path: |nothing"),
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


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("predict model=a text=b", "model: no such key|run=FOLDER|checkpoint=hub checkpoint.path=FOLDER"),
        ("evaluate model=a", "model: no such key|Did you mean run=a?"),
    ],
)
def test_a_model_is_a_run_or_a_checkpoint(line: str, words: str, hone: Hone) -> None:
    refused(hone(*line.split()), *words.split("|"))


def test_all_columns_that_are_missing_are_reported_at_once(hone: Hone) -> None:
    store({"a.csv": "body,stars\ngood,5\nbad,1\n"})
    done = hone("train", "tracker=none", "dataset=local", "dataset.path=a.csv")
    refused(done, "'text' for the role 'text'", "'label' for the role 'label'", "The columns are body, stars")
    assert "dataset.columns.text=… dataset.columns.label=…" in done.err
    assert "fits task=" not in done.err


def test_tasks_that_the_columns_fit_are_named(hone: Hone) -> None:
    store({"a.csv": "question,context,answers\nwho,Ann ran,Ann\n"})
    done = hone("train", "tracker=none", "dataset=local", "dataset.path=a.csv")
    refused(done, "no column 'label'", "As it is, the data fits task=question_answering.")


def test_all_unknown_roles_are_reported_at_once(hone: Hone) -> None:
    done = hone(
        "train", "tracker=none", "dataset=local", "dataset.path=a.csv", "dataset.columns.txt=a", "dataset.columns.y=b"
    )
    refused(done, "dataset.columns.txt, dataset.columns.y: the task has no such role", "text, label, text_pair")
