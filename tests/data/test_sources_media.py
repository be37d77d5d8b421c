"""Where pictures and sounds come from: idx files, folders, tables beside them, and columns of the hub's kind."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from conftest import PROTOTYPES, Hone, only_run, record
from hone.core.errors import UserError
from hone.core.task import Task
from hone.data.media.file import MediaFile
from hone.data.rows import Rows, load_rows
from hone.data.source import Source
from hone.data.sources.hub import Hub
from hone.data.sources.idx import Idx
from hone.data.sources.local import Local
from hone.data.sources.media_folders import AudioFolder, ImageFolder
from prototypes.pictures import Pictures, picture


def write_idx(name: str, values: np.ndarray[Any, Any]) -> None:
    shape = np.array(values.shape, dtype=">u4").tobytes()
    content = bytes([0, 0, 8, values.ndim]) + shape + values.tobytes()
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)


def write_digits(prefix: str, count: int = 50, ending: str = ".gz", colours: tuple[int, ...] = ()) -> Any:
    Path("digits").mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (count, 5, 4, *colours), dtype=np.uint8)
    dimensions = 3 + len(colours)
    write_idx(f"digits/{prefix}-images-idx{dimensions}-ubyte{ending}", pixels)
    write_idx(f"digits/{prefix}-labels-idx1-ubyte{ending}", np.arange(count, dtype=np.uint8) % 5)
    return pixels


def write_pictures(folder: str, count: int = 4) -> None:
    for name in ("dark", "bright"):
        for row in range(count):
            file = Path(folder, name, f"{row}.ppm")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture(name == "bright", row))


def loaded(source: Source, task: Task | None = None) -> Rows:
    return load_rows(source, task or Pictures())


def paths(rows: Rows, split: str = "train", role: str = "image") -> list[str]:
    return [str(Path(row["path"]).relative_to(Path.cwd())) for row in rows.splits[split][role]]


@pytest.mark.parametrize(("ending", "colours"), [("", ()), (".gz", (3,))])
def test_one_pair_of_idx_files_is_divided_into_three_splits(ending: str, colours: tuple[int, ...]) -> None:
    pixels = write_digits("t10k", ending=ending, colours=colours)
    rows = loaded(Idx("digits"))
    assert rows.sizes == {"train": 40, "validation": 5, "test": 5}
    assert (
        Counter(rows.splits["test"]["label"])
        == Counter(rows.splits["validation"]["label"])
        == dict.fromkeys(range(5), 1)
    )
    seen = {np.asarray(opened(stored)).tobytes() for split in rows.splits.values() for stored in split["image"]}
    assert seen == {image.tobytes() for image in pixels}
    assert loaded(Idx("digits")).fingerprint() == rows.fingerprint()


def opened(stored: dict[str, Any]) -> Image.Image:
    with MediaFile.of(stored, 0, "image").open() as file:
        return Image.open(file).copy()


def test_idx_files_of_several_splits_keep_them() -> None:
    write_digits("train", 30)
    write_digits("t10k", 20)
    assert loaded(Idx("digits")).sizes == {"train": 27, "validation": 3, "test": 20}


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t10k-images-idx3-ubyte", b"\0\0\x08\x03\0\0\0\2\0\0\0\1\0\0\0\1x", "1 values, where its header announces 2"),
        ("t10k-images-idx3-ubyte", b"\0\0\x0d\x01\0\0\0\1", "not an idx file of unsigned bytes"),
        ("t10k-images-idx3-ubyte", b"", "not an idx file"),
        ("t10k-images-idx3-ubyte.gz", b"no archive", "not readable"),
        ("t10k-labels-idx1-ubyte", b"\0\0\x08\x01\0\0\0\1x", "50 pictures, but 1 labels"),
        ("t10k-labels-idx1-ubyte", None, "has no labels"),
    ],
)
def test_damaged_idx_files_are_refused(hone: Hone, name: str, content: bytes | None, problem: str) -> None:
    write_digits("t10k", ending="")
    if name.endswith(".gz"):
        Path("digits", name.removesuffix(".gz")).unlink()
    Path("digits", name).unlink(missing_ok=True)
    if content is not None:
        Path("digits", name).write_bytes(content)
    with pytest.raises(UserError, match=problem):
        loaded(Idx("digits"))


def test_a_folder_for_each_class() -> None:
    write_pictures("album")
    Path("album/dark/notes.txt").write_text("no picture")
    Path("album/dark/.hidden.ppm").write_bytes(b"")
    rows = loaded(ImageFolder("album", holdout=0.25))
    assert rows.sizes == {"train": 6, "validation": 2}
    assert rows.facts.labels == ("bright", "dark")
    assert sorted(paths(rows) + paths(rows, "validation")) == sorted(map(str, Path("album").glob("*/[0-9].ppm")))


def test_folders_of_splits_and_their_synonyms() -> None:
    for split, count in (("Train", 3), ("val", 2), ("test", 1)):
        write_pictures(f"album/{split}", count)
    assert loaded(ImageFolder("album")).sizes == {"train": 6, "validation": 4, "test": 2}
    named = loaded(ImageFolder("album", splits={"validation": "test", "test": "val"}))
    assert named.sizes == {"train": 6, "validation": 2, "test": 4}
    with pytest.raises(UserError, match=r"dataset\.splits\.test=tset: no such folder"):
        loaded(ImageFolder("album", splits={"test": "tset"}))


def test_a_share_of_the_rows_for_testing() -> None:
    write_pictures("album", 10)
    assert loaded(ImageFolder("album", test=0.2)).sizes == {"train": 14, "validation": 2, "test": 4}


@pytest.mark.parametrize("table", ["metadata.csv", "metadata.jsonl"])
def test_a_table_names_files_and_their_splits(table: str) -> None:
    write_pictures("album")
    rows = [
        {"file_name": f"{name}/{row}.ppm", "label": name[0], "split": "dev" if row == 3 else "train"}
        for name in ("dark", "bright")
        for row in range(4)
    ]
    lines = [json.dumps(row) for row in rows]
    if table.endswith("csv"):
        lines = ["file_name,label,split", *(",".join(row.values()) for row in rows)]
    Path("album", table).write_text("\n".join(lines))
    read = loaded(ImageFolder("album"))
    assert read.facts.labels == ("b", "d")
    assert paths(read, "validation") == ["album/dark/3.ppm", "album/bright/3.ppm"]


def test_a_table_in_the_folder_of_a_split_names_files_there() -> None:
    for split in ("train", "validation"):
        write_pictures(f"album/{split}", 1)
        Path(f"album/{split}/metadata.csv").write_text("picture,label\ndark/0.ppm,d\nbright/0.ppm,b\n")
    rows = loaded(ImageFolder("album", columns={"image": "picture"}))
    assert paths(rows) == ["album/train/dark/0.ppm", "album/train/bright/0.ppm"]
    with pytest.raises(UserError, match=r"dataset\.columns\.image="):
        loaded(ImageFolder("album"))


def test_files_of_one_name_in_several_folders_make_a_row() -> None:
    for folder in ("photos", "masks"):
        Path("album", folder).mkdir(parents=True)
        for row in range(4):
            Path("album", folder, f"{row}.{'png' if folder == 'masks' else 'jpg'}").write_bytes(b"")
    raw = ImageFolder("album", folders={"image": "photos", "mask": "masks"}).load()["train"]
    assert raw[2] == {"image": "photos/2.jpg", "mask": "masks/2.png"}
    Path("album/masks/3.png").unlink()
    with pytest.raises(UserError, match="masks: no file for 3"):
        ImageFolder("album", folders={"image": "photos", "mask": "masks"}).load()


def test_sounds_lie_in_folders_in_the_same_way() -> None:
    for name in ("yes", "no"):
        Path("words", name).mkdir(parents=True)
        for row in range(2):
            Path("words", name, f"{row}.wav").write_bytes(b"RIFF")
    raw = AudioFolder("words").load()["train"]
    assert raw[0] == {"audio": "no/0.wav", "label": "no"}
    with pytest.raises(UserError, match=r"end in \.png"):
        ImageFolder("words").load()


@pytest.mark.parametrize("root", [None, "album"])
def test_paths_in_a_table_begin_at_its_folder_or_at_the_root(root: str | None) -> None:
    write_pictures("album")
    start = "" if root else "album/"
    table = ["image,label", *(f"{start}{name}/{row}.ppm,{name}" for name in ("dark", "bright") for row in range(4))]
    Path("table.csv").write_text("\n".join(table))
    rows = loaded(Local("table.csv", root=root, holdout=0.25))
    assert paths(rows)[0] == "album/dark/0.ppm"
    Path("table.csv").write_text("\n".join([*table, f"{start}../table.csv,dark" if root else "../table.csv,dark"]))
    with pytest.raises(UserError, match=r"outside the folder of the data set \(row 8\)"):
        loaded(Local("table.csv", root=root))


@pytest.mark.parametrize(("kind", "role"), [("Image", "image"), ("Audio", "audio")])
@pytest.mark.parametrize("streaming", [False, True])
def test_columns_of_the_hubs_kind_are_not_decoded(kind: str, role: str, streaming: bool) -> None:
    """What `datasets` would decode sounds with is not installed."""
    Path("data").mkdir()
    stored = [{"bytes": content, "path": f"{row}.ppm"} for row, content in enumerate(Pictures.sample()["image"])]
    storage = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    table = pa.table({role: pa.array(stored, storage), "label": [row % 2 for row in range(len(stored))]})
    features = {role: {"_type": kind}, "label": {"_type": "ClassLabel", "names": ["dark", "bright"]}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    for split in ("train", "validation"):
        pq.write_table(table, f"data/{split}-00000-of-00001.parquet")
    splits = {"train": "train", "validation": "validation"}
    source = Hub("data", splits=splits, columns={"image": role}, streaming=streaming)
    task = Pictures()
    if streaming:
        task.add_facts = lambda facts, rows, names: task.find_facts(rows, names)
    rows = loaded(source, task)
    first = next(rows.stream.rows()) if rows.stream else rows.splits["train"][0]
    assert first["label"] == "dark"
    assert first["image"] == stored[0]


def test_a_folder_is_trained_on_by_the_command(hone: Hone) -> None:
    write_pictures("album", 8)
    done = hone(
        "train", "--config-dir", str(PROTOTYPES / "conf"), "trust=[prototypes]", "tracker=none", "precision=32-true",
        "dataset=imagefolder", "dataset.path=album", "task=pictures", "checkpoint=toy_vit", "epochs=1",
    )  # fmt: skip
    assert done.code == 0, done.said
    assert record(only_run())["data"]["rows"] == {"train": 14, "validation": 2}
