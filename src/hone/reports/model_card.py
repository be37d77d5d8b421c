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

from hone.core.foreign_text import as_code, as_code_block, for_markdown
from hone.core.task import Task
from hone.core.wording import as_typed
from hone.runs.folder import Folder
from hone.runs.record import Record, scores_of_split

_HERE = "this/folder"
_LEFT_OUT = ("output_root", "tracker", "resume", "notes", "sweep")
"""Sections of the config that mean nothing to whoever uses the model."""
_LOCAL = object()
"""Marks a path of this machine, which the card leaves out."""


def model_card(folder: Folder, record: Record, config: Mapping[str, Any], task: Task) -> str:
    """Write the card: a README that begins with the metadata of the Hugging Face Hub."""
    model = json.loads((folder.model / "config.json").read_text(encoding="utf-8"))
    name = f"{record['group']}-{record['identity']}".replace("/", "-")
    public = _without_local_paths(config)
    sections = [
        f"---\n{_metadata(name, record, public, task.pipeline).to_yaml()}\n---",
        f"# {for_markdown(name)}",
        f"{as_code(record['checkpoint']['name'])} {_verb(config)} on {as_code(record['data']['name'])} with hone.",
        _usage(task, own_code="auto_map" in model),
        "## Scores\n\n" + _scores(record),
        "## Data\n\n" + _data(record, task.facts.labels),
        "## Training\n\n" + _training(record, public),
        "## Provenance\n\n" + _provenance(record),
    ]
    return "\n\n".join(sections) + "\n"


def _verb(config: Mapping[str, Any]) -> str:
    """A model that began with random weights was trained, not fine-tuned."""
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
    python = as_code_block(task.example(f'"{_HERE}"{trust}'), "python")
    if own_code:
        return f"{python}\nThe head is not part of transformers: its code is in this folder, beside the weights."
    if not type(task).__module__.startswith("hone.tasks."):
        return python
    return f"{python}\n\nor, for files of rows as well,\n\n{as_code_block(_command(task), 'sh')}"


def _command(task: Task) -> str:
    """Write the `hone predict` command for the model alone. The model does not store the options of its task, so the
    command repeats those that are not at their default."""
    options = [
        f"task.{option.name}={_option_value(getattr(task, option.name))}"
        for option in fields(task)  # type: ignore[arg-type]  # all tasks of hone are dataclasses
        if getattr(task, option.name) != option.default
    ]
    inputs = [
        f"{role}={value if isinstance(value, str) else json.dumps(value)}" for role, value in task.question().items()
    ]
    name = type(task).__module__.rpartition(".")[2]
    output = ["output=predictions.jsonl"] if task.bulky else []  # files are written beside it
    words = [
        "hone",
        "predict",
        "checkpoint=hub",
        f"checkpoint.path={_HERE}",
        f"task={name}",
        *options,
        *inputs,
        *output,
    ]
    return shlex.join(words)


def _option_value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else as_typed(value)


def _scores(record: Record) -> str:
    lines = ["| metric | split | model | baseline |", "|---|---|---|---|"]
    for key, value in record["scores"].items():
        split, _, metric = key.partition("/")
        baseline = record["baseline"].get(key)
        compared = "–" if baseline is None else f"{baseline:.4f}"
        lines.append(f"| {for_markdown(metric)} | {split} | {value:.4f} | {compared} |")
    best = record["best"]
    lines.append("")
    if record["baseline"]:
        lines.append("The baseline is a model that ignores its input.")
    metric = for_markdown(best["metric"])
    lines.append(f"The weights are those of step {best['step']} of {record['steps']}, chosen by {metric}.")
    return "\n".join(lines)


def _data(record: Record, names: Iterable[str]) -> str:
    data = record["data"]
    rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
    labels = ", ".join(map(for_markdown, names))
    text = f"{as_code(data['name'])}: {rows} rows; fingerprint `{data['fingerprint']}`."
    return f"{text}\n\nLabels: {labels}." if labels else text


def _training(record: Record, public: Mapping[str, Any]) -> str:
    parameters = record["parameters"]
    return (
        f"{parameters['total']:,} parameters, {parameters['trainable']:,} of them trainable, "
        f"{record['steps']} steps in {record['seconds']:.0f} s.\n\n"
        + as_code_block(yaml.safe_dump(dict(public), sort_keys=False, allow_unicode=True), "yaml")
    )


def _provenance(record: Record) -> str:
    git, checkpoint = record["git"], record["checkpoint"]
    code = "not in a repository"
    if git["sha"]:
        code = f"`{git['sha']}`" + (" with uncommitted changes" if git["dirty"] else "")
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    hardware = record["hardware"]
    machine = ", ".join([hardware["cpu"] or "unknown CPU", f"{hardware['cores']} cores", *hardware["gpus"]])
    return "\n".join(
        [
            f"- run: {as_code(record['id'])}, started {record['started']}",
            f"- checkpoint: {as_code(checkpoint['name'])}, fingerprint `{checkpoint['fingerprint']}`",
            f"- code: {code}",
            f"- versions: {versions}",
            f"- hardware: {for_markdown(machine)}",
        ]
    )


def _without_local_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config without paths of this machine and without sections that mean nothing elsewhere."""

    def public(value: Any) -> Any:
        if isinstance(value, Mapping):
            kept = {key: public(item) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item is not _LOCAL}
        return _LOCAL if isinstance(value, str) and Path(value).is_absolute() else value

    return {key: public(value) for key, value in config.items() if key not in _LEFT_OUT}
