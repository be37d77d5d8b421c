"""The tables of scores: all that tell of the whole, and of many parts those that are worst."""

import io

from rich.console import Console

from hone.reports.run_screen import score_table


def shown(scores: dict[str, float], best: str = "") -> tuple[list[str], str]:
    """The metrics in the table's order, and everything that is printed."""
    console = Console(width=100, file=io.StringIO(), record=True)
    table = score_table({"test": scores, "test baseline": {}}, best)
    console.print(table)
    return list(table.columns[0].cells), console.export_text()


def test_a_few_parts_are_shown_as_they_are() -> None:
    names, said = shown({"f1": 0.5, "f1/LOC": 0.4, "f1/PER": 0.6, "accuracy": 0.9})
    assert names == ["f1", "f1/LOC", "f1/PER", "accuracy"]
    assert "lowest" not in said


def test_of_many_parts_the_lowest_and_the_one_that_decides_are_shown() -> None:
    by_class = {f"f1/{number}": number / 10 for number in (7, 3, 9, 1, 5, 8)}
    names, said = shown({"f1_macro": 0.5, **by_class, "loss": 1.0}, best="f1/9")
    assert names == ["f1_macro", "f1/3", "f1/9 *", "f1/1", "f1/5", "loss"]
    assert "f1/…: the 3 lowest of 6" in said
