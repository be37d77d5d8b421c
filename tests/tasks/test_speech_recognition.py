"""Speech recognition: transcripts, their vocabulary, the loss of CTC and the errors that are counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from transformers import pipeline

from conftest import Hone, only_run, record, train_in
from hone.core.errors import RowError, UserError
from hone.core.metric import SumMetric
from hone.core.task import Facts
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import MediaFile, encode_with_media
from hone.data.media.sounds import decode, to_wav
from hone.data.media.storing import store_media
from hone.data.tiny.touch_tones import TinyTouchTones, touch_tone_examples
from hone.models.checkpoints.tiny_audio import TinyWav2Vec2Bert
from hone.tasks.audio.shared.characters import frames_needed, spell
from hone.tasks.audio.speech_recognition_ctc import SpeechRecognitionCTC
from hone.tasks.metrics.transcripts import transcript_metrics

CHECKPOINT = TinyWav2Vec2Bert(lr=1.0)
BRIEF = ("checkpoint=tiny_wav2vec2_bert", "tracker=none", "precision=32-true")


def rows_of(texts: list[Any], sounds: list[bytes] | None = None) -> Dataset:
    sounds = sounds or [touch_tone_examples()["audio"][0]] * len(texts)
    rows = Dataset.from_dict({"id": [*range(len(texts))], "audio": sounds, "text": texts})
    return store_media(rows, SpeechRecognitionCTC(), {})


def bound(rows: Dataset, **options: Any) -> SpeechRecognitionCTC:
    raw = SpeechRecognitionCTC(**options)
    facts = raw.find_facts(rows, None)
    return raw.bind(CHECKPOINT.make_processor(raw.auto_processor, facts), facts)


def encoded(task: SpeechRecognitionCTC, rows: Dataset) -> EncodedRows:
    return EncodedRows.of(Dataset.from_dict(encode_with_media(task, rows[:])), rows, task)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly trained: it writes much more than it should, where a network that has learned a little writes nothing."""
    words = ("dataset=tiny_touch_tones", "dataset.train=24", "dataset.validation=24", "dataset.test=8", "epochs=1")
    return train_in(tmp_path_factory.mktemp("run"), *words, *BRIEF, "optimizer.lr=1e-6", "monitor=cer")


def test_the_model_writes_the_same_text_in_a_pipeline(run: Path, hone: Hone) -> None:
    """Alone, where hone recognised padded batches, and in frames that only fill a pair as well."""
    rows = TinyTouchTones(1, 24, 1).load()["validation"]
    recorded = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    recognise = pipeline("automatic-speech-recognition", model=str(run / "model"))
    rate = recognise.feature_extractor.sampling_rate
    waves = [decode(MediaFile(None, content), rate) for content in rows["audio"]]
    texts = [recognise({"array": wave, "sampling_rate": rate})["text"] for wave in waves]
    assert texts == recorded["prediction"]
    assert len({*texts}) > 3
    Path("one.wav").write_bytes(rows["audio"][0])
    done = hone("predict", f"run={run}", "audio=one.wav")
    assert json.loads(done.out)["text"] == texts[0]


def test_errors_are_summed_before_they_are_divided(run: Path) -> None:
    recorded = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    scores = record(run)["scores"]
    assert scores["validation/wer"] == pytest.approx(jiwer.wer(recorded["text"], recorded["prediction"]))
    assert scores["validation/cer"] == pytest.approx(jiwer.cer(recorded["text"], recorded["prediction"]))
    assert record(run)["baseline"]["validation/wer"] == 1.0


def test_the_loss_is_that_of_transformers_for_each_row_alone() -> None:
    rows = rows_of(["01 23", "456 7", "88 9", "7 0665"], touch_tone_examples()["audio"][:4])
    task = bound(rows)
    config = CHECKPOINT.config({**task.model_config(), "ctc_loss_reduction": "sum"})
    network = CHECKPOINT.network(task.auto_model, config).eval()
    split = encoded(task, rows)
    with torch.no_grad():
        ours = task.predict(network, split.collate(task, np.arange(4)))
        for place in range(4):
            batch = split.collate(task, np.array([place]))
            whole = {"attention_mask": torch.ones_like(batch["inputs"]["attention_mask"])}
            labels = torch.tensor(np.array(batch["labels"]))
            theirs = network(**batch["inputs"] | whole, labels=labels).loss
            mine = task.loss(network, batch | {"inputs": batch["inputs"] | whole}) * labels.numel()
            assert float(mine) == pytest.approx(float(theirs), rel=1e-4)
        assert ours["targets"].tolist() == [5, 5, 4, 6]
        total = task.loss(network, split.collate(task, np.arange(4)))
    assert float(total) == pytest.approx(ours["loss"].sum() / ours["targets"].sum(), rel=1e-5)


