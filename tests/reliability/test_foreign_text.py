"""Hostile labels, rows, columns, names and tags: no screen, table, card or page takes them for commands or markup."""

import csv
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conftest import ROOT, Hone, Outcome, only_run
from hone.core.foreign_text import (
    as_code,
    as_code_block,
    csv_line,
    for_csv,
    for_html,
    for_json,
    for_latex,
    for_markdown,
    for_screen,
    for_script,
)
from hone.core.redact import redact, redact_text
from hone.core.screen import SafeConsole
from hone.core.secret_forms import has_secret_name

HOSTILE = (
    "[/b]", "[bold red]x[/nope]", "[link=file:///etc]y[/link]", ":bomb:", "\x1b[31mred", "\x1b]0;owned\x07",
    "\x1b[2J\x1b[H", "\x9b31m", "\x9d0;x\x9c", "\rover", "\x08\x08back", "\x7f", "\u202egnp.exe", "\u2066x\u2069",
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "<script>alert(1)</script>", "</script><img src=x>",
    "a|b", "two\nlines", "`code`", "```\n# x", "![i](http://x)", "\u2028",
)  # fmt: skip
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]")
COLUMN = "=1\x1b[1m[/b]<b>"
NUMBERS = ("-1", "-1.5e-3", "+2", "-inf", "-")


@pytest.mark.parametrize("text", HOSTILE)
def test_each_place_shows_a_text_as_text(text: str) -> None:
    assert not CONTROL.search(for_screen(text))
    assert not CONTROL.search(for_json(text))
    assert json.loads(for_json(text)) == text
    markdown = for_markdown(text)
    assert not CONTROL.search(markdown)
    assert not re.search(r"[<>\n]|(?<!\\)[\[\]|`*]", markdown)
    assert "<" not in for_html(text)
    assert "<" not in for_script({"text": text})
    assert json.loads(for_script({"text": text})) == {"text": text}
    assert "\n" not in as_code(text)
    assert "\n" not in for_latex(text)
    assert as_code_block(text, "yaml").count("\n") == text.count("\n") + 2


@pytest.mark.parametrize("text", [text for text in HOSTILE if text[0] in "=+-@\t\r\uff1d"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert for_csv(text) == f"'{text}"
    assert next(csv.reader(io.StringIO(csv_line([text, "x"]), newline=""))) == [f"'{text}", "x"]


def test_numbers_stay_numbers() -> None:
    assert [for_csv(text) for text in NUMBERS[:4]] == list(NUMBERS[:4])
    assert for_csv(NUMBERS[4]) == "'-"
    assert for_csv(-1.5) == -1.5
    assert for_csv(None) is None


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert as_code_block("```\nx", "yaml").startswith("````yaml\n")
    assert as_code("a`b") == "``a`b``"


@pytest.mark.parametrize("text", HOSTILE)
def test_the_console_prints_a_text_wherever_it_stands(text: str) -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, width=200, force_terminal=False, markup=False, emoji=False)
    table = Table(text, title=text)
    table.add_row(text)
    table.add_row(Text(text))
    console.print(text, Text(text), table)
    assert not CONTROL.search(file.getvalue())
    if text[0] == "[":
        assert file.getvalue().count(text) == 6


def test_styles_still_colour() -> None:
    file = io.StringIO()
    SafeConsole(file=file, force_terminal=True, color_system="standard", markup=False).print(Text("a\x1bb", "bold"))
    assert file.getvalue() == "\x1b[1ma\\x1bb\x1b[0m\n"
    assert issubclass(SafeConsole, Console)


@pytest.mark.parametrize(
    ("call", "places"),
    [
        ("Console", []),
        ("SafeConsole", ["core/screen.py"]),
        ("print", ["config/completion.py"]),
        ("stdout.write", []),
        ("stderr.write", []),
        ("html.escape", ["core/foreign_text.py"]),
    ],
)
def test_no_file_prints_past_these_functions(call: str, places: list[str]) -> None:
    source = ROOT / "src" / "hone"
    calls = re.compile(rf"(?<![\w.\"]){re.escape(call)}\(|\b(?:sys|rich)\.{re.escape(call)}\(")
    printing = [
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if any(calls.search(line) for line in path.read_text().splitlines() if not line.startswith("class "))
    ]
    assert [path for path in printing if path != "tasks/usage_snippets.py"] == places


ORDINARY = (
    "tokenizer=bert-base-uncased-v2", "max_tokens=100000000", "task=token_classification", "key_column: identifier12",
    "validation/nll_per_token=12.345678", "mask_token=[MASK12345]", "sort_key=column_12", "author: someone12345678",
    "a commit 5e884898da28047151d0e56f8dd32d6f5ac1f9ab", "http://host:8080/path@v2", "OMP_NUM_THREADS=1",
    "outputs/tiny_emotion-tiny_bert/20261127-035003-ac3dc1ff/model", "tokens: 12,345,678", "pattern=abc12345678",
    "f1/key1234567",
)  # fmt: skip


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_are_no_secrets(text: str) -> None:
    assert redact_text(text) == text


def test_ordinary_keys_are_no_secrets() -> None:
    config = {"tokenizer": "x", "max_tokens": 12345678, "pad_token": "<pad>", "text_key": "text_of_row_2024"}
    assert redact(config) == config
    assert not has_secret_name("PWD", "/home/me/somewhere")
    assert redact({"password": 12345678, "apiKey": "x", "github_pat": "y", "passphrase": "z"}) == dict.fromkeys(
        ("password", "apiKey", "github_pat", "passphrase"), "***"
    )


def write_rows(folder: Path) -> None:
    folder.mkdir()
    draw, labels = random.Random(0), [text for text in HOSTILE if text.strip()]  # a blank label is a bad row
    for split, count in (("train", 87), ("validation", 58), ("test", 29)):
        rows = [
            {"text": f"{draw.choice(HOSTILE)} {number}", "label": labels[number % len(labels)], COLUMN: "x"}
            for number in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def checked(done: Outcome) -> Outcome:
    assert done.code == 0, done.said
    assert not CONTROL.search(done.said), repr(CONTROL.search(done.said))
    assert "Traceback" not in done.said
    return done


def cells(path: Path) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(path.read_bytes().decode(), newline="")) for cell in row]


