"""Questions about tables: cells and what is done with them, the loss and the choice of TAPAS, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForTableQuestionAnswering, pipeline

from conftest import Hone, only_run, record
from hone.core.errors import RowError, UserError
from hone.core.scores import baseline_scores, compute_scores
from hone.core.task import Facts
from hone.data.encoded_rows import EncodedRows
from hone.data.tiny.prices import TinyPrices
from hone.models.checkpoints.tiny_documents import TinyTapas
from hone.tasks.metrics.cells import cell_f1, cell_metrics
from hone.tasks.text.shared.tables import TextTable, aggregate
from hone.tasks.text.table_question_answering import TableQuestionAnswering

BRIEF = ("tracker=none", "precision=32-true", "checkpoint=tiny_tapas", "epochs=null", "steps=6", "batch_size=4")
LOCAL = ("dataset=local", "dataset.path=rows.jsonl", "task=table_question_answering", "dataset.holdout=0.3")
AGGREGATED = "dataset.columns.aggregation=aggregation"
PLAIN = {"name": ["apple", "tea"], "price": ["3", "4.5"]}


def rows_of(count: int = 12) -> list[dict[str, Any]]:
    return [*TinyPrices(train=count, validation=1, test=1).load()["train"]]


def bound(rows: list[dict[str, Any]], **options: Any) -> tuple[TableQuestionAnswering, EncodedRows]:
    raw = TableQuestionAnswering(**options)
    table = Dataset.from_list([{**row, "id": place} for place, row in enumerate(rows)])
    facts = raw.find_facts(table, None)
    task = raw.bind(TinyTapas(lr=1.0).make_processor(raw.auto_processor, facts), facts)
    encoded = table.map(partial(task.encode), batched=True, remove_columns=table.column_names, try_original_type=False)
    return task, EncodedRows.of(encoded, table, task)


def make_network(task: TableQuestionAnswering, **hyperparameters: Any) -> Any:
    """A network that is sure enough of something to select some cells and not others."""
    torch.manual_seed(0)
    checkpoint = TinyTapas(lr=1.0, hyperparameters=hyperparameters)
    network: Any = checkpoint.network(task.auto_model, checkpoint.config(task.model_config())).eval()
    with torch.no_grad():
        for weight in (network.output_weights, network.column_output_weights):
            weight.normal_(std=0.5)
    return network


@pytest.mark.parametrize("aggregated", [True, False])
def test_the_loss_of_the_rows_is_on_average_the_networks_own(aggregated: bool) -> None:
    rows = [row if aggregated else {**row, "aggregation": None} for row in rows_of()]
    task, encoded = bound(rows if aggregated else [{k: v for k, v in row.items() if v is not None} for row in rows])
    network, batch = make_network(task), encoded.collate(task, np.arange(12))
    labels = {"labels": batch["labels"]["answers"].long()}
    if aggregated:
        labels["aggregation_labels"] = batch["labels"]["operation"]
    with torch.no_grad():
        expected = float(network(**batch["inputs"], **labels).loss)
        assert float(task.loss(network, batch)) == pytest.approx(expected, rel=1e-5)
        records = task.predict(network, batch)
    assert records["loss"].mean() == pytest.approx(expected, rel=1e-5)
    assert ("aggregation_accuracy" in compute_scores(task, records)) == aggregated


def test_mixed_precision_gives_about_the_same_loss() -> None:
    task, encoded = bound(rows_of())
    network, batch = make_network(task), encoded.collate(task, np.arange(12))
    with torch.no_grad():
        exact = float(task.loss(network, batch))
        with torch.autocast("cpu", torch.bfloat16):
            loss = task.loss(network, batch)
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(exact, rel=0.05)


def test_a_row_selects_the_cells_that_the_library_selects_whatever_is_beside_it() -> None:
    """Also where a network may select no cell at all, which padding changes in the library."""
    task, encoded = bound(rows_of(24))
    for empty in (False, True):
        network = make_network(task, allow_empty_column_selection=empty)
        batch = encoded.collate(task, np.arange(24))
        with torch.no_grad():
            together = task.predict(network, batch)
            sizes = set()
            for row in range(24):
                alone = encoded.collate(task, np.array([row]))
                output = network(**alone["inputs"])
                cells, operations = task.processor.convert_logits_to_predictions(
                    alone["inputs"], output.logits, output.logits_aggregation
                )
                assert together["prediction"][row] == [list(cell) for cell in cells[0]]
                assert together["operation"][row] == operations[0]
                assert float(task.loss(network, alone)) == pytest.approx(together["loss"][row], rel=1e-4)
                sizes.add(len(cells[0]))
        assert len(sizes) > 2, "some select nothing, some one cell, some several"


def test_a_pipeline_gives_the_answers_that_predict_writes(hone: Hone) -> None:
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows_of(24)))
    done = hone("train", *LOCAL, AGGREGATED, *BRIEF)
    assert done.code == 0, done.said
    assert {"validation/exact_match", "validation/cell_f1", "validation/aggregation_accuracy"} <= record(only_run())[
        "scores"
    ].keys()
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    network: Any = AutoModelForTableQuestionAnswering.from_pretrained("shared")
    torch.manual_seed(0)
    with torch.no_grad():
        network.output_weights.normal_(std=0.1)
        network.output_bias.fill_(1.0)  # after a few steps it would select nothing
    network.save_pretrained("shared")
    Path("shared/hone-manifest.json").unlink()
    theirs = pipeline("table-question-answering", model="shared", device="cpu")
    asked = rows_of(6)
    tables = [TextTable.of(row["table"]) for row in asked]
    forms = [
        asked[0]["table"],
        {"header": tables[1].header, "rows": tables[1].rows},
        [dict(zip(tables[2].header, row, strict=True)) for row in tables[2].rows],
        dict(zip(tables[3].header, map(list, zip(*tables[3].rows, strict=True)), strict=True)),
        "\n".join(",".join(row) for row in asked[4]["table"]),
        json.dumps(asked[5]["table"]),
    ]
    lines = [{"table": form, "question": row["question"]} for form, row in zip(forms, asked, strict=True)]
    Path("asked.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = ("checkpoint=hub", "checkpoint.path=shared", "task=table_question_answering", "precision=32-true")
    done = hone("predict", *model, "input=asked.jsonl", "output=out.jsonl")
    assert done.code == 0, done.said
    answers = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert any(answer["cells"] for answer in answers)
    for row, answer in zip(asked, answers, strict=True):
        expected = theirs(table=TextTable.of(row["table"]).frame(), query=row["question"])
        assert {name: answer[name] for name in ("answer", "cells", "aggregator")} == {
            name: expected[name] for name in ("answer", "cells", "aggregator")
        }
        assert answer["coordinates"] == [list(cell) for cell in expected["coordinates"]]
    typed = hone("predict", *model, f"table={forms[4]}", f"question={asked[4]['question']}")
    assert typed.code == 0, typed.said
    assert json.loads(typed.out)["coordinates"] == answers[4]["coordinates"]


def test_cells_count_as_sets() -> None:
    records = {
        "prediction": [[[0, 1]], [[0, 1], [1, 1]], [], [[2, 0], [1, 0]]],
        "coordinates": [[[0, 1]], [[0, 1]], [[0, 0]], [[1, 0], [2, 0]]],
        "operation": np.array([0, 0, 0, 1]),
        "true_operation": np.array([0, 0, 1, 3]),
    }
    scores = {name: metric.compute(records) for name, metric in cell_metrics(aggregated=True).items()}
    assert scores == pytest.approx(
        {
            "exact_match": 1 / 4,
            "cell_f1": (1 + 2 / 3 + 0 + 1) / 4,
            "cell_accuracy": 2 / 4,
            "aggregation_accuracy": 2 / 4,
        }
    )
    assert cell_f1([], []) == 1


@pytest.mark.parametrize(
    "value",
    [
        PLAIN,
        [{"name": "apple", "price": 3}, {"name": "tea", "price": 4.5}],
        [["name", "price"], ["apple", "3"], ["tea", "4.5"]],
        {"header": ["name", "price"], "rows": [["apple", 3], ["tea", 4.5]], "title": "prices"},
        'name,price\napple,3\n"tea",4.5\n',
        json.dumps(PLAIN),
        {"other": None, **PLAIN},
    ],
)
def test_tables_have_many_forms(value: Any) -> None:
    assert TextTable.of(value) == TextTable(("name", "price"), (("apple", "3"), ("tea", "4.5")))


WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "no table": ({"table": None}, "column 'table': the table is missing (row 3)"),
    "no rows": ({"table": "name,price"}, "column 'table': the table has no rows (row 3)"),
    "ragged": ({"table": "a,b\n1,2\n3\n"}, "row 1 of the table has 1 cells, and the header 2 (row 3)"),
    "no JSON": ({"table": '{"a": ['}, "column 'table': not JSON ("),
    "no form": ({"table": '{"a": 3}'}, "expected a table: {column: [cells]}"),
    "no cell": ({"coordinates": []}, "column 'coordinates': expected a list of cells [row, column]"),
    "outside": ({"coordinates": [[9, 0]]}, "[9, 0] is not in the table of"),
    "no pair": ({"coordinates": [[1]]}, "[1] is no cell [row, column] of whole numbers (row 3)"),
    "no operation": ({"aggregation": "summ"}, "'summ' is none of NONE, SUM, AVERAGE, COUNT. Did you mean SUM?"),
    "no question": ({"question": " "}, "column 'question': the text is empty (row 3)"),
}


def test_what_cannot_be_learned_is_a_bad_row(hone: Hone) -> None:
    for case, (changes, words) in WRONG.items():
        rows = [{**row, "table": json.dumps(row["table"])} for row in rows_of(5)]
        rows[3] |= changes
        (fault,) = TableQuestionAnswering().find_faults(Dataset.from_list(rows), Facts("aggregated"))
        message = f"column {fault.role!r}: {fault.problem} (row {fault.row})"
        assert words in message, case
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = hone("train", *LOCAL, AGGREGATED, *BRIEF)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err


def test_rows_that_do_not_fit_are_left_out_and_their_cells_count_as_missed() -> None:
    long = {"table": [["good", "price"], *(["apple", str(number)] for number in range(1, 60))], "aggregation": "NONE",
            "question": "what is the price of the apple ?"}  # fmt: skip
    rows = [{**long, "coordinates": [[0, 1]]}, {**long, "coordinates": [[57, 1]]}]
    task, encoded = bound(rows)
    network, batch = make_network(task), encoded.collate(task, np.arange(2))
    assert encoded.lengths.max() <= task.processor.model_max_length
    assert task.count_targets(batch) == 1
    with torch.no_grad():
        records, loss = task.predict(network, batch), float(task.loss(network, batch))
    assert records["targets"].tolist() == [1, 0]
    assert records["loss"].tolist() == pytest.approx([loss, 0], rel=1e-5)
    many = {"table": [["a"], *([str(number)] for number in range(300))], "question": "what ?"}
    types = np.array(task.encode({"id": [5], **{name: [value] for name, value in many.items()}})["types"][0])
    assert types.reshape(-1, 7)[:, 4:6].max() == 255, "a rank of each of the 300 rows"
    with pytest.raises(RowError, match="its header and the question do not fit"):
        task.encode({"id": [4], "table": [PLAIN], "question": ["price " * 200]})


def test_the_table_is_limited_to_what_the_network_can_tell_apart() -> None:
    task, _ = bound(rows_of(4))
    config = TinyTapas(lr=1.0, hyperparameters={"max_num_rows": 4}).config(task.model_config())
    task.read_config(config)
    wide = {"table": [["a"], *([str(row)] for row in range(9))], "question": "what ?", "id": 0}
    types = np.array(task.encode({name: [value] for name, value in wide.items()})["types"][0]).reshape(-1, 7)
    assert types[:, 2].max() == 3
    config.type_vocab_sizes = [3, 16, 32, 2, 32, 32, 10]
    with pytest.raises(UserError, match="with 256 or more for the two ranks"):
        task.read_config(config)
    config.select_one_column = False
    with pytest.raises(UserError, match="select_one_column: true"):
        task.read_config(config)


def test_the_baseline_is_the_most_frequent_cell_and_answers_have_values() -> None:
    rows = [{"table": PLAIN, "question": "what ?", "coordinates": cells, "aggregation": name}
            for cells, name in (([[1, 1]], "none"), ([[1, 1]], None), ([[0, 1], [1, 1]], "sum"))]  # fmt: skip
    task, encoded = bound(rows)
    with torch.no_grad():
        records = task.predict(make_network(task), encoded.collate(task, np.arange(3)))
    assert baseline_scores(task, records)["exact_match"] == pytest.approx(2 / 3)
    answer = {"texts": ["3", "1,004.5"], "prediction": [[0, 1], [1, 1]]}
    assert task.outcome({**answer, "operation": 1})["value"] == 1007.5
    assert task.outcome({**answer, "operation": 1})["answer"] == "SUM > 3, 1,004.5"
    assert task.outcome({**answer, "operation": 0})["value"] is None
    assert aggregate("AVERAGE", ["3", "4"]) == 3.5
    assert aggregate("AVERAGE", ["three"]) is None
    assert aggregate("COUNT", ["three"]) == 1


def test_a_network_that_reads_no_tables_is_refused(hone: Hone) -> None:
    done = hone("train", "dataset=tiny_prices", *BRIEF, "checkpoint=tiny_bert")
    assert done.code == 2
    assert "reads no tables; choose a TAPAS" in done.err