def test_the_vocabulary_is_the_characters_of_the_training_transcripts() -> None:
    task = bound(rows_of(["to be", "né", "a  b"]))
    assert task.facts == Facts("characters", ("a", "b", "e", "n", "o", "t", "é"), (1, 2, 1, 1, 1, 1, 1))
    tokenizer = task.processor.tokenizer
    assert task.model_config() == {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    assert tokenizer.decode(spell(tokenizer, "to be né"), group_tokens=False) == "to be né"
    streamed = task.add_facts(bound(rows_of(["to be"])).facts, rows_of(["né", "a  b"]), None)
    assert streamed == task.facts


@pytest.mark.parametrize(
    ("options", "spelt"),
    [({}, "Well, it's 5!"), ({"case": "lower", "drop": ",!"}, "well it's 5"), ({"case": "upper"}, "WELL, IT'S 5!")],
)
def test_transcripts_are_changed_before_they_are_learned_and_scored(options: dict[str, Any], spelt: str) -> None:
    rows = rows_of(["Well,  it's 5!"], [to_wav(np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)])
    task = bound(rows, **options)
    assert {*task.facts.labels} == {*spelt} - {" "}
    batch = encoded(task, rows).collate(task, np.arange(1))
    assert batch["text"] == [spelt]


def test_what_cannot_be_spelt_is_found_with_its_row() -> None:
    task = bound(rows_of(["01", "23"]))
    bad = rows_of(["01", "0x1y", None, " ", "2|3", "!"])
    faults = [(fault.row, fault.role, fault.problem) for fault in task.find_faults(bad, task.facts)]
    assert sorted(faults) == [
        (1, "text", "the training transcripts do not have 'x', 'y'"),
        (2, "text", "the text is missing"),
        (3, "text", "the text is empty"),
        (4, "text", "the training transcripts do not have '|'"),
        (5, "text", "the training transcripts do not have '!'"),
    ]
    strict = SpeechRecognitionCTC(drop="!")
    assert "nothing is left" in [fault.problem for fault in strict.find_faults(bad, task.facts)][-1]


def test_a_bar_stands_for_a_space_and_cannot_be_learned() -> None:
    rows = rows_of(["a|b"])
    task = bound(rows)
    assert "'|'" in next(iter(task.find_faults(rows, task.facts))).problem


@pytest.mark.parametrize(("tokens", "frames"), [([1], 1), ([1, 2, 3], 3), ([1, 1], 3), ([1, 1, 1, 2], 6)])
def test_ctc_needs_a_blank_between_two_of_a_kind(tokens: list[int], frames: int) -> None:
    assert frames_needed(tokens) == frames
    for given in (frames - 1, frames):
        logits = torch.zeros(1, max(given, 1), 5).log_softmax(-1).transpose(0, 1)
        loss = torch.nn.functional.ctc_loss(logits, torch.tensor(tokens), [given], [len(tokens)], reduction="none")
        assert torch.isfinite(loss).all() == (given == frames)


def test_a_transcript_longer_than_its_sound_is_refused() -> None:
    rows = rows_of(["0" * 30])
    with pytest.raises(RowError, match=r"row 0 .*text: 59 frames are needed to spell it, and its sound has \d\d\."):
        encoded(bound(rows), rows)


def test_bad_rows_end_the_command_or_are_left_out(hone: Hone, tmp_path: Path) -> None:
    examples = touch_tone_examples()
    lines = []
    for number in range(12):
        (tmp_path / f"{number}.wav").write_bytes(examples["audio"][number % 6])
        lines.append({"audio": f"{number}.wav", "text": examples["text"][number % 6]})
    lines[3]["text"] = "0" * 99
    lines[5]["text"] = ""
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = (
        "dataset=local", f"dataset.path={tmp_path}/train.jsonl", "dataset.columns.label=null", "dataset.holdout=0.2",
        "task=speech_recognition_ctc", "dataset.columns.audio=audio", *BRIEF, "epochs=1", "output_root=runs",
    )  # fmt: skip
    done = hone("train", *words)
    assert done.code == 2
    assert "the text is empty (row 5)" in done.err
    done = hone("train", *words, "dataset.on_bad_row=skip")
    assert done.code == 0, done.said
    assert "frames are needed to spell it" in done.err
    assert sum(record(only_run("runs"))["data"]["rows"].values()) == 10


def test_rates_are_errors_by_what_was_said() -> None:
    records = {"prediction": ["a b", "", "x"], "text": ["a b c", "d", "x y"]}
    wer, cer = transcript_metrics()["wer"], transcript_metrics()["cer"]
    assert wer.codes(records).tolist() == [[1, 3], [1, 1], [1, 2]]
    assert wer.compute(records) == pytest.approx(3 / 6)
    assert cer.codes(records).tolist() == [[2, 5], [1, 1], [2, 3]]
    assert isinstance(wer, SumMetric)
    assert not wer.higher_is_better


def test_noise_and_stored_spectrograms_exclude_each_other() -> None:
    with pytest.raises(UserError, match=r"task\.store_features=auto"):
        bound(rows_of(["01"]), noise=0.1, store_features=True)
