"""Files that rows name or contain: which ones may be opened, what identifies them, and what happens to damaged ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from conftest import PROTOTYPES, Hone, journal, only_run, record, runs
from hone.data.encoded import encode
from hone.data.rows import Rows, load_rows
from hone.data.sources.media_folders import ImageFolder
from prototypes.pictures import Pictures, ToyVit, picture

WORDS = (
    "--config-dir", str(PROTOTYPES / "conf"), "trust=[prototypes]", "tracker=none", "precision=32-true", "batch_size=4",
    "task=pictures", "checkpoint=toy_vit", "dataset=imagefolder", "dataset.path=album", "epochs=2", "log_every=1",
)  # fmt: skip
COUNT = 12
LATE = 11


def write_album(splits: tuple[str, ...] = ("train", "validation", "test")) -> None:
    for split in splits:
        for row in range(COUNT):
            file = Path("album", split, ["dark", "bright"][row % 2], f"{row:02}.ppm")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture(bool(row % 2), row))


def damage(split: str, *rows: int) -> list[Path]:
    """Cut files off in their pixels, which only decoding shows. The folder `bright` comes before `dark`."""
    files = [Path("album", split, ["dark", "bright"][row % 2], f"{row:02}.ppm") for row in rows]
    for file in files:
        file.write_bytes(file.read_bytes()[:-30])
    return files


def load() -> Rows:
    return load_rows(ImageFolder("album"), Pictures())


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "link out", "link to a device", "way out"])
def test_what_is_no_file_of_the_data_set_is_refused_before_it_is_opened(hone: Hone, kind: str) -> None:
    """A pipe would block for ever if it were opened."""
    write_album()
    Path("secret.ppm").write_bytes(picture(True))
    Path("album/train/metadata.csv").write_text("file_name,label\ndark/00.ppm,dark\nodd,bright\nbright/01.ppm,bright\n")
    odd = Path("album/train/odd")
    if kind == "folder":
        odd.mkdir()
    elif kind == "pipe":
        os.mkfifo(odd)
    elif kind == "device":
        odd.symlink_to("/dev/zero")
    elif kind.startswith("link"):
        odd.symlink_to(Path("secret.ppm" if kind == "link out" else "/dev/null").absolute())
    elif kind == "way out":
        table = Path("album/train/metadata.csv")
        table.write_text(table.read_text().replace("odd", "../../secret.ppm"))
    done = hone("train", *WORDS)
    assert done.code == 2, done.said
    assert "1 of 3 rows cannot be used" in done.err
    assert "(row 1)" in done.err
    assert "Traceback" not in done.err
    assert runs() == []


def test_a_link_within_the_data_set_is_followed() -> None:
    write_album()
    Path("album/train/dark/13.ppm").symlink_to("00.ppm")
    assert load().sizes["train"] == COUNT + 1


def test_refused_rows_are_left_out_on_request() -> None:
    write_album()
    os.mkfifo("album/train/dark/13.ppm")
    rows = load_rows(ImageFolder("album", on_bad_row="skip"), Pictures())
    assert rows.sizes["train"] == COUNT
    assert rows.facts.labels == ("bright", "dark")


def test_a_changed_file_changes_the_fingerprint_and_is_encoded_again() -> None:
    write_album()
    first = load()
    task = Pictures().bind(ToyVit().make_processor("", first.facts), first.facts)
    _, encoded = encode(first, task, ImageFolder("album"))
    again = load()
    assert again.fingerprint() == first.fingerprint()
    assert encode(again, task, ImageFolder("album"))[1]["train"].rows.cache_files == encoded["train"].rows.cache_files

    file = Path("album/train/dark/00.ppm")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    changed = load()
    assert changed.fingerprint() != first.fingerprint()
    assert encode(changed, task, ImageFolder("album"))[1]["train"].rows.cache_files != encoded["train"].rows.cache_files


def test_encoded_rows_have_no_content_and_batches_fetch_it_by_row() -> None:
    write_album()
    rows = load()
    task = Pictures().bind(ToyVit().make_processor("", rows.facts), rows.facts)
    train = encode(rows, task, ImageFolder("album"))[1]["train"]
    assert set(train.rows.column_names) == {"id", "length", "label"}
    (file,) = train.columns(train.ids[[5]])["image"]
    assert (file.row, file.role) == (5, "image")
    assert file.path == str(Path("album/train/bright/11.ppm").absolute())


def test_a_damaged_file_ends_the_command_before_the_first_step(hone: Hone) -> None:
    write_album()
    files = damage("train", *range(COUNT))
    done = hone("train", *WORDS)
    assert done.code == 2, done.said
    assert str(files[1]) in done.err
    assert "dataset.on_bad_row=skip" in done.err
    assert "train split, row" in done.err
    assert "Traceback" not in done.err
    assert runs() == []


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_damaged_file_later_fails_the_run_and_keeps_its_checkpoint(hone: Hone, split: str) -> None:
    """The file of training is neither among the rows that are tried beforehand nor in the first step."""
    write_album()
    damage(split, LATE)
    done = hone("train", *WORDS, "save_every=1")
    assert done.code == 1, done.said
    assert f"{split} split, row" in done.err
    assert f"{LATE:02}.ppm" in done.err
    assert "dataset.on_bad_row=skip" in done.err
    assert "Traceback" not in done.err
    run = only_run()
    assert record(run)["state"] == "failed"
    assert list((run / "checkpoints").iterdir())


def test_damaged_files_are_left_out_and_counted(hone: Hone) -> None:
    write_album()
    damage("train", 3, 4)
    damage("validation", 1)
    damage("test", 2, 5, 6)
    done = hone("train", *WORDS, "dataset.on_bad_row=skip")
    assert done.code == 0, done.said
    assert record(only_run())["left_out_rows"] == {"train": 4, "validation": 1, "test": 3}
    assert "4 × train, 1 × validation, 3 × test" in done.out
    log = (only_run() / "log.txt").read_text()
    for name in ("03.ppm", "04.ppm"):
        assert log.count(name) == 1, "said once, though left out in each epoch"
    assert [row.get("train/left_out_rows") for row in journal(only_run()) if "train/loss" in row][-1] == 4
    done = hone("evaluate", f"run={only_run()}", "trust=[prototypes]")
    assert done.code == 0, done.said


def test_a_batch_without_a_readable_row_changes_no_count(hone: Hone) -> None:
    write_album()
    damage("train", *range(1, COUNT))
    done = hone("train", *WORDS, "dataset.on_bad_row=skip")
    assert done.code == 0, done.said
    assert record(only_run())["left_out_rows"] == {"train": 2 * (COUNT - 1)}
    rows = [row["train/loss"] for row in journal(only_run()) if "train/loss" in row]
    assert 0.0 in rows, "a step of bad rows alone"


def test_an_evaluation_without_a_readable_row_fails(hone: Hone) -> None:
    write_album()
    damage("validation", *range(COUNT))
    done = hone("train", *WORDS, "dataset.on_bad_row=skip")
    assert done.code == 1, done.said
    assert "Traceback" not in done.err


def test_leaving_out_is_the_same_after_a_resume(hone: Hone) -> None:
    """Stopped twice, and continued by the same command."""
    write_album()
    damage("train", 3, 4)
    words = (*WORDS, "dataset.on_bad_row=skip", "epochs=3", "optimizer.algorithm._target_=prototypes.mishaps.")
    assert hone("train", *words[:-1], f"{words[-1]}Fine", "output_root=whole").code == 0
    cut = (*words[:-1], f"{words[-1]}Preempted", "output_root=parts", "resume=auto")
    codes = [hone("train", *cut).code for _ in range(3)]
    assert codes == [75, 75, 0]
    whole, parts = only_run("whole"), only_run("parts")
    assert record(parts)["left_out_rows"] == record(whole)["left_out_rows"] == {"train": 6}
    assert load_file(parts / "model/model.safetensors").keys() == load_file(whole / "model/model.safetensors").keys()
    for name, weight in load_file(whole / "model/model.safetensors").items():
        assert torch.equal(load_file(parts / "model/model.safetensors")[name], weight)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["paths", "contents"])
def test_memory_does_not_grow_with_the_pictures(kind: str) -> None:
    """Ten times as many, of 16 kB each, in a process of its own: loaded, digested, encoded and read once.

    What is mapped from the file of contents does not count: the system takes it back whenever it needs the memory."""
    peaks = [peak_memory(kind, count) for count in (200, 2000)]
    assert peaks[1] < 1.1 * peaks[0]


def peak_memory(kind: str, count: int) -> int:
    noise = np.random.default_rng(0).integers(0, 256, (count, 74 * 74 * 3), dtype=np.uint8)
    files = [b"P6 74 74 255\n" + values.tobytes() for values in noise]
    album = Path(f"{kind}-{count}")
    if kind == "paths":
        for row, content in enumerate(files):
            file = album / "ab"[row % 2] / f"{row}.ppm"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    else:
        album.mkdir()
        table = pa.table({"image": files, "label": [row % 2 for row in range(count)]})
        pq.write_table(table, album / "train.parquet", row_group_size=100)
    words = [sys.executable, "-c", READING, kind, str(album)]
    paths = os.pathsep.join([str(PROTOTYPES), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(words, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


READING = """
import re, resource, sys
from pathlib import Path
from itertools import islice
from hone.data.batching import Random
from hone.data.encoded import encode
from hone.data.module import DataModule
from hone.data.rows import load_rows
from hone.data.sources.local import Local
from hone.data.sources.media_folders import ImageFolder
from prototypes.pictures import Pictures, ToyVit

def memory():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

source = ImageFolder(sys.argv[2]) if sys.argv[1] == "paths" else Local(sys.argv[2])
rows = load_rows(source, Pictures())
peaks = [memory()]
rows.fingerprint()
peaks.append(memory())
task = Pictures().bind(ToyVit().make_processor("", rows.facts), rows.facts)
data = DataModule(encode(rows, task, source)[1], task, Random(), 16)
for step in islice(data.steps(1), data.feed.steps_per_epoch):
    peaks.append(memory())
for batch in data.batches("validation"):
    peaks.append(memory())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if sys.argv[1] == "paths" else max(peaks))
"""
