"""Data that cannot be learned from is refused with the place of the fault; data that is merely odd is learned from."""

import json
import re
import shlex

import pytest

from conftest import Hone, only_run, record
from mistakes import LOCAL, ROWS, csv, labelled, lines, paired, refused, store, trains

DATA: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "no file": ({"good.csv": csv()}, "dataset.path=goood.csv", "no such file|Did you mean good.csv?"),
    "no format": ({"a.pdf": "x"}, "dataset.path=a.pdf", "a.pdf|'.pdf'|.csv"),
    "empty file": ({"a.csv": ""}, "dataset.path=a.csv", "a.csv: the file is empty"),
    "blank file": ({"a.csv": "\n\n"}, "dataset.path=a.csv", "a.csv"),
    "a header alone": ({"a.csv": "text,label\n"}, "dataset.path=a.csv", "a.csv: it has no rows"),
    "an empty split": (
        {"d/train.csv": csv(), "d/test.csv": "text,label\n"},
        "dataset.path=d",
        "test.csv: it has no rows",
    ),
    "an empty folder": ({"d/readme": ""}, "dataset.path=d", "no train.csv|readme|dataset.splits.train=…"),
    "other columns": (
        {"a.csv": csv(header="sentence,lable")},
        "dataset.path=a.csv",
        "'text'|sentence, lable|dataset.columns.text=…",
    ),
    "a misspelt column": (
        {"a.csv": csv()},
        "dataset.path=a.csv dataset.columns.label=lable",
        "'lable'|Did you mean label?",
    ),
    "one column, two roles": (
        {"a.csv": csv()},
        "dataset.path=a.csv dataset.columns.text=label",
        "one column for two roles",
    ),
    "no such role": (
        {"a.csv": csv()},
        "dataset.path=a.csv dataset.columns.txt=label",
        "dataset.columns.txt|text, label, text_pair",
    ),
    "labels in one split": (
        {"d/train.csv": csv(), "d/test.csv": "text\na\n"},
        "dataset.path=d",
        "test split: no column 'label'",
    ),
    "no such split": ({"a.csv": csv()}, "dataset.path=a.csv +dataset.splits.valid=a.csv", "Did you mean validation?"),
    "no file of a split": ({"a.csv": csv()}, "dataset.path=a.csv dataset.splits.test=b.txt", "b.txt: no such file"),
    "other separators": ({"a.csv": csv().replace(",", ";")}, "dataset.path=a.csv", "separated by ';'"),
    "missing text": (
        {"a.jsonl": labelled(lambda row: row % 2, lambda row: None if row == 3 else "x")},
        "dataset.path=a.jsonl",
        "column 'text': the text is missing (row 3)|dataset.on_bad_row=skip",
    ),
    "blank text": (
        {"a.jsonl": labelled(lambda row: row % 2, lambda row: " \t" * (row > 8) + "x" * (row < 9))},
        "dataset.path=a.jsonl",
        "the text is empty (3 rows: 9, 10, 11)",
    ),
    "numbers for text": (
        {"a.csv": csv((row, label) for row, (_, label) in enumerate(ROWS))},
        "dataset.path=a.csv dataset.on_bad_row=skip",
        "12 of 12 rows|expected text, not int64",
    ),
    "lists for text": (
        {"a.jsonl": labelled(lambda row: row % 2, lambda row: ["x"])},
        "dataset.path=a.jsonl",
        "expected text, not list",
    ),
    "a missing label": (
        {"a.csv": csv([*ROWS, ("hello", "")])},
        "dataset.path=a.csv",
        "column 'label': the label is missing (row 12)",
    ),
    "no label at all": ({"a.csv": csv((text, "") for text, _ in ROWS)}, "dataset.path=a.csv", "12 of 12 rows"),
    "secret labels": (
        {"a.csv": csv([*((text, row % 2) for row, (text, _) in enumerate(ROWS)), ("x", -1)])},
        "dataset.path=a.csv dataset.labels=[no,yes]",
        "label '-1'|(row 12)|withheld",
    ),
    "labels out of range": (
        {"a.csv": csv([*((text, row % 2) for row, (text, _) in enumerate(ROWS)), ("x", 7)])},
        "dataset.path=a.csv dataset.labels=[no,yes]",
        "label '7' is not one of the training labels no, yes|(row 12)",
    ),
    "too few names": (
        {"a.csv": csv((text, row % 2) for row, (text, _) in enumerate(ROWS))},
        "dataset.path=a.csv dataset.labels=[no]",
        "label '1' is not one of",
    ),
    "a name twice": (
        {"a.csv": csv((text, row % 2) for row, (text, _) in enumerate(ROWS))},
        "dataset.path=a.csv dataset.labels=[no,no]",
        "dataset.labels=[no, no]|none of them twice",
    ),
    "no file of names": ({"a.csv": csv()}, "dataset.path=a.csv dataset.labels=names.txt", "dataset.labels=|names.txt"),
    "names that are no text": (
        {"a.csv": csv(), "names": b"\xff\xfe\x00"},
        "dataset.path=a.csv dataset.labels=names",
        "one name per line",
    ),
    "unseen labels": (
        {"d/train.csv": csv(), "d/validation.csv": csv([("a", "good"), ("b", "ugly")])},
        "dataset.path=d",
        "validation split: 1 of 2|label 'ugly' is not one of the training labels bad, good|(row 1)",
    ),
    "labels of mixed kinds": (
        {"a.jsonl": labelled(lambda row: ["a"] if row == 5 else "ab"[row % 2])},
        "dataset.path=a.jsonl",
        "expected one label, not ['a']|task.kind=multi_label|(row 5)",
    ),
    "lists for one label": (
        {"a.jsonl": labelled(lambda row: ["ab"[row % 2]])},
        "dataset.path=a.jsonl task.kind=single_label",
        "expected one label|task.kind=multi_label",
    ),
    "mappings for labels": (
        {"a.jsonl": labelled(lambda row: {"x": "ab"[row % 2]})},
        "dataset.path=a.jsonl",
        "expected one label, not {'x'",
    ),
    "missing labels in lists": (
        {"a.jsonl": labelled(lambda row: ["ab"[row % 2], None] if row == 4 else ["ab"[row % 2]])},
        "dataset.path=a.jsonl",
        "a label is missing (row 4)",
    ),
    "numbers that are none": (
        {"a.jsonl": labelled(lambda row: float("nan") if row == 3 else row / 3)},
        "dataset.path=a.jsonl",
        "expected a number, not nan (row 3)",
    ),
    "words for numbers": ({"a.csv": csv()}, "dataset.path=a.csv task.kind=regression", "expected a number, not 'good'"),
    "names for numbers": (
        {"a.jsonl": labelled(lambda row: row / 3)},
        "dataset.path=a.jsonl dataset.labels=[a,b]",
        "numbers to predict|a, b",
    ),
    "smoothed numbers": (
        {"a.jsonl": labelled(lambda row: row / 3)},
        "dataset.path=a.jsonl task.label_smoothing=0.1",
        "task.label_smoothing|numbers to predict",
    ),
    "one class": (
        {"a.csv": csv((text, "good") for text, _ in ROWS)},
        "dataset.path=a.csv",
        "a.csv: all training rows have the label good",
    ),
    "one class once the bad are out": (
        {"a.jsonl": labelled(lambda row: "ab"[row < 3], lambda row: "" if row < 3 else "x")},
        "dataset.path=a.jsonl dataset.on_bad_row=skip",
        "a.jsonl: all training rows have the label a",
    ),
    "two rows": ({"a.csv": csv(ROWS[:2])}, "dataset.path=a.csv", "2 training rows are too few"),
    "nothing held out": ({"a.csv": csv()}, "dataset.path=a.csv dataset.holdout=0", "no validation split"),
    "truncated lines": (
        {"a.jsonl": labelled(lambda row: row)[:-9]},
        "dataset.path=a.jsonl",
        "a.jsonl: 1 of 12 rows cannot be read|row 11: not JSON|on_bad_row=skip",
    ),
    "truncated parquet": (
        {"a.parquet": b"PAR1" + b"x" * 99},
        "dataset.path=a.parquet",
        "a.parquet: not readable as parquet",
    ),
    "a bad line far behind": (
        {"a.jsonl": lines([{"text": "w" * 5_000, "label": "a"}] * 5_000) + "no json\n", "b.csv": csv()},
        "dataset.path=a.jsonl dataset.streaming=true dataset.splits.validation=b.csv",
        "1 of 5001 rows cannot be read|row 5000: not JSON",
    ),
    "ragged rows": (
        {"a.csv": 'text,label\n"a\nb",b\nc,d,e\n'},
        "dataset.path=a.csv",
        "1 of 2 rows cannot be read|row 1: 3 fields where the header has 2|on_bad_row=skip",
    ),
    "an open quote": ({"a.csv": 'text,label\n"a,b\n'}, "dataset.path=a.csv", "a.csv: not readable as csv"),
    "another encoding": (
        {"a.csv": csv(((f"caf\xe9 {text}", label) for text, label in ROWS)).encode("latin-1")},
        "dataset.path=a.csv",
        "hone reads UTF-8",
    ),
    "another encoding after null": (  # a native reader dies of it
        {"a.json": b'null\x80[{"text": "a", "label": "b"}]'},
        "dataset.path=a.json",
        "a.json: 1 of 1 rows cannot be read|row 0: not UTF-8",
    ),
    "a lone surrogate": (
        {"a.jsonl": '{"text": "\\ud800", "label": 1}\n'},
        "dataset.path=a.jsonl",
        "a.jsonl: 1 of 1 rows cannot be read|row 0: half of a surrogate pair",
    ),
    "a key twice": (
        {"a.jsonl": '{"text": "a", "label": 1, "text": "b"}\n'},
        "dataset.path=a.jsonl",
        "row 0: the key 'text' occurs twice",
    ),
    "a column name twice": (
        {"a.csv": csv(((f"{text},{text}", label) for text, label in ROWS), "text,text,label")},
        "dataset.path=a.csv",
        "a.csv: several columns are called text",
    ),
    "all rows bad": (
        {"a.jsonl": labelled(lambda row: "ab"[row % 2], lambda row: " ")},
        "dataset.path=a.jsonl dataset.on_bad_row=skip",
        "12 of 12 rows cannot be used",
    ),
    "too long a text": (
        {"a.jsonl": labelled(lambda row: row % 2, lambda row: "x " * 200 * (row == 5) + "x")},
        "dataset.path=a.jsonl task.truncation=do_not_truncate",
        "(row 5)|128 tokens that are allowed, and task.truncation=do_not_truncate|dataset.on_bad_row=skip",
    ),
    "a first text that is too long and never cut": (
        {"a.jsonl": paired(lambda row: "x " * 200 * (row == 5) + "x", lambda row: "y")},
        "dataset.path=a.jsonl dataset.columns.text_pair=pair task.truncation=only_second",
        "(row 5)|column 'text'|(limit 128), and task.truncation=only_second cuts only that|dataset.on_bad_row=skip",
    ),
    "a second text that is too long and never cut": (
        {"a.jsonl": paired(lambda row: "y", lambda row: "x " * 200 * (row == 5) + "x")},
        "dataset.path=a.jsonl dataset.columns.text_pair=pair task.truncation=only_first",
        "(row 5)|column 'pair'|(limit 128), and task.truncation=only_first cuts only that",
    ),
    "no second text to cut": (
        {"a.jsonl": labelled(lambda row: row % 2, lambda row: "x")},
        "dataset.path=a.jsonl task.truncation=only_second",
        "task.truncation=only_second: the rows have no second text|task.truncation=longest_first",
    ),
    "half a saved data set": (
        {"d/dataset_dict.json": "nonsense"},
        "dataset.path=d",
        "dataset.path=|this saved data set is incomplete",
    ),
}


