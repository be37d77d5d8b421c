"""`hone predict`: every way in and out, the same numbers as upstream's pipelines, and mistakes that are told."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import pipeline

from conftest import SMALL, Hone, Outcome, only_run, train_in
from hone.commands.predict.zero_shot import ZeroShot
from hone.core.task import Facts
from hone.models.checkpoints.tiny_text import TinyBert
from hone.training.evaluation import Predictor

TEXTS = [
    "i feel happy today",
    "i am so sad, and tired",
    'she said "it is [over]" ${now}',
    "i am afraid of it all " * 9,
    "x",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained once; nothing here changes it."""
    return train_in(tmp_path_factory.mktemp("trained"), *SMALL)


def rows(done: Outcome) -> list[dict[str, Any]]:
    assert done.code == 0, done.said
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize("options", [(), ("zero_shot=[glad,sad,afraid]",)])
def test_memory_that_runs_out_makes_smaller_passes(
    options: tuple[str, ...], hone: Hone, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size that fits is kept for later rows, and a row that does not fit alone ends the command in one line."""
    monkeypatch.setattr("hone.commands.predict._CHUNK", 8)
    if options:
        monkeypatch.setattr(ZeroShot, "bind", bind_classes_of_a_mood)
    words = ("predict", f"run={run}", "batch_size=8", *(f"text={text} {n}" for n in range(3) for text in TEXTS))
    whole = rows(hone(*words, *options))
    predict, tried, room = Predictor.answer_step, [], 3

    def bounded(module: Predictor, batch: Any, index: int = 0) -> Any:
        tried.append(len(batch["id"]))
        if tried[-1] > room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return predict(module, batch, index)

    monkeypatch.setattr(Predictor, "answer_step", bounded)
    done = hone(*words, *options)
    assert tried[:3] == [8, 4, 2]
    assert set(tried[2:]) <= {2, 1}
    assert "Memory ran out with 8 rows per forward pass. From now on a pass has at most 4." in done.err
    halved = rows(done)
    assert [(row["text"], row["label"]) for row in halved] == [(row["text"], row["label"]) for row in whole]
    for ours, theirs in zip(halved, whole, strict=True):
        assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-5)
    room = 0
    failed = hone(*words, *options)
    assert failed.code == 1
    assert failed.err.splitlines()[-1] == (
        "hone: Out of memory with a single row per forward pass: use a device with more memory."
    )
    assert "Traceback" not in failed.said


def bind_classes_of_a_mood(zero_shot: ZeroShot, processor: Any, config: Any) -> None:
    """Takes two classes of the run for those of entailment."""
    zero_shot.processor, zero_shot.places = processor, [0, 1]


def refused(done: Outcome, *said: str) -> None:
    assert done.code == 2, done.said
    assert "Traceback" not in done.said
    for words in said:
        assert words in done.err


def test_it_says_what_the_pipeline_says(hone: Hone, run: Path) -> None:
    """Typed texts are taken as they are, whatever Hydra makes of brackets, quotes and dollars."""
    found = rows(hone("predict", f"run={run}", *(f"text={text}" for text in TEXTS)))
    assert [row["text"] for row in found] == TEXTS
    for row, theirs in zip(
        found, pipeline("text-classification", model=str(run / "model"), top_k=None)(TEXTS), strict=True
    ):
        assert row["label"] == theirs[0]["label"]
        assert row["scores"] == pytest.approx({each["label"]: each["score"] for each in theirs}, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "out"),
    [*((kind, "jsonl") for kind in ("tsv", "jsonl", "parquet", "txt", "stdin")), ("csv", "csv"), ("csv", "parquet")],
)
def test_every_way_in_and_out(kind: str, out: str, hone: Hone, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks of two, so that the order is not that of one sorted batch."""
    monkeypatch.setattr("hone.commands.predict._CHUNK", 2)
    place = given(kind, monkeypatch)
    done = hone("predict", f"run={run}", f"input={place}", f"output=made/all.{out}")
    assert done.code == 0, done.said
    assert [file.name for file in Path("made").iterdir()] == [f"all.{out}"]
    typed = rows(hone("predict", f"run={run}", *(f"text={text}" for text in TEXTS)))
    assert [(row["text"], row["label"]) for row in written(out)] == [(row["text"], row["label"]) for row in typed]
    assert [float(row["score"]) for row in written(out)] == pytest.approx([row["score"] for row in typed], abs=1e-5)


def given(kind: str, monkeypatch: pytest.MonkeyPatch) -> str:
    objects = "".join(json.dumps({"text": text, "more": 1}) + "\n" for text in TEXTS)
    if kind == "stdin":
        monkeypatch.setattr("sys.stdin", io.StringIO(objects))
        return "-"
    table = pa.table({"text": TEXTS, "more": [1] * len(TEXTS)})
    quoted = [text.replace('"', '""') for text in TEXTS]
    Path("given.csv").write_text("text,more\n" + "".join(f'"{text}",1\n' for text in quoted))
    Path("given.tsv").write_text("text\tmore\n" + "".join(f'"{text}"\t1\n' for text in quoted))
    Path("given.txt").write_text("\n".join(TEXTS) + "\n")
    Path("given.jsonl").write_text(objects)
    pq.write_table(table, "given.parquet")
    return f"given.{kind}"


def written(out: str) -> list[dict[str, Any]]:
    path = Path(f"made/all.{out}")
    if out == "parquet":
        return pq.read_table(path).to_pylist()
    if out == "csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_checkpoint_from_elsewhere_predicts_too(hone: Hone, run: Path) -> None:
    words = ("checkpoint=hub", f"checkpoint.path={run}/model", "task=text_classification", "precision=32-true")
    found = rows(hone("predict", *words, "text=i feel happy"))
    ours = rows(hone("predict", f"run={run}", "text=i feel happy"))
    assert found[0]["scores"] == pytest.approx(ours[0]["scores"], abs=1e-5)


def test_bad_rows_are_named_or_left_out(hone: Hone, run: Path) -> None:
    Path("some.jsonl").write_text('{"text": "fine", "label": "joy"}\nno json\n{"text": " "}\n{"text": "fine too"}\n')
    refused(hone("predict", f"run={run}", "input=some.jsonl"), "row 1 (counting from 0): not JSON", "on_bad_row=skip")
    done = hone("predict", f"run={run}", "input=some.jsonl", "on_bad_row=skip")
    assert [row["text"] for row in rows(done)] == ["fine", "fine too"]
    assert rows(done)[0]["label"] == "joy", "what was read stays as it is"
    assert "predicted_label" in rows(done)[0]
    assert "2 rows cannot be used" in done.err


ODD = {
    "a number": ('{"text": 5}', "text: expected text"),
    "nothing": ('{"text": null}', "text: the text is missing"),
    "no such key": ('{"label": "joy"}', "text: the text is missing"),
    "a list": ('{"text": ["fine"]}', "text: expected text"),
    "half a letter": ('{"text": "\\ud800"}', "half of a surrogate pair"),
    "half a line": ('{"text": "fi', "not JSON"),
    "a bare text": ('"fine"', "not a JSON object"),
}


@pytest.mark.parametrize("case", ODD)
def test_a_row_that_is_no_text_is_a_bad_row(case: str, hone: Hone, run: Path) -> None:
    line, said = ODD[case]
    Path("odd.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n{{"text": "fine too"}}\n')
    refused(hone("predict", f"run={run}", "input=odd.jsonl"), "row 1 (counting from 0)", said)
    done = hone("predict", f"run={run}", "input=odd.jsonl", "on_bad_row=skip")
    assert [row["text"] for row in rows(done)] == ["fine", "fine too"]


def test_where_no_row_can_be_used_that_is_a_mistake(hone: Hone, run: Path) -> None:
    Path("odd.jsonl").write_text('{"text": ""}\nno json\n')
    refused(hone("predict", f"run={run}", "input=odd.jsonl", "on_bad_row=skip", "output=all.csv"), "none of 2 rows")
    assert not Path("all.csv").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("text=x", "input=a.csv"), "exclude each other"),
        ((), "nothing to predict"),
        (("input=none.csv",), "no such file"),
        (("input=a.csv",), "no column 'text'"),
        (
            ("input=a.csv", "columns={text: [body, title]}"),
            "no column 'body' for the role 'text', no column 'title' for the role 'text'. The columns are words",
        ),
        (("input=a.csv", "columns={txt: words}"), "Did you mean text?"),
        (("input=a.xlsx",), "unknown format"),
        (("text=x", "output=a.xlsx"), "unknown format"),
        (("text=x", "tetx=y"), "Did you mean text?"),
        (("text=x", "ouput=a.csv"), "Did you mean output?"),
        (("text=x", "options={thresold: 1}"), "Did you mean threshold?"),
        (("text=x", "checkpoint=tiny_bert", "task=text_classification"), "run, checkpoint, task"),
        (("text=a", "text=b", "text_pair=c"), "2 × text="),
    ],
)  # fmt: skip
def test_mistakes(words: tuple[str, ...], said: str, hone: Hone, run: Path) -> None:
    Path("a.csv").write_text("words\nhello\n")
    refused(hone("predict", f"run={run}", *words), said)
    assert not list(Path.cwd().glob("*made*"))


