"""The contract of a task, over every task there is: the ones of the package, and strangers that bend it most."""

import importlib
import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
import yaml
from datasets import Dataset

from conftest import PROTOTYPES, ROOT, Hone, journal, only_run, record
from hone.core.contributions import Contributions, SavedContributions
from hone.core.metric import Columns, SumMetric
from hone.core.scores import compute_scores, metrics_of
from hone.core.task import Facts, Task
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.models.checkpoint import Checkpoint
from hone.models.checkpoints.tiny_text import TinyBert
from hone.training.evaluation import Predictor

OURS = sorted((ROOT / "conf/task").glob("*.yaml"))
STRANGERS = sorted((PROTOTYPES / "conf/task").glob("*.yaml"))
assert OURS
assert len(STRANGERS) >= 4


def load(path: Path) -> Any:
    node = yaml.safe_load(path.read_text())
    module, _, name = node.pop("_target_").rpartition(".")
    return getattr(importlib.import_module(module), name)(**node)


def checkpoint_for(task: Task, name: str) -> Checkpoint:
    """The one of the task's toy experiment, or what a stranger brings along in its own file, else the built-in one."""
    toy = ROOT / f"conf/experiment/toy/{name}.yaml"
    if toy.is_file():
        choices = [choice for choice in yaml.safe_load(toy.read_text())["defaults"] if isinstance(choice, dict)]
        told = next((each["override /checkpoint"] for each in choices if "override /checkpoint" in each), "tiny_bert")
        made: Checkpoint = load(ROOT / f"conf/checkpoint/{told}.yaml")
        return made
    module = importlib.import_module(type(task).__module__)
    own = [found for found in vars(module).values() if isinstance(found, type) and found.__module__ == module.__name__]
    found = next((cls for cls in own if issubclass(cls, Checkpoint)), None)
    return found() if found else TinyBert(lr=1e-3)


@dataclass
class Example:
    """A task with everything it needs, on its own sample."""

    raw: Task
    task: Task
    rows: Dataset
    encoded: Dataset
    network: Any

    def batch(self, places: Iterator[int] | range) -> dict[str, Any]:
        return EncodedRows.of(self.encoded, self.rows, self.task).collate(self.task, np.array(list(places)))

    @cached_property
    def predictions(self) -> Columns:
        with torch.inference_mode():
            return self.task.predict(self.network.eval(), self.batch(range(len(self.encoded))))


@pytest.fixture(params=[*OURS, *STRANGERS], ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest) -> Example:
    """The tests of a task only read its example; the one that trains the network copies it."""
    return make_example(request.param)


@cache
def make_example(path: Path) -> Example:
    raw = load(path)
    sample = raw.sample()
    rows = Dataset.from_dict({**sample, "id": list(range(len(next(iter(sample.values())))))})
    rows = store_media(rows, raw, {})
    facts = raw.find_facts(rows, None)
    checkpoint = checkpoint_for(raw, path.stem)
    task = raw.bind(checkpoint.make_processor(raw.auto_processor, facts), facts)
    config = checkpoint.config(task.model_config())
    task.read_config(config)
    encoded = rows.map(partial(encode_with_media, task), batched=True, remove_columns=rows.column_names)
    torch.manual_seed(0)
    config = checkpoint.config(task.model_config())
    task.read_config(config)
    network = checkpoint.network(task.auto_model, config)
    return Example(raw, task, rows, encoded, network)


def test_the_class_says_what_it_is(example: Example) -> None:
    cls = type(example.raw)
    assert set(example.raw.sample()) >= set(cls.roles)
    assert not set(cls.roles) & set(cls.optional_roles)
    assert hasattr(transformers, cls.auto_model)
    assert hasattr(transformers, cls.auto_processor)
    assert cls.pipeline
    assert example.raw is not example.task, "equipping leaves the original as it was"
    assert not hasattr(example.raw, "facts")


def test_facts_survive_their_file(example: Example, tmp_path: Path) -> None:
    example.task.facts.save(tmp_path / "facts.json")
    assert Facts.load(tmp_path / "facts.json") == example.task.facts


def test_the_sample_is_faultless(example: Example) -> None:
    assert list(example.raw.find_faults(example.rows, example.task.facts)) == []


def test_encoding_keeps_track_of_rows(example: Example) -> None:
    assert {"id", "length"} <= set(example.encoded.column_names)
    assert sorted(set(example.encoded["id"])) == list(example.rows["id"])
    assert all(length > 0 for length in example.encoded["length"])


def test_a_batch_can_be_made_again(example: Example) -> None:
    first, again = example.batch(range(3)), example.batch(range(3))
    assert list(first["id"]) == list(again["id"])
    for name, tensor in first["inputs"].items():
        assert torch.equal(tensor, again["inputs"][name])


def test_the_loss_teaches_every_weight_it_can(example: Example) -> None:
    network = deepcopy(example.network).train()
    loss = example.task.loss(network, example.batch(range(4)))
    assert loss.ndim == 0
    loss.backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert sum(bool(gradient.any()) for gradient in gradients) > len(gradients) / 2


def test_the_loss_is_a_mean_over_the_counted_targets(example: Example) -> None:
    """Two halves, weighted by their targets, are the whole. (Boxes are matched within a row, never across rows.)"""
    if not example.task.independent_rows:
        pytest.skip("rows learn from their batch")
    network = example.network.eval()
    whole, one, two = example.batch(range(4)), example.batch(range(1)), example.batch(range(1, 4))
    with torch.no_grad():
        losses = [float(example.task.loss(network, batch)) for batch in (whole, one, two)]
    counts = [example.task.count_targets(batch) for batch in (whole, one, two)]
    assert counts[0] == pytest.approx(counts[1] + counts[2])
    assert losses[0] == pytest.approx((losses[1] * counts[1] + losses[2] * counts[2]) / counts[0], rel=2e-3)


