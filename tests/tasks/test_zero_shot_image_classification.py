"""Naming pictures by texts: with any labels, as transformers' pipeline does, for runs and checkpoints alike."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPImageProcessorPil, CLIPProcessor, CLIPTokenizer, pipeline

from conftest import Hone, Outcome, only_run, record, train_in
from hone.core.errors import UserError
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.data.tiny.coloured_shapes import UNSEEN_NAMES, unseen_examples
from hone.models.checkpoints.tiny_contrastive import TinyClip, TinyContrastive, TinySiglip
from hone.tasks.multimodal.zero_shot_image_classification import ZeroShotImageClassification, candidate_facts
from mistakes import refused

EXAMPLES = unseen_examples(6)
NAMES = list(UNSEEN_NAMES)
SMALL = ("dataset=tiny_coloured_shapes", "dataset.train=16", "dataset.validation=8", "dataset.test=8", "tracker=none",
         "batch_size=8", "epochs=1", "precision=32-true")  # fmt: skip
UNSEEN = ("dataset=tiny_unseen_shapes", "dataset.train=12", "dataset.validation=12", "dataset.test=24")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A contrastive run; nothing here changes it."""
    return train_in(tmp_path_factory.mktemp("trained"), *SMALL, "checkpoint=tiny_clip")


def rows(done: Outcome) -> list[dict[str, Any]]:
    assert done.code == 0, done.said
    return [json.loads(line) for line in done.out.splitlines()]


def write_pictures() -> list[str]:
    """Four pictures, of which some are resized, grey or transparent."""
    for place, (mode, size) in enumerate((("RGB", (32, 32)), ("L", (50, 40)), ("RGBA", (20, 64)), ("P", (64, 64)))):
        picture = Image.open(io.BytesIO(EXAMPLES["image"][place])).resize(size)
        picture.convert(mode).save(f"{place}.png")
    return [f"{place}.png" for place in range(4)]


def save(checkpoint: TinyContrastive, folder: str, **changes: Any) -> str:
    """A checkpoint on disk, as it is before it has learned anything, so that its scores are neither 0 nor 1."""
    processor = checkpoint.make_processor("AutoProcessor", candidate_facts(NAMES))
    config = checkpoint.config({})
    if changes:  # as in published checkpoints: proportions are kept, and texts are read in pieces of words
        processor = CLIPProcessor(CLIPImageProcessorPil(**changes), letters())
        config.text_config.eos_token_id = processor.tokenizer.eos_token_id
    torch.manual_seed(0)
    checkpoint.network(ZeroShotImageClassification.auto_model, config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def letters() -> CLIPTokenizer:
    """CLIP's own tokenizer, with a token for each letter and for each that ends a word."""
    characters = sorted(ByteLevel.alphabet())
    pieces = [*characters, *(f"{character}</w>" for character in characters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: place for place, piece in enumerate(pieces)}, merges=[])


@pytest.mark.parametrize("kind", ["run", "task", "siglip", "clip"])
def test_it_says_what_the_pipeline_says(kind: str, hone: Hone, run: Path) -> None:
    files, folder = write_pictures(), f"{run}/model"
    if kind == "siglip":
        folder = save(TinySiglip(lr=1.0), "siglip")
    elif kind == "clip":
        sizes = {"vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513}
        cropped = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
        folder = save(TinyClip(lr=1.0, hyperparameters={"text_config": sizes}), "clip", **cropped)
    source = (f"run={run}",) if kind == "run" else ("checkpoint=hub", f"checkpoint.path={folder}")
    labels = f"[{','.join(NAMES)}]"
    words = [f"zero_shot={labels}", "hypothesis='one {} on black'"]
    if kind == "task":
        words = ["task=zero_shot_image_classification", f"task.labels={labels}", "task.template='one {} on black'"]
    ours = rows(hone("predict", *source, *words, "input=.", "precision=32-true"))
    theirs = pipeline("zero-shot-image-classification", model=folder)
    default = rows(hone("predict", *source, words[0], f"image={files[0]}")) if kind == "run" else []
    for row, file in zip(ours, files, strict=True):
        scores = {
            each["label"]: each["score"]
            for each in theirs(file, candidate_labels=NAMES, hypothesis_template="one {} on black")
        }
        assert row["image"] == file
        assert row["scores"] == pytest.approx(scores, abs=1e-4)
        assert row["label"] == max(scores, key=lambda name: scores[name])
        assert (abs(sum(scores.values()) - 1) < 1e-4) == (kind != "siglip")
    if default:
        template = ZeroShotImageClassification.template
        scores = theirs(files[0], candidate_labels=NAMES, hypothesis_template=template)
        assert default[0]["scores"] == pytest.approx({each["label"]: each["score"] for each in scores}, abs=1e-4)
        assert default[0]["scores"] != ours[0]["scores"]


def test_a_checkpoint_is_evaluated_on_labels_that_it_was_not_trained_on(hone: Hone, run: Path) -> None:
    done = hone("evaluate", "checkpoint=hub", f"checkpoint.path={run}/model", *UNSEEN, "worst=2", "precision=32-true")
    assert done.code == 0, done.said
    assert "model on tiny_unseen_shapes  test, 24 rows" in done.out
    stored = json.loads(Path("evaluation/model-on-tiny_unseen_shapes/test.json").read_text())
    assert (stored["checkpoint"], stored["dataset"], stored["rows"]) == ("model", "tiny_unseen_shapes", 24)
    assert stored["labels"] == NAMES
    assert stored["baseline"]["accuracy"] == pytest.approx(1 / 6)
    predicted = Dataset.from_parquet("evaluation/model-on-tiny_unseen_shapes/test.parquet")
    right = np.array(predicted["prediction"]) == np.array(predicted["label"])
    assert stored["scores"]["accuracy"] == pytest.approx(right.mean())
    Path("pictures").mkdir()
    for place, picture in enumerate(EXAMPLES["image"]):
        Path(f"pictures/{place}.png").write_bytes(picture)
    asked = ("zero_shot=[" + ",".join(NAMES) + "]", "precision=32-true")
    again = rows(hone("predict", f"run={run}", "input=pictures", *asked))
    more = ("task.labels=[" + ",".join([*NAMES, "blue star"]) + "]", "limit=6")
    wider = hone("evaluate", "checkpoint=hub", f"checkpoint.path={run}/model", *UNSEEN, *more, "output=wider")
    assert wider.code == 0, wider.said
    assert json.loads(Path("wider/test.json").read_text())["labels"] == [*NAMES, "blue star"]
    assert len(again) == 6


def test_a_classifier_is_evaluated_without_a_run(hone: Hone) -> None:
    """Its labels are its own, and how often they occurred in its training is not known."""
    brief = ("dataset.train=24", "dataset.validation=8", "dataset.test=16", "checkpoint=tiny_resnet")
    trained = hone("train", "dataset=tiny_shapes", *brief, "tracker=none", "epochs=1", "precision=32-true")
    assert trained.code == 0, trained.said
    run = only_run()
    place = ("checkpoint=hub", f"checkpoint.path={run}/model")
    done = hone("evaluate", *place, "dataset=tiny_shapes", *brief[:3], "precision=32-true")
    assert done.code == 0, done.said
    stored = json.loads(Path("evaluation/model-on-tiny_shapes/test.json").read_text())
    scores = {
        name.partition("/")[2]: score for name, score in record(run)["scores"].items() if name.startswith("test/")
    }
    assert stored["scores"] == pytest.approx(scores, abs=1e-5)
    assert stored["baseline"] == {}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "Give run=DIR, or checkpoint=… with dataset=…"),
        (("run=RUN", "dataset=tiny_shapes"), "given: run, dataset, task"),
        (("checkpoint=tiny_clip",), "given: checkpoint"),
        (("checkpoint=tiny_bert", "dataset=tiny_unseen_shapes"), "transformers has no AutoModelForZeroShotImage"),
        (("MODEL", *UNSEEN, "task.labels=[red circle,blue ring]"), "is not one of the training labels"),
        (("MODEL", *UNSEEN, "task.template=photo"), "it has no braces {}"),
        (("MODEL", *UNSEEN, "task.template='{} " + "red " * 60 + "'"), "takes 48. Choose a shorter label"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated(words: tuple[str, ...], expected: str, hone: Hone, run: Path) -> None:
    model = f"checkpoint.path={run}/model"
    given = [word.replace("RUN", str(run)) for word in words if word != "MODEL"]
    refused(hone("evaluate", *(("checkpoint=hub", model) if "MODEL" in words else ()), *given), expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("zero_shot=[a]",), "zero_shot=a: expected at least two different labels"),
        (("zero_shot=[a,b]", "hypothesis=photo"), "hypothesis='photo': it has no braces"),
        (("zero_shot=[a,b]", "several=true"), "several is for a model of texts"),
        (("zero_shot=[a,b]", "text=hello"), "text: to predict, the task reads image"),
    ],
)
def test_what_cannot_be_predicted(words: tuple[str, ...], expected: str, hone: Hone, run: Path) -> None:
    refused(hone("predict", f"run={run}", "image=a.png", *words), expected)


