"""A task and a network that was trained for it: those of a run, or of a checkpoint from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from hone.commands.predict.zero_shot import ZeroShot
from hone.config.build import build
from hone.core.errors import UserError, join_names
from hone.core.task import Predictive, Task
from hone.core.value_types import Precision
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import auto_classes
from hone.models.head import network_config
from hone.tasks.targets.kinds import facts_from_config
from hone.training import finished


@final
@dataclass(frozen=True)
class Model:
    """Ready to predict."""

    task: Predictive
    network: Any
    precision: Precision
    learned_from: tuple[str, ...] = ()
    """The roles that it can do without, and was trained with."""


@final
@dataclass(frozen=True)
class Elsewhere:
    """A checkpoint that no run of ours made, and what it was trained for; nothing where a run is given."""

    checkpoint: Checkpoint | None = None
    task: Task | None = None


def of_run(run: str, options: Mapping[str, Any], trust: Iterable[str]) -> Model:
    """The best weights of a finished run, with some of its task's options changed."""
    found = finished.load_finished_run(run, trust, options)
    found.task.configure_generation(found.network)
    learned_from = tuple(role for role in found.task.optional_roles if found.source.columns.get(role))
    return Model(found.task, found.network, found.record["precision"], learned_from)


def of_checkpoint(parts: Mapping[str, Any], trust: Iterable[str]) -> Model:
    """Weights that were trained elsewhere, head and all."""
    checkpoint: Checkpoint = build(parts["checkpoint"], Checkpoint, "checkpoint", trust)
    task: Task = build(parts["task"], Task, "task", trust)
    config = checkpoint.config({})
    _require_head(checkpoint, task, config)
    facts = task.facts_from_config(config)
    equipped = task.bind(checkpoint.processor(task.auto_processor, facts), facts)
    equipped.read_config(config)
    network = checkpoint.network(task.auto_model, network_config(checkpoint, equipped))
    equipped.configure_generation(network)
    return Model(equipped, network.eval(), "auto")


def of_entailment(run: str | None, parts: Mapping[str, Any], zero_shot: ZeroShot, trust: Iterable[str]) -> Model:
    """A classifier of text pairs, of a run or from elsewhere, that is asked whether candidate labels follow."""
    if run is not None:
        found = finished.load_finished_run(run, trust)
        zero_shot.bind(found.task.processor, found.network.config)
        return Model(zero_shot, found.network, found.record["precision"])
    checkpoint: Checkpoint = build(parts["checkpoint"], Checkpoint, "checkpoint", trust)
    config = checkpoint.config({})
    _require_head(checkpoint, zero_shot, config)
    zero_shot.bind(checkpoint.processor(zero_shot.auto_processor, facts_from_config(config)), config)
    return Model(zero_shot, checkpoint.network(zero_shot.auto_model, config).eval(), "auto")


def _require_head(checkpoint: Checkpoint, task: Predictive, config: Any) -> None:
    """A head that was never trained would answer at random."""
    fits = {cls.__name__ for cls in auto_classes(task.auto_model, config)}
    if not fits:
        raise UserError(f"checkpoint: transformers has no {task.auto_model} for a {config.model_type} checkpoint.")
    trained = set(config.architectures or ())
    for_both = {name for name in trained if name.endswith("ForPreTraining")} if "MaskedLM" in task.auto_model else set()
    if task.auto_model != "AutoModel" and not trained & fits and not for_both:
        raise UserError(
            f"checkpoint: {checkpoint.name} was trained as {join_names(sorted(trained))}, and its {min(fits)} would have a "
            f"random head. Train it first (hone train) and say run=DIR, or choose a checkpoint that has this head."
        )
