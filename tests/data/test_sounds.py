"""Sounds: headers, samples, and everything that is no whole sound."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from datasets import Dataset

from hone.core.errors import RowError, UserError
from hone.data.media.file import MediaFile
from hone.data.media.sounds import SoundHeader, check, decode, read_header, sound_faults, to_wav

RATE = 16_000
SINE = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)


def written(samples: np.ndarray[Any, Any], form: str, rate: int = RATE, **options: Any) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, samples, rate, format=form, **options)
    return content.getvalue()


def as_file(content: bytes) -> MediaFile:
    return MediaFile("a sound", content, 7, "audio")


def pitch_of(wave: np.ndarray[Any, Any], rate: int) -> float:
    """The loudest frequency."""
    return float(np.fft.rfftfreq(len(wave), 1 / rate)[np.abs(np.fft.rfft(wave)).argmax()])


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_every_format_and_rate_is_the_same_sound(form: str, rate: int) -> None:
    samples = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    file = as_file(written(np.stack([samples, np.zeros_like(samples)], axis=1), form, rate))
    assert check(file) == read_header(file) == SoundHeader(rate, rate, 2, form)
    wave = decode(file, RATE)
    assert wave.dtype == np.float32
    assert len(wave) == RATE
    assert pitch_of(wave, RATE) == pytest.approx(440, abs=1)
    assert np.abs(wave[100:-100]).max() == pytest.approx(0.25, rel=0.1), "the mean of the channels"


def test_a_part_is_the_part_of_the_whole() -> None:
    file = as_file(to_wav(SINE * np.linspace(0, 1, RATE), RATE))
    whole = decode(file, RATE)
    assert np.array_equal(decode(file, RATE, 0.25, 0.5), whole[RATE // 4 : 3 * RATE // 4])
    assert len(decode(file, RATE, 0.75, 0.5)) == RATE // 4, "no more than there is"


def test_16_bits_come_back() -> None:
    assert np.allclose(decode(as_file(to_wav(SINE, RATE)), RATE), SINE, atol=1 / 32_000)


def test_a_sound_written_while_it_went_on_has_no_size() -> None:
    content = bytearray(to_wav(SINE, RATE))
    struct.pack_into("<I", content, content.index(b"data") + 4, 0xFFFFFFFF)
    assert check(as_file(bytes(content))).frames == RATE


BROKEN = {
    "empty": (b"", "an empty file"),
    "text": (b"hello " * 100, "no sound that can be read"),
    "no samples": (to_wav(np.zeros(0), RATE), "without samples"),
    "wav": (to_wav(SINE, RATE)[:-100], "cut off: 100 of its 32,000 bytes"),
    "half a wav": (to_wav(SINE, RATE)[:16_000], "cut off"),
    "flac": (written(SINE, "FLAC")[:-200], "damaged or cut off"),
    "ogg": (written(SINE, "OGG")[:-200], "without samples"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_whole_sound_is_found_by_its_header_and_its_end(kind: str) -> None:
    content, problem = BROKEN[kind]
    rows = Dataset.from_dict({"audio": [{"bytes": to_wav(SINE, RATE)}, {"bytes": content}, None]})
    faults = [(fault.row, fault.problem) for fault in sound_faults(rows, "audio")]
    assert [row for row, _ in faults] == [1, 2]
    assert problem in faults[0][1]
    assert faults[1][1] == "the sound is missing"


def test_an_mp3_file_is_found_to_be_cut_off_when_it_is_decoded() -> None:
    with pytest.raises(RowError, match="cut off: the header says 16,000 samples, and they end at"):
        decode(as_file(written(SINE, "MP3")[:-900]), RATE)


@pytest.mark.parametrize(
    ("samples", "problem"),
    [(np.zeros(RATE), "silent"), (np.where(np.arange(RATE) == 9, np.nan, SINE), "no finite numbers")],
    ids=["silent", "nan"],
)
def test_some_sounds_are_bad_only_once_they_are_decoded(samples: np.ndarray[Any, Any], problem: str) -> None:
    file = as_file(written(samples, "WAV", subtype="FLOAT"))
    check(file)
    with pytest.raises(RowError, match=f"row 7.*audio: a sound: .*{problem}"):
        decode(file, RATE)


def test_silence_in_a_part_is_no_mistake() -> None:
    file = as_file(to_wav(np.concatenate([np.zeros(RATE), SINE]), RATE))
    assert not decode(file, RATE, 0.0, 0.5).any()


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    problems = {"pipe.wav": "a pipe", ".": "outside", "missing.wav": "no such file"}
    for name, problem in problems.items():
        with pytest.raises(RowError, match=problem):
            check(MediaFile(os.path.join(tmp_path, name)))  # noqa: PTH118  # Path drops a dot
    with pytest.raises(RowError, match="a pipe or a device"):
        check(MediaFile("/dev/zero"))


def test_a_name_must_not_belie_the_content(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    path.write_bytes(to_wav(SINE, RATE))
    with pytest.raises(RowError, match="name is that of a FLAC file, but the content is WAV"):
        check(MediaFile(str(path)))
    assert check(MediaFile(str(path), path.read_bytes())), "the name of a content means nothing"


@pytest.mark.parametrize("package", ["soundfile", "soxr"])
def test_a_missing_extra_is_a_mistake_with_its_remedy(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"pip install 'hone-lab\[audio\]'"):
        decode(as_file(to_wav(SINE, RATE)), 8_000)
