"""BLEU, chrF and TER, computed by sacrebleu from its counts per sentence.

sacrebleu exposes the counts of a sentence and the score of summed counts only under private names, as of 2.6.0.
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
"""The tokenizers whose dictionaries are extra packages, with sacrebleu's name for the extra."""


def translation_metrics(tokens: BleuTokens) -> dict[str, SumMetric]:
    """Return the metrics of records with a `prediction` and one reference, the `target`."""
    return {
        "bleu": _metric("bleu", tokens),
        "chrf": _metric("chrf", ""),
        "ter": _metric("ter", "", higher_is_better=False),
    }


def require_tokenizer(tokens: BleuTokens) -> None:
    """Raise UserError if the dictionary of the tokenizer is not installed."""
    try:
        _scorer("bleu", tokens)
    except (RuntimeError, ImportError) as error:
        raise UserError(
            f"task.bleu_tokens={tokens}: its dictionary is not installed. Install it with: "
            f"pip install 'sacrebleu[{_EXTRAS[tokens]}]'"
        ) from error


def _metric(kind: Kind, tokens: str, higher_is_better: bool = True) -> SumMetric:
    scorer = _scorer(kind, tokens)
    scorer.corpus_score(["a"], [["a"]])  # the signature states the number of references, which is set by scoring
    return SumMetric(
        partial(_count, kind=kind, tokens=tokens),
        partial(score_counts, kind=kind),
        higher_is_better=higher_is_better,
        signature=str(scorer.get_signature()),
    )


@lru_cache(maxsize=8)
def _scorer(kind: Kind, tokens: str) -> Any:
    if kind == "bleu":
        return BLEU(tokenize=tokens, force=True)  # silences a warning about texts that look tokenised
    return CHRF() if kind == "chrf" else TER()


def _count(records: Columns, kind: Kind, tokens: str) -> Array:
    """Return sacrebleu's counts for each record."""
    counts = _scorer(kind, tokens)._extract_corpus_statistics(records["prediction"], [records["target"]])
    return np.array(counts, dtype=np.float64)


def score_counts(sums: Array, kind: Kind) -> Any:
    """Return the score, from 0 to 100, of summed counts. The tokenizer does not matter at this point."""
    scorer = _scorer(kind, "none" if kind == "bleu" else "")
    rows = sums.reshape(-1, sums.shape[-1]).tolist()
    scores = [scorer._compute_score_from_stats(row).score for row in rows]
    return np.array(scores).reshape(sums.shape[:-1])
