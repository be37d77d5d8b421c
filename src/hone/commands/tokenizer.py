"""`hone tokenizer`: trains a sub-word tokenizer on the training rows, for networks that begin from scratch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from datasets import Dataset, List
from rich.console import Console
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from hone.config import build
from hone.config.job import Invocation
from hone.config.settings import Tokenizer as Settings
from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.log import capture_log, quieten_libraries
from hone.core.paths import relative_to_cwd
from hone.core.task import Task
from hone.data.rows import load_rows
from hone.data.source import Source
from hone.runs.folder import require_writable

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


def train_tokenizer(settings: Settings, texts: Iterable[str]) -> Any:
    """A tokenizer that transformers saves and loads."""
    special = _SPECIAL[settings.special]
    least = len(special) + (256 if settings.algorithm == "bpe" else 0)
    if settings.vocab_size < least:
        raise UserError(f"vocab_size={settings.vocab_size}: {least} are taken before any learning; give some more.")
    blank, trainer = {"bpe": _bpe, "wordpiece": _wordpiece, "unigram": _unigram}[settings.algorithm](settings, special)
    blank.train_from_iterator(texts, trainer)
    numbers = [(token, blank.token_to_id(token)) for token in special.values()]
    blank.post_processor = TemplateProcessing(*_FRAME[settings.special], numbers)
    names: dict[str, Any] = {f"{role}_token": token for role, token in special.items()}
    reads: Any = {"model_input_names": ["input_ids", "attention_mask"]}
    return PreTrainedTokenizerFast(tokenizer_object=blank, **names, **reads)


def _bpe(settings: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """On bytes, as GPT-2's: every text can be spelt, and comes back as it was."""
    blank = Tokenizer(models.BPE())
    if settings.lowercase:
        blank.normalizer = normalizers.Lowercase()
    blank.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    blank.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size, min_frequency=settings.min_frequency, special_tokens=list(special.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
    )  # fmt: skip
    return blank, trainer


def _wordpiece(settings: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """Words and their continuations, as BERT's."""
    blank = Tokenizer(models.WordPiece(unk_token=special["unk"]))
    blank.normalizer = normalizers.BertNormalizer(lowercase=settings.lowercase, strip_accents=False)
    blank.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    blank.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=settings.vocab_size, min_frequency=settings.min_frequency, special_tokens=list(special.values()),
        show_progress=False,
    )  # fmt: skip
    return blank, trainer


def _unigram(settings: Settings, special: dict[str, str]) -> tuple[Tokenizer, Any]:
    """The likeliest way to cut a text up, as SentencePiece's."""
    blank = Tokenizer(models.Unigram())
    steps = [normalizers.NFKC(), *([normalizers.Lowercase()] if settings.lowercase else [])]
    blank.normalizer = normalizers.Sequence(steps)
    blank.pre_tokenizer = pre_tokenizers.Metaspace()
    blank.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=settings.vocab_size,
        special_tokens=list(special.values()),
        unk_token=special["unk"],
        show_progress=False,
    )
    return blank, trainer


_LABELS = {"label", "labels", "tags"}
"""Roles that may hold text which is no language."""


@final
@dataclass(frozen=True)
class TokenizerParts:
    """The sections of `conf/tokenizer.yaml`."""

    dataset: Source
    task: Task


def main(settings: Settings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Reads the rows, trains, stores a folder and says how to use it."""
    quieten_libraries()
    with capture_log():
        made = build.build_parts(TokenizerParts, parts, settings.trust)
        folder = _folder(settings, made.dataset)
        rows = load_rows(made.dataset, made.task, settings.limit).splits["train"]
        roles = _roles(settings, rows)
        tokenizer = train_tokenizer(settings, _texts(rows, roles))
        _store(tokenizer, folder)
        _tell(settings, tokenizer, folder, rows, roles)


def _folder(settings: Settings, source: Source) -> Path:
    name = f"{source.name.replace('/', '-')}-{settings.algorithm}-{settings.vocab_size}"
    folder = Path(settings.output or f"tokenizers/{name}").expanduser()
    if folder.exists() and not settings.overwrite:
        raise UserError(f"output={folder}: exists already; say overwrite=true to replace it, or another output=….")
    if folder.is_file():
        raise UserError(f"output={folder}: is a file, not a folder.")
    require_writable(folder.parent)
    return folder


def _roles(settings: Settings, rows: Dataset) -> list[str]:
    """The columns to learn from."""
    there = [name for name, feature in rows.features.items() if _is_text(feature)]
    if settings.roles is None:
        found = [name for name in there if name not in _LABELS]
        if not found:
            raise UserError(f"roles=null: no column holds text; there are {join_names(rows.column_names)}.")
        return found
    for role in settings.roles:
        if role not in there:
            raise UserError(
                f"roles: no column {role!r} that holds text.{did_you_mean(role, there)} There are {join_names(there)}."
            )
    return settings.roles


def _is_text(feature: Any) -> bool:
    inner = feature.feature if isinstance(feature, List) else feature
    return getattr(inner, "dtype", None) in ("string", "large_string")


def _texts(rows: Dataset, roles: list[str]) -> Iterator[str]:
    for batch in rows.select_columns(roles).iter(1000):
        for role in roles:
            for value in batch[role]:
                yield value if isinstance(value, str) else " ".join(value or ())


def _store(tokenizer: Any, folder: Path) -> None:
    """A folder that appears whole or not at all."""
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    tokenizer.save_pretrained(draft)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)


def _tell(settings: Settings, tokenizer: Any, folder: Path, rows: Dataset, roles: list[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    texts = [text for text, _ in zip(_texts(rows, roles), range(1000), strict=False)]
    tokens = sum(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    console.print(
        f"[bold]stored[/bold]  {relative_to_cwd(folder)}  ({len(tokenizer):,} tokens of {size / max(tokens, 1):.2f} bytes)"
    )
    if settings.algorithm != "bpe":
        console.print(f"[bold]note[/bold]    {settings.algorithm} finds another vocabulary each time: keep this folder")
    kind = {"encoder": "bert", "decoder": "llama", "seq2seq": "t5"}[settings.special]
    console.print(
        f"[bold]use[/bold]     checkpoint=scratch checkpoint.architecture={kind} checkpoint.tokenizer={relative_to_cwd(folder)}"
    )
