"""Image captioning: networks of three kinds, several texts to a picture, what the model writes, and bad rows."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, LlavaConfig

import fake_media
from conftest import Hone, only_run, record, train_in
from hone.core.errors import UserError
from hone.core.task import Facts
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.data.tiny.scenes import TinyScenes, scene_examples
from hone.models.checkpoints.pretrained import Pretrained
from hone.models.checkpoints.tiny_multimodal import TinyGit
from hone.models.head import network_config
from hone.tasks.multimodal.image_captioning import ImageCaptioning

FACTS = Facts("texts")
KINDS = ("git", "blip", "vision-encoder-decoder")
TASK = ("task=image_captioning", "checkpoint=tiny_git", "tracker=none", "precision=32-true")


def built(kind: str, folder: Path, **options: Any) -> tuple[ImageCaptioning, Any]:
    """A task and a network whose tokens matter, from the files of a checkpoint of this kind."""
    fake_media.write_checkpoint(folder, kind)
    checkpoint, raw = Pretrained(str(folder), lr=1.0), ImageCaptioning(**options)
    task = raw.bind(checkpoint.make_processor(raw.auto_processor, FACTS), FACTS)
    config = network_config(checkpoint, task)
    task.read_config(config)
    network = checkpoint.network(task.auto_model, config).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    task.configure_generation(network)
    return task, network


def encoded(task: ImageCaptioning, texts: list[Any]) -> EncodedRows:
    columns = {"id": [*range(len(texts))], "image": scene_examples(len(texts))["image"], "text": texts}
    rows = store_media(Dataset.from_dict(columns), task, {})
    return EncodedRows.of(rows.map(partial(encode_with_media, task), batched=True, remove_columns=rows.column_names,
                                   try_original_type=False), rows, task)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_networks_own_and_that_of_each_row_alone(kind: str, tmp_path: Path) -> None:
    task, network = built(kind, tmp_path, max_new_tokens=5)
    split = encoded(task, [["a red circle"], ["a blue square left of a green triangle"], ["red", "yellow"]])
    whole = split.collate(task, np.arange(3))
    labels, pixels = whole["labels"], whole["inputs"]["pixel_values"]
    first = torch.full((3, 1), {"git": 2, "blip": 4}.get(kind, 2))
    texts = torch.cat([first, labels], dim=1)
    with torch.no_grad():
        if kind == "vision-encoder-decoder":
            theirs = network(pixel_values=pixels, labels=labels).loss
        else:
            theirs = network(pixel_values=pixels, input_ids=texts.clamp(min=0), labels=texts).loss
        assert float(task.loss(network, whole)) == pytest.approx(float(theirs), rel=1e-5)
        ours = task.predict(network, whole)
        alone = [task.predict(network, split.collate(task, np.array([place]))) for place in range(3)]
    assert ours["targets"].tolist() == [4, 9, 2], "the words and the end, and no token that begins a text"
    assert ours["loss"].sum() / ours["targets"].sum() == pytest.approx(float(theirs), rel=1e-5)
    assert ours["loss"] == pytest.approx(np.concatenate([each["loss"] for each in alone]), rel=1e-4)
    assert ours["prediction"] == [each["prediction"][0] for each in alone]
    assert len({*ours["prediction"], ""}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_generation_goes_on_as_training_reads(kind: str, tmp_path: Path) -> None:
    """Each token that is generated is the most likely one after those before it, as they are read in training."""
    task, network = built(kind, tmp_path, max_new_tokens=6)
    batch = encoded(task, [["red"], ["blue"]]).collate(task, np.arange(2))
    pixels = batch["inputs"]["pixel_values"]
    with torch.no_grad():
        written = network.generate(pixel_values=pixels, generation_config=network.generation_config)[:, 1:]
        logits = task.read_targets(network, {**batch, "labels": written}).logits
    read = written != network.generation_config.pad_token_id
    assert torch.equal(logits.argmax(dim=-1)[read], written[read])


def test_training_reads_a_random_text_and_evaluation_the_first(tmp_path: Path) -> None:
    task = ImageCaptioning().bind(TinyGit(lr=1.0).make_processor("AutoProcessor", FACTS), FACTS)
    split = encoded(task, [["a red circle", "a blue circle", "a green circle"], ["a yellow square"]])

    def read(batch: dict[str, Any], row: int) -> str:
        tokens: list[str] = task.processor.tokenizer.convert_ids_to_tokens(batch["labels"][row].clamp(min=0))
        return " ".join(tokens)

    plain = split.collate(task, np.arange(2))
    assert read(plain, 0).startswith("a red circle")
    assert plain["text"] == [["a red circle", "a blue circle", "a green circle"], ["a yellow square"]]
    epochs = [split.collate(task, np.arange(2), training=True, epoch=epoch) for epoch in range(12)]
    assert {read(batch, 0).split()[1] for batch in epochs} == {"red", "blue", "green"}
    again = [split.collate(task, np.array([0]), training=True, epoch=epoch) for epoch in range(12)]
    assert [read(batch, 0)[:8] for batch in again] == [read(batch, 0)[:8] for batch in epochs], "whatever the batch"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly trained: every text that it writes is as long as it may be."""
    words = ("dataset=tiny_scenes", "dataset.train=24", "dataset.validation=16", "dataset.test=8", "epochs=1")
    return train_in(tmp_path_factory.mktemp("run"), *words, *TASK, "task.max_new_tokens=6")


