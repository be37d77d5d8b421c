"""Depth maps: pictures with one channel whose values are distances. Zero, or no number, is no measurement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from PIL import Image
from torch import Tensor

from hone.core.errors import RowError
from hone.core.task import Facts, Fault
from hone.data.media.file import MediaFile
from hone.data.media.images import check, decode_values, stored_files
from hone.tasks.metrics.depth import CLOSE
from hone.tasks.vision.shared.masks import size_problem

Depths = np.ndarray[Any, np.dtype[np.float32]]
Sums = np.ndarray[Any, np.dtype[np.float64]]


def read_depths(file: MediaFile, scale: float) -> Depths:
    """Return the distance of each pixel, 0 where none was measured."""
    depths = decode_values(file).astype(np.float32) * np.float32(scale)
    return np.where(np.isfinite(depths) & (depths > 0), depths, np.float32(0))


def find_distances(rows: Dataset, scale: float) -> Facts:
    """Return the median of the pictures' median distances, and the largest distance."""
    medians, largest = [], 0.0
    for file in stored_files(rows, "depth"):
        try:
            depths = np.zeros(0, dtype=np.float32) if file is None else read_depths(file, scale)
        except RowError:  # `depth_faults` reports it
            continue
        measured = depths[depths > 0]
        if len(measured):
            medians.append(float(np.median(measured)))
            largest = max(largest, float(measured.max()))
    return Facts("depth", numbers={"median": float(np.median(medians)) if medians else 0.0, "largest": largest})


def depth_faults(rows: Dataset, scale: float) -> Iterator[Fault]:
    """Yield the rows whose depth map is no whole picture, has another size than the picture, or measures nothing."""
    files = zip(*(stored_files(rows, role) for role in ("depth", "image")), strict=True)
    for row, (depth, picture) in enumerate(files):
        problem = "the depth map is missing" if depth is None else _problem_of(depth, picture, scale)
        if problem:
            yield Fault(row, "depth", problem)


def sum_errors(predicted: Tensor, depths: Tensor) -> Sums:
    """Return the sums that the metrics of depths are computed from, over the pixels that were measured."""
    measured = depths > 0
    true, guess = (values[measured].cpu().double() for values in (depths, predicted))
    off = torch.maximum(guess / true, true / guess.clamp(min=1e-6))
    sums = [(guess - true).abs() / true, (guess - true) ** 2, (off < CLOSE).double(), torch.ones_like(true)]
    return torch.stack([each.sum() for each in sums]).numpy()


def as_picture(depths: Depths) -> Image.Image:
    """Return distances as a picture, which can be resized and turned."""
    return Image.fromarray(depths)


def _problem_of(depth: MediaFile, picture: MediaFile | None, scale: float) -> str | None:
    try:
        check(depth)
        depths = read_depths(depth, scale)
    except RowError as error:
        return error.problem
    problem = size_problem(depths.shape, picture) if depths.any() else "none of its pixels was measured"
    return problem and f"{depth.name}: {problem}"