@pytest.mark.parametrize("case", DATA)
def test_wrong_data(case: str, hone: Hone) -> None:
    files, line, said = DATA[case]
    store(files)
    refused(hone(*LOCAL, *line.split()), *said.split("|"))


FINE: dict[str, tuple[dict[str, str | bytes], str]] = {
    "a byte-order mark": ({"a.csv": b"\xef\xbb\xbf" + csv().encode()}, "dataset.path=a.csv"),
    "Windows line ends": ({"a.csv": csv(end="\r\n")}, "dataset.path=a.csv"),
    "every script": (
        {"a.jsonl": labelled(lambda row: row % 2, lambda row: ["😀 é", "مرحبا \u202e", "日本", "a\u200db"][row % 4])},
        "dataset.path=a.jsonl",
    ),
    "labels in any script": ({"a.jsonl": labelled(lambda row: ["😀", "شر"][row % 2])}, "dataset.path=a.jsonl"),
    "a NUL": ({"a.jsonl": labelled(lambda row: row % 2, lambda row: f"a\x00b{row}")}, "dataset.path=a.jsonl"),
    "a very long text": (
        {"a.jsonl": labelled(lambda row: row % 2, lambda row: "w" * 10 ** (6 * (row == 0)))},
        "dataset.path=a.jsonl",
    ),
    "an own id": (
        {"a.csv": csv(((f"7,{text}", label) for text, label in ROWS), "id,text,label")},
        "dataset.path=a.csv",
    ),
    "yes and no": ({"a.jsonl": labelled(lambda row: row % 2 == 0)}, "dataset.path=a.jsonl"),
    "dates for labels": ({"a.jsonl": labelled(lambda row: f"2020-01-0{row % 2 + 1}")}, "dataset.path=a.jsonl"),
    "gaps between numbers": (
        {"a.csv": csv((text, 5 * (row % 2)) for row, (text, _) in enumerate(ROWS))},
        "dataset.path=a.csv",
    ),
    "capitals": ({"d/Train.CSV": csv()}, "dataset.path=d"),
    "a rare label": ({"a.csv": csv([*ROWS, ("unique", "rare")])}, "dataset.path=a.csv dataset.holdout=0.4"),
}


