"""The report of a sweep in a real browser: it sorts, filters, points and copies, says nothing to the console, and asks
nothing of any network. Pictures of it are left in PICTURES, where that is set."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from comparable import make_run, make_sweep
from hone.reports.comparison import compare
from hone.reports.page import write_page, write_report

PARTS = (
    "summary", "leaderboard", "curves", "parallel", "slices", "budget", "importance", "time", "seeds", "failures",
    "commands",
)  # fmt: skip
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(make_sweep(tmp_path_factory.mktemp("sweeps") / "rates", runs=18))


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens a page; whatever it complains of or asks for, beside itself, fails the test."""
    heard: list[str] = []
    contexts = []

    def start(path: Path, width: int = 1280, theme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: heard.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url == path.as_uri() or heard.append(f"request: {request.url}"))
        page.goto(path.as_uri())
        return page

    yield start
    for context in contexts:
        context.close()
    assert heard == []


def column(page: Page, place: int) -> list[str]:
    return [cell.strip() for cell in page.locator(f"tbody td:nth-child({place})").all_inner_texts()]


def heading(page: Page, name: str) -> None:
    page.locator("th button", has_text=name).first.click()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_part_is_drawn_and_fits(opened: Open, report: Path, width: int, theme: str) -> None:
    page = opened(report, width, theme)
    for part in PARTS:
        box = page.locator(f"[data-part={part}]")
        expect(box).to_be_visible()
        assert "could not be drawn" not in box.inner_text()
    for part in ("curves", "parallel", "slices", "budget", "seeds"):
        expect(page.locator(f"[data-part={part}] svg")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(18, 21, 27)") == (theme == "dark")
    if pictures := os.environ.get("PICTURES"):
        page.screenshot(path=f"{pictures}/report-{theme}-{width}.png", full_page=True)


def test_the_leaderboard_sorts(opened: Open, report: Path) -> None:
    page = opened(report)
    scores = [float(score) for score in column(page, 2) if score != "–"]
    assert scores == sorted(scores, reverse=True), "the best come first"
    assert len(scores) == 6
    heading(page, "f1_macro")
    assert column(page, 2)[0] == f"{max(scores):.4f}", "a score is first sorted from the best"
    heading(page, "f1_macro")
    assert column(page, 2)[0] == f"{min(scores):.4f}"
    assert column(page, 2)[-1] == "–", "what has no score comes last, whichever way"
    heading(page, "optimizer.lr")
    rates = [float(rate) for rate in column(page, 4)]
    assert rates == sorted(rates), "numbers are sorted as numbers"
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("optimizer.lr")


def test_the_leaderboard_filters_and_the_charts_follow(opened: Open, report: Path) -> None:
    page = opened(report)
    page.get_by_role("button", name="Runs").first.click()
    expect(page.locator("#shown")).to_have_text("25 of 25")
    page.get_by_label("Filter").fill("head=cls seed=1")
    expect(page.locator("#shown")).to_have_text("4 of 25")
    shown = page.locator("[data-part=curves] path[data-run]:not(.off)")
    assert 0 < shown.count() <= 4
    page.get_by_label("State").select_option(label="finished")
    expect(page.locator("#shown")).to_have_text("3 of 25")
    page.get_by_label("Filter").fill("")
    page.get_by_label("State").select_option(label="failed")
    expect(page.locator("#shown")).to_have_text("3 of 25")
    assert set(column(page, 3)) == {"failed"}
    page.get_by_label("Filter").fill("nothing of the kind")
    expect(page.locator("tbody tr")).to_have_count(0)


def test_pointing_at_a_curve_names_the_run(opened: Open, report: Path) -> None:
    page = opened(report)
    page.locator("[data-part=curves]").scroll_into_view_if_needed()
    box = page.locator("[data-part=curves] svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 14, box["y"] + box["height"] * 0.25)
    expect(page.locator("#tip")).to_contain_text("step 40")
    assert page.locator("[data-part=curves] .hot").count() == 1
    page.mouse.move(2, 2)
    expect(page.locator("#tip")).to_be_hidden()


def test_buttons_choose_what_is_drawn(opened: Open, report: Path) -> None:
    page = opened(report)
    curves = page.locator("[data-part=curves]")
    before = curves.locator("svg").inner_html()
    curves.get_by_role("button", name="train/loss").click()
    assert curves.locator("svg").inner_html() != before
    budget = page.locator("[data-part=budget]")
    budget.get_by_role("button", name="Time").click()
    expect(budget.locator("svg")).to_contain_text("since the start")


def test_a_command_is_copied(opened: Open, report: Path) -> None:
    page = opened(report)
    first = page.locator("[data-part=commands] .command").first
    first.get_by_role("button").click()
    expect(first.get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == first.locator("pre").inner_text()


def test_failures_show_the_end_of_the_log(opened: Open, report: Path) -> None:
    page = opened(report)
    failure = page.locator("[data-part=failures] details").first
    expect(failure).to_contain_text("2 failed")
    failure.locator("summary").click()
    expect(failure.locator("pre").first).to_contain_text("line 29 of the log")


def test_the_theme_is_switched_and_remembered(opened: Open, report: Path) -> None:
    page = opened(report)
    button = page.locator("#theme")
    button.click()
    button.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_names_are_names_and_no_code(opened: Open, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>${1}&amp;"
    folder = make_sweep(tmp_path / "sweep", runs=6, name=evil)
    told = json.loads((folder / "sweep.json").read_text())
    for cell in told["cells"]:
        cell["values"]["head"] += evil
        cell["reason"] = evil if cell["reason"] else None
    (folder / "sweep.json").write_text(json.dumps(told))
    page = opened(write_page(folder))
    assert page.locator("h1").inner_text() == evil
    assert page.title() == evil
    assert evil in page.locator("[data-part=leaderboard] tbody").inner_text()
    assert evil in page.locator("[data-part=failures]").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2


@pytest.mark.parametrize("runs", [0, 1])
def test_a_sweep_that_has_hardly_begun(opened: Open, tmp_path: Path, runs: int) -> None:
    page = opened(write_page(make_sweep(tmp_path / "sweep", runs=runs, state="running")))
    assert "could not be drawn" not in page.locator("main").inner_text()
    expect(page.locator("#foot")).to_contain_text("reload")


def test_a_single_evaluation_has_an_axis_from_zero_and_a_note(opened: Open, tmp_path: Path) -> None:
    for seed in (0, 1):
        folder = make_run(tmp_path / f"runs/{seed}", 0.8, seed)
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        rows = [row for row in rows if "train/loss" in row or row["step"] == 40]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    comparison = compare([str(tmp_path / "runs")], None, None, 0)
    page = opened(write_report(comparison, tmp_path / "page.html"))
    curves = page.locator("[data-part=curves]")
    expect(curves.get_by_role("note")).to_contain_text("Only one evaluation (step 40)")
    steps = [float(text) for text in curves.locator("svg text[text-anchor=middle]").all_text_contents()]
    assert steps[0] == 0
    assert 30 <= steps[-1] <= 44
    curves.get_by_role("button", name="train/loss").click()
    expect(curves.get_by_role("note")).to_have_text("")


def test_a_narrow_leaderboard_says_that_it_scrolls(opened: Open, report: Path) -> None:
    page = opened(report, 400)
    hint = page.locator("[data-part=leaderboard] .hint")
    expect(hint).to_be_visible()
    page.locator(".scroll").evaluate("table => { table.scrollLeft = 200; }")
    expect(hint).to_be_hidden()


def test_labels_on_parallel_axes_are_not_struck_through(opened: Open, report: Path) -> None:
    """Behind every label there is a plate as wide as its text, which covers the lines of runs."""
    page = opened(report)
    names = page.locator("[data-part=parallel] .names")
    assert names.locator("line").count() == 0
    for place in range(names.count()):
        widths = [
            [box.bounding_box()["width"] for box in names.nth(place).locator(kind).all()] for kind in ("rect", "text")
        ]
        assert widths[0]
        assert all(plate >= text for plate, text in zip(*widths, strict=True))


def test_several_objectives_have_a_pareto_front(opened: Open, tmp_path: Path) -> None:
    objectives = {"validation/f1_macro": "maximize", "seconds": "minimize"}
    for lr, accuracy, seconds in ((1e-2, 0.9, 90.0), (1e-3, 0.8, 30.0), (1e-4, 0.7, 60.0)):
        config = {"sweep": {"sampler": {"objectives": objectives}}}
        make_run(tmp_path / f"runs/{lr}", accuracy, 0, lr, seconds=seconds, config=config)
    page = opened(write_report(compare([str(tmp_path / "runs")], None, None, 0), tmp_path / "page.html"))
    front = page.locator("[data-part=pareto]")
    expect(front).to_contain_text("The large dots are the Pareto front")
    assert front.locator("circle[r='6']").count() == 2