def is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*(e[+-]?\d+)?|inf|nan)", text) is not None


def formulas(path: Path) -> list[str]:
    return [cell for cell in cells(path) if cell.startswith(tuple("=+-@\t\r")) and not is_number(cell)]


def files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.rglob(pattern))


@pytest.mark.slow
def test_a_run_of_hostile_text_from_training_to_the_card(hone: Hone) -> None:
    write_rows(Path("=d [b]"))
    small = ("dataset=local", "dataset.path='=d [b]'", "precision=32-true", "epochs=1", "head=mean", "log_every=2")
    name = "name='[/b] =<i>x'"
    checked(hone("train", *small, "tracker=csv", name, "notes='<script>[/b]'"))
    run = only_run()
    checked(hone("evaluate", f"run='{run}'", "worst=9"))
    predicted = ("predict", f"run='{run}'", "input='=d [b]/test.jsonl'")
    checked(hone(*predicted, "output=out.csv"))
    rows = [json.loads(line) for line in checked(hone(*predicted)).out.splitlines()]
    assert {row["label"] for row in rows} <= set(HOSTILE)
    checked(hone("export", f"run='{run}'", "output=exported"))
    assert not CONTROL.search((run / "log.txt").read_text())
    tables = [Path("out.csv"), *files(run, "*.csv")]
    assert len(tables) > 3
    assert [cell for path in tables for cell in formulas(path)] == []
    card = Path("exported/README.md").read_text()
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert front
    outside = re.sub(r"(?ms)^(`{3,})\w+$.*?^\1$|(`+).*?\2", "", body)
    assert not CONTROL.search(body)
    assert "<" not in outside
    assert not re.search(r"(?<!\\)!\[|(?<!\\)\]\(", outside)
    table = [line for line in body.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {5}


@pytest.mark.slow
def test_a_sweep_of_hostile_text_and_its_page(hone: Hone) -> None:
    folders = ("=1 [b]<i>x", "d")
    for folder in folders:
        write_rows(Path(folder))
    small = ("dataset=local", "precision=32-true", "steps=2", "epochs=null", "head=mean", "tracker=none")
    paths = "dataset.path=" + ",".join(f"'{folder}'" for folder in folders)
    checked(hone("train", "-m", *small, "sweep.name='[/b] =<i>x'", "notes='</script>'", paths))
    sweep = Path("outputs/[/b] =<i>x")
    checked(hone("sweep", "status", str(sweep)))
    for form in ("table", "csv", "markdown", "latex", "json"):
        done = checked(hone("compare", str(sweep), f"format={form}", "report=page.html"))
        if form == "csv":
            Path("table.csv").write_text(done.out)
    assert formulas(Path("table.csv")) == []
    for page in (Path("page.html"), sweep / "report.html"):
        text = page.read_text()
        data: Any = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
        assert json.loads(data[1])
        assert text.count("<script") == 2
        assert "<i>x" not in text