@pytest.mark.parametrize("case", FINE)
def test_odd_data_that_is_fine(case: str, hone: Hone) -> None:
    files, line = FINE[case]
    store(files)
    trains(hone(*LOCAL, *line.split()))


def test_bad_rows_are_left_out_and_counted_where_the_user_says_so(hone: Hone) -> None:
    bad = [{"text": "", "label": "good"}, {"text": None, "label": "bad"}, {"text": "x", "label": None}]
    store({"a.jsonl": lines([*({"text": text, "label": label} for text, label in ROWS), *bad])})
    done = hone(*LOCAL, "dataset.path=a.jsonl", "dataset.on_bad_row=skip")
    trains(done)
    assert "3 of 15 rows cannot be used and are left out" in done.err
    assert "the text is empty (row 12)" in done.err
    assert "the label is missing (row 14)" in done.err
    assert sum(record(only_run())["data"]["rows"].values()) == 12


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_lines_that_are_no_rows_are_left_out_and_the_rest_keeps_its_numbers(hone: Hone, suffix: str) -> None:
    rows = [(text, row % 2) for row, (text, _) in enumerate(ROWS)]
    rows[3] = (" ", 1)
    head, first, *others = csv(rows).splitlines(keepends=True)
    objects = labelled(lambda row: rows[row][1], lambda row: rows[row][0]).splitlines(keepends=True)
    files = {"csv": "".join([head, first, "a,b,c\n", *others]), "jsonl": "".join([objects[0], "{\n", *objects[1:]])}
    store({f"a.{suffix}": files[suffix]})
    done = hone(*LOCAL, f"dataset.path=a.{suffix}", "dataset.on_bad_row=skip")
    trains(done)
    assert re.search(r"1 of 13 rows cannot be read \(counting from 0\):\s+row 1: ", done.err)
    assert "2 of 13 rows cannot be used and are left out" in done.err
    assert "the text is empty (row 4)" in done.err
    facts = json.loads((only_run() / "facts.json").read_text())
    assert facts["labels"] == ["0", "1"], "numbers stay numbers, next to a row without one"


