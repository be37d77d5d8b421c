"""BLEU, chrF and TER, computed by sacrebleu from its counts per sentence.

sacrebleu exposes the counts of a sentence and the score of summed counts only under private names, as of 2.6.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import zip_longest
from typing import Any, Literal

import numpy as np
from sacrebleu import BLEU, CHRF, TER

from hone.core.errors import UserError
from hone.core.metric import Array, Columns, SumMetric
from hone.core.value_types import BleuTokens

Kind = Literal["bleu", "chrf", "ter"]

_EXTRAS = {"ja-mecab": "ja", "ko-mecab": "ko"}
"""The tokenizers whose dictionaries are extra packages, with sacrebleu's name for the extra."""
_ONE = "target"
"""The role whose column has one reference for each record, not a list of them."""


def translation_metrics(tokens: BleuTokens) -> dict[str, SumMetric]:
    """Return the metrics of records with a `prediction` and one reference, the `target`."""
    return {
        "bleu": _metric("bleu", tokens),
        "chrf": _metric("chrf", ""),
        "ter": _metric("ter", "", higher_is_better=False),
    }


def bleu_of_lists(tokens: BleuTokens, role: str) -> SumMetric:
    """Return BLEU of records with a `prediction` and, in the column of this role, a list of references."""
    return _metric("bleu", tokens, role=role)


def require_tokenizer(tokens: BleuTokens) -> None:
    """Raise UserError if the dictionary of the tokenizer is not installed."""
    try:
        _scorer("bleu", tokens)
    except (RuntimeError, ImportError) as error:
        raise UserError(
            f"task.bleu_tokens={tokens}: its dictionary is not installed. Install it with: "
            f"pip install 'sacrebleu[{_EXTRAS[tokens]}]'"
        ) from error


def _metric(kind: Kind, tokens: str, higher_is_better: bool = True, role: str = _ONE) -> SumMetric:
    scorer = _scorer(kind, tokens)
    # The signature states the number of references, one or "var", which is set by scoring.
    scorer.corpus_score(["a", "a"], [["a", "a"], *([[None, "a"]] if role != _ONE else [])])
    return SumMetric(
        partial(_count, kind=kind, tokens=tokens, role=role),
        partial(score_counts, kind=kind),
        higher_is_better=higher_is_better,
        signature=str(scorer.get_signature()),
    )


@lru_cache(maxsize=8)
def _scorer(kind: Kind, tokens: str) -> Any:
    if kind == "bleu":
        return BLEU(tokenize=tokens, force=True)  # silences a warning about texts that look tokenised
    return CHRF() if kind == "chrf" else TER()


def _count(records: Columns, kind: Kind, tokens: str, role: str) -> Array:
    """Return sacrebleu's counts for each record."""
    streams = [records[role]] if role == _ONE else _as_streams(records[role])
    counts = _scorer(kind, tokens)._extract_corpus_statistics(records["prediction"], streams)
    return np.array(counts, dtype=np.float64)


def _as_streams(references: Sequence[Sequence[str]]) -> list[Any]:
    """Return the first reference of each record, then the second ones, and so on; None where a record has fewer."""
    return [*zip_longest(*references)]


def score_counts(sums: Array, kind: Kind) -> Any:
    """Return the score, from 0 to 100, of summed counts. The tokenizer does not matter at this point."""
    scorer = _scorer(kind, "none" if kind == "bleu" else "")
    rows = sums.reshape(-1, sums.shape[-1]).tolist()
    scores = [scorer._compute_score_from_stats(row).score for row in rows]
    return np.array(scores).reshape(sums.shape[:-1])
