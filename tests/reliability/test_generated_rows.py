"""Generated rows and damaged bytes: whatever a file holds, it is refused in words or makes batches of numbers."""

import importlib
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import figures
from forked import call_forked
from malformed import BAD, sound_rows, write_csv, write_json, write_jsonl, write_parquet

EXAMPLES = int(os.environ.get("HONE_TEST_EXAMPLES", "500"))
WRITERS = {"jsonl": write_jsonl, "json": write_json, "csv": write_csv, "parquet": write_parquet}
TEXTS = st.one_of(
    st.none(), st.text(max_size=8), st.sampled_from(["\0", "\ud800", "\u202e", "1", "null", "[", "w" * 10_000]),
    st.integers(), st.booleans(), st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=2), st.none()),
)  # fmt: skip
LABELS = st.one_of(TEXTS, st.floats(), st.sampled_from([-1, 7, 2**70, 1e30, "good", "1"]))
ODD = st.fixed_dictionaries({}, optional={"text": TEXTS, "label": LABELS, "more": LABELS})
LINES = st.sampled_from(
    [b"null", b"3", b"[]", b'"x"', b"{", b"{}", b"\xff", b"\0", b'{"text": "a"} {"label": 1}', b","]
)
EDITS = st.lists(st.tuples(st.integers(0, 10_000), st.binary(min_size=1, max_size=3)), max_size=2)


def damaged(content: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    for place, replacement in edits:
        start = place % max(len(content), 1)
        content = content[:start] + replacement + content[start + len(replacement) :]
    return content


def prepare_file(file: Path) -> int:
    """Does all that a run does before its weights are loaded, then makes a batch. Returns an exit code."""
    import torch

    from harness import Training
    from hone.core.errors import HoneError
    from hone.data.sources.local import Local
    from hone.training.prepare import prepare
    from hone.training.stage_cache import StageCache

    training = Training(Path("run"), rows=None)
    parts = replace(training.parts(), dataset=Local(str(file)))
    try:
        prepared = prepare(parts, training.settings(), StageCache())
    except HoneError as error:
        print(error)
        return error.exit_code
    rows = prepared.encoded["train"]
    batch = rows.collate(prepared.task, np.arange(len(rows.lengths)))
    return 0 if bool(torch.isfinite(batch["labels"].float()).all()) else 3


@pytest.mark.slow
def test_generated_rows_are_refused_or_make_batches(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for module in ("harness", "hone.data.sources.local", "hone.training.prepare"):
        importlib.import_module(module)  # before the forks, so that no child has to
    seen: Counter[str] = Counter()

    @seed(0)
    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from([*WRITERS]), st.lists(ODD, max_size=3), st.lists(LINES, max_size=1), EDITS)
    def check(form: str, odd: list[dict], junk: list[bytes], edits: list[tuple[int, bytes]]) -> None:
        rows = sound_rows()
        rows[BAD:BAD] = [rows[BAD] | row for row in odd]
        try:
            content = WRITERS[form](rows)
        except Exception:
            content = write_jsonl(rows)  # a type that this format has not
            form = "jsonl"
        if junk and form != "parquet":
            content = b"\n".join([*junk, content])
        file = tmp_path / f"a{sum(seen.values())}.{form}"
        file.write_bytes(damaged(content, edits))
        done = call_forked(lambda: prepare_file(file))
        assert done.code in (0, 2), (form, content, done)
        assert "Traceback" not in done.said, (form, content, done)
        seen["makes batches" if done.code == 0 else "refused"] += 1

    check()
    assert sum(seen.values()) >= EXAMPLES * 0.9
    figures.report(f"generated files of rows: {sum(seen.values())}, 0 tracebacks, {dict(seen)}")
