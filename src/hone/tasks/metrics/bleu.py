"""BLEU, chrF and TER as sacrebleu computes them, from what it counts in each sentence.

What it counts in a sentence, and the score of such counts, it has under private names alone: they were seen in 2.6.0.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
from sacrebleu import BLEU, CHRF, TER

from hone.core.errors import UserError
from hone.core.metric import Array, Columns, SumMetric
from hone.core.value_types import BleuTokens

Kind = Literal["bleu", "chrf", "ter"]

_EXTRAS = {"ja-mecab": "ja", "ko-mecab": "ko"}
"""The tokenizers whose dictionaries are extra packages, and sacrebleu's name for those."""


def translation_metrics(tokens: BleuTokens) -> dict[str, SumMetric]:
    """Of records with a `prediction` and one reference, the `target`."""
    return {
        "bleu": _metric("bleu", tokens),
        "chrf": _metric("chrf", ""),
        "ter": _metric("ter", "", higher_is_better=False),
    }


def require_tokenizer(tokens: BleuTokens) -> None:
    """Raises UserError where a tokenizer lacks its dictionary."""
    try:
        _scorer("bleu", tokens)
    except (RuntimeError, ImportError) as error:
        raise UserError(
            f"task.bleu_tokens={tokens}: its dictionary is not installed. Install it by: "
            f"pip install 'sacrebleu[{_EXTRAS[tokens]}]'"
        ) from error


def _metric(kind: Kind, tokens: str, higher_is_better: bool = True) -> SumMetric:
    scorer = _scorer(kind, tokens)
    scorer.corpus_score(["a"], [["a"]])  # only then does it know that there is one reference
    return SumMetric(
        partial(_count, kind=kind, tokens=tokens),
        partial(score_counts, kind=kind),
        higher_is_better=higher_is_better,
        signature=str(scorer.get_signature()),
    )


@lru_cache(maxsize=8)
def _scorer(kind: Kind, tokens: str) -> Any:
    if kind == "bleu":
        return BLEU(tokenize=tokens, force=True)  # which only silences a warning of texts that look tokenised
    return CHRF() if kind == "chrf" else TER()


def _count(records: Columns, kind: Kind, tokens: str) -> Array:
    counts = _scorer(kind, tokens)._extract_corpus_statistics(records["prediction"], [records["target"]])
    return np.array(counts, dtype=np.float64)


def score_counts(sums: Array, kind: Kind) -> Any:
    """From 0 to 100; how a text was cut into tokens no longer matters."""
    scorer = _scorer(kind, "none" if kind == "bleu" else "")
    rows = sums.reshape(-1, sums.shape[-1]).tolist()
    scores = [scorer._compute_score_from_stats(row).score for row in rows]
    return np.array(scores).reshape(sums.shape[:-1])
