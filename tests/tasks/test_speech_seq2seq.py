"""Speech recognition by an encoder and a decoder: its tokens, its prompt, what it writes, and bad rows."""

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
from tokenizers.pre_tokenizers import ByteLevel
from transformers import AutoProcessor, GenerationConfig, WhisperTokenizer, pipeline

from conftest import Hone, only_run, record, train_in
from hone.core.errors import RowError, UserError
from hone.core.task import Facts
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import MediaFile, encode_with_media
from hone.data.media.sounds import decode, to_wav
from hone.data.media.storing import store_media
from hone.data.tiny.touch_tones import TinyTouchTones, touch_tone_examples
from hone.models.checkpoints.tiny_audio import TinyWhisper
from hone.tasks.audio.shared.decoder_prompt import DecoderPrompt, prompt_tokens, with_prompt
from hone.tasks.audio.speech_recognition_seq2seq import SpeechRecognitionSeq2Seq

CHECKPOINT = TinyWhisper(lr=1.0)
FACTS = Facts("texts")
TASK = ("task=speech_recognition_seq2seq", "checkpoint=tiny_whisper", "tracker=none", "precision=32-true")


def rows_of(texts: list[Any], sounds: list[bytes] | None = None) -> Dataset:
    sounds = sounds or [touch_tone_examples()["audio"][0]] * len(texts)
    rows = Dataset.from_dict({"id": [*range(len(texts))], "audio": sounds, "text": texts})
    return store_media(rows, SpeechRecognitionSeq2Seq(), {})


def bound(**options: Any) -> SpeechRecognitionSeq2Seq:
    raw = SpeechRecognitionSeq2Seq(**options)
    return raw.bind(CHECKPOINT.make_processor(raw.auto_processor, FACTS), FACTS)


def encoded(task: SpeechRecognitionSeq2Seq, rows: Dataset) -> EncodedRows:
    return EncodedRows.of(Dataset.from_dict(encode_with_media(task, rows[:])), rows, task)


