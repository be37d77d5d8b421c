"""`hone predict` on pictures: files, folders, patterns and tables; and the pictures that a tracker shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import Hone, Outcome, only_run, train_in
from hone.runs.journal import read_rows

SMALL_PICTURES = (
    "dataset=tiny_shapes", "checkpoint=tiny_resnet", "dataset.train=64", "dataset.validation=16", "dataset.test=16",
    "epochs=1", "precision=32-true",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained once; nothing here changes it."""
    return train_in(tmp_path_factory.mktemp("trained"), *SMALL_PICTURES, "tracker=csv", "tracker.examples=5")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures" / "inner"
    folder.mkdir(parents=True)
    for place, kind in enumerate(("a.png", "b.jpg", "c.PNG")):
        pixels = np.random.default_rng(place).integers(0, 255, (40, 30 + place, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / kind)
    (folder / "notes.md").write_text("no picture")
    return folder.parent


def rows(done: Outcome) -> list[dict[str, Any]]:
    assert done.code == 0, done.said
    return [json.loads(line) for line in done.out.splitlines()]


def scores(done: Outcome) -> list[dict[str, float]]:
    return [row["scores"] for row in rows(done)]


def test_every_way_in_gives_the_same(hone: Hone, run: Path, pictures: Path, tmp_path: Path) -> None:
    files = [pictures / "inner" / name for name in ("a.png", "b.jpg", "c.PNG")]
    named = scores(hone("predict", f"run={run}", *(f"image={file}" for file in files)))
    assert len(named) == 3
    Path("table.csv").write_text("image\n" + "".join(f"pictures/inner/{file.name}\n" for file in files))
    contents = pa.array([{"bytes": file.read_bytes(), "path": None} for file in files])
    pq.write_table(pa.table({"image": contents}), "table.parquet")
    for place in (pictures, f"{pictures}/**/?.*", "table.csv", "table.parquet"):
        done = hone("predict", f"run={run}", f"input={place}", "batch_size=2")
        for one, other in zip(scores(done), named, strict=True):
            assert one == pytest.approx(other, abs=1e-5)
    assert scores(hone("predict", f"run={run}", f"input={files[1]}"))[0] == pytest.approx(named[1], abs=1e-5)


def test_a_damaged_picture_is_a_bad_row(hone: Hone, run: Path, pictures: Path) -> None:
    whole = (pictures / "inner/a.png").read_bytes()
    (pictures / "cut.png").write_bytes(whole[: len(whole) // 2])
    # A picture with header and end, whose pixels are damaged: only decoding shows that.
    (pictures / "pixels.png").write_bytes(whole[:60] + bytes(200) + whole[260:])
    (pictures / "text.png").write_text("no picture")
    refused = hone("predict", f"run={run}", f"input={pictures}")
    assert refused.code == 2
    assert "Traceback" not in refused.said
    assert "cut.png" in refused.err
    skipped = hone("predict", f"run={run}", f"input={pictures}", "on_bad_row=skip")
    assert [Path(row["image"]).name for row in rows(skipped)] == ["a.png", "b.jpg", "c.PNG"]
    for name in ("cut.png", "pixels.png", "text.png"):
        assert name in skipped.err
    only_damaged = hone("predict", f"run={run}", f"image={pictures / 'pixels.png'}")
    assert only_damaged.code == 2
    assert "pixels.png" in only_damaged.err


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("input=nowhere", "no image files here"),
        ("image=nowhere.png", "no such file"),
        ("image=/dev/zero", "a pipe or a device"),
        ("text=hello", "the task reads image"),
    ],
)
def test_what_is_no_picture_is_refused(word: str, problem: str, hone: Hone, run: Path) -> None:
    done = hone("predict", f"run={run}", word)
    assert done.code == 2, done.said
    assert problem in " ".join(done.err.split())


def test_the_examples_of_a_tracker_are_pictures_in_the_run_folder(run: Path) -> None:
    shown = sorted((run / "plots").glob("validation-image-*.png"))
    assert 0 < len(shown) <= 5 * 2, "five at each of one or two evaluations"
    with Image.open(shown[0]) as picture:
        assert max(picture.size) <= 512
    (table, *_) = (run / "tables/validation").rglob("image/*.csv")
    lines = table.read_text().splitlines()
    assert lines[0] == "file,caption"
    assert len(lines) == 6
    assert all((run / line.split(",")[0]).is_file() and "→" in line for line in lines[1:])


def test_wandb_gets_the_pictures_with_their_row(hone: Hone, tmp_path: Path) -> None:
    """Stored with the row that they belong to, so that a later sync can send them again."""
    words = ("tracker=wandb", "tracker.mode=offline", "tracker.examples=3")
    done = hone("train", *SMALL_PICTURES, *words)
    assert done.code == 0, done.said
    folder = only_run()
    stored = [line for line in read_rows(folder / "exhibits.jsonl") if line["kind"] == "Files"]
    assert {line["name"] for line in stored} >= {"validation/image", "test/image"}
    assert all(len(line["exhibit"]["names"]) == 3 for line in stored)
    sent = [file.name for file in Path().rglob("media/images/**/*.png")]
    assert len(sent) >= 6
