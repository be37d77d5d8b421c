"""`hone tokenizer`: trains a sub-word tokenizer on the training rows, for networks that begin from scratch."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from datasets import Dataset, List
from rich.console import Console

from hone.config import build
from hone.config.job import Invocation
from hone.config.settings import Tokenizer
from hone.core.errors import UserError, listed, nearest
from hone.core.log import logged, quieten_libraries
from hone.core.paths import shown
from hone.core.task import Task
from hone.data.rows import prepare
from hone.data.source import Source
from hone.runs.folder import require_writable
from hone.subwords import train

_LABELS = {"label", "labels", "tags"}
"""Roles that may hold text which is no language."""


@final
@dataclass(frozen=True)
class TokenizerParts:
    """The sections of `conf/tokenizer.yaml`."""

    dataset: Source
    task: Task


def main(settings: Tokenizer, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Reads the rows, trains, stores a folder and says how to use it."""
    quieten_libraries()
    with logged():
        made = build.made(TokenizerParts, parts, settings.trust)
        folder = _folder(settings, made.dataset)
        rows = prepare(made.dataset, made.task, settings.limit).splits["train"]
        roles = _roles(settings, rows)
        tokenizer = train(settings, _texts(rows, roles))
        _store(tokenizer, folder)
        _tell(settings, tokenizer, folder, rows, roles)


def _folder(settings: Tokenizer, source: Source) -> Path:
    name = f"{source.name.replace('/', '-')}-{settings.algorithm}-{settings.vocab_size}"
    folder = Path(settings.output or f"tokenizers/{name}").expanduser()
    if folder.exists() and not settings.overwrite:
        raise UserError(f"output={folder}: exists already; say overwrite=true to replace it, or another output=….")
    if folder.is_file():
        raise UserError(f"output={folder}: is a file, not a folder.")
    require_writable(folder.parent)
    return folder


def _roles(settings: Tokenizer, rows: Dataset) -> list[str]:
    """The columns to learn from."""
    there = [name for name, feature in rows.features.items() if _is_text(feature)]
    if settings.roles is None:
        found = [name for name in there if name not in _LABELS]
        if not found:
            raise UserError(f"roles=null: no column holds text; there are {listed(rows.column_names)}.")
        return found
    for role in settings.roles:
        if role not in there:
            raise UserError(
                f"roles: no column {role!r} that holds text.{nearest(role, there)} There are {listed(there)}."
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


def _tell(settings: Tokenizer, tokenizer: Any, folder: Path, rows: Dataset, roles: list[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    texts = [text for text, _ in zip(_texts(rows, roles), range(1000), strict=False)]
    tokens = sum(map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]))
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    console.print(
        f"[bold]stored[/bold]  {shown(folder)}  ({len(tokenizer):,} tokens of {size / max(tokens, 1):.2f} bytes)"
    )
    if settings.algorithm != "bpe":
        console.print(f"[bold]note[/bold]    {settings.algorithm} finds another vocabulary each time: keep this folder")
    kind = {"encoder": "bert", "decoder": "llama", "seq2seq": "t5"}[settings.special]
    console.print(
        f"[bold]use[/bold]     checkpoint=scratch checkpoint.architecture={kind} checkpoint.tokenizer={shown(folder)}"
    )
