"""Audio classification: from files to labels, with the answers of transformers' own pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import torch
from datasets import Dataset
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    WhisperConfig,
    WhisperFeatureExtractor,
    pipeline,
)

from conftest import Hone, only_run, record, train_in
from hone.core.errors import RowError, UserError
from hone.core.task import Facts
from hone.data.encoded import encode
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import MediaFile, encode_with_media
from hone.data.media.sounds import decode, to_wav
from hone.data.media.storing import store_media
from hone.data.rows import Rows
from hone.data.tiny.tones import TinyTones, tone_examples
from hone.models.checkpoints.tiny_audio import TinyWav2Vec2Bert
from hone.tasks.audio.audio_classification import AudioClassification
from hone.tasks.audio.shared.augmentation import SoundAugmentation
from hone.tasks.audio.shared.features import FeatureReader
from hone.tasks.audio.shared.frames import count_frames, frames_of

RATE = 16_000
FACTS = Facts("single_label", ("high", "low"), (1, 1))
TINY = "checkpoint.hyperparameters={hidden_size: 16, num_hidden_layers: 1, intermediate_size: 16}"
BRIEF = ("checkpoint=tiny_wav2vec2_bert", TINY, "tracker=none", "precision=32-true", "epochs=1")


def hum(seconds: float, rate: int = RATE, pitch: float = 300.0) -> np.ndarray[Any, Any]:
    time = np.arange(int(seconds * rate)) / rate
    return 0.3 * np.sin(2 * np.pi * pitch * time * (1 + time))


def bound(extractor: Any = None, config: Any = None, **options: Any) -> AudioClassification:
    extractor = extractor or TinyWav2Vec2Bert(lr=1.0).own_processor("AutoFeatureExtractor")
    task = AudioClassification(**options).bind(extractor, FACTS)
    if config is not None:
        task.read_config(config)
    return task


def encoded(task: AudioClassification, waves: list[np.ndarray[Any, Any]]) -> EncodedRows:
    columns = {
        "id": [*range(len(waves))],
        "audio": [to_wav(wave, RATE) for wave in waves],
        "label": ["low"] * len(waves),
    }
    rows = store_media(Dataset.from_dict(columns), task, {})
    return EncodedRows.of(Dataset.from_dict(encode_with_media(task, rows[:])), rows, task)


def inputs(rows: EncodedRows, task: AudioClassification, places: list[int], **draws: Any) -> dict[str, torch.Tensor]:
    return rows.collate(task, np.array(places), **draws)["inputs"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of many rates, channels and formats, in a folder for each class."""
    folder = tmp_path_factory.mktemp("sounds")
    forms = [("wav", 8_000, 1), ("flac", 44_100, 2), ("ogg", 22_050, 1), ("mp3", 16_000, 2), ("wav", 16_000, 1)]
    for label, pitch in (("low", 200.0), ("high", 1500.0)):
        (folder / label).mkdir()
        for number, (form, rate, channels) in enumerate(forms * 4):
            wave = hum(0.3 + 0.02 * number, rate, pitch * (1 + 0.02 * number))
            soundfile.write(folder / label / f"{number}.{form}", np.stack([wave] * channels, axis=1), rate)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ("dataset=audiofolder", f"dataset.path={folder}", "dataset.holdout=0.5", "batch_size=4")
    return train_in(tmp_path_factory.mktemp("run"), *words, *BRIEF)


def test_the_model_gives_the_same_scores_in_a_pipeline(run: Path, folder: Path, hone: Hone) -> None:
    """Files of every rate, format and number of channels, alone instead of in padded batches."""
    classify = pipeline("audio-classification", model=str(run / "model"))
    rate = classify.feature_extractor.sampling_rate
    done = hone("predict", f"run={run}", f"input={folder}/*/*", "output=said.parquet")
    assert done.code == 0, done.said
    said = pq.read_table("said.parquet").to_pylist()
    assert len(said) == 40
    for row in said[::3]:
        wave = decode(MediaFile(row["audio"]), rate)
        theirs = {answer["label"]: answer["score"] for answer in classify({"array": wave, "sampling_rate": rate})}
        assert theirs == pytest.approx(row["scores"], abs=1e-4)
        assert max(theirs, key=lambda label: theirs[label]) == row["label"]


