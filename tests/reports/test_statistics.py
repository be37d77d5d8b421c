"""The statistics of `hone compare` against scipy, against slow literal versions, and on data whose truth is known."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from comparable import f1_macro
from hone.core.contributions import Measure
from hone.core.metric import SumMetric, code_rows, ratio, unchanged
from hone.reports.resampling import Pairing, _count_draws, _draw_bootstrap, compare_examples
from hone.reports.significance import (
    Summary,
    compare_seeds,
    correct_by_holm,
    incomplete_beta,
    seeds_needed,
    t_quantile,
    two_sided_p,
)
from hone.tasks.metrics.classes import single_label_metrics

Records = dict[str, Any]


def seeds(values: Any) -> dict[str, float]:
    return {str(place): float(value) for place, value in enumerate(values)}


def test_student_is_that_of_scipy() -> None:
    for freedom, t in itertools.product((1, 2, 2.7, 5, 30, 400), (0, 1e-6, 0.3, 1, 2.5, 9, 200)):
        assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-9)
        assert two_sided_p(-t, freedom) == two_sided_p(t, freedom)
    for freedom, share in itertools.product((1, 2, 7.5, 100), (0.025, 0.5, 0.8, 0.975, 0.9999)):
        assert t_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-8, abs=1e-8)
    for a, b, x in itertools.product((0.5, 3, 40), (0.5, 2, 90), (0, 1e-9, 0.2, 0.5, 0.97, 1)):
        assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-9, abs=1e-300)


def test_a_summary_is_that_of_numpy_and_scipy() -> None:
    values = (0.81, 0.84, 0.79, 0.85)
    told = Summary(values, higher_is_better=True)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (told.mean, told.deviation) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert (told.mean - told.margin, told.mean + told.margin) == pytest.approx((low, high))
    assert (told.best, told.worst) == (0.85, 0.79)
    assert Summary(values, higher_is_better=False).best == 0.79
    alone = Summary((0.5,), higher_is_better=True)
    assert alone.mean == 0.5
    assert math.isnan(alone.deviation)
    assert math.isnan(alone.margin)


def test_seeds_in_common_are_paired_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.8, 0.02, 5), rng.normal(0.78, 0.02, 5)
    paired = compare_seeds(seeds(ours), seeds(theirs))
    assert (paired.kind, paired.count) == ("paired", 5)
    assert paired.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    apart = compare_seeds(seeds(ours), {f"other {name}": value for name, value in seeds(theirs[:3]).items()})
    assert (apart.kind, apart.count) == ("welch", 3)
    assert apart.p == pytest.approx(stats.ttest_ind(ours, theirs[:3], equal_var=False).pvalue)
    alone = compare_seeds(seeds(ours), seeds(theirs[:1]))
    assert (alone.kind, alone.p, seeds_needed(alone.difference, alone.spread)) == ("none", None, None)


def test_seeds_that_do_not_vary_prove_little() -> None:
    assert compare_seeds(seeds([0.5, 0.5]), seeds([0.5, 0.5])).p == 1
    assert compare_seeds(seeds([0.6, 0.7, 0.8]), seeds([0.5, 0.6, 0.7])).p == pytest.approx(0.25), "three coins"
    assert compare_seeds(seeds([0.6, 0.6]), {"7": 0.5, "8": 0.5}).p == pytest.approx(0.5)


def test_holm() -> None:
    assert correct_by_holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert correct_by_holm([0.01, 0.04], tests=6) == pytest.approx([0.06, 0.2])
    assert correct_by_holm([0.5, 0.9]) == [1.0, 1.0]


@pytest.mark.parametrize("effect", [0.3, 0.7, 1.5, 4.0])
def test_the_seeds_that_are_needed_have_the_power(effect: float) -> None:
    """By the noncentral t distribution; a seed less would have too little."""
    power = {}
    needed = seeds_needed(effect, 1.0)
    assert needed is not None
    for count in (needed - 1, needed):
        critical = stats.t.ppf(0.975, count - 1) if count > 1 else math.inf
        power[count] = float(stats.nct.sf(critical, max(count - 1, 1), effect * math.sqrt(count)))
    assert power[needed] > 0.77
    assert power[needed - 1] < 0.82
    assert seeds_needed(-effect, 1.0) == needed


def test_what_no_number_of_seeds_settles() -> None:
    assert seeds_needed(0.0, 1.0) is None
    assert seeds_needed(0.001, 1.0) is None
    assert seeds_needed(1.0, 0.0) == 2


@pytest.mark.parametrize("configurations", [2, 6])
def test_the_best_of_equal_configurations_is_seldom_called_better(configurations: int) -> None:
    """The best one is picked after the fact, so every pair counts as a question: without that one in ten would be."""
    rng = np.random.default_rng(configurations)
    called, trials = 0, 300
    for _ in range(trials):
        scores = rng.normal(size=(configurations, 5))
        best, *others = scores[np.argsort(-scores.mean(axis=1))]
        found = [compare_seeds(seeds(best), seeds(other)).p for other in others]
        called += min(correct_by_holm(found, configurations * (configurations - 1) // 2)) < 0.05  # type: ignore[type-var]  # there is a p for each
    assert called / trials < 0.08


# Tests by examples.


def mean_of(values: Any) -> Measure:
    return Measure(code_rows(values), ratio, unchanged)


def measure(metric: SumMetric, records: Records) -> Measure:
    return Measure(code_rows(metric.codes(records)), metric.score, metric.expand)


def right(share: Any, rng: np.random.Generator, rows: int) -> Measure:
    return mean_of(rng.random(rows) < share)


def test_an_exchange_is_the_sign_test() -> None:
    """Of single right-or-wrong records: how often as many of those on which the two differ fall on one side."""
    rng = np.random.default_rng(4)
    for shift in (0.0, 0.05, 0.12):
        ours, theirs = rng.random(150) < 0.7 + shift, rng.random(150) < 0.7
        found = compare_examples([mean_of(ours)], [mean_of(theirs)], higher_is_better=True, draws=4000)
        won, lost = int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
        assert found.difference == pytest.approx((won - lost) / 150)
        assert found.p == pytest.approx(stats.binomtest(won, won + lost).pvalue, abs=0.02)


def f1_pair(rng: np.random.Generator, rows: int) -> tuple[Records, Records]:
    label = rng.integers(3, size=rows)
    return tuple(  # type: ignore[return-value]  # of two
        {"label": label, "prediction": np.where(rng.random(rows) < share, label, rng.integers(3, size=rows))}
        for share in (0.7, 0.5)
    )


def test_the_bootstrap_is_the_literal_one() -> None:
    """Of a metric that is no mean, over two seeds: every draw computed from its records, one by one."""
    rng = np.random.default_rng(5)
    first, second = f1_pair(rng, 80), f1_pair(rng, 80)
    for records in second:  # the same examples
        records["label"] = first[0]["label"]
    metric = single_label_metrics(("a", "b", "c"))["f1_macro"]
    sides = [[measure(metric, pair[side]) for pair in (first, second)] for side in (0, 1)]
    found = compare_examples(*sides, higher_is_better=True)
    drawn = []
    for _ in range(300):
        chosen = rng.integers(80, size=80)
        scores = [
            [f1_macro({name: values[chosen] for name, values in pair[side].items()}) for pair in (first, second)]
            for side in (0, 1)
        ]
        drawn.append(np.mean(scores[0]) - np.mean(scores[1]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.03)
    assert found.leads == pytest.approx(np.mean(np.array(drawn) > 0), abs=0.03)


def test_alike_examples_are_drawn_as_single_ones_would_be() -> None:
    rng = np.random.default_rng(6)
    pairing = Pairing([right(0.7, rng, 400)], [right(0.6, rng, 400)])
    assert len(pairing.counts) == 4
    together = np.concatenate(list(_draw_bootstrap(pairing, 4000, rng)))
    single = _count_draws(pairing, rng, 4000)
    assert together.sum(axis=1).tolist() == single.sum(axis=1).tolist() == [400.0] * 4000
    assert together.mean(axis=0) == pytest.approx(single.mean(axis=0), rel=0.02)
    assert np.cov(together.T) == pytest.approx(np.cov(single.T), abs=8)


def test_the_same_question_has_the_same_answer() -> None:
    rng = np.random.default_rng(7)
    ours, theirs = right(0.7, rng, 300), right(0.6, rng, 300)
    assert compare_examples([ours], [theirs], True) == compare_examples([ours], [theirs], True)
    other = compare_examples([theirs], [ours], False)
    assert other.leads == pytest.approx(compare_examples([ours], [theirs], True).leads, abs=0.03)


@pytest.mark.parametrize(("gain", "least", "most"), [(0.0, 0.0, 0.09), (0.12, 0.7, 1.0)])
def test_chance_is_seldom_called_a_difference_and_a_difference_is_found(gain: float, least: float, most: float) -> None:
    rng = np.random.default_rng(8)
    found = [
        compare_examples([right(0.6 + gain, rng, 250)], [right(0.6, rng, 250)], True, seed, draws=200).p < 0.05
        for seed in range(200)
    ]
    assert least <= np.mean(found) <= most


def test_a_large_difference_is_not_cut_off_by_the_number_of_draws() -> None:
    ours, theirs = np.arange(400) < 300, np.arange(400) < 180
    found = compare_examples([mean_of(ours)], [mean_of(theirs)], True, draws=500)
    assert found.p < 1e-6
    assert found.p == pytest.approx(stats.binomtest(120, 120).pvalue, abs=1e-6)