def test_a_head_that_was_never_trained_does_not_answer(hone: Hone) -> None:
    refused(hone("predict", "checkpoint=tiny_bert", "task=text_classification", "text=x"), "random head")
    refused(hone("predict", "text=x"), "run=DIR")


def test_what_is_written_is_whole_or_not_there(hone: Hone, run: Path) -> None:
    Path("some.jsonl").write_text('{"text": "fine"}\nno json\n')
    Path("out.jsonl").write_text("of before\n")
    refused(hone("predict", f"run={run}", "input=some.jsonl", "output=out.jsonl"), "not JSON")
    assert Path("out.jsonl").read_text() == "of before\n"
    assert not [file for file in Path.cwd().iterdir() if file.name.startswith(".")]


CLASSES = {"three": ["CONTRADICTION", "neutral", "Entailment"], "two": ["entailment", "not_entailment"]}
"""The class names of networks trained on entailment."""


@pytest.fixture(scope="module")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_nli(tmp_path_factory.mktemp("nli"), CLASSES["three"])


def save_nli(folder: Path, classes: list[str]) -> Path:
    """Stores a tiny untrained network whose classes have the names of one trained on entailment."""
    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(classes)), "num_labels": len(classes)}
    tiny = TinyBert(lr=1.0, hyperparameters={"initializer_range": 0.4})
    network = tiny.network("AutoModelForSequenceClassification", tiny.config(names))
    network.config.label2id = {name: place for place, name in names["id2label"].items()}
    network.save_pretrained(folder)
    tiny.make_processor("AutoTokenizer", Facts("none")).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("classes", CLASSES)