def test_screens_count_frames(run: Path) -> None:
    assert record(run)["state"] == "finished"
    assert AudioClassification.unit == "frames"


def test_a_row_alone_is_the_row_in_a_padded_batch() -> None:
    task = bound()
    rows = encoded(task, [hum(0.3), hum(0.9), hum(0.51)])
    torch.manual_seed(0)
    checkpoint = TinyWav2Vec2Bert(lr=1.0)
    network = checkpoint.network(task.auto_model, checkpoint.config(task.model_config())).eval()
    with torch.no_grad():
        together = network(**inputs(rows, task, [0, 1, 2])).logits
        alone = torch.cat([network(**inputs(rows, task, [place])).logits for place in range(3)])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("seconds", [0.315, 0.325], ids=["even", "odd"])
def test_the_network_gets_what_the_feature_extractor_makes_of_a_sound(seconds: float) -> None:
    """Of an odd number of frames it fills up the last pair, and masks it."""
    task = bound()
    wave = decode(MediaFile(None, to_wav(hum(seconds), RATE)), RATE)
    theirs = task.processor(wave, sampling_rate=RATE, return_tensors="pt")
    assert bool(theirs["attention_mask"].all()) == (seconds == 0.315)
    ours = inputs(encoded(task, [hum(seconds)]), task, [0])
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name].to(ours[name].dtype)) for name in ours)


def test_stored_spectrograms_are_the_computed_ones() -> None:
    waves = [hum(0.3), hum(0.5)]
    stored, computed = bound(), bound(store_features=False)
    first, second = encoded(stored, waves), encoded(computed, waves)
    assert "spectrogram" in first.rows.column_names
    assert {"id", "length", "label"} == {*second.rows.column_names}
    assert first.lengths.tolist() == second.lengths.tolist()
    for name, values in inputs(first, stored, [0, 1]).items():
        assert torch.equal(values, inputs(second, computed, [0, 1])[name])


@pytest.mark.parametrize(
    ("extractor", "config", "frames"),
    [
        (SeamlessM4TFeatureExtractor(num_mel_bins=80), None, 50),  # 98 frames of 10 ms, in pairs; one is filled up
        (Wav2Vec2FeatureExtractor(), Wav2Vec2Config(), 50),
        (Wav2Vec2FeatureExtractor(), Wav2Vec2Config(add_adapter=True), 7),
        (WhisperFeatureExtractor(), WhisperConfig(), 1500),
        (ASTFeatureExtractor(num_mel_bins=64, max_length=100), ASTConfig(num_mel_bins=64, max_length=100), 45),
    ],
    ids=["spectrogram", "samples", "adapter", "whisper", "patches"],
)
@pytest.mark.filterwarnings("ignore:At least one mel filter:UserWarning")
def test_the_length_is_what_the_network_computes(extractor: Any, config: Any, frames: int) -> None:
    task = bound(extractor, config)
    rows = encoded(task, [hum(1.01), hum(1.01)])
    assert rows.lengths.tolist() == [frames] * 2
    assert ("spectrogram" in rows.rows.column_names) == isinstance(extractor, SeamlessM4TFeatureExtractor)


@pytest.mark.parametrize("adapter", [False, True])
def test_frames_are_counted_as_transformers_does(adapter: bool) -> None:
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = Wav2Vec2Config(add_adapter=adapter, output_hidden_size=16, num_conv_pos_embeddings=4, **small)
    network = Wav2Vec2Model(config).eval()
    for length in (400, 719, 720, 16_000, 16_123):
        with torch.no_grad():
            states = network(torch.zeros(1, length)).last_hidden_state
        assert states.shape[1] == count_frames(length, frames_of(config))


def test_a_wave_network_trains_on_samples() -> None:
    task = bound(Wav2Vec2FeatureExtractor(return_attention_mask=True), Wav2Vec2Config())
    batch = inputs(encoded(task, [hum(0.3), hum(0.5)]), task, [0, 1])
    assert batch["input_values"].shape == (2, 8_000)
    assert batch["attention_mask"].sum(dim=1).tolist() == [4_800, 8_000]
    assert not batch["input_values"][0, 4_800:].any()


