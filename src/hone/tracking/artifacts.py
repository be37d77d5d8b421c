"""A run's artifacts: the data that it uses, as a reference, and the model that it makes, as files."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hone.runs.folder import Folder

ABOUT = "run"
"""The folder of a model's artifact that says which run it is of."""
_COPY = "copy-of-"
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def use_data(run: Any, data: Mapping[str, Any]) -> None:
    """Tells W&B which data the run uses; the same data are the same version, and no row of them is sent."""
    import wandb

    name = _proper(f"data-{data['name']}")
    artifact = wandb.Artifact(name, type="dataset", metadata=dict(data))
    artifact.add_reference(f"hone://{name}/{data['fingerprint']}", name=name, checksum=False)
    # The public `use_artifact` waits for the server, and refuses offline.
    run._log_artifact(artifact, is_user_created=True, use_after_commit=True)


def log_model(run: Any, folder: Folder, place: Folder, about: Mapping[str, Any]) -> None:
    """Sends a model of a run, as transformers loads it, and beside it what says which run it is of. It is the best
    until the next one comes; which step's it is is a name of its own, but of the last, which is the best of all."""
    import wandb

    artifact = wandb.Artifact(model_name(run.id), type="model", metadata=dict(about))
    # Immutable: nothing changes these files any more, so that no copies need to be kept for a later sync.
    artifact.add_dir(str(place.model), policy="immutable", skip_cache=True)
    for paper in _papers(folder, place):
        name = f"{ABOUT}/{paper.name.removeprefix(_COPY)}"
        artifact.add_file(str(paper), name=name, policy="immutable", skip_cache=True)
    run.log_artifact(artifact, aliases=["best", "latest", *([place.path.name] if place != folder else [])])


def model_name(identity: str) -> str:
    """Of the artifact of a run's model."""
    return f"model-{identity}"


def about_model(folder: Folder) -> dict[str, Any]:
    """What W&B shows of the best model of a run at this moment."""
    record = json.loads(folder.record.read_text(encoding="utf-8"))
    config = yaml.load(folder.config.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe one)
    return {
        "run": record["id"], "identity": record["identity"], "group": record["group"],
        "task": str(config["task"]["_target_"]).rpartition(".")[2], "best": record["best"],
        "scores": record["scores"], "baseline": record["baseline"], "checkpoint": record["checkpoint"],
        "data": record["data"], "parameters": record["parameters"],
    }  # fmt: skip


def _papers(folder: Folder, model: Folder) -> list[Path]:
    """Copies, for the run's own record may still be written to; under names that make no second run of them."""
    place = folder.path / "artifact" if model == folder else model.path
    place.mkdir(exist_ok=True)
    papers = (folder.record, folder.config, folder.facts)
    return [Path(shutil.copyfile(paper, place / f"{_COPY}{paper.name}")) for paper in papers]


def _proper(name: str) -> str:
    """Of the characters that W&B allows."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII)[:120]
