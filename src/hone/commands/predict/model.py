"""A task and a network that was trained for it: those of a run, or of a checkpoint that no run of hone made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

from hone.commands.predict.zero_shot import ZeroShot, require_candidates
from hone.config.build import build
from hone.config.settings import PredictSettings
from hone.core.errors import UserError, join_names
from hone.core.task import Facts, Predictive, Task
from hone.core.value_types import Precision
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import auto_classes
from hone.models.head import network_config
from hone.tasks.multimodal.zero_shot_image_classification import ZeroShotImageClassification, candidate_facts
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
    checkpoint, task = build_parts(parts, trust)
    return TrainedModel(*bind_checkpoint(checkpoint, task, task.facts_from_config(checkpoint.config({}))), "auto")


def build_parts(parts: Mapping[str, Any], trust: Iterable[str]) -> tuple[Checkpoint, Task]:
    """Return a checkpoint and its task. Raise UserError where the checkpoint has no trained head for the task."""
    checkpoint: Checkpoint = build(parts["checkpoint"], Checkpoint, "checkpoint", trust)
    task: Task = build(parts["task"], Task, "task", trust)
    _require_trained_head(checkpoint, task, checkpoint.config({}))
    return checkpoint, task


def bind_checkpoint(checkpoint: Checkpoint, task: Task, facts: Facts) -> tuple[Task, Any]:
    """Return the task, bound to a checkpoint's processor and these facts, and the network."""
    bound_task = task.bind(checkpoint.make_processor(task.auto_processor, facts), facts)
    bound_task.read_config(checkpoint.config({}))
    network = checkpoint.network(task.auto_model, network_config(checkpoint, bound_task))
    bound_task.configure_generation(network)
    return bound_task, network.eval()


def load_for_zero_shot(settings: PredictSettings, parts: Mapping[str, Any]) -> TrainedModel:
    """Load what scores labels that it was not trained on: a classifier of text pairs, which tests what a text entails,
    or a network that compares pictures with texts."""
    labels = settings.zero_shot or []
    require_candidates(labels, settings.hypothesis)
    for_texts = ZeroShot(labels, settings.hypothesis or ZeroShot.hypothesis, settings.several)
    if settings.run is not None:
        run = finished.load_finished_run(settings.run, settings.trust, verify=settings.verify)
        precision: Precision = run.record["precision"]
        if run.task.auto_model == ZeroShotImageClassification.auto_model:
            task = _for_pictures(settings).bind(run.task.processor, candidate_facts(labels))
            return TrainedModel(task, run.network, precision)
        for_texts.bind(run.task.processor, run.network.config)
        return TrainedModel(for_texts, run.network, precision)
    checkpoint: Checkpoint = build(parts["checkpoint"], Checkpoint, "checkpoint", settings.trust)
    config = checkpoint.config({})
    if auto_classes(ZeroShotImageClassification.auto_model, config):
        for_pictures = _for_pictures(settings)
        _require_trained_head(checkpoint, for_pictures, config)
        return TrainedModel(*bind_checkpoint(checkpoint, for_pictures, candidate_facts(labels)), "auto")
    _require_trained_head(checkpoint, for_texts, config)
    for_texts.bind(checkpoint.make_processor(for_texts.auto_processor, facts_from_config(config)), config)
    return TrainedModel(for_texts, checkpoint.network(for_texts.auto_model, config).eval(), "auto")


def _for_pictures(settings: PredictSettings) -> ZeroShotImageClassification:
    if settings.several:
        raise UserError("several=true: this network compares pictures with texts; several is for a model of texts.")
    template = settings.hypothesis or ZeroShotImageClassification.template
    return ZeroShotImageClassification(template=template, labels=settings.zero_shot)


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
        past = f"was trained as {join_names(sorted(trained))}" if trained else "names no network that was trained"
        raise UserError(
            f"checkpoint: {checkpoint.name} {past}, and its {min(fitting)} would "
            f"have a random head. Train it first (hone train) and give run=DIR, or choose a checkpoint with this head."
        )
