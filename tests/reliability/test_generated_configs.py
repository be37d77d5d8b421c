"""Generated command lines: a valid one composes, an invalid one is refused by one line that names its key.

The keys, their types and the options come from the settings, the classes and the folders of `conf/`, so that whatever
is added is generated as well.
"""

import os
import string
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, ValidationError

from conftest import Hone
from hone.config.application import Application
from hone.config.command_line import CommandLine
from hone.config.mistakes import compose_config
from hone.config.signatures import Parameter, signature_of
from hone.config.tree import CONF, options, target_of
from hone.core.wording import literals
from hostile import grammar

EXAMPLES = int(os.environ.get("HONE_TEST_EXAMPLES", "500"))
GROUPS = ("dataset", "checkpoint", "head", "adapter", "optimizer", "scheduler", "batch", "tracker", "sweep")
DEPENDENT = {"epochs", "steps", "strategy", "devices", "resume", "trust", "name", "output_root", "dataset.columns"}
"""Keys whose values must fit other keys, the disk or the user's packages; each has tests of its own."""
LETTERS = string.ascii_letters + string.digits + " ,:=[]{}()'\"#%&*/<>?@^_|~äß→.-"
RULES = ConfigDict(coerce_numbers_to_str=True, arbitrary_types_allowed=True, allow_inf_nan=False)

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2000),
    st.floats(-2, 1e4, allow_nan=False).map(lambda number: round(number, 6)),
    st.sampled_from(["auto", "1 epoch", "20%", "500 steps", "0.5 epochs", "inf", "nan", "-1", "1e-3", "", " ", "null"]),
    st.text(LETTERS, max_size=12),
    st.lists(st.integers(-1, 3), max_size=2),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 2), max_size=2),
)


def parameters(target: str) -> dict[str, Parameter]:
    signature = signature_of(target)
    return {} if signature is None else {name: item for name, item in signature.parameters.items() if name[0] != "_"}


def keys(choices: dict[str, str]) -> dict[str, Any]:
    """The keys of these options, and those of `hone train` itself, with their declared types."""
    own = {name: item.type for name, item in parameters("hone.config.settings.TrainSettings").items()}
    inside = {
        f"{group}.{name}": item.type
        for group, option in choices.items()
        for name, item in parameters(target_of(group, option)).items()
        if group not in ("tracker", "sweep")
    }
    return {key: kind for key, kind in (own | inside).items() if kind is not Any and key not in DEPENDENT}


def accepts(kind: Any, value: Any) -> bool:
    try:
        converted = TypeAdapter(kind, config=RULES).validate_python(value)
    except ValidationError:
        return False
    return isinstance(converted, bool) or not isinstance(value, bool)


def complete(group: str) -> list[str]:
    """The options that need no value from the user and contain no other options."""
    return [
        option
        for option in options(group)
        if option != "several" and ": ???" not in (CONF / group / f"{option}.yaml").read_text("utf-8")
    ]


choices = st.fixed_dictionaries({}, optional={group: st.sampled_from(complete(group)) for group in GROUPS})


@st.composite
def lines(draw: st.DrawFn, valid: bool) -> tuple[str, list[str]]:
    """Words in any order, and the key that is wrong, if one is."""
    chosen = draw(choices)
    known = keys(chosen)
    typed = {}
    for key in draw(st.lists(st.sampled_from(sorted(known)), max_size=4, unique=True)):
        kind = known[key]
        named_values = [*literals(kind)]
        named = st.sampled_from(named_values) if named_values else values
        fitting = [
            value for value in draw(st.lists(st.one_of(named, values), min_size=8, max_size=8)) if accepts(kind, value)
        ]
        typed |= {key: grammar(fitting[0])} if fitting else {}
    words = [f"{group}={option}" for group, option in chosen.items()] + [
        f"{plus(key)}{key}={text}" for key, text in typed.items()
    ]
    if valid:
        return "", draw(st.permutations(words))
    key, word = draw(mistakes({key: kind for key, kind in known.items() if key not in typed}))
    others = [other for other in words if other.lstrip("+").partition("=")[0] != key]
    return key, draw(st.permutations([*others, word]))


def mistakes(known: dict[str, Any]) -> st.SearchStrategy[tuple[str, str]]:
    """A key with a value of another type, a misspelt key, or an option that does not exist."""
    key = st.sampled_from(sorted(known))
    wrong = st.tuples(key, values).filter(lambda pair: not accepts(known[pair[0]], pair[1]))
    misspelt = key.map(lambda name: name[:-1] + "qx")
    group = st.sampled_from(GROUPS)
    return st.one_of(
        wrong.map(lambda pair: (pair[0], f"{plus(pair[0])}{pair[0]}={grammar(pair[1])}")),
        misspelt.map(lambda name: (name, f"{name}=1")),
        group.map(lambda name: (name, f"{name}=qxz")),
        group.map(lambda name: (name, f"{name}._target_=hone.qxz.Thing")),
    )


def plus(key: str) -> str:
    """What allows a key of a section that the option's file leaves out."""
    return "++" if "." in key else ""


def require_composed(words: list[str]) -> None:
    application = Application("train", debug=False)
    application.line = CommandLine.read(words)
    application.prepare(compose_config("train", words, application.line))


def require_refused(hone: Hone, key: str, words: list[str]) -> None:
    done = hone("train", *words)
    assert done.code == 2, done.said
    assert "Traceback" not in done.said
    assert done.err.startswith("hone: ")
    assert key in done.err, done.err


def generated(count: int, strategy: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
    runs = settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=quiet
    )
    return lambda test: seed(0)(runs(given(line=strategy)(test)))


@generated(6, lines(valid=True))
def test_some_valid_lines_compose(line: tuple[str, list[str]]) -> None:
    require_composed(line[1])


@generated(4, lines(valid=False))
def test_some_invalid_lines_are_refused(hone: Hone, line: tuple[str, list[str]]) -> None:
    require_refused(hone, *line)


@pytest.mark.slow
@generated(EXAMPLES // 2, lines(valid=True))
def test_valid_lines_compose(line: tuple[str, list[str]]) -> None:
    require_composed(line[1])


@pytest.mark.slow
@generated(EXAMPLES // 2, lines(valid=False))
def test_invalid_lines_are_refused(hone: Hone, line: tuple[str, list[str]]) -> None:
    require_refused(hone, *line)