def test_predictions_have_a_row_each_and_merge_to_examples(example: Example) -> None:
    predictions = example.predictions
    assert {len(values) for values in predictions.values()} == {len(example.encoded)}
    records = example.task.merge(predictions)
    assert sorted(records["id"]) == list(example.rows["id"])
    record = {name: values[0] for name, values in records.items()}
    assert isinstance(example.task.describe(record), str)
    assert json.dumps(example.task.outcome(record)), "plain values"


def test_the_records_give_every_metric(example: Example) -> None:
    records = example.task.merge(example.predictions)
    scores = compute_scores(example.task, records)
    assert {name.partition("/")[0] for name in scores} <= set(metrics_of(example.task))
    assert all(isinstance(value, float) and np.isfinite(value) for value in scores.values())
    assert example.task.monitor in metrics_of(example.task)
    baseline = example.task.baseline(records)
    if baseline is not None:
        assert compute_scores(example.task, baseline).keys() == scores.keys()


def test_what_is_saved_of_the_records_gives_every_score_again(example: Example, tmp_path: Path) -> None:
    """As `hone compare` reads it."""
    records = example.task.merge(example.predictions)
    metrics = metrics_of(example.task)
    contributions = Contributions.of(metrics, records)
    contributions.save(tmp_path / "contributions.parquet", "truth")
    additive = {name for name, metric in metrics.items() if isinstance(metric, SumMetric)}
    sums = {name: score for name, score in contributions.scores().items() if name.partition("/")[0] in additive}
    assert "loss" in sums
    for name, score in sums.items():
        saved = SavedContributions.load(tmp_path / "contributions.parquet", name)
        assert saved is not None, name
        assert saved.ids.tolist() == sorted(records["id"])
        measure = saved.measure
        assert float(measure.score(measure.expand(measure.codes).sum(axis=0))) == pytest.approx(score), name
    for name in contributions.scores().keys() - sums:
        assert SavedContributions.load(tmp_path / "contributions.parquet", name) is None, name


def test_the_evaluated_loss_is_the_trained_one(example: Example) -> None:
    everything = range(len(example.encoded))
    with torch.inference_mode():
        loss = float(example.task.loss(example.network.eval(), example.batch(everything)))
    records = example.task.merge(example.predictions)
    if len(records["id"]) == len(example.encoded):
        assert compute_scores(example.task, records)["loss"] == pytest.approx(loss, rel=2e-3)


@pytest.mark.parametrize("example", OURS, ids=lambda path: path.stem, indirect=True)
def test_it_predicts_without_labels(example: Example) -> None:
    roles = [role for role in (*example.task.roles, *example.task.optional_roles) if role in example.rows.column_names]
    unlabelled = example.rows.select_columns(["id", *(role for role in roles if role not in example.task.targets)])
    asked = Dataset.from_dict(example.task.without_targets(unlabelled[:]))
    encoded = asked.map(partial(encode_with_media, example.task), batched=True, remove_columns=asked.column_names)
    batch = EncodedRows.of(encoded, asked, example.task).collate(example.task, np.arange(len(encoded)))
    with torch.inference_mode():
        predictor = Predictor(example.network.eval(), example.task)
        predictions = predictor.predict_step(batch)
    assert "loss" not in predictions
    labelled = example.predictions
    if "prediction" in labelled:  # language models say other things of questions
        for alone, beside in zip(predictions["prediction"], labelled["prediction"], strict=True):
            assert same(alone, beside)
    record = {name: values[0] for name, values in example.task.merge(predictions).items()}
    assert isinstance(example.task.describe(record), str)
    assert json.dumps(example.task.outcome(record)), "plain values"


def same(ours: Any, theirs: Any) -> bool:
    """Equal, or as good as equal where both are vectors."""
    if isinstance(ours, np.ndarray) and ours.dtype.kind == "f":
        return np.allclose(ours, theirs, atol=1e-5)
    return bool(np.all(ours == theirs))


CHECKPOINTS = {"translation": "tiny_t5", "speech": "tiny_wav2vec2", "detection": "tiny_yolos", "pictures": "toy_vit"}
MONITORS = {"detection": "overlap/mean"}


@pytest.mark.parametrize("name", [path.stem for path in STRANGERS])
def test_a_strangers_task_trains_through_the_command(hone: Hone, name: str) -> None:
    """Its own Python file and YAML, a folder of configs and a word of trust: nothing of ours is touched."""
    words = [
        "--config-dir", str(PROTOTYPES / "conf"), "trust=[prototypes]", "tracker=none", f"dataset={name}", "epochs=3",
        f"checkpoint={CHECKPOINTS.get(name, 'tiny_bert')}", f"monitor={MONITORS.get(name, 'auto')}",
    ]  # fmt: skip
    done = hone("train", *words)
    assert done.code == 0, done.said
    losses = [row["validation/loss"] for row in journal(only_run()) if "validation/loss" in row]
    assert losses[-1] < losses[0]
    assert record(only_run())["scores"]


def test_a_strangers_task_needs_to_be_trusted(hone: Hone) -> None:
    done = hone("train", "--config-dir", str(PROTOTYPES / "conf"), "dataset=translation", "checkpoint=tiny_t5")
    assert done.code == 2
    assert "trust=[prototypes]" in done.err
