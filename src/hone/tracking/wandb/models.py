"""Data sets and models as W&B artifacts: they are sent with the run that uses or makes them, and models downloaded."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hone.core.errors import UserError
from hone.runs.address import ModelAddress
from hone.runs.folder import Folder
from hone.runs.reading import read_yaml
from hone.runs.record import Record
from hone.tracking.wandb.client import wandb_api
from hone.tracking.wandb.workarounds import use_artifact

_ABOUT = "run"
"""The folder in a model's artifact that describes the run which made it."""
_COPY = "copy-of-"


def use_data(run: Any, data: Mapping[str, Any]) -> None:
    """Record which data the run uses. The same data are the same version, and none of their rows is sent."""
    import wandb

    name = _allowed(f"data-{data['name']}")
    artifact = wandb.Artifact(name, type="dataset", metadata=dict(data))
    artifact.add_reference(f"hone://{name}/{data['fingerprint']}", name=name, checksum=False)
    use_artifact(run, artifact)


def log_model(run: Any, folder: Folder, place: Folder, about: Mapping[str, Any]) -> None:
    """Send a model of a run, as transformers loads it, and beside it a description of the run.

    It has the alias `best` until a better one comes. A model from the middle of a run also has the name of its step;
    the one that the run ends with is the best of all and has none."""
    import wandb

    artifact = wandb.Artifact(model_name(run.id), type="model", metadata=dict(about))
    # Immutable: nothing changes these files any more, so no copies have to be kept for a later sync.
    artifact.add_dir(str(place.model), policy="immutable", skip_cache=True)
    for copy in _copies(folder, place):
        name = f"{_ABOUT}/{copy.name.removeprefix(_COPY)}"
        artifact.add_file(str(copy), name=name, policy="immutable", skip_cache=True)
    run.log_artifact(artifact, aliases=["best", "latest", *([place.path.name] if place != folder else [])])


def model_name(identity: str) -> str:
    """Return the name of the artifact that holds a run's model."""
    return f"model-{identity}"


def about_model(folder: Folder) -> dict[str, Any]:
    """Describe a run's best model at this moment, for W&B's page of it."""
    record, config = Record.load(folder.record), read_yaml(folder.config, ("task",))
    return {
        "run": record["id"], "identity": record["identity"], "group": record["group"],
        "task": str(config["task"]["_target_"]).rpartition(".")[2], "best": record["best"],
        "scores": record["scores"], "baseline": record["baseline"], "checkpoint": record["checkpoint"],
        "data": record["data"], "parameters": record["parameters"],
    }  # fmt: skip


@cache
def download_model(text: str) -> Folder:
    """Return the folder of a model in W&B, downloaded once; its `model` is what transformers loads. A version that is
    in the cache needs no server."""
    address = ModelAddress.read(text)
    name, alias, project = address.name, address.alias, address.project
    # Only a version (v3) never changes its content; another alias (best) may mean another version by now.
    cached = sorted(project.cache.glob(f"{name}/{alias}-*")) if re.fullmatch(r"v\d+", alias) else []
    if cached:
        return Folder(cached[0])
    with wandb_api(text) as api:
        artifact = api.artifact(f"{project.path}/{name}:{alias}")
        place = project.cache / name / f"{artifact.version}-{artifact.digest[:8]}"
        if not place.is_dir():
            _fetch(artifact, place, text)
    return Folder(place)


def download_model_run(text: str) -> Path:
    """Download a model, and return its folder as that of the run that made it, which the artifact must describe."""
    folder = download_model(text)
    if not folder.record.is_file():
        raise UserError(
            f"{text}: this model does not say which run of hone made it, so its task is unknown; to predict with it, "
            f"use checkpoint=hub checkpoint.path={text} task=…"
        )
    return folder.path


def _fetch(artifact: Any, place: Path, text: str) -> None:
    """Download an artifact whole and verified, or not at all."""
    elsewhere = [path for path, entry in artifact.manifest.entries.items() if entry.ref is not None]
    if elsewhere:
        raise UserError(f"{text}: this artifact holds references to files elsewhere ({elsewhere[0]}), not files.")
    draft = place.with_name(f".{place.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    model = draft / "model"
    artifact.download(root=str(model), skip_cache=True)
    artifact.verify(root=str(model))
    about = model / _ABOUT
    for file in about.glob("*"):
        file.rename(draft / file.name)
    shutil.rmtree(about, ignore_errors=True)
    try:
        draft.rename(place)
    except OSError:  # another process was quicker
        shutil.rmtree(draft)


def _copies(folder: Folder, model: Folder) -> list[Path]:
    """Copy the run's description, since the run may still write to it; no name makes the copies look like a run."""
    place = folder.path / "artifact" if model == folder else model.path
    place.mkdir(exist_ok=True)
    files = [file for file in (folder.record, folder.config, folder.facts, model.manifest) if file.is_file()]
    return [Path(shutil.copyfile(file, place / f"{_COPY}{file.name}")) for file in files]


def _allowed(name: str) -> str:
    """Replace characters that W&B does not allow in names."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)[:120]
