"""What a run keeps of its records for tests by example, and whose functions may make scores of it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from comparable import make_run
from conftest import Hone
from hone.core.contributions import Contributions, SavedContributions, truth_of
from hone.core.metric import SumMetric
from hone.core.trust import function_of, name_of
from hone.tasks.metrics.classes import single_label_metrics
from hone.tasks.metrics.scalars import perplexity

RECORDS = {"id": np.array([2, 0, 1]), "label": np.array([0, 1, 1]), "prediction": np.array([0, 1, 0])}
LAB = "def doubled(sums):\n    return 2 * sums[..., 0] / sums[..., 1]\n"


def saved(tmp_path: Path, metric: SumMetric) -> Path:
    place = tmp_path / "contributions" / "validation.parquet"
    Contributions.of({"mine": metric}, RECORDS).save(place, "truth")
    return place


def right(records: dict[str, Any]) -> Any:
    return records["label"] == records["prediction"]


def test_examples_are_in_the_order_of_their_ids(tmp_path: Path) -> None:
    found = SavedContributions.load(saved(tmp_path, SumMetric(right)), "mine")
    assert found is not None
    assert found.ids.tolist() == [0, 1, 2]
    assert found.measure.codes.tolist() == [[1, 1], [0, 1], [1, 1]]


def test_only_trusted_functions_are_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_lab.py").write_text(LAB)
    monkeypatch.syspath_prepend(tmp_path)
    import some_lab  # type: ignore[import-not-found]  # written above

    place = saved(tmp_path, SumMetric(right, some_lab.doubled))
    monkeypatch.delitem(sys.modules, "some_lab")
    assert SavedContributions.load(place, "mine") is None
    assert "some_lab" not in sys.modules
    monkeypatch.setenv("HONE_TRUST", "some_lab")
    found = SavedContributions.load(place, "mine")
    assert found is not None
    assert float(found.measure.score(found.measure.codes.sum(axis=0))) == pytest.approx(4 / 3)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("..evaluate", "main"),
        (".metric.", "ratio"),
        (".metric", "np"),
        (".metric", "nothing"),
        (".metrik", "ratio"),
    ],
)
def test_a_file_names_no_other_function(module: str, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        function_of({"module": module, "name": name, "options": {}})


@pytest.mark.parametrize("function", [perplexity, single_label_metrics("ab")["matthews"].expand])
def test_a_function_is_found_by_its_name(function: Callable[..., Any]) -> None:
    found = function_of(json.loads(json.dumps(name_of(function))))
    codes = np.array([[0.0, 1.0], [1.0, 1.0]])
    assert np.array_equal(found(codes), function(codes))


def test_a_function_without_a_name_is_not_resampled(tmp_path: Path) -> None:
    assert name_of(lambda sums: sums) is None
    assert SavedContributions.load(saved(tmp_path, SumMetric(right, lambda sums: sums[..., 0])), "mine") is None


def test_what_was_wanted_tells_examples_apart() -> None:
    truth = truth_of(RECORDS, ("label",), ("a", "b"))
    assert truth == truth_of(RECORDS | {"prediction": np.zeros(3)}, ("label", "target"), ("a", "b"))
    assert truth != truth_of(RECORDS | {"label": np.array([0, 1, 0])}, ("label",), ("a", "b"))
    assert truth != truth_of(RECORDS, ("label",), ("b", "a"))


def test_runs_whose_additions_are_gone_or_damaged_are_compared_by_seeds(hone: Hone) -> None:
    for damage in (Path.unlink, lambda path: path.write_text("no table"), _without_description):
        for name, accuracy in (("a", 0.9), ("b", 0.5)):
            place = make_run(Path(f"outputs/{damage.__name__}/{name}"), accuracy, 0, accuracy / 100)
            damage(place / "contributions" / "validation.parquet")
        story = json.loads(hone("compare", f"outputs/{damage.__name__}", "format=json").out)
        assert story["contrasts"][0]["by_examples"] is None


def _without_description(path: Path) -> None:
    pq.write_table(pa.table({"id": [0]}), path)
