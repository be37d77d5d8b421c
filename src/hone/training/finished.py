"""A finished run, read back: its config is checked like any other, its task bound, its model loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from transformers import PretrainedConfig

from hone.config.build import build
from hone.config.check import check_node
from hone.config.settings import EvaluateSettings
from hone.core.errors import UserError, damaged, join_names, one_line
from hone.core.paths import relative_to_cwd
from hone.core.task import Columns, Facts, Task
from hone.core.trust import needs_remote_code, remote_code_allowed
from hone.core.value_types import Precision, Split
from hone.data.batching import Random
from hone.data.encoded import encode
from hone.data.module import DataModule
from hone.data.rows import Rows, load_rows
from hone.data.source import Source
from hone.models.heads import pooled
from hone.models.processors import read_pretrained
from hone.runs.address import is_address
from hone.runs.folder import Folder
from hone.runs.manifest import Manifest, require_intact
from hone.runs.reading import read_yaml
from hone.runs.record import Record, find_run
from hone.training.evaluation import predict, predictor
from hone.training.fabric import make_fabric
from hone.training.precision import resolve_precision


@final
@dataclass(frozen=True)
class FinishedRun:
    """What a finished run stored, as objects."""

    folder: Folder
    record: Record
    config: dict[str, Any]
    source: Source
    task: Task
    network: Any


def require_model(path: str, verify: bool) -> tuple[Folder, Record, Manifest | None]:
    """Return the folder, the record and the manifest of a run that has a model. `verify` refuses damaged files."""
    folder = Folder(_local(path))
    record = Record.load(folder.record)
    if not folder.model.is_dir():
        state = f"it is {record['state']}" + (f": {record['reason']}" if record["reason"] else "")
        raise UserError(f"run={path}: the run has no model, {state}. Continue it with hone train resume={path}")
    if not verify:
        return folder, record, None
    places = ("config.yaml", "facts.json", "model")
    if is_address(path):
        return folder, record, require_intact(folder, *places, remedy=f"Delete {folder.path}: it is downloaded again.")
    return folder, record, require_intact(folder, *places)


def _local(place: str) -> Path:
    """Return the run's folder; one whose model is in W&B is downloaded first, unless the cache has it."""
    if not is_address(place):
        return find_run(place)
    from hone.tracking.wandb.models import download_model_run  # only this case needs W&B's client and its server

    return download_model_run(place)


def beside(run: str, folder: Folder, name: str) -> Path:
    """Return where results about a run go: into its folder, or below the current folder if the run was downloaded."""
    return Path(name, folder.path.parent.name) if is_address(run) else folder.path / name


def may_run_code(config: Mapping[str, Any], allowed: bool = False) -> bool:
    """Return whether the code beside a run's model may run: its training was allowed to run it, and so is this command,
    by the environment or because the user has just typed it."""
    checkpoint = config.get("checkpoint")
    trained_with_it = isinstance(checkpoint, Mapping) and checkpoint.get("trust_remote_code") is True
    return trained_with_it and (allowed or remote_code_allowed())


def bind_task(folder: Folder, node: Mapping[str, Any], trust: Iterable[str], code: bool) -> Task:
    """Build the task of a run and bind it to the processor and the facts stored with its model.

    `code` says whether the processor's own code may run."""
    task: Task = build(node, Task, "task", trust)
    facts = Facts.load(folder.facts)
    ready = task.bind(_load_pretrained(folder, task.auto_processor, code), facts)
    network_config = _load(folder, lambda: PretrainedConfig.get_config_dict(folder.model)[0])
    ready.read_config(_load(folder, lambda: PretrainedConfig.from_dict(network_config)))
    return ready


def _load_pretrained(folder: Folder, auto_class: str, code: bool) -> Any:
    """Load a processor or a network, and code beside it only if that may run. hone's own heads are known without
    theirs."""
    pooled.register_models()
    return _load(folder, lambda: read_pretrained(auto_class, folder.model, trust_remote_code=code))


def _load(folder: Folder, load: Callable[[], Any]) -> Any:
    """Have transformers read a file of the model."""
    try:
        return load()
    except Exception as error:  # what goes wrong depends on the bytes
        if needs_remote_code(error):
            raise UserError(
                f"{relative_to_cwd(folder.model)}: this model comes with code of its own, as its checkpoint did. It "
                f"runs only if you allow it, and its training did: set HONE_TRUST_REMOTE_CODE=1."
            ) from error
        raise damaged(relative_to_cwd(folder.model), one_line(error)) from error


def load_finished_run(
    path: str,
    trust: Iterable[str],
    options: Mapping[str, Any] | None = None,
    verify: bool = True,
    remote_code: bool = False,
) -> FinishedRun:
    """Read a run back, perhaps with other options of its task. Its config is trusted no more than any other.

    `remote_code` says whether the user has just allowed the code of its checkpoint."""
    folder, record, _ = require_model(path, verify)
    config = read_yaml(folder.config, ("dataset", "task", "limit", "batch_size"))
    config["task"] |= options or {}
    nodes = {name: check_node(config[name], name, trust) for name in ("dataset", "task")}
    code = may_run_code(config, remote_code)
    task = bind_task(folder, nodes["task"], trust, code)
    network = _load_pretrained(folder, task.auto_model, code)
    source: Source = build(nodes["dataset"], Source, "dataset", trust)
    return FinishedRun(folder, record, config, source, task, network)


def rows_of(run: FinishedRun, split: Split, limit: int | Literal["all"] | None = None) -> Rows:
    """Return the rows of a split, as many as the run had unless `limit` says otherwise."""
    limit = run.config["limit"] if limit is None else limit
    rows = load_rows(run.source, run.task, None if limit == "all" else limit, run.task.facts)
    return choose_split(rows, split, run.source)


def choose_split(rows: Rows, split: Split, source: Source) -> Rows:
    """Return one split of the rows. Raise UserError where there is no such split."""
    if split not in rows.splits:
        raise UserError(f"split={split}: {source.name} has {join_names(rows.splits)}; choose one with split=….")
    return Rows({split: rows.splits[split]}, rows.facts)


def records_of(run: FinishedRun, rows: Rows, settings: EvaluateSettings) -> Columns:
    """Return what the run predicts for these rows."""
    precision = settings.precision or run.record["precision"]
    batch_size = settings.batch_size or 2 * run.config["batch_size"]
    return predict_split(run.task, run.network, run.source, rows, settings, precision, batch_size)


def predict_split(
    task: Task, network: Any, source: Source, rows: Rows, settings: EvaluateSettings, precision: Precision,
    batch_size: int,
) -> Columns:  # fmt: skip
    """Return the records of the split that the settings name."""
    fabric = make_fabric(settings.accelerator, resolve_precision(precision, settings.accelerator, network))
    _, encoded = encode(rows, task, source)
    data = DataModule(encoded, task, Random(), batch_size, skips_bad_rows=source.on_bad_row == "skip")
    return predict(fabric, predictor(fabric, network, task), data, settings.split)
