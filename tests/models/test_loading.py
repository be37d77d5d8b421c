"""What a checkpoint's own files and weights say: new and unused weights, the pooling of sentence-transformers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForMaskedLM

from conftest import SMALL, Hone, only_run, runs
from hone.core.task import Facts
from hone.models.checkpoints.pretrained import Pretrained
from hone.models.checkpoints.tiny_text import TinyBert
from hone.models.loading import loading_lines
from hone.models.network import BlankCheckpoint

FLAGS = {"pooling_mode_cls_token": False, "pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}


def save(folder: Path, auto_class: str = "AutoModel") -> Path:
    tiny = TinyBert(lr=1e-3)
    tiny.network(auto_class, tiny.config({})).save_pretrained(folder)
    tiny.make_processor("AutoTokenizer", Facts("none")).save_pretrained(folder)
    return folder


def save_sentence_model(folder: Path, pooling: dict[str, object]) -> Path:
    """Stores a checkpoint as sentence-transformers does."""
    save(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


def of(folder: Path) -> tuple[str, ...]:
    return (*SMALL, "limit=16", "checkpoint=hub", f"checkpoint.path={folder}")


@pytest.mark.parametrize("head", ["auto", "mlp"])
def test_new_and_unused_weights_are_reported_once(head: str, hone: Hone, tmp_path: Path) -> None:
    done = hone("train", *of(save(tmp_path / "mlm", "AutoModelForMaskedLM")), f"head={head}")
    assert done.code == 0, done.said
    log = (only_run() / "log.txt").read_text()
    new = {"auto": "4 (bert.pooler.dense.bias, ", "mlp": "4 (classifier.1.bias, classifier.1.weight, "}[head]
    for line in (f"newly initialised weights: {new}", "unused weights of the checkpoint: 5 (cls."):
        assert done.err.count(line) == log.count(line) == 1, done.said
    assert " and 1 more)" in done.err
    assert "LOAD REPORT" not in done.said


def test_a_checkpoint_that_fits_needs_no_report(tmp_path: Path) -> None:
    folder = save(tmp_path / "mlm", "AutoModelForMaskedLM")
    checkpoint = Pretrained(str(folder), 1e-3)
    assert loading_lines(checkpoint.network("AutoModelForMaskedLM", checkpoint.config({}))) == []
    assert loading_lines(AutoModelForMaskedLM.from_pretrained(folder)) == []


def test_the_report_needs_no_weights_in_memory(tmp_path: Path) -> None:
    checkpoint = Pretrained(str(save(tmp_path / "bare")), 1e-3)
    config = checkpoint.config({"num_labels": 2})
    with torch.device("meta"):
        blank = BlankCheckpoint(checkpoint, strict=True).network("AutoModelForSequenceClassification", config)
    real = checkpoint.network("AutoModelForSequenceClassification", config)
    assert next(blank.parameters()).is_meta
    assert loading_lines(blank) == loading_lines(real) != []


def test_a_hub_checkpoint_is_identified_by_its_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stored, commit = tmp_path / "models--some--model", "a" * 40
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text(commit)
    save(stored / "snapshots" / commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert Pretrained("some/model", 1e-3).fingerprint() == commit
    assert Pretrained("some/other", 1e-3, revision="v2").fingerprint() == "v2"


@pytest.mark.parametrize("pooling", [FLAGS, {"pooling_mode": "max"}])
def test_the_pooling_of_a_sentence_model_is_read(pooling: dict[str, object], tmp_path: Path) -> None:
    folder = save_sentence_model(tmp_path / "sentences", pooling)
    assert Pretrained(str(folder), 1e-3).config({}).sentence_pooling == "max"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "modules.json").write_text("no json"),
        lambda folder: (folder / "1_Pooling" / "config.json").unlink(),
        lambda folder: (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "weightedmean"}'),
        lambda folder: (folder / "modules.json").unlink(),
    ],
)
def test_a_pooling_that_cannot_be_read_is_none(spoil: Callable[[Path], object], tmp_path: Path) -> None:
    folder = save_sentence_model(tmp_path / "sentences", FLAGS)
    spoil(folder)
    assert not hasattr(Pretrained(str(folder), 1e-3).config({}), "sentence_pooling")


@pytest.mark.parametrize(
    ("words", "kept", "hint"),
    [
        (("head=linear",), "max", ""),
        (("head=cls",), "cls", "head.pooling=cls: the checkpoint was trained with max pooling"),
        (("head=auto",), None, "trained with max pooling, which this head does not use; head=max does"),
    ],
)
def test_a_head_pools_as_the_checkpoint_was_trained(
    words: tuple[str, ...], kept: str | None, hint: str, hone: Hone, tmp_path: Path
) -> None:
    done = hone("train", *of(save_sentence_model(tmp_path / "sentences", FLAGS)), *words)
    assert done.code == 0, done.said
    assert json.loads((only_run() / "model" / "config.json").read_text()).get("pooling") == kept
    assert ("was trained with" in done.err) == bool(hint)
    assert hint in done.err


def test_embeddings_pool_as_the_checkpoint_was_trained(hone: Hone, tmp_path: Path) -> None:
    folder = save_sentence_model(tmp_path / "sentences", FLAGS)
    small = ("tracker=none", "epochs=1", "dataset.train=32", "dataset.validation=8", "dataset.test=8", "seed=3")
    line = ("task=text_embedding", "dataset=tiny_paraphrases", "checkpoint=hub", f"checkpoint.path={folder}", *small)
    losses = {}
    for pooling in ("auto", "max", "mean"):
        done = hone("train", *line, f"task.pooling={pooling}", f"output_root={pooling}")
        assert done.code == 0, done.said
        assert ("task.pooling=mean: the checkpoint was trained with max pooling" in done.err) == (pooling == "mean")
        run = runs(pooling)[0]
        losses[pooling] = json.loads((run / "run.json").read_text())["scores"]["validation/loss"]
        assert AutoModel.from_pretrained(run / "model").config.sentence_pooling == "max"
    assert losses["auto"] == losses["max"] != losses["mean"]
    again = hone("evaluate", f"run={runs('auto')[0]}", "split=validation")
    assert again.code == 0, again.said
    stored = json.loads((runs("auto")[0] / "evaluation" / "validation.json").read_text())
    assert stored["scores"]["loss"] == pytest.approx(losses["auto"], rel=1e-3)