def network_for(task: SpeechRecognitionSeq2Seq) -> Any:
    torch.manual_seed(0)
    network = CHECKPOINT.network(task.auto_model, CHECKPOINT.config(task.model_config())).eval()
    task.configure_generation(network)
    return network


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hardly trained: every text that it writes is as long as it may be."""
    words = ("dataset=tiny_touch_tones", "dataset.train=24", "dataset.validation=24", "dataset.test=8", "epochs=1")
    return train_in(tmp_path_factory.mktemp("run"), *words, *TASK, "task.max_new_tokens=6")


def test_the_model_writes_the_same_text_in_a_pipeline(run: Path, hone: Hone) -> None:
    rows = TinyTouchTones(1, 24, 1).load()["validation"]
    recorded = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    recognise = pipeline("automatic-speech-recognition", model=str(run / "model"))
    rate = recognise.feature_extractor.sampling_rate
    waves = [decode(MediaFile(None, content), rate) for content in rows["audio"]]
    texts = [recognise({"array": wave, "sampling_rate": rate})["text"].strip() for wave in waves]
    assert texts == recorded["prediction"]
    assert any(texts)
    Path("one.wav").write_bytes(rows["audio"][0])
    done = hone("predict", f"run={run}", "audio=one.wav")
    assert json.loads(done.out)["text"] == texts[0]


def test_errors_are_summed_before_they_are_divided(run: Path) -> None:
    recorded = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    scores = record(run)["scores"]
    assert scores["validation/wer"] == pytest.approx(jiwer.wer(recorded["text"], recorded["prediction"]))
    assert scores["validation/cer"] == pytest.approx(jiwer.cer(recorded["text"], recorded["prediction"]))
    assert record(run)["baseline"]["validation/wer"] == 1.0


def test_the_loss_is_the_networks_own_and_that_of_each_row_alone() -> None:
    task = bound()
    network = network_for(task)
    split = encoded(task, rows_of(["01 23", "456 7", "8", "7 0665"], touch_tone_examples()["audio"][:4]))
    whole = split.collate(task, np.arange(4))
    with torch.no_grad():
        theirs = network(**whole["inputs"], labels=whole["labels"]).loss
        ours = task.predict(network, whole)
        alone = [task.predict(network, split.collate(task, np.array([place]))) for place in range(4)]
        assert float(task.loss(network, whole)) == pytest.approx(float(theirs), rel=1e-5)
    assert ours["targets"].tolist() == [7, 7, 3, 8], "a token before the text, and the end"
    assert ours["loss"].sum() / ours["targets"].sum() == pytest.approx(float(theirs), rel=1e-5)
    assert ours["loss"] == pytest.approx(np.concatenate([each["loss"] for each in alone]), rel=1e-4)
    assert ours["prediction"] == [each["prediction"][0] for each in alone]


def test_the_end_is_learned_though_it_is_the_token_that_pads() -> None:
    task = bound()
    tokenizer = task.processor.tokenizer
    batch = encoded(task, rows_of(["1", "2 345"])).collate(task, np.arange(2))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    first = batch["labels"][0].tolist()
    assert tokenizer.convert_ids_to_tokens(first[:3]) == ["<|notimestamps|>", "1", "<|endoftext|>"]
    assert first[3:] == [-100] * 4
    assert task.count_targets(batch) == 3 + 7


def test_any_text_comes_back_from_its_bytes_and_the_processor_from_its_files(tmp_path: Path) -> None:
    processor = CHECKPOINT.make_processor("AutoProcessor", FACTS)
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    for text in ("Grüße,  日本 42!", "a"):
        ids = processor.tokenizer(text)["input_ids"]
        assert again.tokenizer(text)["input_ids"] == ids
        assert again.tokenizer.decode(ids, skip_special_tokens=True) == text
    assert again.tokenizer.model_max_length == CHECKPOINT.config({}).max_target_positions
    wave = np.zeros(9, dtype=np.float32)
    same = [each.feature_extractor(wave, sampling_rate=16_000)["input_features"] for each in (processor, again)]
    assert np.array_equal(*same)


@pytest.mark.parametrize(
    ("text", "seconds", "options", "problem"),
    [
        ("0" * 63, 1.0, {}, r"row 0 .*text: it makes 65 tokens, and the decoder has 64 positions"),
        ("1", 3.5, {}, r"row 0 .*audio: .*too long: 3.50 s are more than the 3 s that the network reads"),
        ("1", 2.5, {"max_seconds": 2.0}, r"too long: 2.50 s are more than the 2 s that task.max_seconds allows"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(
    text: str, seconds: float, options: dict[str, Any], problem: str
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, round(seconds * 16_000))
    with pytest.raises(RowError, match=problem):
        encoded(bound(**options), rows_of([text], [to_wav(noise, 16_000)]))


def test_a_text_and_a_sound_that_just_fit_are_learned() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000)
    task = bound()
    split = encoded(task, rows_of(["0" * 62], [to_wav(noise, 16_000)]))
    with torch.no_grad():
        assert torch.isfinite(task.loss(network_for(task), split.collate(task, np.arange(1))))


def test_bad_rows_end_the_command_or_are_left_out(hone: Hone, tmp_path: Path) -> None:
    examples = touch_tone_examples()
    lines = []
    for number in range(12):
        (tmp_path / f"{number}.wav").write_bytes(examples["audio"][number % 6])
        lines.append({"audio": f"{number}.wav", "text": examples["text"][number % 6]})
    lines[3]["text"] = "0" * 99
    lines[5]["text"] = ""
    (tmp_path / "7.wav").write_bytes(to_wav(np.zeros(4000), 8000))
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, lines)))
    words = (
        "dataset=local", f"dataset.path={tmp_path}/train.jsonl", "dataset.columns.label=null", "dataset.holdout=0.2",
        "dataset.columns.audio=audio", *TASK, "epochs=1", "output_root=runs", "task.max_new_tokens=4",
    )  # fmt: skip
    done = hone("train", *words)
    assert done.code == 2
    assert "the text is empty (row 5)" in done.err
    done = hone("train", *words, "dataset.on_bad_row=skip")
    assert done.code == 0, done.said
    assert "the decoder has 64 positions" in done.err
    assert sum(record(only_run("runs"))["data"]["rows"].values()) == 9


def several_languages() -> WhisperTokenizer:
    """Two of the hundred, in their places after the token that starts a text."""
    marks = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>"]
    tokens = [*sorted(ByteLevel.alphabet()), *marks, "<|startofprev|>", "<|notimestamps|>"]
    special: Any = {"extra_special_tokens": tokens[257:]}
    return WhisperTokenizer(vocab={token: place for place, token in enumerate(tokens)}, merges=[], **special)


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        (DecoderPrompt(None, None), []),
        (DecoderPrompt("zh", None), ["<|zh|>", "<|transcribe|>"]),
        (DecoderPrompt("English", "translate"), ["<|en|>", "<|translate|>"]),
    ],
)
def test_generation_begins_with_the_prompt_that_was_learned(prompt: DecoderPrompt, tokens: list[str]) -> None:
    tokenizer = several_languages()
    prompt.apply_to(tokenizer)
    begun = tokenizer.convert_ids_to_tokens(prompt_tokens(tokenizer))
    assert begun == ["<|startoftranscript|>", *tokens, "<|notimestamps|>"]
    task = bound()
    numbers = {"vocab_size": len(tokenizer), "pad_token_id": 256, "eos_token_id": 256, "decoder_start_token_id": 257}
    network = CHECKPOINT.network(task.auto_model, CHECKPOINT.config(numbers)).eval()
    network.generation_config = with_prompt(network.generation_config, tokenizer)
    inputs = encoded(task, rows_of(["1"])).collate(task, np.arange(1))["inputs"]
    written = network.generate(**inputs, max_new_tokens=1, force_unique_generate_call=True)
    assert written[0, :-1].tolist() == prompt_tokens(tokenizer)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"language": "chinesse"}, "task.language=chinesse: the checkpoint does not support it. Did you mean chinese"),
        ({"language": "de"}, "It has en, zh"),
        ({"task": "translate"}, "task.task=translate: set task.language too"),
    ],
)
def test_a_wrong_prompt_is_a_mistake(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        DecoderPrompt(options.get("language"), options.get("task")).apply_to(several_languages())


def test_a_checkpoint_has_a_choice_of_languages_or_none() -> None:
    with pytest.raises(UserError, match=r"task\.language=en: WhisperTokenizer has no languages to choose from"):
        bound(language="en")
    tokenizer, many = several_languages(), GenerationConfig(is_multilingual=True, lang_to_id={"<|en|>": 258})
    with pytest.raises(UserError, match=r"task\.language: the checkpoint writes en, zh; choose one of them"):
        DecoderPrompt(None, None).require(many, tokenizer)
    english = GenerationConfig(is_multilingual=False)
    DecoderPrompt(None, None).require(english, tokenizer)
    DecoderPrompt("en", None).apply_to(tokenizer)
    DecoderPrompt("en", None).require(many, tokenizer)
    with pytest.raises(UserError, match="this checkpoint writes English alone"):
        DecoderPrompt("en", None).require(english, tokenizer)


def test_options_of_writing_are_kept_with_the_model() -> None:
    own = network_for(bound(num_beams=3, max_new_tokens=5)).generation_config
    assert (own.num_beams, own.max_new_tokens) == (3, 5)
    plain = network_for(bound()).generation_config
    assert (plain.num_beams, plain.max_new_tokens) == (1, 62), "a pipeline takes five beams where none are named"


def test_noise_and_stored_spectrograms_exclude_each_other() -> None:
    with pytest.raises(UserError, match=r"task\.store_features=auto"):
        bound(noise=0.1, store_features=True)
