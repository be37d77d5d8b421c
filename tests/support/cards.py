"""The card of an exported model does what it says: its Python is run as it stands, and so is its command."""

import ast
import contextlib
import importlib
import io
import json
import re
import shlex
from pathlib import Path

import yaml

from conftest import Hone
from hone.config.tree import CONF
from video_files import to_mp4

SURE = ("precision=32-true",)
ALWAYS = {"question_answering": ("task.null_threshold=1e9",)}
"""What the Python of a card does not know: that there may be no answer."""


def require_card(hone: Hone, run: Path, task: str) -> None:
    """Both ways to use the model say the same."""
    exported = hone("export", f"run={run}", "output=shared")
    assert exported.code == 0, exported.said
    card = Path("shared/README.md").read_text()
    code, command = re.findall(r"```(?:python|sh)\n(.*?)```", card, re.DOTALL)[:2]
    assert "this/folder" in code
    write_media(task)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code.replace("this/folder", "shared"), {})
    asked = hone(*shlex.split(command.replace("this/folder", "shared"))[1:], *SURE, *ALWAYS.get(task, ()))
    assert asked.code == 0, asked.said
    row = json.loads(asked.out or Path("predictions.jsonl").read_text())
    said = next((row[name] for name in ("answer", "translation", "summary", "choice") if name in row), None)
    if task == "image_captioning":
        said = row["text"]
    if said is not None:
        answer = printed.getvalue().strip()  # a pipeline prints it with what belongs to it
        assert (ast.literal_eval(answer)["answer"] if answer.startswith("{") else answer) == said
    for name in ("label", "fills", "predicted_text"):
        found = row.get(name, "")
        assert (found if isinstance(found, str) else found[0][0]["text"]) in printed.getvalue()
    assert printed.getvalue()


def write_media(name: str) -> None:
    """The files that a card's example reads."""
    node = yaml.safe_load((CONF / "task" / f"{name}.yaml").read_text(encoding="utf-8"))
    module, _, cls = node.pop("_target_").rpartition(".")
    task = getattr(importlib.import_module(module), cls)(**node)
    for role in task.media.keys() & task.question().keys() if task.media else ():
        content = task.sample()[role][0]
        Path(task.question()[role]).write_bytes(to_mp4(content) if task.media[role] == "video" else content)
