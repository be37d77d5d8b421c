"""What `hone predict` reads may be as bad as training data: each malformed row is named, or predicted as it is."""

from pathlib import Path

import pytest

from conftest import SMALL, train_in
from forked import run_forked
from malformed import MALFORMED, TRAINS
from mistakes import store

EXPECTED = {
    "null text-jsonl": "row 5 (counting from 0): text: the text is missing",
    "null text-csv": "row 5 (counting from 0): text: the text is empty",
    "blank text-parquet": "row 5 (counting from 0): text: the text is empty",
    "no text-jsonl": "row 5 (counting from 0): text: the text is missing",
    "number among texts-jsonl": "row 5 (counting from 0)",
    "list among texts-jsonl": "row 5 (counting from 0)",
    "null first-jsonl": "row 0 (counting from 0): not a JSON object",
    "two rows in a line-jsonl": "row 0 (counting from 0): not JSON",
    "key twice-jsonl": "row 5 (counting from 0): the key 'text' occurs twice",
    "100,000 levels-jsonl": "row 0 (counting from 0): nested deeper than 60 levels",
    "half a surrogate pair-jsonl": "row 5 (counting from 0): half of a surrogate pair",
    "Latin-1-jsonl": "row 5 (counting from 0): not UTF-8",
    "Latin-1-csv": "hone reads UTF-8",
    "UTF-16-csv": "hone reads UTF-8",
    "not UTF-8 in parquet-parquet": "not readable",
    "flipped bytes-parquet": "not readable",
    "cut in the middle-parquet": "not readable",
    "row with more fields-csv": "row 12 (counting from 0): more fields",
    "a million characters-csv": TRAINS,
    "emoji-jsonl": TRAINS,
}
"""The message by malformation and format; '' where all rows are predicted."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_in(tmp_path_factory.mktemp("trained"), *SMALL)


@pytest.mark.slow
@pytest.mark.parametrize("case", EXPECTED)
def test_a_malformed_input_is_named_or_predicted(case: str, run: Path) -> None:
    name, _, form = case.rpartition("-")
    store({f"a.{form}": MALFORMED[name].content(form)})
    done = run_forked("predict", f"run={run}", f"input=a.{form}")
    assert "Traceback" not in done.said
    assert done.code == (0 if EXPECTED[case] == TRAINS else 2), done.said
    assert EXPECTED[case] in done.err
    if EXPECTED[case] == TRAINS:
        assert len(done.out.splitlines()) == 12