def test_labels_of_a_checkpoint_have_to_be_given(hone: Hone, run: Path) -> None:
    words = ("checkpoint=hub", f"checkpoint.path={run}/model", "task=zero_shot_image_classification")
    refused(hone("predict", *words, "image=a.png"), "task.labels: give the labels to choose from")


def test_training_brings_the_texts_of_labels_to_their_pictures() -> None:
    checkpoint = TinyClip(lr=1.0)
    facts = candidate_facts(NAMES)
    task = ZeroShotImageClassification(flip="both").bind(checkpoint.make_processor("AutoProcessor", facts), facts)
    stored = store_media(Dataset.from_dict({**EXAMPLES, "id": list(range(6))}), task, {})
    encoded = EncodedRows.of(Dataset.from_dict(encode_with_media(task, stored[:])), stored, task)
    torch.manual_seed(0)
    network = checkpoint.network(task.auto_model, checkpoint.config({}))
    optimizer, losses = torch.optim.AdamW(network.parameters(), 2e-3), []
    for epoch in range(30):
        loss = task.loss(network, encoded.collate(task, np.arange(6), True, 0, epoch))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(np.log(6), rel=0.2)
    assert losses[-1] < losses[0] / 2
    with torch.no_grad():
        predictions = task.predict(network.eval(), encoded.collate(task, np.arange(6)))
    assert (predictions["prediction"] == predictions["label"]).mean() > 0.6


def test_a_trained_network_keeps_its_labels() -> None:
    """In its config, where a checkpoint for any labels has placeholders."""
    checkpoint, facts = TinyClip(lr=1.0), candidate_facts(["red star", "ring"])
    task = ZeroShotImageClassification()
    assert task.facts_from_config(checkpoint.config({})).kind == "unlabelled"
    bound = task.bind(checkpoint.make_processor("AutoProcessor", facts), facts)
    assert task.facts_from_config(checkpoint.config(bound.model_config())) == facts
    assert ZeroShotImageClassification(labels=["a", "b"]).facts_from_config(checkpoint.config({})).labels == ("a", "b")


def test_a_run_has_the_labels_that_it_was_trained_on() -> None:
    task = ZeroShotImageClassification(labels=["a", "b"])
    with pytest.raises(UserError, match=r"trained for red circle, .* give zero_shot="):
        task.check(candidate_facts(NAMES))
