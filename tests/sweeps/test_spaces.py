"""What varies: the grammar, keys that change together, keys that are there at times, and what is a mistake."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from conftest import SMALL, Hone
from hone.config.tree import CONF, options
from hone.sweeps.hydra.axes import read_space
from hone.sweeps.samplers.grid import Grid
from hone.sweeps.samplers.optuna_samplers import Random
from hone.sweeps.space import Choice, Interval, Space
from hone.sweeps.sweep import Sweep
from hone.training.pruning import Never
from simulation import AIM

NOTHING: dict[str, str] = {}


def space_of(
    *words: str,
    space: Mapping[str, str] = NOTHING,
    tied: Sequence[Sequence[str]] = (),
    conditions: Mapping[str, str] = NOTHING,
) -> Space:
    sweep = Sweep(
        Grid(), Never(), space, [list(names) for names in tied], conditions, None, 1, 1, None, "failed", False, None
    )
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return read_space(words, sweep, GlobalHydra.instance().config_loader())[1]


def cells(space: Space) -> list[str]:
    return [" ".join(cell.words) for cell in Grid().preview(space)]


@pytest.mark.parametrize(
    ("word", "axis"),
    [
        ("seed=0,1", Choice("seed", ("0", "1"))),
        ("seed=range(3)", Choice("seed", ("0", "1", "2"))),
        ("seed=range(4,0,-2)", Choice("seed", ("4", "2"))),
        ("seed=0,0,1", Choice("seed", ("0", "1"))),
        ("optimizer.lr=choice(1e-3,0.01)", Choice("optimizer.lr", ("0.001", "0.01"))),
        ("clip_norm=null,1", Choice("clip_norm", ("null", "1"))),
        ("+optimizer.momentum=0.8,0.9", Choice("+optimizer.momentum", ("0.8", "0.9"))),
        ("notes='a b','c,d'", Choice("notes", ("'a b'", "'c,d'"))),
        ("x={a:1},{a:2}", Choice("x", ("{a:1}", "{a:2}"))),
        ("head=glob(m*)", Choice("head", tuple(name for name in options("head") if name.startswith("m")))),
        ("lr=interval(1,10)", Interval("lr", 1, 10)),
        ("lr=int(interval(1,10))", Interval("lr", 1, 10, whole=True)),
        ("lr=tag(log,interval(1e-5,1e-3))", Interval("lr", 1e-5, 1e-3, log=True)),
        ("lr=tag(log,int(interval(8,512)))", Interval("lr", 8, 512, log=True, whole=True)),
        ("lr=int(tag(log,interval(8,512)))", Interval("lr", 8, 512, log=True, whole=True)),
    ],
)
def test_the_grammar_is_that_of_hydra_in_both_places(word: str, axis: Any) -> None:
    assert space_of(word).axes == (axis,)
    key, _, text = word.partition("=")
    assert space_of(space={key: text}).axes == (axis,)


def test_a_shuffled_order_is_the_same_each_time() -> None:
    mixed = [space_of("seed=shuffle(range(20))").axes[0].words for _ in range(2)]
    assert mixed[0] == mixed[1]
    assert mixed[0] != tuple(sorted(mixed[0], key=lambda word: int(word[5:])))
    assert Counter(mixed[0]) == Counter(f"seed={number}" for number in range(20))


def test_the_command_line_has_the_last_word() -> None:
    filed = {"optimizer.lr": "1,2", "seed": "0,1", "batch_size": "8,16"}
    told = space_of("optimizer.lr=5,6", "seed=3", space=filed)
    assert told.axes == (Choice("optimizer.lr", ("5", "6")), Choice("batch_size", ("8", "16")))
    assert told.fixed == ("seed=3",)


def test_tied_keys_change_together() -> None:
    told = space_of("a=1,2", "b=x,y", "c=5,6", tied=[["a", "c"]])
    assert cells(told) == ["a=1 c=5 b=x", "a=1 c=5 b=y", "a=2 c=6 b=x", "a=2 c=6 b=y"]


def test_a_conditional_axis_makes_no_cell_twice() -> None:
    told = space_of("o=adamw,sgd,nadam", "m=1,2", conditions={"m": "o=sgd,nadam"})
    assert cells(told) == ["o=adamw", "o=sgd m=1", "o=sgd m=2", "o=nadam m=1", "o=nadam m=2"]
    chained = space_of("n=7,8", "m=1,2", "o=adamw,sgd", conditions={"m": "o=sgd", "n": "m=1"})
    assert sorted(cells(chained)) == ["m=2 o=sgd", "n=7 m=1 o=sgd", "n=8 m=1 o=sgd", "o=adamw"]


def test_a_condition_on_what_the_command_line_has_fixed_is_settled() -> None:
    conditions = {"m": "o=sgd", "n": "m=1"}
    assert cells(space_of("o=sgd", "m=1,2", conditions={"m": "o=sgd"})) == ["m=1", "m=2"]
    assert cells(space_of("o=adamw", "m=1,2", "n=5,6", "k=3,4", conditions=conditions)) == ["k=3", "k=4"]


@pytest.mark.parametrize(("log", "whole"), [*product([False, True], repeat=2)])
def test_an_interval_is_never_left(log: bool, whole: bool) -> None:
    axis = Interval("x", 2, 9, log, whole) if whole else Interval("x", 1.23456789e-5, 9.87654321e-2, log)
    values = [float(axis.word(place / 1000).partition("=")[2]) for place in range(1001)]
    assert values == sorted(values)
    assert min(values) >= axis.low - 1e-15
    assert max(values) <= axis.high
    assert not whole or {*values} == {*map(float, range(2, 10))}
    middle = (axis.low * axis.high) ** 0.5 if log else (axis.low + axis.high) / 2
    assert whole or values[500] == pytest.approx(middle, rel=1e-5)


def test_specimens_show_every_value() -> None:
    told = space_of("a=1,2,3", "b=interval(0,1)", "c=x,y", conditions={"c": "a=2"})
    shown = {word for words in told.specimens() for word in words}
    assert shown == {"a=1", "a=2", "a=3", "b=0", "b=1", "c=x", "c=y"}
    large = space_of("a=range(30)", "b=range(30)")
    assert {word for words in large.specimens() for word in words} == {f"{k}={n}" for k in "ab" for n in range(30)}
    assert len(large.specimens()) < 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seed=0"], "no key has several: write seed=0,1,2"),
        (["seed=range(3,3)"], "seed=range(3,3): the list has no values"),
        (["seed=range(0,3,0)"], "seed"),
        (["optimizer.lr=interval(2,1)"], "an interval goes from a number to a greater one"),
        (["optimizer.lr=interval(1,1)"], "an interval goes from a number to a greater one"),
        (["optimizer.lr=tag(log,interval(0,1))"], "a logarithmic interval cannot include 0"),
        (["optimizer.lr=tag(lgo,interval(1e-3,1))"], "no such tag as lgo. Did you mean log?"),
        (["seed=tag(log,range(3))"], "a list of values takes no tag"),
        (["optimizer.lr=interval(1e-3,1)"], "a grid needs a list of values"),
        (["seed=0,1", "+sweep.space={optimizer.lr: '1,,2'}"], "sweep.space.optimizer.lr=1,,2: this cannot be read"),
        (["seed=0,1", "sweep.tied=[[seed,bach_size]]", "batch_size=8,16"], "Did you mean batch_size?"),
        (["seed=0,1", "sweep.tied=[[seed,batch_size]]", "batch_size=8,16,32"], "seed has 2, batch_size has 3"),
        (["seed=0,1", "sweep.tied=[[seed,seed]]"], "seed occurs twice"),
        (["seed=0,1", "+sweep.conditions={sede: 'batch_size=8'}", "batch_size=8,16"], "Did you mean seed?"),
        (["seed=0,1", "+sweep.conditions={seed: 'optimizer=sgd'}"], "optimizer is not varied"),
        (["seed=0,1", "+sweep.conditions={seed: 'batch_size=9'}", "batch_size=8,16"], "batch_size is never 9"),
        (["seed=0,1", "batch_size=8,16", "+sweep.conditions={seed: 'batch_size=8',batch_size: 'seed=1'}"], "needs"),
        (["seed=0,1", "+sweep.conditions={seed: 'batch_size'}", "batch_size=8,16"], "expected another key"),
        (["sweep=cmaes", "optimizer.lr=interval(1e-3,1)"], "it searches two intervals or more"),
        (["sweep=random", "sweep.sampler.trials=0", "seed=0,1"], "sweep.sampler.trials=0"),
        (["sweep=asha", "sweep.pruner.first=1", "seed=0,1"], "sweep.pruner.first=1"),
        (["sweep=asha", "sweep.pruner.eta=1", "seed=0,1"], "sweep.pruner.eta=1"),
        (["sweep=nsga2", "+sweep.sampler.objectives={seconds: least}", "seed=0,1"], "maximize"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(words: list[str], said: str, hone: Hone) -> None:
    done = hone("train", "-m", *SMALL, *words)
    assert done.code == 2, done.said
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list(Path("outputs").glob("**/run.json"))


@pytest.mark.parametrize("option", options("sweep"))
def test_every_kind_of_sweep_is_a_choice_of_the_command_line(option: str, hone: Hone) -> None:
    done = hone("train", f"sweep={option}", "--cfg", "job")
    assert done.code == 0, done.said
    assert "_target_: hone.sweeps." in done.out


def test_drawn_cells_honour_ties_and_conditions(tmp_path: Path) -> None:
    told = space_of("a=1,2", "b=3,4", "c=interval(0,1)", "d=5,6", tied=[["a", "b"]], conditions={"c": "d=5"})
    search = Random(30, 0).search(told, AIM, Never(), tmp_path, "failed")
    found = [cell.values for _ in range(30) if (cell := search.ask())]
    assert len(found) == 30
    assert sum(values["d"] == "6" for values in found) == 2, "there are no more, and none comes twice"
    assert all((values["a"], values["b"]) in {("1", "3"), ("2", "4")} for values in found)
    assert all(("c" in values) == (values["d"] == "5") for values in found)
