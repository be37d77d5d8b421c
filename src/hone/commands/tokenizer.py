"""`hone tokenizer`: train a sub-word tokenizer on the training rows, for networks that are trained from scratch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, final

from datasets import Dataset, List
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from hone.config import build
from hone.config.job import Invocation
from hone.config.settings import TokenizerSettings as Settings
from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.files import drafted_folder
from hone.core.log import capture_log, quieten_libraries
from hone.core.paths import relative_to_cwd
from hone.core.screen import print_line
from hone.core.task import Task
from hone.data.rows import load_rows
from hone.data.source import Source
from hone.runs.folder import require_writable

_SPECIAL: dict[str, dict[str, str]] = {
    "encoder": {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "decoder": {"pad": "<pad>", "bos": "<s>", "eos": "</s>", "unk": "<unk>"},
    "seq2seq": {"pad": "<pad>", "eos": "</s>", "unk": "<unk>"},
}
"""The special tokens, by the kind of network and by role."""
_TEMPLATES = {
    "encoder": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
    "decoder": ("<s> $A", "<s> $A $B"),
    "seq2seq": ("$A </s>", "$A </s> $B </s>"),
}
"""How special tokens frame a single text, and a pair of texts."""
_ARCHITECTURES = {"encoder": "bert", "decoder": "llama", "seq2seq": "t5"}
"""An architecture to suggest for each kind of tokenizer."""
_TARGET_ROLES = {"label", "labels", "tags"}
"""Roles whose text is a name of a class rather than language."""
_SAMPLE = 1000
"""The number of texts that measure how long a token is."""


def train_tokenizer(settings: Settings, texts: Iterable[str]) -> Any:
    """Train a tokenizer in the form that transformers saves and loads."""
    special = _SPECIAL[settings.special]
    fixed = len(special) + (256 if settings.algorithm == "bpe" else 0)
    if settings.vocab_size < fixed:
        reserved = "special tokens and bytes" if settings.algorithm == "bpe" else "special tokens"
        raise UserError(
            f"vocab_size={settings.vocab_size}: {fixed} entries are reserved for {reserved}; choose a larger number."
        )
    make = {"bpe": _bpe, "wordpiece": _wordpiece, "unigram": _unigram}[settings.algorithm]
    tokenizer, trainer = make(settings, special)
    tokenizer.train_from_iterator(texts, trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in special.values()]
    tokenizer.post_processor = TemplateProcessing(*_TEMPLATES[settings.special], ids)
    names: dict[str, Any] = {f"{role}_token": token for role, token in special.items()}
    inputs: Any = {"model_input_names": ["input_ids", "attention_mask"]}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names, **inputs)


def _bpe(settings: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """Byte-level BPE, as in GPT-2: every text can be encoded and decodes to itself."""
    tokenizer = Tokenizer(models.BPE())
    if settings.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size, min_frequency=settings.min_frequency, special_tokens=list(special.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    return tokenizer, trainer


def _wordpiece(settings: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """Words and their continuations, as in BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token=special["unk"]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=settings.lowercase, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=settings.vocab_size, min_frequency=settings.min_frequency, special_tokens=list(special.values()),
        show_progress=False,
    )  # fmt: skip
    return tokenizer, trainer


def _unigram(settings: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """The most probable segmentation of a text, as in SentencePiece."""
    tokenizer = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if settings.lowercase else [])]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=list(special.values()),
        unk_token=special["unk"],
        show_progress=False,
    )
    return tokenizer, trainer


@final
@dataclass(frozen=True)
class TokenizerParts:
    """The sections of `conf/tokenizer.yaml`."""

    dataset: Source
    task: Task


def main(settings: Settings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Train a tokenizer on the training rows, store it in a folder and print how to use it."""
    quieten_libraries()
    with capture_log():
        objects = build.build_parts(TokenizerParts, parts, settings.trust)
        folder = _output_folder(settings, objects.dataset)
        rows = load_rows(objects.dataset, objects.task, settings.limit).splits["train"]
        roles = _choose_roles(settings, rows)
        tokenizer = train_tokenizer(settings, _read_texts(rows, roles))
        _store(tokenizer, folder)
        _print_usage(settings, tokenizer, folder, rows, roles)


def _output_folder(settings: Settings, source: Source) -> Path:
    name = f"{source.name.replace('/', '-')}-{settings.algorithm}-{settings.vocab_size}"
    folder = Path(settings.output or f"tokenizers/{name}").expanduser()
    if folder.exists() and not settings.overwrite:
        raise UserError(
            f"output={folder}: already exists; say overwrite=true to replace it, or choose another output=…."
        )
    if folder.is_file():
        raise UserError(f"output={folder}: this is a file, not a folder.")
    require_writable(folder.parent)
    return folder


def _choose_roles(settings: Settings, rows: Dataset) -> list[str]:
    """Choose the columns to learn from: those asked for, or all that hold text."""
    available = [name for name, feature in rows.features.items() if _is_text(feature)]
    if settings.roles is None:
        roles = [name for name in available if name not in _TARGET_ROLES]
        if not roles:
            raise UserError(f"roles=null: no column holds text. The columns are {join_names(rows.column_names)}.")
        return roles
    for role in settings.roles:
        if role not in available:
            hint = did_you_mean(role, available)
            raise UserError(f"roles: no column {role!r} holds text.{hint} Columns with text: {join_names(available)}.")
    return settings.roles


def _is_text(feature: Any) -> bool:
    inner = feature.feature if isinstance(feature, List) else feature
    return getattr(inner, "dtype", None) in ("string", "large_string")


def _read_texts(rows: Dataset, roles: list[str]) -> Iterator[str]:
    for batch in rows.select_columns(roles).iter(1000):
        for role in roles:
            for value in batch[role]:
                yield value if isinstance(value, str) else " ".join(value or ())


def _store(tokenizer: Any, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with drafted_folder(folder) as draft:
        tokenizer.save_pretrained(draft)


def _print_usage(settings: Settings, tokenizer: Any, folder: Path, rows: Dataset, roles: list[str]) -> None:
    texts = list(islice(_read_texts(rows, roles), _SAMPLE))
    tokens = sum(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    place, mean = relative_to_cwd(folder), size / max(tokens, 1)
    print_line("stored", f"{place}  ({len(tokenizer):,} tokens of {mean:.2f} bytes)", width=6)
    if settings.algorithm != "bpe":
        print_line("note", f"{settings.algorithm} finds another vocabulary each time: keep this folder", width=6)
    architecture = _ARCHITECTURES[settings.special]
    words = f"checkpoint=scratch checkpoint.architecture={architecture} checkpoint.tokenizer={place}"
    print_line("use", words, width=6)
