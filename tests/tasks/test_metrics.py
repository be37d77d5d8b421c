"""Our numbers against scikit-learn's and scipy's, on random and on awkward records."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as theirs

from hone.core.metric import MEAN_LOSS
from hone.core.scores import baseline_scores, compute_scores
from hone.core.task import Facts
from hone.tasks.metrics.ranks import SPEARMAN
from hone.tasks.metrics.scalars import PEARSON
from hone.tasks.targets.base import TargetOptions
from hone.tasks.targets.multi_label import MultiLabel
from hone.tasks.targets.regression import Regression
from hone.tasks.targets.single_label import SingleLabel

LABELS = ("a", "b", "c", "d")


def single(seed: int, rows: int, present: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(4), rows)
    return {"label": rng.integers(0, present, rows), "prediction": scores.argmax(axis=1), "scores": scores}


def several(seed: int, rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.random((rows, 4))
    return {"label": rng.integers(0, 2, (rows, 4)), "prediction": (scores > 0.5).astype(int), "scores": scores}


def numbers(seed: int, rows: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.normal(size=rows)
    return {"label": label, "prediction": (label + rng.normal(size=rows)).round(1)}


@pytest.mark.parametrize(("seed", "rows", "present"), [(0, 200, 4), (1, 30, 3), (2, 5, 2), (3, 1, 1), (4, 1000, 4)])
def test_single_label(seed: int, rows: int, present: int) -> None:
    records = single(seed, rows, present)
    label, prediction = records["label"], records["prediction"]
    ours = {name: metric.compute(records) for name, metric in SingleLabel(facts(), TargetOptions()).metrics().items()}
    assert ours["accuracy"] == pytest.approx(theirs.accuracy_score(label, prediction))
    assert ours["f1_macro"] == pytest.approx(theirs.f1_score(label, prediction, average="macro"))
    assert ours["f1_weighted"] == pytest.approx(theirs.f1_score(label, prediction, average="weighted"))
    if rows > 1:
        assert ours["matthews"] == pytest.approx(theirs.matthews_corrcoef(label, prediction), abs=1e-6)
    each = theirs.f1_score(label, prediction, average=None, labels=range(4), zero_division=0.0)
    assert ours["f1"] == pytest.approx({LABELS[place]: each[place] for place in np.unique(label)})
    areas = [
        theirs.roc_auc_score(label == place, records["scores"][:, place]) for place in np.unique(label) if rows > 1
    ]
    if areas:
        assert ours["auroc"] == pytest.approx(np.mean(areas))


@pytest.mark.parametrize(("seed", "rows"), [(0, 300), (1, 12)])
def test_multi_label(seed: int, rows: int) -> None:
    records = several(seed, rows)
    label, prediction = records["label"], records["prediction"]
    target = MultiLabel(facts("multi_label", {"rows": rows}), TargetOptions())
    ours = {name: metric.compute(records) for name, metric in target.metrics().items()}
    for average in ("macro", "micro", "weighted"):
        assert ours[f"f1_{average}"] == pytest.approx(theirs.f1_score(label, prediction, average=average))
    assert ours["accuracy"] == pytest.approx(theirs.accuracy_score(label, prediction))
    assert ours["auroc"] == pytest.approx(theirs.roc_auc_score(label, records["scores"], average="macro"))


@pytest.mark.parametrize(("seed", "rows"), [(0, 500), (1, 7)])
def test_regression(seed: int, rows: int) -> None:
    records = numbers(seed, rows)
    label, prediction = records["label"], records["prediction"]
    target = Regression(Facts("regression", ("value",), (rows,), {"mean": 0.0}), TargetOptions())
    ours = {name: metric.compute(records) for name, metric in target.metrics().items()}
    assert ours["pearson"] == pytest.approx(stats.pearsonr(prediction, label).statistic)
    assert ours["spearman"] == pytest.approx(stats.spearmanr(prediction, label).statistic)
    assert ours["mse"] == pytest.approx(theirs.mean_squared_error(label, prediction))
    assert ours["mae"] == pytest.approx(theirs.mean_absolute_error(label, prediction))


def test_a_constant_correlates_with_nothing() -> None:
    constant = {"label": np.array([1.0, 2.0, 3.0]), "prediction": np.ones(3)}
    assert PEARSON.compute(constant) == 0.0
    assert SPEARMAN.compute(constant) == 0.0


def test_the_loss_is_a_sum_over_a_sum() -> None:
    records = {"loss": np.array([2.0, 9.0]), "targets": np.array([1.0, 3.0])}
    assert MEAN_LOSS.compute(records) == pytest.approx(11 / 4)


class OneTask:
    """As much of a task as scores need."""

    def __init__(self, target: SingleLabel) -> None:
        self.metrics, self.baseline = target.metrics, target.baseline


def test_the_baseline_says_the_commonest_training_label() -> None:
    target = SingleLabel(Facts("single_label", LABELS, (1, 7, 2, 0)), TargetOptions())
    records = {**single(0, 100), "loss": np.ones(100), "targets": np.ones(100)}
    scores = baseline_scores(OneTask(target), records)
    assert scores["accuracy"] == pytest.approx(float(np.mean(records["label"] == 1)))
    assert scores["auroc"] == 0.5
    assert "loss" not in scores
    assert "loss" in compute_scores(OneTask(target), records)


def facts(kind: str = "single_label", numbers: dict[str, float] | None = None) -> Facts:
    return Facts(kind, LABELS, (5, 5, 5, 5), numbers or {})
