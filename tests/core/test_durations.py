"""Durations in the units people think in."""

import pytest

from hone.core.durations import Clock, Duration

CLOCK = Clock(steps_per_epoch=50, examples_per_epoch=1000, total_steps=200)


@pytest.mark.parametrize(
    ("written", "steps"),
    [
        (7, 7),
        ("7", 7),
        ("500 steps", 500),
        ("1 step", 1),
        ("2 epochs", 100),
        ("0.5 epochs", 25),
        ("1 epoch", 50),
        ("1_000 examples", 50),
        ("1e2 examples", 5),
        ("1 example", 1),
        ("10%", 20),
        ("10 percent", 20),
        (0.1, 20),
        ("0.1", 20),
        ("100%", 200),
        ("0.001%", 1),
        (1.0, 1),
        (0, 0),
        ("0 epochs", 0),
        (" 3  Epochs ", 150),
    ],
)
def test_a_duration_is_so_many_steps(written: object, steps: int) -> None:
    assert Duration.parse(written).steps(CLOCK) == steps


@pytest.mark.parametrize(
    "written", ["", "epochs", "three epochs", "3 weeks", -1, "-1 steps", True, None, "1e999", "101%"]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"duration|more than all"):
        Duration.parse(written)
