"""Text to speech: the loss is that of transformers for each row alone, and predictions are sounds."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from datasets import Dataset
from torch import Tensor
from transformers import AutoProcessor, SpeechT5FeatureExtractor, SpeechT5HifiGan, SpeechT5HifiGanConfig

from conftest import Hone, only_run, record
from hone.core.errors import RowError, UserError
from hone.core.task import Batch
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import MediaFile, encode_with_media
from hone.data.media.sounds import to_wav
from hone.data.media.storing import store_media
from hone.data.tiny.melodies import LETTERS, TinyMelodies, melody_examples
from hone.models.checkpoints.tiny_audio import TinySpeechT5
from hone.models.checkpoints.tiny_vision import TinyViT
from hone.tasks.audio.shared.spectrogram_losses import Spectrograms
from hone.tasks.audio.shared.vocoders import reconstruct
from hone.tasks.audio.text_to_speech import TextToSpeech

TINY = "checkpoint=tiny_speecht5"
FEW = ("dataset=tiny_melodies", "dataset.train=12", "dataset.validation=6", "dataset.test=6", TINY)
BRIEF = ("tracker=none", "precision=32-true", "epochs=null", "steps=2", "batch_size=4")
RATE = 16_000


def bound(**hyperparameters: Any) -> tuple[TextToSpeech, Any, EncodedRows]:
    """A task with a network and the rows of six words."""
    raw = TextToSpeech()
    rows = store_media(Dataset.from_dict({**melody_examples(), "id": [*range(6)]}), raw, {})
    facts = raw.find_facts(rows, None)
    checkpoint = TinySpeechT5(lr=1.0, hyperparameters=hyperparameters)
    task = raw.bind(checkpoint.make_processor(raw.auto_processor, facts), facts)
    config = checkpoint.config({})
    task.read_config(config)
    torch.manual_seed(0)
    network = checkpoint.network(task.auto_model, config).eval()
    encoded = Dataset.from_dict(encode_with_media(task, rows[:]))
    return task, network, EncodedRows.of(encoded, rows, task)


def batch_of(task: TextToSpeech, rows: EncodedRows, *places: int, **how: Any) -> Batch:
    return rows.collate(task, np.array(places), **how)


def their_masks(task: TextToSpeech, steps: int) -> Tensor:
    """What the prenet of transformers draws for one row after the seed 3."""
    torch.manual_seed(3)
    units = task.sizes["speech_decoder_prenet_units"]
    return torch.stack([torch.bernoulli(torch.empty(steps, units), p=0.5) for _ in range(2)]) == 1


@pytest.mark.parametrize("guided", [True, False])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_the_loss_of_a_row_is_that_of_transformers(guided: bool, factor: int) -> None:
    task, network, rows = bound(use_guided_attention_loss=guided, reduction_factor=factor)
    for place in (0, 4):
        batch = batch_of(task, rows, place)
        frames = batch["mels"].shape[1]
        assert frames % factor == 0
        batch["kept"] = their_masks(task, frames // factor)[None]
        torch.manual_seed(3)
        with torch.no_grad():
            theirs = network(**batch["inputs"], labels=batch["mels"]).loss
            ours = task.loss(network, batch)
            predictions = task.predict(network, batch)
        assert float(ours) == pytest.approx(float(theirs), rel=1e-4)
        assert predictions["loss"][0] / predictions["targets"][0] == pytest.approx(float(theirs), rel=1e-4)
        assert predictions["targets"][0] == frames == task.count_targets(batch)


def test_a_row_does_not_depend_on_its_batch() -> None:
    """Neither its draws nor its last frames, to which a longer row adds padding."""
    task, network, rows = bound()
    with torch.no_grad():
        together = task.predict(network, batch_of(task, rows, *range(6)))
        for place in range(6):
            alone = task.predict(network, batch_of(task, rows, place))
            for name in ("loss", "error", "copied"):
                assert alone[name][0] == pytest.approx(together[name][place], rel=1e-4)


def test_draws_depend_on_the_row_in_training_and_never_change_in_an_evaluation() -> None:
    task, _, rows = bound()
    assert torch.equal(batch_of(task, rows, 1, 2)["kept"], batch_of(task, rows, 1, 2, seed=5, epoch=1)["kept"])
    first = batch_of(task, rows, 1, 2, training=True, seed=1, epoch=0)["kept"]
    assert torch.equal(first, batch_of(task, rows, 1, 2, training=True, seed=1, epoch=0)["kept"])
    assert not torch.equal(first, batch_of(task, rows, 1, 2, training=True, seed=1, epoch=1)["kept"])
    assert 0.4 < first[0].float().mean() < 0.6


def test_spectrograms_are_cut_to_whole_steps_and_errors_are_means_over_bands() -> None:
    task, network, rows = bound(reduction_factor=4)
    batch = batch_of(task, rows, 0, 1)
    counts = batch["frames"].sum(dim=1).tolist()
    whole = [soundfile.read(io.BytesIO(content))[0] for content in melody_examples()["audio"][:2]]
    assert counts == [(1 + len(wave) // 256) // 4 * 4 for wave in whole]
    with torch.no_grad():
        predicted = Spectrograms.of(network, batch)
    expected = [
        float((predicted.after[row, :count] - batch["mels"][row, :count]).abs().mean(dim=1).sum())
        for row, count in enumerate(counts)
    ]
    assert predicted.errors(batch).tolist() == pytest.approx(expected, rel=1e-5)
    scores = task.metrics()["mel_l1"].compute({"error": np.array(expected), "targets": np.array(counts)})
    assert scores == pytest.approx(sum(expected) / sum(counts))


@pytest.mark.parametrize("mel_floor", [1e-10, 1e-2])
def test_a_sound_is_made_of_its_spectrogram(mel_floor: float) -> None:
    """The tones of the letters are there again, as loud as they were."""
    extractor = SpeechT5FeatureExtractor(mel_floor=mel_floor)
    time = np.arange(RATE) / RATE
    for pitch in (420.0, 823.0):
        wave = (0.2 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)
        mel = torch.from_numpy(extractor(audio_target=wave, sampling_rate=RATE)["input_values"][0])
        again = reconstruct(mel, extractor)
        assert abs(len(again) - len(wave)) <= 256
        assert np.fft.rfftfreq(len(again), 1 / RATE)[np.abs(np.fft.rfft(again)).argmax()] == pytest.approx(
            pitch, rel=0.05
        )
        assert 0.1 < np.abs(again).max() < 0.4
        assert np.array_equal(again, reconstruct(mel, extractor)), "the same each time"


def test_predictions_are_sounds(hone: Hone, tmp_path: Path) -> None:
    done = hone("train", *FEW, *BRIEF)
    assert done.code == 0, done.said
    run = only_run()
    assert np.isfinite(record(run)["scores"]["test/mel_l1"])
    (tmp_path / "lines.txt").write_text("abc\nde fg\n")
    asked = hone("predict", f"run={run}", f"input={tmp_path / 'lines.txt'}", "output=out.jsonl")
    assert asked.code == 0, asked.said
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == ["abc", "de fg"]
    for line in lines:
        wave, rate = soundfile.read(line["audio"])
        assert rate == RATE
        assert abs(len(wave) / rate - line["seconds"]) < 0.07
    refused = hone("predict", f"run={run}", "text=abc")
    assert refused.code == 2
    assert "Give output=FILE.jsonl" in refused.err
    alone = hone("predict", f"run={run}", "text=de fg", "output=alone.jsonl")
    assert alone.code == 0
    assert Path("alone_files/000000-audio.wav").read_bytes() == Path(lines[1]["audio"]).read_bytes(), "always"


def test_a_vocoder_makes_the_sound_where_one_is_given(hone: Hone, tmp_path: Path) -> None:
    sizes: dict[str, Any] = {
        "upsample_initial_channel": 8, "upsample_rates": [16, 16], "upsample_kernel_sizes": [32, 32],
        "resblock_kernel_sizes": [3], "resblock_dilation_sizes": [[1]],
    }  # fmt: skip
    SpeechT5HifiGan(SpeechT5HifiGanConfig(**sizes)).save_pretrained(tmp_path / "vocoder")
    task, network, rows = bound()
    task.vocoder = str(tmp_path / "vocoder")
    task.check(task.facts)
    batch = rows.collate(task, np.array([0]))
    with torch.no_grad():
        answer = task.answer(network, {"id": batch["id"], "inputs": batch["inputs"]})
    wave, rate = soundfile.read(io.BytesIO(answer["audio"][0]))
    assert rate == RATE
    assert len(wave) == round(answer["seconds"][0] * RATE)
    (tmp_path / "vocoder/config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match="its config is that of a bert"):
        task.check(task.facts)
    done = hone("train", *FEW, *BRIEF, "task.vocoder=nowhere")
    assert done.code == 2
    assert "task.vocoder=nowhere: no SpeechT5HifiGan can be loaded" in " ".join(done.err.split())


def speaker_rows(folder: Path, vectors: list[Any]) -> Path:
    words = melody_examples()
    lines = []
    for place, vector in enumerate(vectors):
        (folder / f"{place}.wav").write_bytes(words["audio"][place % 6])
        lines.append({"text": words["text"][place % 6], "audio": f"{place}.wav", "speaker": vector})
    (folder / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "rows.jsonl"


@pytest.mark.slow
def test_a_row_may_have_the_embedding_of_its_speaker(hone: Hone, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((10, 16)).round(3).tolist()
    words = (
        f"dataset.path={speaker_rows(tmp_path, vectors)}",
        "dataset=local",
        "task=text_to_speech",
        "dataset.columns.speaker=speaker",
        "dataset.holdout=0.3",
    )
    done = hone("train", *words, TINY, *BRIEF)
    assert done.code == 0, done.said
    asked = hone("predict", f"run={only_run()}", "text=abc", f"speaker={vectors[3]}", "output=out.jsonl")
    assert asked.code == 0, asked.said
    short = hone("predict", f"run={only_run()}", "text=abc", "speaker=[1, 2]", "output=out.jsonl")
    assert short.code == 2
    assert "speaker: expected a list of 16 finite numbers" in short.err
    vectors[4] = vectors[4][:3]
    speaker_rows(tmp_path, vectors)
    refused = hone("train", *words, TINY, *BRIEF)
    assert refused.code == 2
    assert "'speaker': expected a list of 16 finite numbers" in refused.err
    assert "row 4" in refused.err


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("audio", to_wav(0.1 * np.ones(200), RATE), "too short: the spectrogram needs at least 0.064 s"),
        ("speaker", [0.5] * 15, "expected a list of 16 finite numbers"),
        ("speaker", [float("nan")] * 16, "expected a list of 16 finite numbers"),
        ("speaker", "loud", "expected a list of 16 finite numbers"),
        ("text", "abc " * 300, "it makes 1201 tokens, and the network reads at most 450"),
    ],
    ids=["short", "few", "nan", "text", "long"],
)
def test_rows_that_do_not_fit_are_named(column: str, value: Any, problem: str) -> None:
    task, _, _ = bound()
    row = {"id": [7], "text": ["abc"], "audio": [MediaFile(None, melody_examples()["audio"][0], 7, "audio")]}
    row[column] = [MediaFile(None, value, 7, "audio") if column == "audio" else value]
    with pytest.raises(RowError, match=rf"row 7 .*{problem}"):
        task.encode(row)


def test_other_networks_are_refused() -> None:
    with pytest.raises(UserError, match="needs a SpeechT5"):
        TextToSpeech().read_config(TinyViT(lr=1.0).config({}))
    with pytest.raises(UserError, match="no mel spectrograms"):
        TextToSpeech().configure_processor(object())


def test_the_tokenizer_of_the_tiny_network_spells_and_is_saved(tmp_path: Path) -> None:
    processor = bound()[0].processor
    ids = processor.tokenizer("fade gab, ok?").input_ids
    assert processor.tokenizer.unk_token_id not in ids
    assert len(set(processor.tokenizer(LETTERS).input_ids)) == len(LETTERS) + 2
    processor.save_pretrained(tmp_path / "saved")
    again = AutoProcessor.from_pretrained(tmp_path / "saved")
    assert again.tokenizer("fade gab, ok?").input_ids == ids
    assert again.feature_extractor.mel_floor == processor.feature_extractor.mel_floor


def test_letters_are_tones() -> None:
    rows = TinyMelodies(train=3, validation=1, test=1).load()["train"]
    for row in rows.to_list():
        wave, rate = soundfile.read(io.BytesIO(row["audio"]))
        parts = wave.reshape(len(row["text"]), -1)
        pitches = np.fft.rfftfreq(parts.shape[1], 1 / rate)[np.abs(np.fft.rfft(parts)).argmax(axis=1)]
        for letter, pitch in zip(row["text"], pitches, strict=True):
            assert letter == " " or pitch == pytest.approx(300 * 1.4 ** LETTERS.index(letter), rel=0.03)
