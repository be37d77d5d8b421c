"""Which examples a tracker gets to see."""

import numpy as np

from hone.core.task import Columns
from hone.reports.examples import choose_examples


def records(losses: list[float], predictions: list[int]) -> Columns:
    count = len(losses)
    return {
        "id": np.arange(count), "loss": np.array(losses), "targets": np.ones(count),
        "prediction": np.array(predictions),
    }  # fmt: skip


BEFORE = records([1.0] * 10, [0] * 10)
NOW = records([1.0, 9.0, 1.0, 1.5, 8.0, 1.0, 0.1, 1.0, 1.0, 1.0], [0, 0, 0, 1, 0, 1, 1, 0, 0, 0])


def test_the_worst_and_the_changed_come_first_and_none_twice() -> None:
    chosen = choose_examples(NOW, BEFORE, 10)
    assert chosen[0] == ("worst", 1)
    assert chosen[1] == ("changed", 6), "the greatest change of loss first"
    assert {place for _, place in chosen[:6]} > {1, 4, 6, 3}
    assert {place for why, place in chosen if why == "changed"} <= {3, 5, 6}, "another prediction was made"
    assert len({place for _, place in chosen}) == len(chosen) == 10


def test_the_first_few_are_of_each_kind_and_the_random_ones_stay() -> None:
    few = choose_examples(NOW, BEFORE, 3)
    assert few == choose_examples(NOW, BEFORE, 10)[:3]
    assert {why for why, _ in few} == {"worst", "changed", "random"}
    first = [place for why, place in choose_examples(BEFORE, None, 6) if why == "random"]
    assert first == [place for why, place in choose_examples(records([1.0] * 10, [1] * 10), None, 6) if why == "random"]


def test_other_examples_have_not_changed() -> None:
    others = {**BEFORE, "id": np.arange(10) + 5}
    assert "changed" not in {why for why, _ in choose_examples(NOW, others, 10)}
    assert "changed" not in {why for why, _ in choose_examples(NOW, None, 10)}


def test_without_losses_any_example_will_do() -> None:
    bare = {"id": np.arange(4), "prediction": ["a", "b", "c", "d"]}
    assert {why for why, _ in choose_examples(bare, {**bare, "prediction": ["a", "x", "c", "d"]}, 4)} == {
        "changed",
        "random",
    }
