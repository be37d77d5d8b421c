"""Twelve secrets are planted where people keep them: none is in a file of the run, nor in a byte that W&B is sent."""

import os
from pathlib import Path

import pytest

from conftest import SMALL, Hone, runs
from wandb_server.server import Server

CANARIES = {
    "a token": ("LAB_TOKEN", "canary-token-01-Zq8"),
    "a key": ("STORAGE_API_KEY", "canary-key-02-Zq8"),
    "a password": ("DB_PASSWORD", "canary-password-03-Zq8"),
    "a secret": ("AWS_SECRET_ACCESS_KEY", "canary-secret-04-Zq8"),
    "credentials": ("LAB_CREDENTIALS", "canary-credentials-05-Zq8"),
    "the Hub's token": ("HF_TOKEN", "hf_canary06Zq8Zq8Zq8Zq8Zq8"),
}
"""In the environment, under these names; the rest of the run repeats some of them where they do not belong."""
OVERRIDE = "canary-override-07-Zq8"
YAML = "canary-yaml-08-Zq8"
ADDRESS = "canary-address-09-Zq8"
NOTES = "hf_canary10Zq8Zq8Zq8Zq8Zq8"
LISTED = "canary-listed-11-Zq8"
QUERY = "canary-query-12-Zq8"
MINE = f"""# @package _global_
notes: |
  tried {NOTES}, api_key={YAML} and https://mirror.invalid/file?token={QUERY}
  at https://someone:{ADDRESS}@mirror.invalid/simple, --password {LISTED}
"""
EVERY = (*(secret for _, secret in CANARIES.values()), OVERRIDE, YAML, ADDRESS, NOTES, LISTED, QUERY)


def planted() -> tuple[str, ...]:
    """The words of a command that is full of them."""
    Path("configs/experiment").mkdir(parents=True)
    Path("configs/experiment/mine.yaml").write_text(MINE)
    words = [secret for _, secret in CANARIES.values()]
    return (
        "train", "tracker=wandb", *SMALL[1:], "--config-dir=configs", "experiment=mine",
        f"tracker.tags=['{words[0]}','{words[1]} {words[2]}','token={OVERRIDE}']",
    )  # fmt: skip


def leaks(server: Server) -> list[str]:
    """Which are where."""
    files = {str(path): path.read_bytes() for path in Path("outputs").rglob("*") if path.is_file()}
    sent = {f"sent: {body[:60]!r}": body for body in server.state.received}
    assert len(files) > 10
    found = files | sent
    return [
        f"{secret} in {place}" for place, content in found.items() for secret in EVERY if secret.encode() in content
    ]


@pytest.mark.slow
def test_no_secret_leaves_the_process(server: Server, process: Hone) -> None:
    done = process(*planted(), **dict(CANARIES.values()))
    assert done.code == 0, done.said
    assert len(EVERY) == 12
    assert len(server.state.received) > 10
    assert any(b"tried ***" in body for body in server.state.received), "the notes were sent, blanked"
    assert leaks(server) == []
    assert not [secret for secret in EVERY if secret in done.said]


@pytest.mark.slow
def test_nor_with_the_text_of_an_exception(server: Server, process: Hone) -> None:
    Path("bad_lab.py").write_text(
        "import os\n"
        "from hone.data.tiny.emotion import TinyEmotion\n\n\n"
        "class Bad(TinyEmotion):\n"
        "    def load(self):\n"
        "        raise ValueError('refused: ' + os.environ['LAB_TOKEN'])\n"
    )
    done = process(
        "train", "tracker=wandb", *SMALL[1:], "trust=[bad_lab]", "dataset._target_=bad_lab.Bad",
        PYTHONPATH=f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}", **dict(CANARIES.values()),
    )  # fmt: skip
    assert done.code != 0
    assert CANARIES["a token"][1] not in done.said
    assert runs() == []


LAB = """
import os

from torch.optim import AdamW

from hone.data.tiny.emotion import TinyEmotion


class Leaky(TinyEmotion):
    def load(self):
        said = f" {os.environ['LAB_TOKEN']} {os.environ['HF_TOKEN']}"
        return {
            split: rows.map(lambda row: {"text": row["text"] + said}, new_fingerprint=f"leaky-{split}")
            for split, rows in super().load().items()
        }


class Failing(AdamW):
    steps = 0

    def step(self, *words, **more):
        Failing.steps += 1
        if Failing.steps == 9:
            raise ValueError("refused: " + os.environ["LAB_TOKEN"])
        return super().step(*words, **more)
"""
"""Secrets in what rows say, and in why a run fails."""


@pytest.mark.slow
def test_nor_with_rows_nor_with_the_checkpoint_nor_with_a_failure(server: Server, process: Hone, hone: Hone) -> None:
    assert hone("train", *SMALL, "output_root=before").code == 0
    (model,) = Path("before").glob("*/*/model")
    model.rename(f"model-{CANARIES['a token'][1]}")
    Path("lab.py").write_text(LAB)
    done = process(
        "train", "tracker=wandb", *SMALL[1:-1], "epochs=2", "evaluate_every=6", "log_every=1", "trust=[lab]",
        "dataset._target_=lab.Leaky", "optimizer.algorithm._target_=lab.Failing", "tracker.log_model=true",
        "checkpoint=bert", f"checkpoint.path=model-{CANARIES['a token'][1]}",
        PYTHONPATH=f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}", **dict(CANARIES.values()),
    )  # fmt: skip
    assert done.code == 1, done.said
    (arrived,) = server.state.runs.values()
    assert arrived.summary["reason"] == "ValueError: refused: ***"
    assert any("validation/predictions" in row for row in arrived.history)
    assert any(b"*** ***" in body for body in server.state.received), "rows were sent, blanked"
    assert leaks(server) == []
    assert not [secret for secret in EVERY if secret in done.said]