def test_transformers_writes_what_predict_writes(run: Path, hone: Hone) -> None:
    """Also for pictures of other sizes and channels."""
    for number, content in enumerate(scene_examples(3)["image"]):
        Path(f"{number}.png").write_bytes(content)
    Image.open("0.png").resize((90, 50)).convert("L").save("0.png")
    Image.open("1.png").resize((20, 70)).convert("RGBA").save("1.png")
    processor, network = (cls.from_pretrained(run / "model") for cls in (AutoProcessor, AutoModelForImageTextToText))
    texts = []
    for number in range(3):
        pixels = processor.image_processor(Image.open(f"{number}.png").convert("RGB"), return_tensors="pt")
        generated = network.generate(**pixels, generation_config=network.generation_config)
        texts.append(processor.tokenizer.batch_decode(generated, skip_special_tokens=True)[0])
    done = hone("predict", f"run={run}", "input=.", "precision=32-true")
    assert done.code == 0, done.said
    assert [json.loads(line)["text"] for line in done.out.splitlines()] == texts
    assert any(texts)


def test_references_are_kept_and_the_baseline_writes_one_text(run: Path) -> None:
    recorded = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    assert recorded["text"] == TinyScenes(1, 16, 1).load()["validation"]["text"]
    scores, baseline = record(run)["scores"], record(run)["baseline"]
    assert {"validation/cider", "validation/bleu", "validation/rougeL"} <= scores.keys()
    assert 0 < baseline["validation/cider"] < 10


def write_rows(folder: Path, changed: Any) -> Path:
    """The files of some examples, and their table. The fourth row has this text."""
    columns = scene_examples(12)
    lines = []
    for place in range(12):
        (folder / f"{place}.png").write_bytes(columns["image"][place])
        lines.append(json.dumps({"image": f"{place}.png", "text": changed if place == 3 else columns["text"][place]}))
    (folder / "rows.jsonl").write_text("\n".join(lines))
    return folder / "rows.jsonl"


@pytest.mark.parametrize(
    ("text", "words"),
    [([], "the text is empty"), (["", None], "the text is empty"), (None, "the text is missing"), ([3], "not '[3]'")],
)
def test_a_row_without_a_text_is_a_bad_row(hone: Hone, tmp_path: Path, text: Any, words: str) -> None:
    table = write_rows(tmp_path, text)
    done = hone("train", "dataset=local", f"dataset.path={table}", "dataset.holdout=0.3", *TASK)
    assert done.code == 2
    assert words in done.err
    assert "(row 3)" in done.err


def test_a_bad_row_can_be_left_out_and_blank_texts_do_not_count(hone: Hone, tmp_path: Path) -> None:
    table = write_rows(tmp_path, ["a red circle", "", None])
    Path(tmp_path / "5.png").write_bytes(b"no picture")
    words = ("dataset=local", f"dataset.path={table}", "dataset.holdout=0.3", *TASK, "epochs=null", "steps=2")
    done = hone("train", *words, "dataset.on_bad_row=skip", "task.flip=horizontal", "task.max_new_tokens=4")
    assert done.code == 0, done.said
    assert sum(record(only_run())["data"]["rows"].values()) == 11


def test_a_network_that_reads_a_prompt_is_a_mistake() -> None:
    with pytest.raises(UserError, match=r"this is a llava\. Choose another one, such as checkpoint=git"):
        ImageCaptioning().read_config(LlavaConfig())


def test_options_that_have_no_effect_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"task\.length_penalty=2: it chooses among several beams"):
        built("git", tmp_path, length_penalty=2.0)
    task, network = built("git", tmp_path, num_beams=3, max_target_length=7)
    assert (network.generation_config.num_beams, network.generation_config.max_new_tokens) == (3, 7)
    (labels,) = encoded(task, ["a red circle left of a blue square"]).collate(task, np.arange(1))["labels"].tolist()
    assert len(labels) == 6, "seven tokens with the one that begins it"
    assert labels[-1] == task.processor.tokenizer.sep_token_id, "a text that is cut has its end"


def test_a_folder_without_a_processor_for_both_has_one_for_each(tmp_path: Path) -> None:
    """As the checkpoints of an encoder with a decoder do."""
    task, network = built("vision-encoder-decoder", tmp_path / "hub")
    task.processor.save_pretrained(tmp_path / "saved")
    AutoConfig.from_pretrained(tmp_path / "hub").save_pretrained(tmp_path / "saved")
    again = AutoProcessor.from_pretrained(tmp_path / "saved")
    assert again.tokenizer("a red circle")["input_ids"] == task.processor.tokenizer("a red circle")["input_ids"]
    assert again.image_processor.size == task.processor.image_processor.size
    assert again.tokenizer.model_max_length == network.config.decoder.max_position_embeddings
