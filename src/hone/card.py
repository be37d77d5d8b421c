"""The model card of a run: how to use the model, how good it is, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from hone.results import flat
from hone.runs.folder import Folder
from hone.runs.record import Record


def model_card(folder: Folder, record: Record, config: Mapping[str, Any], pipeline: str) -> str:
    """A README with the hub's metadata in front."""
    model = json.loads((folder.model / "config.json").read_text(encoding="utf-8"))
    name = f"{record['group']}-{record['identity']}".replace("/", "-")
    public = _without_local_paths(config)
    sections = [
        f"---\n{_metadata(name, record, public, pipeline).to_yaml()}\n---",
        f"# {name}",
        f"`{record['checkpoint']['name']}` fine-tuned on `{record['data']['name']}` with hone.",
        _usage(pipeline, own_code="auto_map" in model),
        "## Scores\n\n" + _scores(record),
        "## Data\n\n" + _data(record, model),
        "## Training\n\n" + _training(record, public),
        "## Provenance\n\n" + _provenance(record),
    ]
    return "\n\n".join(sections) + "\n"


def _metadata(name: str, record: Record, public: Mapping[str, Any], pipeline: str) -> ModelCardData:
    data = record["data"]["name"]
    results = [
        EvalResult(pipeline, data, data, metric, value, dataset_split=split)
        for split in ("validation", "test")
        for metric, value in flat(record["scores"], split).items()
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


_WRITES = ("translation", "summarization")
"""transformers has no pipelines for these any more."""


def _usage(pipeline: str, own_code: bool) -> str:
    if pipeline in _WRITES:
        return (
            "```python\nfrom transformers import AutoModelForSeq2SeqLM, AutoTokenizer\n\n"
            'tokenizer = AutoTokenizer.from_pretrained("this/folder")\n'
            'model = AutoModelForSeq2SeqLM.from_pretrained("this/folder")\n'
            'read = tokenizer(["a text"], return_tensors="pt")\n'
            "print(tokenizer.batch_decode(model.generate(**read), skip_special_tokens=True))\n```"
        )
    trust = ", trust_remote_code=True" if own_code else ""
    why = "\nIts head is not one of transformers' own: the code lies beside the weights.\n" if own_code else ""
    return (
        "```python\nfrom transformers import pipeline\n\n"
        f'predict = pipeline("{pipeline}", model="this/folder"{trust})\n```\n{why}'
    ).rstrip()


def _scores(record: Record) -> str:
    lines = ["| metric | split | model | baseline |", "|---|---|---|---|"]
    for key, value in record["scores"].items():
        split, _, metric = key.partition("/")
        baseline = record["baseline"].get(key)
        lines.append(f"| {metric} | {split} | {value:.4f} | {'–' if baseline is None else f'{baseline:.4f}'} |")
    best = record["best"]
    chosen = f"The weights are those of step {best['step']} of {record['steps']}, chosen by {best['metric']}."
    blind = "The baseline knows how often each label occurs in the training rows and nothing else."
    return "\n".join([*lines, "", blind, chosen])


def _data(record: Record, model: Mapping[str, Any]) -> str:
    data = record["data"]
    rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
    labels = ", ".join(str(name) for name in model.get("id2label", {}).values())
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
    """The config without the folders of the machine it ran on, for they mean nothing elsewhere."""

    def public(value: Any) -> Any:
        if isinstance(value, Mapping):
            kept = {key: public(item) for key, item in value.items()}
            return {key: item for key, item in kept.items() if item is not _LOCAL}
        return _LOCAL if isinstance(value, str) and Path(value).is_absolute() else value

    return {
        key: public(value) for key, value in config.items() if key not in ("output_root", "tracker", "resume", "notes")
    }


_LOCAL = object()
