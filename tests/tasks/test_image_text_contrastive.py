"""Pictures and texts in one space: what competes in a batch, how often they find each other, and what is refused."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from PIL import Image
from sklearn.metrics import top_k_accuracy_score
from transformers import AutoModelForZeroShotImageClassification, AutoProcessor

from conftest import Hone, only_run, record
from hone.core.scores import compute_scores
from hone.core.task import Facts
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.data.tiny.coloured_shapes import SEEN, UNSEEN_NAMES, TinyColouredShapes, described_examples
from hone.models.checkpoints.tiny_contrastive import TinyClip, TinyContrastive, TinySiglip
from hone.tasks.metrics.image_text import image_text_metrics, pair_records
from hone.tasks.multimodal.image_text_contrastive import ImageTextContrastive
from mistakes import lines, refused, store

BRIEF = ("dataset=tiny_coloured_shapes", "dataset.train=24", "dataset.validation=8", "dataset.test=8", "tracker=none",
         "checkpoint=tiny_clip", "batch_size=8", "epochs=1", "precision=32-true")  # fmt: skip
LOCAL = ("train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local", "task=image_text_contrastive",
         "checkpoint=tiny_clip", "dataset.path=a.jsonl", "dataset.columns.text=text")  # fmt: skip
PICTURES = described_examples(12)["image"]


def unit(rng: np.random.Generator, rows: int, width: int = 8) -> np.ndarray:
    return F.normalize(torch.from_numpy(rng.normal(size=(rows, width))), dim=1).float().numpy()


def pairs(pictures: np.ndarray, texts: np.ndarray, **columns: Any) -> dict[str, Any]:
    rows = np.arange(len(pictures))
    keys = {"id": rows, "image_key": rows, "text_key": rows + 1000}
    sums = {"loss": np.ones(len(rows)), "targets": np.ones(len(rows))}
    return {"prediction": pictures, "text_vector": texts, **keys, **sums, **columns}


def scores_of(predictions: dict[str, Any], group: int = 32) -> dict[str, float]:
    records = pair_records(predictions, 10_000, group)
    return {name: float(metric.compute(records)) for name, metric in image_text_metrics().items()}  # type: ignore[arg-type]


def test_recall_is_counted_as_others_count_it() -> None:
    rng = np.random.default_rng(0)
    pictures = unit(rng, 60)
    texts = F.normalize(torch.from_numpy(pictures + 0.5 * unit(rng, 60)), dim=1).numpy()
    scores, cosines, rows = scores_of(pairs(pictures, texts)), pictures @ texts.T, np.arange(60)
    found = []
    for count in (1, 5, 10):
        theirs = [top_k_accuracy_score(rows, matrix, k=count) for matrix in (cosines, cosines.T)]
        assert [scores[f"{name}_recall@{count}"] for name in ("text", "image")] == pytest.approx(theirs)
        found += theirs
    assert 0.1 < found[0] < 0.95
    assert scores["mean_recall"] == pytest.approx(np.mean(found))


def test_accuracy_is_among_the_pairs_of_a_group() -> None:
    """Of ten pairs in groups of four, the last two are compared with the two before them."""
    rng = np.random.default_rng(1)
    pictures, texts = unit(rng, 10, 3), unit(rng, 10, 3)
    cosines, hits = pictures @ texts.T, []
    for row in range(10):
        group = slice(*((0, 4), (4, 8), (6, 10))[row // 4])
        hits += [cosines[row, group].argmax() + group.start == row, cosines[group, row].argmax() + group.start == row]
    assert scores_of(pairs(pictures, texts), group=4)["accuracy"] == pytest.approx(np.mean(hits))
    assert 0 < np.mean(hits) < 1


def test_vectors_that_are_all_alike_find_nothing() -> None:
    same = np.ones((12, 4), dtype=np.float32) / 2
    scores = scores_of(pairs(same, same))
    assert scores["text_recall@10"] == scores["image_recall@10"] == scores["accuracy"] == 0


def test_every_text_of_a_picture_is_right() -> None:
    """Picture 0 has two texts: its nearest counts for it, and each of them looks for the picture. Nothing competes
    with what is right as well: the second text of picture 0 is also that of picture 2."""
    pictures = np.eye(3, dtype=np.float32)[[0, 0, 1, 2]]
    texts = np.eye(3, dtype=np.float32)[[1, 0, 1, 0]]
    more = {"id": np.array([0, 0, 1, 2]), "image_key": np.array([0, 0, 1, 2]), "text_key": np.array([5, 6, 7, 6])}
    records = pair_records(pairs(pictures, texts, **more), 100, 32)
    assert records["id"].tolist() == [0, 1, 2]
    assert records["text_rank"].tolist() == [1, 2, 3]  # the text 5 is as near to picture 1 as its own
    assert records["image_hits"][:, 0].tolist() == [1, 1, 0]  # text 6 is nearer to picture 0, which is right as well
    assert records["targets"].tolist() == [2, 1, 1]
    assert records["loss"].tolist() == [2, 1, 1]


def bound(checkpoint: TinyContrastive | None = None, **options: Any) -> ImageTextContrastive:
    facts = Facts("unlabelled")
    made = checkpoint or TinyClip(lr=1.0)
    return ImageTextContrastive(**options).bind(made.make_processor("AutoProcessor", facts), facts)


def rows_of(task: ImageTextContrastive, rows: dict[str, Any]) -> EncodedRows:
    stored = store_media(Dataset.from_dict({**rows, "id": list(range(len(rows["image"])))}), task, {})
    encoded = Dataset.from_dict(encode_with_media(task, stored[:]))
    return EncodedRows.of(encoded, stored, task)


def batch_of(task: ImageTextContrastive, rows: dict[str, Any]) -> dict[str, Any]:
    encoded = rows_of(task, rows)
    return encoded.collate(task, np.arange(len(encoded.rows)))


@pytest.mark.parametrize("make", [TinyClip, TinySiglip])
def test_the_loss_is_that_of_transformers(make: Callable[..., TinyContrastive]) -> None:
    checkpoint = make(lr=1.0)
    task = bound(checkpoint)
    batch = batch_of(task, {"image": PICTURES[:4], "text": ["a red star", "one ring", "two", "a large cross on black"]})
    network: Any = checkpoint.network(task.auto_model, checkpoint.config({})).eval()
    with torch.no_grad():
        output = network(**batch["inputs"], return_loss=True)
        predictions = task.predict(network, batch)
        assert float(task.loss(network, batch)) == pytest.approx(float(output.loss), rel=1e-5)
    assert predictions["loss"].mean() == pytest.approx(float(output.loss), rel=1e-5)
    alone = {"id": batch["id"], "inputs": {"pixel_values": batch["inputs"]["pixel_values"]}}
    with torch.no_grad():
        vectors = task.predict(network, alone)["prediction"]
    assert np.allclose(vectors, output.image_embeds.numpy(), atol=1e-6)


@pytest.mark.parametrize("make", [TinyClip, TinySiglip])
def test_what_belongs_together_is_no_example_of_the_opposite(make: Callable[..., TinyContrastive]) -> None:
    """Picture 0 has two texts, and the second is also that of picture 1."""
    checkpoint = make(lr=1.0)
    task = bound(checkpoint)
    rows = {"image": PICTURES[:3], "text": [["a ring", "a star"], ["a star"], ["a cross"]]}
    batch = batch_of(task, rows)
    assert list(batch["id"]) == [0, 1, 2, 0]
    together = torch.tensor(
        [[1, 0, 0, 1], [1, 1, 0, 1], [0, 0, 1, 0], [1, 1, 0, 1]], dtype=torch.bool
    )  # texts, pictures
    network: Any = checkpoint.network(task.auto_model, checkpoint.config({})).eval()
    with torch.no_grad():
        logits = network(**batch["inputs"]).logits_per_text
        ours = task.predict(network, batch)["loss"]
    if make is TinySiglip:
        expected = -F.logsigmoid(torch.where(together, logits, -logits)).sum(dim=1)
    else:
        own, rivals = logits.diagonal(), (~together).float()
        by_text = torch.log(own.exp() + (logits.exp() * rivals).sum(dim=1)) - own
        by_picture = torch.log(own.exp() + (logits.exp() * rivals).sum(dim=0)) - own
        expected = (by_text + by_picture) / 2
    assert ours == pytest.approx(expected.numpy(), rel=1e-4)


def test_the_same_file_is_the_same_picture(tmp_path: Path) -> None:
    """Whether it is named twice or its content is in two rows."""
    Image.open(io.BytesIO(PICTURES[0])).save(tmp_path / "a.png")
    path = str(tmp_path / "a.png")
    for images in ([path, path], PICTURES[:1] * 2):
        keys = batch_of(bound(), {"image": images, "text": ["a ring", "a star"]})["keys"]
        assert keys[0, 0] == keys[0, 1]
        assert keys[1, 0] != keys[1, 1]
    keys = batch_of(bound(), {"image": PICTURES[:2], "text": ["a star"] * 2})["keys"]
    assert keys[0, 0] != keys[0, 1]
    assert keys[1, 0] == keys[1, 1]


def test_texts_are_cut_and_padded_as_the_network_wants_them() -> None:
    long = {"image": PICTURES[:2], "text": ["red " * 100, "red"]}
    short = {"image": PICTURES[:2], "text": ["red ring", "red"]}
    clip, siglip = batch_of(bound(max_length=7), long)["inputs"], batch_of(bound(TinySiglip(lr=1.0)), short)["inputs"]
    assert clip["input_ids"].shape == clip["attention_mask"].shape == (2, 7)
    assert clip["input_ids"][0, -1] == 3, "the end stays, for CLIP looks for it"
    assert siglip["input_ids"].shape == (2, 64)
    assert "attention_mask" not in siglip


def test_training_pictures_are_augmented_by_their_rows() -> None:
    task = bound(flip="horizontal")
    encoded = rows_of(task, {"image": PICTURES[:6], "text": ["a ring"] * 6})
    plain = encoded.collate(task, np.arange(6))["inputs"]["pixel_values"]
    seen = [encoded.collate(task, np.arange(6), True, 0, epoch)["inputs"]["pixel_values"] for epoch in range(3)]
    flipped = [[torch.equal(a, b.flip(-1)) for a, b in zip(pictures, plain, strict=True)] for pictures in seen]
    kept = [[torch.equal(a, b) for a, b in zip(pictures, plain, strict=True)] for pictures in seen]
    assert np.array_equal(np.logical_xor(flipped, kept), np.ones((3, 6)))
    assert 0 < np.sum(flipped) < 18


def test_splits_have_none_of_the_unseen_pairs() -> None:
    assert len(SEEN) == 30
    for rows in TinyColouredShapes(200, 50, 50).load().values():
        texts = " ".join(rows["text"])
        assert not [name for name in UNSEEN_NAMES if name in texts]


def test_it_trains_and_its_vectors_are_those_of_transformers(hone: Hone, tmp_path: Path) -> None:
    """Of pictures that are resized, grey and transparent."""
    done = hone("train", *BRIEF)
    assert done.code == 0, done.said
    run = only_run()
    assert {f"test/{name}" for name in image_text_metrics()} <= record(run)["scores"].keys()
    files = []
    for place, (mode, size) in enumerate((("RGB", (32, 32)), ("L", (50, 40)), ("RGBA", (20, 64)))):
        files.append(tmp_path / f"{place}.png")
        Image.open(io.BytesIO(PICTURES[place])).resize(size).convert(mode).save(files[-1])
    output = tmp_path / "all.parquet"
    assert hone("predict", f"run={run}", f"input={tmp_path}/*.png", f"output={output}").code == 0
    ours = np.array(Dataset.from_parquet(str(output))["embedding"])
    network = AutoModelForZeroShotImageClassification.from_pretrained(run / "model")
    processor = AutoProcessor.from_pretrained(run / "model", backend="pil")
    pixels = processor.image_processor([Image.open(file).convert("RGB") for file in files], return_tensors="pt")
    with torch.no_grad():
        theirs = F.normalize(network.get_image_features(**pixels).pooler_output, dim=-1)
    assert np.allclose(ours, theirs.numpy(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["frozen", "lora"])
def test_adapters_leave_the_encoders_as_they_were(adapter: str, hone: Hone) -> None:
    assert hone("train", *BRIEF, f"adapter={adapter}", "optimizer.lr=0.1").code == 0
    parameters = record(only_run())["parameters"]
    assert 0 < parameters["trainable"] < parameters["total"] / 3


def test_batches_differ_in_their_loss_but_no_row_is_lost() -> None:
    task = bound()
    rows = {"image": PICTURES[:6], "text": [["a ring", "a star"]] * 3 + [["one cross"]] * 3}
    encoded = rows_of(task, rows)
    checkpoint = TinyClip(lr=1.0)
    network = checkpoint.network(task.auto_model, checkpoint.config({})).eval()
    with torch.no_grad():
        parts = [task.predict(network, encoded.collate(task, places)) for places in (np.arange(5), np.arange(5, 9))]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    records = task.merge(joined)
    assert records["targets"].tolist() == [2, 2, 2, 1, 1, 1]
    assert np.isfinite(compute_scores(task, records)["loss"])
    assert "prediction" not in records, "vectors are not kept"


def file(change: dict[str, Any]) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {f"{row}.png": picture for row, picture in enumerate(PICTURES)}
    rows: list[dict[str, Any]] = [{"image": f"{row}.png", "text": f"a ring {row}"} for row in range(12)]
    if isinstance(change.get("text"), list) or change.get("lists"):
        for row in rows:
            row["text"] = [row["text"], "one star"]
    rows[0 if change.pop("lists", False) else 3] |= change
    return {**files, "a.jsonl": lines(rows)}


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no text": ({"text": None}, "column 'text': the text is missing (row 3)"),
    "a blank text": ({"text": " "}, "column 'text': the text is empty (row 3)"),
    "no texts": ({"text": []}, "column 'text': there are no texts (row 3)"),
    "no list": ({"text": None, "lists": True}, "column 'text': there are no texts (row 0)"),
    "a blank one of several": ({"text": ["a ring", ""]}, "one of its texts is missing or empty (row 3)"),
    "no picture": ({"image": "13.png"}, "13.png: no such file"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rows_are_named(case: str, hone: Hone) -> None:
    change, expected = WRONG[case]
    store(file({**change}))
    refused(hone(*LOCAL), expected)


@pytest.mark.slow
def test_a_wrong_row_can_be_left_out(hone: Hone) -> None:
    store(file({"text": ["a ring", ""]}))
    done = hone(*LOCAL, "dataset.on_bad_row=skip")
    assert done.code == 0, done.said


@pytest.mark.slow
def test_several_columns_are_texts_of_one_picture(hone: Hone) -> None:
    files = file({})
    rows = [{"image": f"{row}.png", "a": f"a ring {row}", "b": f"a star {row}"} for row in range(12)]
    store({**files, "a.jsonl": lines(rows)})
    done = hone(*LOCAL[:-1], "dataset.columns.text=[a,b]")
    assert done.code == 0, done.said
    records = Dataset.from_parquet(str(next(only_run().glob("predictions/validation.parquet"))))
    assert set(records["targets"]) == {2}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("checkpoint=tiny_vit",), "this task needs an AutoProcessor"),
        (("task.max_length=100",), "the model takes at most 48 tokens"),
    ],
)
def test_what_cannot_compare_is_refused(words: tuple[str, ...], expected: str, hone: Hone) -> None:
    refused(hone("train", *BRIEF, *words), expected)