def test_candidates_that_nobody_trained_on(classes: str, several: bool, hone: Hone, tmp_path: Path) -> None:
    nli = save_nli(tmp_path / "nli", CLASSES[classes])
    labels = ["happy news", "sad news", "the weather"]
    words = ("checkpoint=hub", f"checkpoint.path={nli}", f"zero_shot={labels}", "precision=32-true")
    texts = ["i feel happy", "it has been raining all week and i am sad"]
    found = rows(hone("predict", *words, f"several={several}", *(f"text={text}" for text in texts)))
    upstream = pipeline("zero-shot-classification", model=str(nli))
    for row, text in zip(found, texts, strict=True):
        theirs = upstream(text, labels, hypothesis_template="This text is about {}.", multi_label=several)
        assert row["scores"] == pytest.approx(dict(zip(theirs["labels"], theirs["scores"], strict=True)), abs=1e-4)
        assert row["label"] == theirs["labels"][0]


def test_candidates_need_a_network_that_knows_entailment(hone: Hone, run: Path, nli: Path) -> None:
    refused(hone("predict", f"run={run}", "zero_shot=[a,b]", "text=x"), "trained on entailment", "sadness")
    there = ("checkpoint=hub", f"checkpoint.path={nli}", "text=x")
    refused(hone("predict", *there, "zero_shot=[a]"), "at least two different labels")
    refused(hone("predict", *there, "zero_shot=[a,b]", "hypothesis=nothing"), "no braces")
    refused(hone("predict", *there, "zero_shot=[a,b]", "task=text_classification"), "given: zero_shot")
    refused(hone("predict", *there, f"zero_shot=[a,{'x' + ' x' * 200}]"), "zero_shot='x x", "Choose a shorter label")


def test_what_the_model_learned_from_and_does_not_get_is_told(hone: Hone) -> None:
    lines = [{"text": f"a {word}", "text_pair": f"b {word}", "label": word} for word in ("sad", "happy") * 8]
    for split in ("train", "validation"):
        Path(f"{split}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ("dataset=local", "dataset.path=.", "dataset.columns.text_pair=text_pair")
    assert hone("train", "tracker=none", "epochs=1", *words).code == 0
    for given, told in {("text=a",): True, ("text=a", "text_pair=b"): False}.items():
        done = hone("predict", f"run={only_run()}", *given)
        assert len(rows(done)) == 1
        assert ("learned from text_pair as well" in done.err) is told
