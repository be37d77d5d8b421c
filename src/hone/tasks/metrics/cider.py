"""CIDEr-D, the agreement of a caption with several others of the same picture, as Vedantam et al. (2015) define it.

A text is a vector for each length from one to four words: how often it has each phrase of that length, weighted by how
rare the phrase is among the references of the split. The score is 10 times the mean cosine with the references, where a
phrase counts at most as often as in the reference and a text of another length loses.

Words are lowercased and without punctuation. Published scores split words as the Penn Treebank does ("do n't").
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import final

from hone.core.metric import Columns, SumMetric

Phrase = tuple[str, ...]
Counts = Counter[Phrase]

_LONGEST = 4
"""The most words of a phrase."""
_SPREAD = 6.0
"""By how many words two texts may differ before their score falls to 61 %."""
_SCALE = 10.0
_WORD = re.compile(r"\w+(?:['-]\w+)*")


def cider_metric(role: str) -> SumMetric:
    """Return the mean CIDEr-D of records with a `prediction` and, in the column of this role, a list of references.

    How rare a phrase is follows from all records. Where records are drawn again, it stays as it is in the split.
    """
    return SumMetric(partial(_scores, role=role))


def _scores(records: Columns, role: str) -> list[float]:
    corpus = Corpus(records[role])
    return [corpus.score(prediction, place) for place, prediction in enumerate(records["prediction"])]


@final
class Corpus:
    """The references of all pictures, which decide how much each phrase weighs."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self.references = [[count_phrases(text) for text in texts] for texts in references]
        frequencies = Counter(chain.from_iterable({*chain.from_iterable(texts)} for texts in self.references))
        pictures = math.log(len(references)) if references else 0.0
        self.weights = {phrase: pictures - math.log(count) for phrase, count in frequencies.items()}
        self.rarest = pictures
        """The weight of a phrase that no reference has."""

    def score(self, prediction: str, place: int) -> float:
        """Return the score of a text for the picture at this place."""
        predicted, references = count_phrases(prediction), self.references[place]
        total = sum(self._compare(predicted, reference) for reference in references)
        return _SCALE * total / len(references)

    def _compare(self, predicted: Counts, reference: Counts) -> float:
        """Return the mean cosine over the lengths of phrases, reduced where the texts have different lengths."""
        difference = _count_words(predicted) - _count_words(reference)
        cosines = (self._cosine(_of_size(predicted, size), _of_size(reference, size)) for size in _SIZES)
        return math.exp(-(difference**2) / (2 * _SPREAD**2)) * sum(cosines) / _LONGEST

    def _cosine(self, predicted: Mapping[Phrase, int], reference: Mapping[Phrase, int]) -> float:
        shared = predicted.keys() & reference.keys()
        product = sum(
            min(predicted[phrase], reference[phrase]) * reference[phrase] * self._weight(phrase) ** 2
            for phrase in shared
        )
        lengths = self._length(predicted) * self._length(reference)
        return product / lengths if lengths else 0.0

    def _length(self, counts: Mapping[Phrase, int]) -> float:
        return math.sqrt(sum((count * self._weight(phrase)) ** 2 for phrase, count in counts.items()))

    def _weight(self, phrase: Phrase) -> float:
        return self.weights.get(phrase, self.rarest)


_SIZES = range(1, _LONGEST + 1)


def count_phrases(text: str) -> Counts:
    """Return how often a text has each phrase of up to four words."""
    words = _WORD.findall(text.lower())
    return Counter(phrase for size in _SIZES for phrase in _phrases(words, size))


def _phrases(words: Sequence[str], size: int) -> Iterable[Phrase]:
    return zip(*(words[start:] for start in range(size)), strict=False)


def _of_size(counts: Counts, size: int) -> dict[Phrase, int]:
    return {phrase: count for phrase, count in counts.items() if len(phrase) == size}


def _count_words(counts: Counts) -> int:
    return sum(count for phrase, count in counts.items() if len(phrase) == 1)
