"""Video classification: which frames are read, how they are changed, and that a pipeline says the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import VideoMAEImageProcessorPil, VivitImageProcessor, pipeline

import fake_media
from conftest import Hone, only_run, record
from hone.core.draws import Draws
from hone.core.errors import RowError, UserError
from hone.data.encoded_rows import EncodedRows
from hone.data.media.storing import store_media
from hone.data.media.videos import decode
from hone.data.tiny.motions import MOTIONS, TinyMotions, motion_examples
from hone.models.checkpoints.tiny_vision import TinyVideoMAE, TinyViT
from hone.tasks.vision.shared.frames import choose_frames, to_clip
from hone.tasks.vision.video_classification import VideoClassification
from video_files import as_file, numbered_frames, turn_clockwise, write_video

BRIEF = ("tracker=none", "precision=32-true", "epochs=null", "steps=2", "batch_size=4")
FEW = ("dataset=tiny_motions", "dataset.train=16", "dataset.validation=8", "dataset.test=8")
SMALL = (*BRIEF, "checkpoint=tiny_videomae")
ALL_ON = {"crop": 0.5, "flip": "both", "rotate": 20.0, "colour": 0.4, "erase": 1.0, "random_operations": 2}


def write_folders(folder: Path, count: int = 8) -> Path:
    """A folder for each of two classes, of MP4 files of several sizes, with as many frames as the network reads."""
    for place in range(count):
        side = folder / ("fast", "slow")[place % 2]
        side.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(place)
        frames = rng.integers(0, 256, (8, 32 + 8 * (place % 3), 48, 3), dtype=np.uint8)
        content = write_video(frames)
        (side / f"{place}.mp4").write_bytes(turn_clockwise(content) if place == 5 else content)
    return folder


def bound(**options: Any) -> tuple[VideoClassification, EncodedRows]:
    """A task, and the rows of eight videos."""
    raw = VideoClassification(**options)
    sample = motion_examples(8)
    rows = store_media(Dataset.from_dict({**sample, "id": [*range(8)]}), raw, {})
    facts = raw.find_facts(rows, MOTIONS)
    checkpoint = TinyVideoMAE(lr=1.0)
    task = raw.bind(checkpoint.make_processor(raw.auto_processor, facts), facts)
    task.read_config(checkpoint.config({}))
    encoded = Dataset.from_dict(task.encode({"id": [*range(8)], "video": [], "label": sample["label"]}))
    return task, EncodedRows.of(encoded, rows, task)


def pixels(task: VideoClassification, rows: EncodedRows, places: Sequence[int], **how: Any) -> torch.Tensor:
    batch: torch.Tensor = rows.collate(task, np.array(places), **how)["inputs"]["pixel_values"]
    return batch


def test_a_pipeline_gives_the_scores_of_the_run(hone: Hone, tmp_path: Path) -> None:
    """It reads the first frames of a file, so that of files with no others both read the same."""
    folder = write_folders(tmp_path / "clips")
    done = hone(
        "train", "dataset=videofolder", f"dataset.path={folder}", "dataset.holdout=0.5", *SMALL[1:], "tracker=csv"
    )
    assert done.code == 0, done.said
    assert [*only_run().glob("plots/validation-video-*.gif")], "what a tracker shows"
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    predict = pipeline("video-classification", model="shared", device="cpu")
    files = sorted(folder.rglob("*.mp4"))
    sideways = folder / "slow/5.mp4"
    asked = hone("predict", f"run={only_run()}", f"input={folder}", "output=out.jsonl", "precision=32-true")
    assert asked.code == 0, asked.said
    answers = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [answer["video"] for answer in answers] == [*map(str, files)]
    for file, answer in zip(files, answers, strict=True):
        theirs = {each["label"]: each["score"] for each in predict(str(file))}
        assert (answer["scores"] == pytest.approx(theirs, abs=1e-4)) == (file != sideways), "they leave it sideways"


def test_a_damaged_video_is_a_bad_row(hone: Hone, tmp_path: Path) -> None:
    folder = write_folders(tmp_path / "clips")
    path = folder / "fast/4.mp4"
    path.write_bytes(path.read_bytes()[:-400])
    words = ("dataset=videofolder", f"dataset.path={folder}", "dataset.holdout=0.4", *SMALL)
    done = hone("train", *words)
    assert done.code == 2
    assert f"column 'video': {path}: cut off" in done.err
    assert "(row 2)" in done.err
    assert hone("train", *words, "dataset.on_bad_row=skip").code == 0
    assert sum(record(only_run())["data"]["rows"].values()) == 7
    refused = hone("predict", f"run={only_run()}", f"video={path}")
    assert refused.code == 2
    assert f"video: {path}: cut off" in refused.err


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("vivit", "auto"),
        pytest.param("videomae", "auto", marks=pytest.mark.slow),
        pytest.param("videomae", "linear_probe", marks=pytest.mark.slow),
        pytest.param("timesformer", "auto", marks=pytest.mark.slow),
        pytest.param("vivit", "mean", marks=pytest.mark.slow),
    ],
)
def test_every_architecture_for_videos_is_trained(kind: str, head: str, hone: Hone, tmp_path: Path) -> None:
    fake_media.write_checkpoint(tmp_path / kind, kind)
    done = hone("train", *FEW, f"head={head}", "checkpoint=hub", f"checkpoint.path={tmp_path / kind}", *BRIEF)
    assert done.code == 0, done.said
    assert np.isfinite(record(only_run())["scores"]["test/loss"])


def test_a_network_for_pictures_is_refused(hone: Hone) -> None:
    done = hone("train", *FEW, "checkpoint=tiny_vit", *BRIEF)
    assert done.code == 2
    assert "no AutoModelForVideoClassification for a vit checkpoint" in " ".join(done.err.split())
    with pytest.raises(UserError, match="how many frames"):
        VideoClassification().read_config(TinyViT(lr=1.0).config({}))


def test_only_the_order_of_frames_says_where_the_square_of_the_toy_moves() -> None:
    """The frames of a class, in the opposite order, are those of another one."""
    rows = TinyMotions(train=32, validation=1, test=1).load()["train"]
    sides: dict[str, list[tuple[int, int]]] = {name: [] for name in MOTIONS}
    for row in rows.to_list():
        frames = [
            np.asarray(frame)[..., 0].astype(int)
            for frame in decode(as_file(row["video"]), lambda times: np.arange(len(times)))
        ]
        assert len(frames) == 16
        spots = [np.abs(frame - np.median(frame)) > 35 for frame in frames]
        shifts = [
            min(
                ((down, right) for down in (-2, -1, 0, 1, 2) for right in (-2, -1, 0, 1, 2)),
                key=lambda shift: int((np.roll(before, shift, (0, 1)) != after).sum()),
            )
            for before, after in pairwise(spots)
        ]
        sides[MOTIONS[row["label"]]].append((sum(down for down, _ in shifts), sum(right for _, right in shifts)))
    expected = {"down": (1, 0), "left": (0, -1), "right": (0, 1), "up": (-1, 0)}
    for name, moved in sides.items():
        assert len(moved) > 2
        assert {(int(np.sign(down)), int(np.sign(right))) for down, right in moved} == {expected[name]}


def test_frames_are_spread_over_the_video_or_follow_each_other() -> None:
    times = np.arange(40) / 10
    assert choose_frames(4, None, None)(times).tolist() == [5, 15, 25, 35]
    assert choose_frames(4, 2, None)(times).tolist() == [16, 18, 20, 22]
    assert choose_frames(4, 30, None)(times).tolist() == [0, 30, 39, 39], "the last one for what is missing"
    assert choose_frames(4, None, None)(times[:2]).tolist() == [0, 0, 1, 1]
    drawn = [choose_frames(4, None, np.random.default_rng(seed))(times) for seed in range(50)]
    assert all(((places // 10) == [0, 1, 2, 3]).all() for places in drawn), "one of each part"
    assert len({tuple(places) for places in drawn}) == 50
    starts = {int(choose_frames(4, 2, np.random.default_rng(seed))(times)[0]) for seed in range(500)}
    assert (min(starts), max(starts)) == (0, 33), "the last stretch ends with the last frame"


def test_training_draws_frames_by_seed_epoch_and_row_alone() -> None:
    task, rows = bound()
    places = [0, 3, 5]
    train = {"training": True, "seed": 1, "epoch": 2}
    first = pixels(task, rows, places, **train)
    assert torch.equal(first, pixels(task, rows, places, **train))
    assert torch.equal(first[1:2], pixels(task, rows, [3], **train)), "not by the batch"
    assert not torch.equal(first, pixels(task, rows, places, **{**train, "epoch": 3}))
    assert not torch.equal(first, pixels(task, rows, places))
    assert torch.equal(pixels(task, rows, places), pixels(task, rows, places, seed=9, epoch=4)), "evaluation"


def test_all_frames_of_a_video_are_changed_in_the_same_way() -> None:
    """Of a video that stands still, every frame is the same one, whatever happened to it."""
    task, _ = bound(**ALL_ON)
    still = np.broadcast_to(numbered_frames(1), (12, 48, 64, 3))
    file = as_file(write_video(still, "avi", "ffv1", pix_fmt="bgr0"))
    clips = [task._read_clip(file, np.random.default_rng(seed)) for seed in range(6)]
    for clip in clips:
        assert torch.equal(clip, clip[:1].expand_as(clip))
    assert len({clip.numpy().tobytes() for clip in clips}) == 6
    plain = task._read_clip(file, None)
    assert torch.equal(plain, bound()[0]._read_clip(file, np.random.default_rng(0)))
    assert not any(torch.equal(clip, plain) for clip in clips)


def test_videos_are_mixed_in_pairs() -> None:
    task, rows = bound(mixup=0.5)
    assert not task.independent_rows
    batch = task.collate(rows.columns(np.arange(8)), Draws(True, keys=rows.keys))
    assert batch["inputs"]["pixel_values"].shape == (8, 8, 3, 32, 32)
    assert set(batch) >= {"partner_labels", "share"}
    assert "share" not in task.collate(rows.columns(np.arange(8)), Draws())


@pytest.mark.parametrize(
    "processor",
    [
        VideoMAEImageProcessorPil(size={"height": 32, "width": 40}, do_center_crop=False),
        VideoMAEImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}),
        VivitImageProcessor(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}),
    ],
    ids=["plain", "videomae", "vivit"],
)
def test_frames_are_processed_as_their_processor_does(processor: Any) -> None:
    frames = decode(as_file(write_video(numbered_frames(6))), lambda times: np.arange(len(times)))
    theirs = processor([np.asarray(frame) for frame in frames], return_tensors="pt")["pixel_values"][0]
    ours = to_clip(processor, frames)
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_video_too_narrow_for_its_processor_is_a_bad_row() -> None:
    task, _ = bound()
    narrow = as_file(write_video(numbered_frames(4, height=4, width=420)))
    assert task.encode({"id": [7], "video": [narrow]})["length"] == [1]
    task.processor = VideoMAEImageProcessorPil(size={"shortest_edge": 32})
    with pytest.raises(RowError, match=r"row 7 .*420 × 4 pixels are too narrow"):
        task.encode({"id": [7], "video": [narrow]})


@pytest.mark.slow
def test_wandb_shows_animations(hone: Hone) -> None:
    """W&B gets them as videos, without a program that encodes any."""
    done = hone("train", *FEW, *SMALL[1:], "tracker=wandb", "tracker.mode=offline", "tracker.examples=2")
    assert done.code == 0, done.said
    folder = only_run()
    exhibits = [json.loads(line) for line in (folder / "exhibits.jsonl").read_text().splitlines()]
    shown = [line["exhibit"] for line in exhibits if line["name"] == "validation/video"]
    assert shown
    assert all(each["kind"] == "video" and len(each["names"]) == 2 for each in shown)
    for name in shown[0]["names"]:
        assert len(decode(as_file((folder / name).read_bytes()), lambda times: np.arange(len(times)))) == 16
    assert [*Path().rglob("media/videos/**/*.gif")]


def test_the_scores_of_many_classes_have_the_five_best() -> None:
    """As in image classification."""
    raw = VideoClassification()
    rows = Dataset.from_dict({"label": [f"class {place}" for place in range(6)]})
    facts = raw.find_facts(rows, None)
    task = raw.bind(TinyVideoMAE(lr=1.0).make_processor(raw.auto_processor, facts), facts)
    assert "top_5" in task.metrics()
    assert "top_5" not in bound()[0].metrics()
