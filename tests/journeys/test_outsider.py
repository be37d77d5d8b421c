"""A task from a package of one's own, as CONTRIBUTING.md says it: one Python file, one YAML, nothing else touched."""

import json
from pathlib import Path

import pytest

from conftest import ROOT, Hone, journal, only_run
from mistakes import lines, refused

OUTSIDER = ROOT / "tests" / "support" / "outsider"
ROWS = [("i feel sad", "now i feel happy", 1), ("now i feel sad", "i feel happy", 0)] * 48


def test_a_task_of_ones_own_goes_through_all_commands(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [path.name for path in OUTSIDER.rglob("*.*") if path.suffix != ".pyc"] == ["ordering.py", "ordering.yaml"]
    monkeypatch.syspath_prepend(OUTSIDER)
    Path("stories.jsonl").write_text(lines({"line": one, "next": other, "first": first} for one, other, first in ROWS))
    words = [
        "--config-dir", str(OUTSIDER / "conf"), "dataset=local", "task=ordering", "dataset.path=stories.jsonl",
        "dataset.columns.one=line", "dataset.columns.other=next", "tracker=none", "epochs=4", "batch_size=16",
    ]  # fmt: skip
    refused(hone("train", *words), "trust=[my_lab]")
    trust = "trust=[my_lab]"
    refused(hone("train", *words, trust, "task.max_length=0"), "task.max_length=0")
    refused(hone("train", *words, trust, "task.max_length=4"), "two sentences take five tokens")
    done = hone("train", *words, trust)
    assert done.code == 0, done.said
    first = only_run().parent
    scores = [row["validation/right"] for row in journal(only_run()) if "validation/right" in row]
    assert scores[-1] == 1.0
    assert hone("train", *words, trust, "optimizer.lr=1e-6", "name=slow").code == 0
    story = json.loads(hone("compare", "outputs", "metric=right", "format=json").out)
    tested, right = story["contrasts"][0]["by_examples"], [row["mean"] for row in story["configurations"]]
    assert tested["difference"] == pytest.approx(right[0] - right[1])
    assert 0 < tested["p"] < 0.05, "nobody had to vouch for the task to compare its runs"
    run = f"run={only_run(first)}"
    done = hone("evaluate", run, trust, "split=validation")
    assert done.code == 0, done.said
    assert "the other way round" in done.out, "the hardest examples are told in its words"
    done = hone("predict", run, trust, "one=now i feel sad", "other=i feel happy")
    assert done.code == 0, done.said
    assert json.loads(done.out)["in_order"] < 0.5
    done = hone("predict", run, trust, "one=", "other=i feel happy")
    assert (done.code, "row 0 (counting from 0): one: there is no text" in done.err) == (2, True)
