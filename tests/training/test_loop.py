"""The loop's arithmetic: weights of a loss, order of the steps, and equality with loops that others wrote."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import LambdaLR

from harness import ADAMW, NO_DROPOUT, Training, distance, same_bits
from hone.core import seeds
from hone.core.errors import Preempted, RunError
from hone.core.signals import Stop
from hone.data.batching import Buckets, Random
from hone.tasks.text.text_classification import TextClassification
from hone.training.optim.optimizers import Optimizer
from hone.training.optim.schedules import Constant, Linear

PLAIN = {"num_hidden_layers": 2, **NO_DROPOUT}
CLOSE = 1e-5
"""Of weights, after twenty steps of up to 1e-3 each."""


def test_it_trains_and_says_so(tmp_path: Path) -> None:
    started = Training(tmp_path, rows=96, batch_size=8, epochs=6, lr=3e-3, evaluate_every=24).start().fit()
    assert sum(started.losses[-12:]) < 0.8 * sum(started.losses[:12])
    assert started.notebook.steps == list(range(1, 73))
    assert started.notebook.evaluations == [24, 48, 72]
    assert all(row["train/waste"] >= 1 and row["train/samples_per_second"] > 0 for row in started.notebook.rows[:5])


def test_seeding_a_step_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """For devices that are not there PyTorch notes the stack at every seed, which takes milliseconds."""

    def noted(*about: Any) -> None:
        raise AssertionError("a stack was noted")

    if not torch.cuda.is_available():
        monkeypatch.setattr("traceback.format_stack", noted)
    drawn = []
    for step in (1, 2, 1):
        seeds.seed_everything(1, "step", step)
        drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize("weights", [None, "balanced"])
def test_accumulation_weighs_by_targets(tmp_path: Path, weights: Any) -> None:
    """8×1 is 2×4, also where the rows of a batch weigh differently and the last batches are short."""
    shape = {"hyperparameters": PLAIN, "rows": 42, "task": TextClassification(class_weights=weights)}
    whole = Training(tmp_path / "a", batch_size=8, accumulate=1, **shape).start().fit()
    parts = Training(tmp_path / "b", batch_size=2, accumulate=4, **shape).start().fit()
    assert parts.losses == pytest.approx(whole.losses, abs=1e-5)
    assert distance(whole.weights, parts.weights) < CLOSE


def test_dividing_by_the_number_of_batches_would_be_seen(tmp_path: Path) -> None:
    """The bound of the test above is one that the usual mistake breaks."""
    shape = {"hyperparameters": PLAIN, "rows": 42, "task": TextClassification(class_weights="balanced")}
    whole = Training(tmp_path / "a", batch_size=8, **shape).start().fit()
    wrong = Training(tmp_path / "b", batch_size=2, accumulate=4, **shape).start()
    steps = wrong.data.steps

    def miscounted(first: int) -> Any:
        for step in steps(first):
            yield SimpleNamespace(**{**vars(step), "targets": [1.0] * len(step.targets)})

    wrong.data.steps = miscounted
    assert distance(whole.weights, wrong.fit().weights) > 1e-3


def plain_loop(started: Any, steps: int, lr: float, clip: float) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The textbook loop over the very batches that ours sees."""
    network = started.network
    decay = [weight for weight in network.parameters() if weight.ndim >= 2]
    others = [weight for weight in network.parameters() if weight.ndim < 2]
    optimizer = ADAMW([{"params": decay, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=lr)
    scheduler = LambdaLR(optimizer, lambda step: (steps - step) / steps)
    losses = []
    network.train()
    for _, step in zip(range(steps), started.data.steps(1), strict=False):
        batch = step.batches[0]
        loss = F.cross_entropy(network(**batch["inputs"]).logits, batch["labels"])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return losses, started.weights


SAME = {
    "batching": Random(pack=False),
    "hyperparameters": PLAIN,
    "rows": 80,
    "batch_size": 8,
    "scheduler": Linear(warmup=0),
}


def test_equals_a_plain_loop(tmp_path: Path) -> None:
    ours = Training(tmp_path, **SAME).start().fit()
    losses, weights = plain_loop(Training(tmp_path / "b", **SAME).start(), 20, lr=1e-3, clip=1.0)
    assert ours.losses == pytest.approx(losses, abs=1e-6)
    assert distance(ours.weights, weights) < CLOSE


def test_equals_transformers_trainer(tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    ours = Training(tmp_path / "a", **SAME).start().fit()
    theirs = Training(tmp_path / "b", **SAME).start()
    batches = [
        {**step.batches[0]["inputs"], "labels": step.batches[0]["labels"]}
        for _, step in zip(range(20), theirs.data.steps(1), strict=False)
    ]

    class InOurOrder(Trainer):
        def get_train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(batches, batch_size=None)

    arguments = TrainingArguments(
        str(tmp_path / "c"), max_steps=20, learning_rate=1e-3, weight_decay=0.01, max_grad_norm=1.0, logging_steps=1,
        report_to="none", use_cpu=True, save_strategy="no", lr_scheduler_type="linear", disable_tqdm=True,
    )  # fmt: skip
    trainer = InOurOrder(model=theirs.network, args=arguments)
    trainer.train()
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert len(losses) == 20
    assert ours.losses == pytest.approx(losses, abs=1e-6)
    assert distance(ours.weights, theirs.weights) < CLOSE


def test_evaluations_change_nothing(tmp_path: Path) -> None:
    often = Training(tmp_path / "a", evaluate_every=1).start().fit()
    once = Training(tmp_path / "b").start().fit()
    assert same_bits(often.weights, once.weights)


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    first, again, other = (
        Training(tmp_path / name, seed=seed).start().fit() for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert same_bits(first.weights, again.weights)
    assert not same_bits(first.weights, other.weights)


def test_clipping_bounds_the_step(tmp_path: Path) -> None:
    free = Training(tmp_path / "a", epochs=0.2, clip_norm=None).start().fit()
    tight = Training(tmp_path / "b", epochs=0.2, clip_norm=1e-9).start().fit()
    start = Training(tmp_path / "c").start()
    assert free.notebook.rows[0]["train/grad_norm"] == pytest.approx(tight.notebook.rows[0]["train/grad_norm"])
    assert distance(tight.weights, start.weights) < distance(free.weights, start.weights) / 2


def test_patience_ends_the_training(tmp_path: Path) -> None:
    started = Training(tmp_path, lr=1e-12, evaluate_every=2, patience=3, epochs=4).start().fit()
    assert started.notebook.steps[-1] == 8, "best at step 2, then three evaluations that are no better"
    assert started.run.best["step"] == 2


def test_the_best_weights_are_the_ones_of_the_best_evaluation(tmp_path: Path) -> None:
    started = Training(tmp_path, rows=96, lr=3e-3, evaluate_every=6, epochs=2).start()
    seen: dict[int, dict[str, torch.Tensor]] = {}
    remember = started.run.evaluated
    started.run.evaluated = lambda *told: (seen.__setitem__(started.run.step, started.weights), remember(*told))[1]
    started.fit()
    best = max(
        (row for row in started.notebook.rows if "validation/f1_macro" in row),
        key=lambda row: row["validation/f1_macro"],
    )
    assert started.run.best["step"] == best["step"]
    started.run.choose_best(started.train_state)
    assert same_bits(started.weights, seen[best["step"]])


def test_averaged_weights_are_what_evaluation_sees(tmp_path: Path) -> None:
    recipe = Optimizer(ADAMW, 3e-3, ema=0.9)
    started = Training(tmp_path, optimizer=recipe).start().fit()
    average, last = started.train_state.average.state(), started.weights
    assert distance(average, last) > 1e-4
    started.run.choose_best(started.train_state)
    assert same_bits(started.weights, average)


def test_a_loss_that_is_no_number_stops_before_the_step(tmp_path: Path) -> None:
    started = Training(tmp_path, save_every=1, epochs=1).start()
    forward, calls = started.module.training_step, []

    def poisoned(batch: Any, index: int) -> torch.Tensor:
        calls.append(1)
        return forward(batch, index) * (math.nan if len(calls) == 5 else 1.0)

    started.module.training_step = poisoned
    with pytest.raises(RunError, match="step 5") as caught:
        started.fit()
    assert "learning rate" in str(caught.value)
    assert started.run.step == 4
    assert all(torch.isfinite(weight).all() for weight in started.weights.values())
    newest = started.run.snapshots.newest()
    assert newest.step == 4
    assert all(torch.isfinite(tensor).all() for tensors in newest.tensors.values() for tensor in tensors.values())


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    started = Training(tmp_path).start()
    run = started.run
    run.evaluated({"id": [0]}, {"loss": 1.0}, started.train_state)
    assert run.best is None
    run.evaluated({"id": [1]}, {"f1_macro": 0.1}, started.train_state)
    run.evaluated({"id": [2]}, {"loss": 1.0}, started.train_state)
    assert run.best["value"] == 0.1
    assert run.best_records == {"validation": {"id": [1]}}
    assert run.stale == 1


def test_asked_to_stop_it_saves_and_stops_at_the_step(tmp_path: Path) -> None:
    stop = Stop()
    started = Training(tmp_path).start()
    advance = started.run.advance

    def asking(step: int) -> None:
        advance(step)
        stop.asked = 15 if step == 6 else stop.asked

    started.run.advance = asking
    with pytest.raises(Preempted):
        started.fit(stop)
    assert started.run.snapshots.newest().step == 7


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_precisions_train(tmp_path: Path, precision: str) -> None:
    exact = Training(tmp_path / "a", epochs=0.5).start().fit()
    started = Training(tmp_path / "b", epochs=0.5, precision=precision).start().fit()
    assert started.losses == pytest.approx(exact.losses, abs=0.2)
    ours, theirs = (dict(each.network.named_parameters()) for each in (started, exact))
    assert all((weight.double() != theirs[name].double()).any() for name, weight in ours.items() if weight.ndim > 1)


def test_layers_learn_slower_the_lower_they_are(tmp_path: Path) -> None:
    recipe = Optimizer(ADAMW, lr=1.0, weight_decay=0.1, layer_decay=0.5, head_lr_factor=3.0)
    started = Training(tmp_path, hyperparameters={"num_hidden_layers": 2}, optimizer=recipe).start()
    lr_of = {}
    for group in started.train_state.optimizer.param_groups:
        for name, weight in started.network.named_parameters():
            if any(weight is each for each in group["params"]):
                lr_of[name] = (group["initial_lr"], group["weight_decay"])
    assert lr_of["classifier.weight"] == (3.0, 0.1)
    assert lr_of["classifier.bias"] == (3.0, 0.0)
    assert lr_of["bert.pooler.dense.weight"] == (1.0, 0.1)
    assert lr_of["bert.encoder.layer.1.output.dense.weight"] == (0.5, 0.1)
    assert lr_of["bert.encoder.layer.0.output.LayerNorm.weight"] == (0.25, 0.0)
    assert lr_of["bert.embeddings.word_embeddings.weight"] == (0.125, 0.1)


def test_buckets_train_on_every_row_once(tmp_path: Path) -> None:
    started = Training(tmp_path, rows=50, batching=Buckets(pool=2)).start()
    for epoch in (0, 1):
        rows = [int(row) for step in started.data.feed.plan.epoch(epoch) for micro in step for row in micro.rows]
        assert sorted(rows) == list(range(50))


def test_constant_schedule_stays(tmp_path: Path) -> None:
    started = Training(tmp_path, scheduler=Constant(warmup="4 steps")).start().fit()
    rates = [row["train/lr"] for row in started.notebook.rows if "train/lr" in row]
    assert rates[:4] == pytest.approx([2.5e-4, 5e-4, 7.5e-4, 1e-3])
    assert set(rates[4:]) == {1e-3}
