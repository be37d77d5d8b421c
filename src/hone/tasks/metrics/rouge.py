"""ROUGE: the F1 of words (1), word pairs (2) or the longest common subsequence (L, Lsum), as a mean over texts.

The scores equal those of the package `rouge_score` without stemming: texts are lowercased and reduced to the letters
a to z and digits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from hone.core.metric import Columns, SumMetric

Words = list[str]
Rouge = Callable[[str, str], float]
_WORD = re.compile(r"[a-z0-9]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def mean_rouge(rouge: Rouge, role: str = "target") -> SumMetric:
    """Return the metric for the mean of one of the scores below. A text with several references has its best score."""

    def scores(records: Columns) -> list[float]:
        pairs = zip(records["prediction"], records[role], strict=True)
        return [
            max(rouge(prediction, each) for each in ([reference] if isinstance(reference, str) else reference))
            for prediction, reference in pairs
        ]

    return SumMetric(scores)


def rouge_1(prediction: str, reference: str) -> float:
    """Return the F1 of single words."""
    return _ngram_f1(prediction, reference, 1)


def rouge_2(prediction: str, reference: str) -> float:
    """Return the F1 of word pairs."""
    return _ngram_f1(prediction, reference, 2)


def rouge_l(prediction: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of the whole texts."""
    predicted, true = _split_words(prediction), _split_words(reference)
    last_row = _subsequence_rows(true, predicted)[-1]
    return _f1(_count_zeros(last_row, len(predicted)), len(predicted), len(true))


def rouge_lsum(prediction: str, reference: str) -> float:
    """Return the F1 of the words in common subsequences of each reference sentence with all predicted sentences.

    A word counts at most as often as it occurs in both texts.
    """
    predicted = [_split_words(sentence) for sentence in split_sentences(prediction)]
    true = [_split_words(sentence) for sentence in split_sentences(reference)]
    left_predicted = Counter(word for sentence in predicted for word in sentence)
    left_true = Counter(word for sentence in true for word in sentence)
    sizes = (left_predicted.total(), left_true.total())
    hits = 0
    for sentence in true:
        matches = {index for other in predicted for index in _common_subsequence(sentence, other)}
        for index in sorted(matches):
            word = sentence[index]
            if left_predicted[word] > 0 and left_true[word] > 0:
                hits += 1
                left_predicted[word] -= 1
                left_true[word] -= 1
    return _f1(hits, *sizes)


def split_sentences(text: str) -> list[str]:
    """Split a text at its line breaks or, if it is a single line, after full stops, exclamation and question marks."""
    parts = text.split("\n") if "\n" in text else _SENTENCE_END.split(text)
    return [part for part in parts if part]


def _split_words(text: str) -> Words:
    return _WORD.findall(text.lower())


def _ngram_f1(prediction: str, reference: str, size: int) -> float:
    predicted, true = (_count_ngrams(_split_words(text), size) for text in (prediction, reference))
    return _f1((predicted & true).total(), predicted.total(), true.total())


def _count_ngrams(words: Words, size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(size)), strict=False))


def _f1(hits: int, predicted: int, true: int) -> float:
    return 2 * hits / (predicted + true) if hits else 0.0


def _subsequence_rows(true: Words, predicted: Words) -> list[int]:
    """Return the table of common subsequence lengths, one row of bits per prefix of `true`.

    A row has a zero at each word of `predicted` that makes the longest common subsequence longer, so that the zeros
    up to a word are its length. All words of a row are handled at once, by the carries of one addition.
    """
    positions: dict[str, int] = {}
    for index, word in enumerate(predicted):
        positions[word] = positions.get(word, 0) | 1 << index
    all_ones = (1 << len(predicted)) - 1
    rows = [all_ones]
    for word in true:
        matches = rows[-1] & positions.get(word, 0)
        rows.append((rows[-1] + matches | rows[-1] - matches) & all_ones)
    return rows


def _count_zeros(row: int, length: int) -> int:
    return (~row & (1 << length) - 1).bit_count()


def _common_subsequence(true: Words, predicted: Words) -> list[int]:
    """Return the indices in `true` of a longest common subsequence; of several, the first found from the end."""
    rows = _subsequence_rows(true, predicted)
    column, row = len(predicted), len(true)
    indices: list[int] = []
    while column > 0 and row > 0:
        if predicted[column - 1] == true[row - 1]:
            column -= 1
            row -= 1
            indices.append(row)
        elif _count_zeros(rows[row], column - 1) > _count_zeros(rows[row - 1], column):
            column -= 1
        else:
            row -= 1
    return indices
