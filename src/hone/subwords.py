"""Sub-word tokenizers trained on texts: three algorithms, and the special tokens that three kinds of network want."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from hone.config.settings import Tokenizer as Settings
from hone.core.errors import UserError

_SPECIAL: dict[str, dict[str, str]] = {
    "encoder": {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "decoder": {"pad": "<pad>", "bos": "<s>", "eos": "</s>", "unk": "<unk>"},
    "seq2seq": {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
}
_FRAME = {
    "encoder": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "decoder": ("<s> $A", "<s> $A $B"),
    "seq2seq": ("$A </s>", "$A </s> $B </s>"),
}
"""What stands around a text, and around two."""


def train(told: Settings, texts: Iterable[str]) -> Any:
    """A tokenizer that transformers saves and loads."""
    special = _SPECIAL[told.special]
    least = len(special) + (256 if told.algorithm == "bpe" else 0)
    if told.vocab_size < least:
        raise UserError(f"vocab_size={told.vocab_size}: {least} are taken before any learning; give some more.")
    blank, trainer = {"bpe": _bpe, "wordpiece": _wordpiece, "unigram": _unigram}[told.algorithm](told, special)
    blank.train_from_iterator(texts, trainer)
    numbers = [(token, blank.token_to_id(token)) for token in special.values()]
    blank.post_processor = TemplateProcessing(*_FRAME[told.special], numbers)
    names: dict[str, Any] = {f"{role}_token": token for role, token in special.items()}
    reads: Any = {"model_input_names": ["input_ids", "attention_mask"]}
    return PreTrainedTokenizerFast(tokenizer_object=blank, **names, **reads)


def _bpe(told: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """On bytes, as GPT-2's: every text can be spelt, and comes back as it was."""
    blank = Tokenizer(models.BPE())
    if told.lowercase:
        blank.normalizer = normalizers.Lowercase()
    blank.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    blank.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=told.vocab_size, min_frequency=told.min_frequency, special_tokens=list(special.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    return blank, trainer


def _wordpiece(told: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """Words and their continuations, as BERT's."""
    blank = Tokenizer(models.WordPiece(unk_token=special["unk"]))
    blank.normalizer = normalizers.BertNormalizer(lowercase=told.lowercase, strip_accents=False)
    blank.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    blank.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=told.vocab_size, min_frequency=told.min_frequency, special_tokens=list(special.values()),
        show_progress=False,
    )  # fmt: skip
    return blank, trainer


def _unigram(told: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """The likeliest way to cut a text up, as SentencePiece's."""
    blank = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if told.lowercase else [])]
    blank.normalizer = normalizers.Sequence(steps)
    blank.pre_tokenizer = pre_tokenizers.Metaspace()
    blank.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=told.vocab_size, special_tokens=list(special.values()), unk_token=special["unk"], show_progress=False
    )
    return blank, trainer
