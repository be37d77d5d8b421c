"""Whatever changes the geometry of a picture moves its mask, its boxes and its points along."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.colours import OPERATIONS, erase
from hone.tasks.vision.shared.samples import Geometry, Sample

WIDTH, HEIGHT = 80, 60
BOX = (20.0, 15.0, 50.0, 33.0)


def sample() -> Sample:
    """A red rectangle in black, with its mask, its box and its corner."""
    pixels, mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.uint8)
    left, top, right, bottom = map(int, BOX)
    pixels[top:bottom, left:right, 0], mask[top:bottom, left:right] = 255, 1
    return Sample(
        Image.fromarray(pixels), Image.fromarray(mask), np.array([BOX]), np.array([[BOX[0], BOX[1]]]), unlabelled=255
    )


def masked_box(moved: Any) -> list[float]:
    """The box around the mask."""
    rows, columns = np.nonzero(np.asarray(moved.mask) == 1)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize(
    "options",
    [
        {"flip": "horizontal"}, {"flip": "vertical"}, {"flip": "both"}, {"rotate": 90.0}, {"crop": 0.6},
        {"random_operations": 13, "magnitude": 0.3}, {"crop": 0.7, "flip": "both", "rotate": 30.0},
    ],
)  # fmt: skip
def test_everything_moves_together(options: dict[str, Any]) -> None:
    sizes = set()
    for seed in range(30):
        moved: Any = AugmentOptions(**options).augment(sample(), np.random.default_rng(seed))
        assert moved.mask.size == moved.picture.size
        sizes.add(moved.size)
        if "random_operations" not in options:
            red = np.asarray(moved.picture)
            red = (red[..., 0] > 127) & (red[..., 1] < 64)
            assert np.mean(red != (np.asarray(moved.mask) == 1)) < 0.02
        assert masked_box(moved) == pytest.approx(moved.boxes[0].tolist(), abs=1.6)
        visible = (moved.points[0] > 0).all() and (moved.points[0] < moved.size).all()
        if visible and not options.get("rotate") and "random_operations" not in options:
            assert np.abs(moved.boxes[0][[[0, 1], [2, 1], [0, 3], [2, 3]]] - moved.points[0]).max(1).min() < 0.01
    assert ("crop" in options) == (len(sizes) > 1)


def test_a_flip_and_a_crop_are_exact() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    noise, whole = Sample(Image.fromarray(pixels)), Geometry.identity((WIDTH, HEIGHT))
    assert np.array_equal(whole.flip(horizontally=True).apply(noise).picture, pixels[:, ::-1])
    assert np.array_equal(whole.flip(horizontally=False).apply(noise).picture, pixels[::-1])
    assert np.array_equal(whole.crop(7, 5, 30, 20).apply(noise).picture, pixels[5:25, 7:37])
    assert np.array_equal(
        whole.flip(horizontally=True).crop(7, 5, 30, 20).apply(noise).picture, pixels[:, ::-1][5:25, 7:37]
    )


def test_what_a_turned_picture_does_not_cover_has_no_label() -> None:
    moved: Any = Geometry.identity((WIDTH, HEIGHT)).rotate(45).apply(sample())
    assert np.asarray(moved.mask)[0, 0] == 255
    assert moved.picture.getpixel((0, 0)) == (127, 127, 127)


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_weakest_operation_changes_nothing_and_the_strongest_does(name: str) -> None:
    ramp = np.linspace(20, 200, WIDTH * HEIGHT * 3).reshape(HEIGHT, WIDTH, 3)
    picture = Image.fromarray((ramp + np.random.default_rng(0).uniform(0, 50, ramp.shape)).astype(np.uint8))
    assert np.array_equal(OPERATIONS[name](picture, 0.0), picture)
    assert not np.array_equal(OPERATIONS[name](picture, 1.0), picture)


@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (1, 50), (1, 1)])
def test_a_rectangle_is_erased_at_any_size(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size)
    erased = np.asarray(erase(picture, np.random.default_rng(0)))
    assert erased.any()
    assert not np.asarray(picture).any(), "the picture itself stays"
    assert size == (1, 1) or size == (1, 50) or np.any(erased, axis=-1).mean() < 0.25
