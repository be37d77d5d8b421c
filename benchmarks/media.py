"""Training on pictures: hone against a plain loop that decodes the same files in the same way.

The pictures are JPEG files of 160 by 120 pixels in a folder per class, and the networks are the built-in ones: a
ResNet that reads 28 by 28 pixels and a ViT that reads 32 by 32, both in fp32.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from report import Figure
from turns import Entry, Scene, Setup, compare, play

if TYPE_CHECKING:
    from gate import Gate

BATCH = 32
CLASSES = 8
LR = 1e-3
PICTURES = 1024
SIZES = {"TinyResNet": 28, "TinyViT": 32}
BAR = 1 / 1.15


def measure(setup: Setup) -> list[Figure]:
    write_pictures(setup.data["pictures"])
    figures: list[Figure] = []
    for network, side in SIZES.items():
        ours = Entry("hone", "media.with_hone", options={"network": network, "side": side})
        theirs = Entry("plain loop", "media.with_loop", options={"network": network, "side": side})
        scene = Scene(
            f"pictures, {network}, batch {BATCH}", "pictures", BATCH, 30, (ours, theirs), ((ours, theirs, BAR),)
        )
        figures += compare(scene, play(scene, setup))
    return figures


def write_pictures(folder: Path) -> None:
    """Write training and validation pictures of random colours with some noise: as costly to decode as photographs."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for row in range(PICTURES + 2 * CLASSES):
        split = "train" if row < PICTURES else "validation"
        place = folder / split / str(row % CLASSES)
        place.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((160, 120))
        Image.fromarray(np.asarray(coarse) // 2 + rng.integers(0, 64, (120, 160, 3), dtype=np.uint8)).save(
            place / f"{row}.jpg", quality=90
        )


def with_hone(settings: dict[str, Any], gate: Gate) -> None:
    """The command as a user would run it, in fp32."""
    from contenders import train

    names = {"TinyResNet": "tiny_resnet", "TinyViT": "tiny_vit"}
    options = settings["options"]
    train(
        gate, "dataset=imagefolder", f"dataset.path={settings['data']}", f"checkpoint={names[options['network']]}",
        f"checkpoint.image_size={options['side']}", f"batch_size={settings['batch_size']}", f"optimizer.lr={LR}",
        "epochs=999", "evaluate_every=null", "precision=32-true", "tracker=none", f"output_root={settings['scratch']}",
    )  # fmt: skip


def with_loop(settings: dict[str, Any], gate: Gate) -> None:
    """A plain loop: random batches, pictures decoded and resized with PIL, fused AdamW."""
    import torch
    from torch.utils.data import DataLoader

    network = make_network(**settings["options"])
    files = sorted(Path(settings["data"], "train").rglob("*.jpg"))
    side = settings["options"]["side"]
    rows: Any = [(str(file), int(file.parent.name)) for file in files]
    loader = DataLoader(
        rows, settings["batch_size"], shuffle=True,
        collate_fn=lambda rows: read_batch(rows, side),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / (999 * len(loader))))
    for _ in range(999):
        for pixels, labels in loader:
            network(pixels, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            gate.step()


def make_network(network: str, side: int) -> Any:
    """Return the built-in network, ready to train, with one output for each class."""
    from hone.models.checkpoints import tiny_vision

    checkpoint = getattr(tiny_vision, network)(lr=LR, image_size=side)
    config = checkpoint.config({"id2label": {row: str(row) for row in range(CLASSES)}})
    return checkpoint.network("AutoModelForImageClassification", config).train()


def read_batch(rows: list[tuple[str, int]], side: int) -> tuple[Any, Any]:
    """Decode, resize and normalise pictures."""
    import torch
    from PIL import Image

    pictures = [
        np.asarray(Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)) for path, _ in rows
    ]
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return pixels.div_(127.5).sub_(1).contiguous(), torch.tensor([label for _, label in rows])
