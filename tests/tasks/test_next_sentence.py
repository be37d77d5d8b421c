"""Next sentence prediction: pairs with true and false labels, in the order of transformers' scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from conftest import Hone, only_run, record, runs
from hone.core.task import Facts
from hone.models.checkpoints.tiny_text import TinyBert
from hone.tasks.text.next_sentence_prediction import NextSentencePrediction

BRIEF = ("tracker=none", "precision=32-true", "epochs=null", "steps=3", "batch_size=4")
PAIRS = NextSentencePrediction.sample()


def write_rows(labels: list[Any]) -> tuple[str, ...]:
    """The sample's pairs in a file, with these labels in turn."""
    pairs = list(zip(PAIRS["text"], PAIRS["text_pair"], strict=True)) * 4
    rows = [
        {"text": text, "text_pair": pair, "label": labels[place % len(labels)]}
        for place, (text, pair) in enumerate(pairs)
    ]
    Path("pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ("dataset=local", "dataset.path=pairs.jsonl", "dataset.holdout=0.25", "task=next_sentence_prediction")


@pytest.mark.parametrize("labels", [[True, False], [1, 0], ["true", "False"], [1.0, 0.0]])
def test_labels_may_be_written_in_several_ways(labels: list[Any]) -> None:
    task = NextSentencePrediction()
    task = task.bind(TinyBert(lr=1.0).own_processor("AutoTokenizer"), Facts("pairs", counts=(1, 1)))
    rows = {"id": [0, 1], "text": PAIRS["text"][:2], "text_pair": PAIRS["text_pair"][:2], "label": labels}
    assert task.encode(rows)["label"] == [0, 1], "the first score is that of a text that follows"


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ([True, True], "all training pairs follow each other"),
        ([0], "all training pairs do not follow each other"),
        ([True, False, True, None], "the label is missing"),
        (["true", "false", "next"], "'next' is neither true (1) nor false (0)"),
    ],
)
def test_labels_that_say_nothing_are_refused(hone: Hone, labels: list[Any], problem: str) -> None:
    done = hone("train", *write_rows(labels), *BRIEF)
    assert done.code == 2
    assert problem in done.err
    assert runs() == []


def test_a_network_without_the_head_is_refused(hone: Hone) -> None:
    done = hone("train", *write_rows([True, False]), *BRIEF, "checkpoint=tiny_llama")
    assert done.code == 2
    assert "checkpoint=bert" in done.err


def test_predictions_are_those_of_transformers(hone: Hone) -> None:
    done = hone("train", *write_rows([True, False]), *BRIEF)
    assert done.code == 0, done.said
    run = only_run()
    assert record(run)["scores"]["validation/accuracy"] >= 0
    text, pair = PAIRS["text"][0], PAIRS["text_pair"][0]
    asked = hone("predict", f"run={run}", f"text={text}", f"text_pair={pair}", "precision=32-true")
    assert asked.code == 0, asked.said
    row = json.loads(asked.out)
    tokenizer = transformers.AutoTokenizer.from_pretrained(run / "model")
    network = transformers.AutoModelForNextSentencePrediction.from_pretrained(run / "model").eval()
    with torch.no_grad():
        scores = network(**tokenizer(text, pair, return_tensors="pt")).logits[0].softmax(-1)
    assert row["score"] == pytest.approx(float(scores[0]), abs=1e-5)
    assert row["follows"] is bool(scores[0] > 0.5)
    again = ("checkpoint=hub", f"checkpoint.path={run}/model", "task=next_sentence_prediction", "precision=32-true")
    alone = hone("predict", *again, f"text={text}", f"text_pair={pair}")
    assert json.loads(alone.out) == row, "a checkpoint with this head needs no run"
