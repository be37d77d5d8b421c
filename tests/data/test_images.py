"""Pictures as they come: every mode and format becomes upright RGB, and what is no whole picture is named before it."""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image, ImageOps

from hone.core.errors import RowError
from hone.data.media import images
from hone.data.media.file import MediaFile

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
PICTURE = Image.fromarray(NOISE)


def written(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def file_of(content: bytes) -> MediaFile:
    return MediaFile(None, content, 3, "image")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return written(PICTURE, "JPEG", exif=exif, quality=100)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_mode_becomes_the_rgb_that_a_pipeline_sees(mode: str) -> None:
    content = written(PICTURE.convert(mode), "TIFF" if mode == "CMYK" else "PNG")
    with Image.open(io.BytesIO(content)) as theirs:
        expected = np.asarray(theirs.convert("RGB"))
    picture = images.decode(file_of(content))
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), expected)
    assert images.read_header(file_of(content)).mode == mode


def test_sixteen_bits_are_scaled_to_eight() -> None:
    """Pillow makes everything above 255 white."""
    grey = np.arange(0, 65536, 4096, dtype=np.uint16).reshape(4, 4)
    picture = images.decode(file_of(written(Image.fromarray(grey))))
    assert np.asarray(picture)[..., 0].tolist() == (grey >> 8).tolist()


def test_a_picture_is_turned_upright() -> None:
    with Image.open(io.BytesIO(turned())) as theirs:
        expected = np.asarray(ImageOps.exif_transpose(theirs))
    header = images.read_header(file_of(turned()))
    assert (header.width, header.height) == (40, 60)
    assert np.array_equal(np.asarray(images.decode(file_of(turned()))), expected)


def test_of_an_animation_the_first_frame_is_read() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = written(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert images.decode(file_of(content)).getpixel((0, 0)) == (255, 0, 0)


def test_a_mask_of_indices_keeps_them() -> None:
    indices = np.arange(12, dtype=np.uint8).reshape(3, 4)
    mask = Image.fromarray(indices)
    mask.putpalette([*range(255, -1, -1)] * 3)
    with pytest.raises(RowError, match=r"expected one channel, but its pixels are RGB"):
        images.decode_values(file_of(written(PICTURE)))
    assert images.decode_values(file_of(written(mask))).tolist() == indices.tolist()


def test_the_header_costs_no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Image.Image) -> None:
        raise AssertionError("decoded")

    contents = [written(PICTURE), turned(), written(PICTURE, "JPEG")]
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    for content in contents:
        assert images.check(file_of(content)).format in ("PNG", "JPEG")


def huge() -> bytes:
    """A PNG whose header promises a billion pixels."""
    content = bytearray(written(PICTURE))
    content[16:24] = struct.pack(">II", 40_000, 25_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


BAD: dict[str, tuple[str, bytes]] = {
    "empty": ("an empty file", b""),
    "text": ("not a picture", b"good day" * 40),
    "cut PNG": ("damaged or cut off", written(PICTURE)[:-900]),
    "cut JPEG": ("damaged or cut off", written(PICTURE, "JPEG")[:-700]),
    "cut GIF": ("damaged or cut off", written(PICTURE, "GIF")[:900]),
    "cut header": ("damaged or cut off", written(PICTURE)[:20]),
    "EPS": ("not a picture", written(PICTURE, "EPS")),
    "bomb": ("more than 89,478,485", huge()),
    "floats": ("32-bit numbers", written(Image.new("F", (4, 4)), "TIFF")),
}


@pytest.mark.parametrize("name", BAD)
def test_content_that_is_no_whole_picture_is_a_fault(name: str) -> None:
    words, content = BAD[name]
    with warnings.catch_warnings(action="ignore"):  # the command turns it into a line of its log
        assert words in only_fault({"bytes": content, "path": None})


def only_fault(stored: dict[str, Any]) -> str:
    sound = {"bytes": written(PICTURE), "path": None}
    rows = Dataset.from_dict({"image": [sound, stored, sound]})
    faults = list(images.image_faults(rows, "image"))
    assert [(fault.row, fault.role) for fault in faults] == [(1, "image")]
    return faults[0].problem


def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    """To open a pipe would wait for somebody to write to it."""
    os.mkfifo(tmp_path / "pipe.png")
    for path, words in {
        "pipe.png": "a pipe or a device", ".": "a folder, not a file", "gone.png": "no such file",
        "/dev/zero": "a pipe or a device",
    }.items():  # fmt: skip
        problem = only_fault({"bytes": None, "path": str(tmp_path / path)})
        assert words in problem
        assert str(tmp_path / path) in problem


def test_a_file_is_what_its_name_says(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(written(PICTURE))
    assert only_fault({"bytes": None, "path": str(path)}).endswith("the name is that of a JPEG, but the content is PNG")


def test_bytes_after_the_end_do_no_harm() -> None:
    assert images.check(file_of(written(PICTURE, "JPEG") + b"\0" * 5000)).format == "JPEG"
