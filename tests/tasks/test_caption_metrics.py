"""Scores of captions: CIDEr-D by hand and as published, BLEU and ROUGE with several references."""

from __future__ import annotations

import math
from typing import Any

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from hone.core.metric import Columns
from hone.tasks.metrics.bleu import bleu_of_lists
from hone.tasks.metrics.cider import cider_metric
from hone.tasks.metrics.rouge import mean_rouge, rouge_l

REFERENCES = [
    ["a dog runs on the grass", "a brown dog is running on grass", "the dog runs"],
    ["two children play with a ball", "kids are playing with a red ball"],
    ["a red car on the street"],
    ["a dog and a car on a street", "the car and the dog"],
]
PREDICTIONS = ["a dog runs on grass", "two kids play with a red ball and a red ball", "a blue bus on the street", "a"]
PUBLISHED = [3.63924656, 2.06322632, 2.14034741, 0.0]
"""The scores of COCO's own program (pycocoevalcap 1.2, `CiderScorer`) for these texts."""


def records(predictions: list[str], references: list[list[str]]) -> Columns:
    return {"prediction": predictions, "text": references}


def cider(predictions: list[str], references: list[list[str]]) -> Any:
    return cider_metric("text").compute(records(predictions, references))


def test_cider_is_that_of_the_published_program() -> None:
    each = cider_metric("text").codes(records(PREDICTIONS, REFERENCES))
    assert each == pytest.approx(PUBLISHED, abs=1e-8)
    assert cider(PREDICTIONS, REFERENCES) == pytest.approx(sum(PUBLISHED) / 4)


def test_cider_by_hand() -> None:
    """Of two pictures that share no phrase, every phrase weighs log 2, which cancels."""
    other = [["c d"]]
    assert cider(["a b", "x"], [["a b"], *other]) == pytest.approx(10 * (1 + 1) / 4 / 2), "no phrase of three words"
    assert cider(["a b c d", "x"], [["a b c d"], ["e f"]]) == pytest.approx(10 / 2)
    one_word_less = math.exp(-1 / (2 * 6**2))
    assert cider(["a", "x"], [["a b"], *other]) == pytest.approx(10 * one_word_less / math.sqrt(2) / 4 / 2)
    clipped = 2 / math.sqrt(5 * 2) + 1 / math.sqrt(2)  # "a" counts once in the product, and twice in the length
    assert cider(["a a b", "x"], [["a b"], *other]) == pytest.approx(10 * one_word_less * clipped / 4 / 2)
    two = (1 + 1) / 4 + one_word_less / math.sqrt(2) / 4  # the mean over the references
    assert cider(["a b", "x"], [["a b", "a"], *other]) == pytest.approx(10 * two / 2 / 2)


def test_cider_does_not_count_what_every_picture_has() -> None:
    assert cider(["a", "a"], [["a"], ["a"]]) == 0
    assert cider(["A, B!", "x"], [["a b"], ["c d"]]) == cider(["a b", "x"], [["a b"], ["c d"]]) > 0
    assert cider(["", ""], [["a b"], ["c d"]]) == 0


def test_bleu_and_rouge_read_all_references() -> None:
    bleu = bleu_of_lists("13a", "text")
    streams = [[each[place] if place < len(each) else None for each in REFERENCES] for place in range(3)]
    expected = sacrebleu.corpus_bleu(PREDICTIONS, streams, force=True).score
    assert bleu.compute(records(PREDICTIONS, REFERENCES)) == pytest.approx(expected)
    assert "nrefs:var" in bleu.signature
    scorer = RougeScorer(["rougeL"])
    pairs = zip(REFERENCES, PREDICTIONS, strict=True)
    best = [scorer.score_multi(texts, text)["rougeL"].fmeasure for texts, text in pairs]
    assert mean_rouge(rouge_l, "text").compute(records(PREDICTIONS, REFERENCES)) == pytest.approx(sum(best) / 4)
