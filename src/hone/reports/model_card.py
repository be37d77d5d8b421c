"""The model card of a run: how to use the model, how good it is, and where it comes from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from hone.core.task import Task
from hone.core.wording import as_typed
from hone.runs.folder import Folder
from hone.runs.record import Record, scores_of_split

_HERE = "this/folder"
_ASIDE = ("output_root", "tracker", "resume", "notes", "sweep")


def model_card(folder: Folder, record: Record, config: Mapping[str, Any], task: Task) -> str:
    """A README with the hub's metadata in front."""
    model = json.loads((folder.model / "config.json").read_text(encoding="utf-8"))
    name = f"{record['group']}-{record['identity']}".replace("/", "-")
    public = _without_local_paths(config)
    sections = [
        f"---\n{_metadata(name, record, public, task.pipeline).to_yaml()}\n---",
        f"# {name}",
        f"`{record['checkpoint']['name']}` {_taught(config)} on `{record['data']['name']}` with hone.",
        _usage(task, own_code="auto_map" in model),
        "## Scores\n\n" + _scores(record),
        "## Data\n\n" + _data(record, task.facts.labels),
        "## Training\n\n" + _training(record, public),
        "## Provenance\n\n" + _provenance(record),
    ]
    return "\n\n".join(sections) + "\n"


def _taught(config: Mapping[str, Any]) -> str:
    """Random weights are not tuned."""
    return "fine-tuned" if config["checkpoint"].get("weights") == "pretrained" else "trained"


def _metadata(name: str, record: Record, public: Mapping[str, Any], pipeline: str) -> ModelCardData:
    data = record["data"]["name"]
    results = [
        EvalResult(pipeline, data, data, metric, value, dataset_split=split)
        for split in ("validation", "test")
        for metric, value in scores_of_split(record["scores"], split).items()
        if "/" not in metric
    ]
    return ModelCardData(
        model_name=name,
        library_name="transformers",
        pipeline_tag=pipeline,
        tags=["hone"],
        base_model=public["checkpoint"].get("path"),
        datasets=[public["dataset"]["path"]] if public["dataset"].get("path") else None,
        eval_results=results or None,
    )


def _usage(task: Task, own_code: bool) -> str:
    trust = ", trust_remote_code=True" if own_code else ""
    python = "```python\n" + task.example(f'"{_HERE}"{trust}') + "\n```"
    if own_code:
        return f"{python}\nIts head is not one of transformers' own: the code lies beside the weights."
    ours = type(task).__module__.startswith("hone.tasks.")
    return python + (f"\n\nor, with files of rows too,\n\n```sh\n{_command(task)}\n```" if ours else "")


def _command(task: Task) -> str:
    """`hone predict` with the model alone, which knows nothing of the options that its task had."""
    options: Any = [(option.name, getattr(task, option.name), option.default) for option in fields(task)]  # type: ignore[arg-type]  # tasks of ours are dataclasses
    told = [f"task.{name}={_typed(value)}" for name, value, usual in options if value != usual]
    asked = task.question()
    row = [f"{role}={value if isinstance(value, str) else json.dumps(value)}" for role, value in asked.items()]
    name = type(task).__module__.rpartition(".")[2]
    words = ["hone", "predict", "checkpoint=hub", f"checkpoint.path={_HERE}", f"task={name}", *told, *row]
    return shlex.join(words)


def _typed(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else as_typed(value)


def _scores(record: Record) -> str:
    lines = ["| metric | split | model | baseline |", "|---|---|---|---|"]
    for key, value in record["scores"].items():
        split, _, metric = key.partition("/")
        baseline = record["baseline"].get(key)
        lines.append(f"| {metric} | {split} | {value:.4f} | {'–' if baseline is None else f'{baseline:.4f}'} |")
    best = record["best"]
    chosen = f"The weights are those of step {best['step']} of {record['steps']}, chosen by {best['metric']}."
    blind = "The baseline never looks at what it is asked."
    return "\n".join([*lines, "", *([blind] if record["baseline"] else []), chosen])


def _data(record: Record, names: Iterable[str]) -> str:
    data = record["data"]
    rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
    labels = ", ".join(names)
    return f"`{data['name']}`: {rows} rows; fingerprint `{data['fingerprint']}`." + (
        f"\n\nLabels: {labels}." if labels else ""
    )


def _training(record: Record, public: Mapping[str, Any]) -> str:
    parameters = record["parameters"]
    return (
        f"{parameters['total']:,} parameters, {parameters['trainable']:,} of them trained, "
        f"{record['steps']} steps in {record['seconds']:.0f} s.\n\n"
        f"```yaml\n{yaml.safe_dump(dict(public), sort_keys=False, allow_unicode=True)}```"
    )


def _provenance(record: Record) -> str:
    git, checkpoint = record["git"], record["checkpoint"]
    code = (
        f"`{git['sha']}`" + (" with uncommitted changes" if git["dirty"] else "")
        if git["sha"]
        else "not in a repository"
    )
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    hardware = record["hardware"]
    machine = ", ".join([hardware["cpu"] or "unknown CPU", f"{hardware['cores']} cores", *hardware["gpus"]])
    return "\n".join(
        [
            f"- run: `{record['id']}`, started {record['started']}",
            f"- checkpoint: `{checkpoint['name']}`, fingerprint `{checkpoint['fingerprint']}`",
            f"- code: {code}",
            f"- versions: {versions}",
            f"- hardware: {machine}",
        ]
    )


def _without_local_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config without the folders of the machine it ran on and what else means nothing to this model elsewhere."""

    def public(value: Any) -> Any:
        if isinstance(value, Mapping):
            kept = {key: public(item) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item is not _LOCAL}
        return _LOCAL if isinstance(value, str) and Path(value).is_absolute() else value

    return {key: public(value) for key, value in config.items() if key not in _ASIDE}


_LOCAL = object()
