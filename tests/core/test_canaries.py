"""Secrets are planted where people keep them: none is in a file of the run, nor in a byte that W&B is sent.

Rows and labels are data, and are stored as they are; only what W&B is shown of them is blanked."""

import base64
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
    "a personal access token": ("GIT_PAT", "canary-pat-13-Zq8"),
    "a passphrase": ("SSH_PASSPHRASE", "canary passphrase 14 Zq8"),
    "a name in capitals": ("DB_CONN_STRING", "Server=lab;canary-15-Zq8"),
    "a token with more to its name": ("GITHUB_TOKEN_READONLY", "canary-token-16-Zq8"),
}
"""In the environment, under these names; the rest of the run repeats some of them where they do not belong."""
OVERRIDE = "canary-override-07-Zq8"
YAML = "canary-yaml-08-Zq8"
ADDRESS = "canary-address-09-Zq8"
NOTES = "hf_canary10Zq8Zq8Zq8Zq8Zq8"
LISTED = "canary-listed-11-Zq8"
QUERY = "canary-query-12-Zq8"
BASE = "canary-base-17-Zq8"
"""The password in an address that the environment has under a name that says nothing."""
FORMS = {
    "AWS's key": "AKIA" + "CANARY18ZQ8ZQ8ZQ",
    "AWS's secret": "wJa1rXUtnF3MI/K7MD4NG/bPx" + "RfiCYc4n4ryZq8X",
    "GitHub's": "ghp_" + "canary19Zq8Zq8Zq8Zq8Zq8Zq8Zq8Zq8",
    "GitHub's newer": "github_pat_" + "canary20Zq8Zq8Zq8Zq8",
    "Slack's": "xoxb-" + "123456789012-canary21Zq8",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9." + "eyJjYW5hcnkiOiIyMiJ9.canary22Zq8",
    "a header": "canary23Zq8canary23Zq8",
    "an address that is signed": "canary24deadbeefZq8",
    "OpenAI's": "sk-proj-" + "canary25Zq8Zq8Zq8Zq8",
    "Google's": "AIza" + "SyCanary26Zq8Zq8Zq8Zq8Zq8Zq8Zq8Zq8",
    "a database's": "canary27-Zq8!x",
    "W&B's": "c0ffee28" * 5,
    "a private key": "canary29Zq8MIIEvQIBADANBg",
}
"""Known by what they look like, for nothing but these notes has them."""
ENCODED = (
    base64.b64encode(b"canary-pat-13-Zq8").decode().rstrip("="),
    "canary%20passphrase%2014%20Zq8",
)
"""What the environment has, as a header or an address has it."""
LOGIN = base64.b64encode(b"lab:canary-pat-13-Zq8").decode()
BY_FORM = f"""
  {FORMS["AWS's key"]} with {FORMS["AWS's secret"]}, {FORMS["GitHub's"]}, {FORMS["GitHub's newer"]}, {FORMS["Slack's"]}
  {FORMS["a JWT"]} Authorization: Bearer {FORMS["a header"]}
  https://lab.invalid/x?X-Amz-Signature={FORMS["an address that is signed"]}&y=1 {FORMS["OpenAI's"]} {FORMS["Google's"]}
  postgres://lab:{FORMS["a database's"]}@db.invalid/x WANDB_API_KEY: {FORMS["W&B's"]}, the password is {BASE}
  -----BEGIN RSA PRIVATE KEY-----
  {FORMS["a private key"]}
  -----END RSA PRIVATE KEY-----
  {" ".join(ENCODED)} {LOGIN}
"""
MINE = f"""# @package _global_
notes: |
  {BY_FORM.strip()}
  tried {NOTES}, api_key={YAML} and https://mirror.invalid/file?token={QUERY}
  at https://someone:{ADDRESS}@mirror.invalid/simple, --password {LISTED}
"""
EVERY = (
    *(secret for _, secret in CANARIES.values()), OVERRIDE, YAML, ADDRESS, NOTES, LISTED, QUERY, BASE, *FORMS.values(),
    *ENCODED, LOGIN[8:24],
)  # fmt: skip
ENVIRONMENT = {**dict(CANARIES.values()), "OPENAI_API_BASE": f"https://me:{BASE}@llm.invalid/v1", "HONE_CACHE": "cache"}


def planted() -> tuple[str, ...]:
    """The words of a command that is full of them."""
    Path("configs/experiment").mkdir(parents=True)
    Path("configs/experiment/mine.yaml").write_text(MINE)
    words = [secret for _, secret in CANARIES.values()]
    return (
        "train", "tracker=wandb", *SMALL[1:], "--config-dir=configs", "experiment=mine",
        f"tracker.tags=['{words[0]}','{words[1]} {words[2]}','token={OVERRIDE}']",
    )  # fmt: skip


def ours(path: Path) -> bool:
    """Whether hone or W&B wrote it."""
    return not {"configs", "before"} & set(path.relative_to(Path.cwd()).parts) and path.suffix != ".py"


def leaks(server: Server) -> list[str]:
    """Which are where."""
    files = {str(path): path.read_bytes() for path in Path.cwd().rglob("*") if path.is_file() and ours(path)}
    sent = {f"sent: {body[:60]!r}": body for body in server.state.received}
    assert len(files) > 10
    assert any("/cache/" in place for place in files)
    found = files | sent
    return [
        f"{secret} in {place}" for place, content in found.items() for secret in EVERY if secret.encode() in content
    ]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["online", "offline"])
def test_no_secret_leaves_the_process(mode: str, server: Server, process: Hone) -> None:
    done = process(*planted(), f"tracker.mode={mode}", **ENVIRONMENT)
    assert done.code == 0, done.said
    assert len(EVERY) == len(set(EVERY)) == 33
    if mode == "online":
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
        PYTHONPATH=f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}", **ENVIRONMENT,
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
        self.steps += 1
        if self.steps == 9:
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
        PYTHONPATH=f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}", **ENVIRONMENT,
    )  # fmt: skip
    assert done.code == 1, done.said
    (arrived,) = server.state.runs.values()
    assert arrived.summary["reason"] == "ValueError: refused: ***"
    assert any("validation/predictions" in row for row in arrived.history)
    assert any(b"*** ***" in body for body in server.state.received), "rows were sent, blanked"
    assert leaks(server) == []
    assert not [secret for secret in EVERY if secret in done.said]
