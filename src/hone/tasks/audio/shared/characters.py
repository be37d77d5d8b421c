"""Transcripts as characters: the vocabulary of the training transcripts, and what cannot be spelt with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor

from hone.core.columns import read_column
from hone.core.errors import join_names
from hone.core.task import Facts, Fault

Case = Literal["keep", "lower", "upper"]

CHARACTERS = "characters"
"""The kind of facts whose labels are the characters of transcripts. Checkpoints make a tokenizer of them."""


@final
@dataclass(frozen=True)
class Spelling:
    """How transcripts are changed before they are learned and scored."""

    case: Case = "keep"
    drop: str = ""
    """Characters to leave out, such as punctuation."""

    def apply(self, text: str) -> str:
        """Return the transcript as it is learned, with single spaces between words."""
        text = " ".join(text.translate({ord(character): None for character in self.drop}).split())
        return text if self.case == "keep" else text.lower() if self.case == "lower" else text.upper()

    def find_characters(self, rows: Dataset) -> Facts:
        """Return the characters of the transcripts, and how often each occurs."""
        texts = (text for text in read_column(rows, "text") if isinstance(text, str))
        counts = Counter(character for text in texts for character in self.apply(text) if character != " ")
        characters = tuple(sorted(counts))
        return Facts(CHARACTERS, characters, tuple(counts[character] for character in characters))

    def faults(self, rows: Dataset, facts: Facts, delimiter: str) -> Iterator[Fault]:
        """Yield the rows whose transcripts are blank once they are changed, or cannot be spelt."""
        usable = {" ", *facts.labels} - {delimiter}
        for row, text in enumerate(read_column(rows, "text")):
            if not isinstance(text, str) or not text.strip():
                continue  # reported already
            spelt = self.apply(text)
            if not spelt:
                yield Fault(row, "text", f"nothing is left without the characters of task.drop={self.drop!r}")
            odd = sorted({*spelt} - usable)
            if odd:
                yield Fault(row, "text", f"the training transcripts do not have {join_names(map(repr, odd), 8)}")


def join_characters(first: Facts, second: Facts) -> Facts:
    """Return the characters of two sets of rows taken together."""
    counts = Counter(dict(zip(first.labels, first.counts, strict=True)))
    counts.update(dict(zip(second.labels, second.counts, strict=True)))
    characters = tuple(sorted(counts))
    return Facts(CHARACTERS, characters, tuple(counts[character] for character in characters))


def spell(tokenizer: Any, text: str) -> list[int]:
    """Return the tokens of a transcript, one for each character."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[tokenizer.word_delimiter_token if character == " " else character] for character in text]


def frames_needed(tokens: Sequence[int]) -> int:
    """Return the frames that CTC needs at least: one for each token, and a blank between two that are the same."""
    return len(tokens) + sum(first == second for first, second in pairwise(tokens))


def ctc_losses(logits: Tensor, frames: Tensor, labels: Sequence[Sequence[int]], blank: int) -> Tensor:
    """Return the loss of each row: how unlikely all ways are, taken together, to spell its labels within its frames."""
    spoken = logits.float().log_softmax(dim=-1).transpose(0, 1)
    targets = torch.from_numpy(np.concatenate([np.asarray(row, dtype=np.int64) for row in labels]))
    lengths = torch.tensor([len(row) for row in labels])
    return F.ctc_loss(spoken, targets.to(logits.device), frames.cpu(), lengths, blank, reduction="none")
