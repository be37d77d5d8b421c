"""`conf/tokenizer.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from hone.types import Count, Place


@final
@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = "hone.tokenizer.TokenizerParts"

    algorithm: Literal["bpe", "wordpiece", "unigram"]
    vocab_size: Count
    special: Literal["encoder", "decoder", "seq2seq"]
    lowercase: bool
    min_frequency: Count
    roles: list[str] | None
    limit: Count | None
    output: Place | None
    overwrite: bool
    trust: list[str]