@pytest.mark.parametrize("seconds", [0.0101, 0.0249, 0.03])
def test_a_sound_without_a_frame_is_refused(seconds: float) -> None:
    with pytest.raises(RowError, match=r"row 1 .*audio: bytes in the row: too short: \d+ samples"):
        encoded(bound(), [hum(0.3), hum(seconds)])


def test_a_sound_is_too_short_for_a_network_of_samples() -> None:
    with pytest.raises(RowError, match="too short: 399 samples"):
        encoded(bound(Wav2Vec2FeatureExtractor(), Wav2Vec2Config()), [hum(399.01 / RATE)])
    encoded(bound(Wav2Vec2FeatureExtractor(), Wav2Vec2Config()), [hum(400.01 / RATE)])


class TestCrops:
    def rows(self) -> tuple[AudioClassification, EncodedRows]:
        task = bound(max_seconds=0.25)
        return task, encoded(task, [hum(0.2), hum(0.6), hum(1.0), hum(0.8)])

    def test_a_crop_bounds_the_length(self) -> None:
        task, rows = self.rows()
        assert rows.lengths.max() == rows.lengths[1] == rows.lengths[2]
        assert inputs(rows, task, [0, 1, 2, 3])["input_features"].shape[1] == rows.lengths.max()

    def test_evaluation_reads_the_middle(self) -> None:
        task, rows = self.rows()
        wave = decode(MediaFile(None, to_wav(hum(0.6), RATE)), RATE, 0.175, 0.25)
        middle = FeatureReader(task.processor).read(wave).values
        assert np.array_equal(inputs(rows, task, [1])["input_features"][0], middle)

    def test_training_reads_other_parts_in_each_epoch_and_the_same_in_any_batch(self) -> None:
        task, rows = self.rows()
        together = inputs(rows, task, [1, 2, 3], training=True, seed=4, epoch=1)["input_features"]
        alone = torch.cat(
            [inputs(rows, task, [p], training=True, seed=4, epoch=1)["input_features"] for p in (1, 2, 3)]
        )
        assert torch.equal(together, alone)
        later = inputs(rows, task, [1, 2, 3], training=True, seed=4, epoch=2)["input_features"]
        assert not any(torch.equal(first, second) for first, second in zip(together, later, strict=True))


AUGMENTED = ({"noise": 0.3}, {"gain": 12.0}, {"shift": 0.2}, {"time_mask": 0.8}, {"frequency_mask": 60})