HUB = {
    "dataset.path=nobody/nothing": "dataset.path=nobody/nothing: no such folder, and the hub|Offline",
    "dataset.path=fodler": "Did you mean folder?",
    "dataset.path=folder dataset.subset=nothing": "dataset.subset=nothing: not in|default",
    "dataset.path=folder dataset.splits.train=tran": "dataset.splits.train=tran: not in|Did you mean train?",
    "dataset.path=folder dataset.splits.train=null": "no training split|dataset.splits.train=…",
    "dataset.path=folder 'dataset.splits.train=\"train[:5\"'": "train[:5",
    "dataset.path=parts": "dataset.subset: |aa, bb",
    "dataset.path=script": "dataset.revision=refs/convert/parquet",
    "dataset.path=broken": "dataset.path=|row 11",
    "dataset.path=folder/train.csv": "dataset=local",
}


@pytest.mark.parametrize(("line", "said"), HUB.items())
def test_a_wrong_data_set_of_the_hub(line: str, said: str, hone: Hone) -> None:
    parts = "".join(f"- config_name: {name}\n  data_files: {name}.csv\n" for name in ("aa", "bb"))
    store(
        {
            "folder/train.csv": csv(),
            "folder/test.csv": csv(),
            "parts/README.md": f"---\nconfigs:\n{parts}---\n",
            "parts/aa.csv": csv(),
            "parts/bb.csv": csv(),
            "script/script.py": "import datasets\n",
            "broken/train.jsonl": labelled(lambda row: row)[:-9],
        }
    )
    refused(hone("train", "tracker=none", "dataset=hub", *shlex.split(line)), *said.split("|"))
