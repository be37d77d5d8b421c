"""A task and a network that was trained for it: those of a run, or of a checkpoint that no run of hone made."""

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
class PredictParts:
    """The sections of `conf/predict.yaml`: a checkpoint and the task that it was trained for; None where a run is
    given."""

    checkpoint: Checkpoint | None = None
    task: Task | None = None


@final
@dataclass(frozen=True)
class TrainedModel:
    """A task and its network, ready to predict."""

    task: Predictive
    network: Any
    precision: Precision
    learned_roles: tuple[str, ...] = ()
    """The optional roles that the network was trained with."""


def load_run(run: str, options: Mapping[str, Any], trust: Iterable[str], verify: bool) -> TrainedModel:
    """Load the best weights of a finished run; `options` replace some of its task's options."""
    trained = finished.load_finished_run(run, trust, options, verify)
    trained.task.configure_generation(trained.network)
    learned_roles = tuple(role for role in trained.task.optional_roles if trained.source.columns.get(role))
    return TrainedModel(trained.task, trained.network, trained.record["precision"], learned_roles)


def load_checkpoint(parts: Mapping[str, Any], trust: Iterable[str]) -> TrainedModel:
    """Load a checkpoint that already has a trained head for the task."""
    checkpoint: Checkpoint = build(parts["checkpoint"], Checkpoint, "checkpoint", trust)
    task: Task = build(parts["task"], Task, "task", trust)
    config = checkpoint.config({})
    _require_trained_head(checkpoint, task, config)
    facts = task.facts_from_config(config)
    bound_task = task.bind(checkpoint.make_processor(task.auto_processor, facts), facts)
    bound_task.read_config(config)
    network = checkpoint.network(task.auto_model, network_config(checkpoint, bound_task))
    bound_task.configure_generation(network)
    return TrainedModel(bound_task, network.eval(), "auto")


def load_for_zero_shot(
    run: str | None, parts: Mapping[str, Any], zero_shot: ZeroShot, trust: Iterable[str], verify: bool
) -> TrainedModel:
    """Load a classifier of text pairs, of a run or a checkpoint, that tests which candidate labels a text entails."""
    if run is not None:
        trained = finished.load_finished_run(run, trust, verify=verify)
        zero_shot.bind(trained.task.processor, trained.network.config)
        return TrainedModel(zero_shot, trained.network, trained.record["precision"])
    checkpoint: Checkpoint = build(parts["checkpoint"], Checkpoint, "checkpoint", trust)
    config = checkpoint.config({})
    _require_trained_head(checkpoint, zero_shot, config)
    zero_shot.bind(checkpoint.make_processor(zero_shot.auto_processor, facts_from_config(config)), config)
    return TrainedModel(zero_shot, checkpoint.network(zero_shot.auto_model, config).eval(), "auto")


def _require_trained_head(checkpoint: Checkpoint, task: Predictive, config: Any) -> None:
    """Raise UserError for a head that was never trained, as its predictions would be random."""
    fitting = {cls.__name__ for cls in auto_classes(task.auto_model, config)}
    if not fitting:
        raise UserError(f"checkpoint: transformers has no {task.auto_model} for a {config.model_type} checkpoint.")
    if task.auto_model == "AutoModel":  # it has no head
        return
    trained = set(config.architectures or ())
    if "MaskedLM" in task.auto_model and any(name.endswith("ForPreTraining") for name in trained):
        return  # such a network holds the head for masked words beside another one
    if not trained & fitting:
        raise UserError(
            f"checkpoint: {checkpoint.name} was trained as {join_names(sorted(trained))}, and its {min(fitting)} would "
            f"have a random head. Train it first (hone train) and give run=DIR, or choose a checkpoint with this head."
        )
