"""A model that lies in W&B as an artifact, fetched once into the cache: a folder like that of the run it is of."""

from __future__ import annotations

import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from hone.errors import UserError
from hone.runs.folder import Folder
from hone.tracking.access import asking
from hone.tracking.address import Address
from hone.tracking.artifacts import ABOUT

_EXPECTED = "/name:alias, such as wandb:me/hone/model-1a2b3c4d:best"


@cache
def fetched(text: str) -> Folder:
    """Its `model` is what transformers loads; a version is fetched once, and needs no server after that."""
    address = Address.read(text, _EXPECTED)
    name, _, alias = address.rest.partition(":")
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
        raise UserError(f"{text}: expected wandb:entity/project{_EXPECTED}.")
    alias = alias or "best"
    kept = sorted(address.cache.glob(f"{name}/{alias}-*")) if re.fullmatch(r"v\d+", alias) else []
    if kept:
        return Folder(kept[0])
    with asking(text) as api:
        artifact = api.artifact(f"{address.path}/{name}:{alias}")
        place = address.cache / name / f"{artifact.version}-{artifact.digest[:8]}"
        if not place.is_dir():
            _fetch(artifact, place, text)
    return Folder(place)


def fetched_run(text: str) -> Path:
    """The same, of an artifact that says which run it is of."""
    folder = fetched(text)
    if not folder.record.is_file():
        raise UserError(
            f"{text}: no run of hone is told with this model, so that nobody knows its task; to predict with it, say "
            f"checkpoint=hub checkpoint.path={text} task=…"
        )
    return folder.path


def _fetch(artifact: Any, place: Path, text: str) -> None:
    """Whole and as it was sent, or not at all."""
    elsewhere = [path for path, entry in artifact.manifest.entries.items() if entry.ref is not None]
    if elsewhere:
        raise UserError(f"{text}: this artifact holds no files, but names some elsewhere ({elsewhere[0]}).")
    draft = place.with_name(f".{place.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    model = draft / "model"
    artifact.download(root=str(model), skip_cache=True)
    artifact.verify(root=str(model))
    about = model / ABOUT
    for paper in about.glob("*"):
        paper.rename(draft / paper.name)
    shutil.rmtree(about, ignore_errors=True)
    try:
        draft.rename(place)
    except OSError:  # another process was quicker
        shutil.rmtree(draft)
