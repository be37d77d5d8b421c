"""The user's way from a first run to a model that others load, every step a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import SMALL, Hone, journal, only_run, record

WITHOUT_HONE = """
import sys
sys.modules["hone"] = None  # an import of it would raise
import json
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

folder, trust, texts = sys.argv[1], sys.argv[2] == "trust", json.loads(sys.argv[3])
AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=trust)
classify = pipeline("text-classification", model=folder, trust_remote_code=trust, top_k=None)
print(json.dumps([{each["label"]: each["score"] for each in found} for found in classify(texts)]))
"""


def scores_without_hone(folder: Path, texts: list[str], trust: bool = False) -> list[dict[str, float]]:
    words = [sys.executable, "-c", WITHOUT_HONE, str(folder), "trust" if trust else "plain", json.dumps(texts)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/", env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def same_predictions(run: Path, exported: Path, trust: bool) -> None:
    """The exported model says of the test rows, in plain transformers, what the run's records say."""
    from hone.data.tiny.emotion import CUES, TinyEmotion

    texts = TinyEmotion(train=1, validation=1, test=32).load()["test"]["text"][:8]
    recorded = pq.read_table(run / "predictions/test.parquet").to_pydict()
    for found, scores in zip(scores_without_hone(exported, list(texts), trust), recorded["scores"], strict=False):
        assert [found[name] for name in CUES] == pytest.approx(scores, abs=1e-5)


@pytest.mark.slow
def test_train_evaluate_export_reload(process: Hone) -> None:
    trained = process("train", *SMALL)
    assert trained.code == 0, trained.said
    run = only_run()
    assert record(run)["state"] == "finished"
    assert str(run.relative_to(Path.cwd())) in trained.out

    evaluated = process("evaluate", f"run={run}", "split=test")
    assert evaluated.code == 0, evaluated.said
    story = json.loads((run / "evaluation/test.json").read_text())
    bare = {name.removeprefix("test/"): value for name, value in record(run)["scores"].items() if "test/" in name}
    assert story["scores"] == pytest.approx(bare, abs=1e-6)

    exported = process("export", f"run={run}", "output=shared")
    assert exported.code == 0, exported.said
    card = Path("shared/README.md").read_text()
    assert "trained on `tiny_emotion`" in card
    assert "fine-tuned" not in card, "the weights were random"
    assert "sweep" not in card
    assert record(run)["git"]["sha"] is None or record(run)["git"]["sha"] in card
    assert str(Path.cwd()) not in card
    same_predictions(run, Path("shared").resolve(), trust=False)


@pytest.mark.slow
def test_a_model_with_our_own_head_and_folded_adapters_loads_without_hone(hone: Hone) -> None:
    trained = hone("train", *SMALL, "head=mlp", "adapter=lora", "optimizer.lr=1e-3")
    assert trained.code == 0, trained.said
    run = only_run()
    assert hone("export", f"run={run}").code == 0
    same_predictions(run, run / "export", trust=True)


@pytest.mark.slow
def test_the_default_run_learns(process: Hone) -> None:
    done = process("train")
    assert done.code == 0, done.said
    run = only_run()
    scores, baseline = record(run)["scores"], record(run)["baseline"]
    assert scores["test/f1_macro"] >= 0.80
    assert scores["test/f1_macro"] >= baseline["test/f1_macro"] + 0.4
    assert record(run)["seconds"] < 60
    assert record(run)["tracker"]["mode"] == "offline"
    assert journal(run)[-1]["step"] == record(run)["steps"]