class TestAugmentation:
    @pytest.mark.parametrize("options", AUGMENTED, ids=lambda options: next(iter(options)))
    def test_training_alone_changes_rows_and_each_in_its_own_way(self, options: dict[str, Any]) -> None:
        waves = [hum(0.4)] * 3
        plain, task = bound(Wav2Vec2FeatureExtractor(do_normalize=False)), bound(**options)
        if "gain" in options:  # a spectrogram's normalisation takes it away again
            task = bound(Wav2Vec2FeatureExtractor(do_normalize=False), **options)
        else:
            plain = bound()
        rows, name = encoded(task, waves), task.sounds.reader.name
        unchanged = inputs(encoded(plain, waves), plain, [0, 1, 2])[name]
        assert torch.equal(inputs(rows, task, [0, 1, 2])[name], unchanged)
        changed = inputs(rows, task, [0, 1, 2], training=True, epoch=1)[name]
        assert torch.equal(changed, inputs(rows, task, [0, 1, 2], training=True, epoch=1)[name])
        different = [*changed, unchanged[0]]
        pairs = [(first, second) for place, first in enumerate(different) for second in different[:place]]
        assert not any(torch.equal(first, second) for first, second in pairs)

    def test_masks_leave_no_value_of_a_stretch(self) -> None:
        values = np.random.default_rng(0).normal(size=(40, 20)).astype(np.float32)
        masked = SoundAugmentation(time_mask=0.5).apply_to_features(values, 10, np.random.default_rng(1))
        rows = (masked == values.mean()).all(axis=1)
        assert 0 < rows.sum() <= 20
        assert np.array_equal(masked[~rows], values[~rows])
        masked = SoundAugmentation(frequency_mask=6).apply_to_features(values, 10, np.random.default_rng(1))
        bands = (masked.reshape(40, 2, 10) == values.mean()).all(axis=(0, 1))
        assert 0 < bands.sum() <= 6
        assert np.array_equal(masked.reshape(40, 2, 10)[:, :, ~bands], values.reshape(40, 2, 10)[:, :, ~bands])

    def test_a_shift_keeps_the_length_and_no_sample_wraps_around(self) -> None:
        wave = np.ones(1000, dtype=np.float32)
        for seed in range(20):
            shifted = SoundAugmentation(shift=0.5).apply_to_wave(wave, 1000, np.random.default_rng(seed))
            assert len(shifted) == 1000
            assert shifted.sum() < 1000
            assert {*np.unique(shifted)} == {0.0, 1.0}

    def test_noise_is_a_share_of_the_loudness(self) -> None:
        wave = hum(1.0).astype(np.float32)
        added = SoundAugmentation(noise=0.1).apply_to_wave(wave, RATE, np.random.default_rng(0)) - wave
        assert 0 < added.std() < 0.1 * wave.std() * 1.05


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"store_features": True, "noise": 0.1}, "task.store_features=auto"),
        ({"store_features": True, "max_seconds": 1.0}, "task.store_features=auto"),
    ],
)
def test_what_changes_in_every_epoch_is_not_stored(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        bound(**options)


def test_samples_have_no_bands() -> None:
    with pytest.raises(UserError, match=r"task.frequency_mask=3: .* Use task.time_mask"):
        bound(Wav2Vec2FeatureExtractor(), frequency_mask=3)


BAD = {
    "empty.wav": b"",
    "cut.wav": to_wav(hum(0.3), RATE)[:-50],
    "text.wav": b"hello" * 50,
    "short.wav": to_wav(hum(0.01), RATE),
    "silent.wav": to_wav(np.zeros(8000), RATE),
}


def test_bad_sounds_end_the_command_before_training_or_are_left_out(folder: Path, hone: Hone, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    for label in ("low", "high"):
        (bad / label).mkdir(parents=True)
        for number in range(8):
            (bad / label / f"{number}.wav").write_bytes(to_wav(hum(0.3 + number / 50), RATE))
    for name, content in BAD.items():
        (bad / "low" / name).write_bytes(content)
        done = hone("train", "dataset=audiofolder", f"dataset.path={bad}", *BRIEF)
        assert done.code == 2, done.said
        assert f"low/{name}: " in done.err
        assert "Traceback" not in done.err
        assert ": 1 of 1" in done.err
        if name != "silent.wav":
            (bad / "low" / name).unlink()
    (bad / "low" / "text.wav").write_bytes(BAD["text.wav"])
    done = hone("train", "dataset=audiofolder", f"dataset.path={bad}", *BRIEF, "dataset.on_bad_row=skip")
    assert done.code == 0, done.said
    assert sum(record(only_run())["data"]["rows"].values()) == 16


def test_a_sample_has_every_kind_twice() -> None:
    examples = tone_examples()
    assert len(examples["audio"]) == 2 * len({*examples["label"]}) == 12


def test_few_sounds_are_encoded_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spectrograms of many rows would not fit into memory."""
    task, sizes = bound(), list[int]()
    columns = {"id": [*range(130)], "audio": [to_wav(hum(0.2), RATE)] * 130, "label": ["low"] * 130}
    rows = store_media(Dataset.from_dict(columns), task, {})
    encode_rows = AudioClassification.encode

    def counted(self: AudioClassification, rows: Any) -> Any:
        sizes.append(len(rows["id"]))
        return encode_rows(self, rows)

    monkeypatch.setattr(AudioClassification, "encode", counted)
    encode(Rows({"train": rows}, FACTS), task, TinyTones())
    assert sum(sizes) == 130
    assert max(sizes) <= 64
