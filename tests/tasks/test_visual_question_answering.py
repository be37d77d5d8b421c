"""Visual question answering: the scores of the VQA challenge, the answers to choose among, and bad rows."""

from __future__ import annotations

import json
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from PIL import Image
from transformers import AutoModelForVisualQuestionAnswering, AutoProcessor, BlipConfig, ViltConfig

from conftest import Hone, only_run, record, train_in
from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.data.tiny.questions import question_examples
from hone.data.tiny.shapes import to_png
from hone.models.checkpoints.tiny_multimodal import TinyVilt
from hone.tasks.metrics.vqa import normalise_answer, score_answers, vqa_accuracy
from hone.tasks.multimodal.shared.answers import read_answers
from hone.tasks.multimodal.visual_question_answering import VisualQuestionAnswering

CHECKPOINT = TinyVilt(lr=1.0)
TASK = ("task=visual_question_answering", "checkpoint=tiny_vilt", "tracker=none", "precision=32-true")
TEN = ["red"] * 5 + ["blue"] * 2 + ["green"] + ["no"] * 2


def official(answer: str, people: list[str]) -> float:
    """As the challenge defines it: the mean over the ten choices of nine people."""
    subsets = [*combinations(people, len(people) - 1)]
    return sum(min(subset.count(answer) / 3, 1) for subset in subsets) / len(subsets)


@pytest.mark.parametrize("count", range(11))
def test_ten_answers_are_scored_as_the_challenge_does(count: int) -> None:
    people = ["yes"] * count + ["no"] * (10 - count)
    assert score_answers(people).get("yes", 0) == pytest.approx(official("yes", people))
    assert official("yes", people) == pytest.approx({0: 0, 1: 0.3, 2: 0.6, 3: 0.9}.get(count, 1)), "as is known of it"


def test_few_answers_are_scored_by_their_share() -> None:
    assert score_answers(["yes"]) == {"yes": 1}, "one answer: exact match"
    assert score_answers(["yes", "no"]) == {"yes": 0.5, "no": 0.5}
    assert score_answers(["4"] * 4) == {"4": 1}
    records: Columns = {"prediction": ["red", "blue", "red"], "answers": [TEN, TEN, ["green"]]}
    assert vqa_accuracy().compute(records) == pytest.approx((1 + 0.6 + 0) / 3)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Yes.", "yes"), (" The  two dogs", "2 dogs"), ("a t-shirt!", "t shirt"), ("1,000", "1000"), ("2.5", "2.5"),
        ("None", "0"), ("left/right", "left right"), ("it's an apple", "it's apple"), ("the", ""),
    ],
)  # fmt: skip
def test_answers_are_normalised(text: str, normal: str) -> None:
    assert normalise_answer(text) == normal


def stored(columns: dict[str, list[Any]]) -> Dataset:
    rows = Dataset.from_dict({**columns, "id": [*range(len(columns["image"]))]})
    return store_media(rows, VisualQuestionAnswering(), {})


def bound(columns: dict[str, list[Any]], **options: Any) -> tuple[VisualQuestionAnswering, EncodedRows]:
    raw, rows = VisualQuestionAnswering(**options), stored(columns)
    facts = raw.find_facts(rows, None)
    task = raw.bind(CHECKPOINT.make_processor(raw.auto_processor, facts), facts)
    return task, EncodedRows.of(rows.map(partial(encode_with_media, task), batched=True, try_original_type=False,
                                         remove_columns=rows.column_names), rows, task)  # fmt: skip


def network_for(task: VisualQuestionAnswering) -> Any:
    torch.manual_seed(0)
    return CHECKPOINT.network(task.auto_model, CHECKPOINT.config(task.model_config())).eval()


def asked(answers: list[Any], questions: list[str] | None = None) -> dict[str, list[Any]]:
    """Pictures of different shapes with these answers."""
    rng = np.random.default_rng(0)
    sizes = [(32, 32 + 16 * place) for place in range(len(answers))]
    pictures = [to_png(Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8))) for size in sizes]
    return {"image": pictures, "question": questions or ["what is it?"] * len(answers), "answers": answers}


def test_the_loss_is_the_networks_own_and_that_of_each_row_alone() -> None:
    """The pictures have different shapes: what fills them up does not count."""
    task, split = bound(asked([TEN, ["red"], ["blue", "Blue", "no"]], ["is it?", "what colour is the thing?", "why?"]))
    network, whole = network_for(task), split.collate(task, np.arange(3))
    with torch.no_grad():
        theirs = network(**whole["inputs"], labels=whole["labels"]).loss
        ours = task.predict(network, whole)
        alone = [task.predict(network, split.collate(task, np.array([place]))) for place in range(3)]
        assert float(task.loss(network, whole)) == pytest.approx(float(theirs), rel=1e-5)
    assert ours["loss"].mean() == pytest.approx(float(theirs), rel=1e-5)
    assert ours["loss"] == pytest.approx(np.concatenate([each["loss"] for each in alone]), rel=1e-4)
    assert ours["prediction"] == [each["prediction"][0] for each in alone]
    labels = dict(zip(task.facts.labels, whole["labels"][0].tolist(), strict=True))
    assert labels == pytest.approx({"red": 1, "blue": 0.6, "no": 0.6, "green": 0.3})


def test_predictions_are_the_same_again_and_draw_nothing() -> None:
    """Although ViLT puts the patches of a picture in a random order."""
    task, split = bound(question_examples(4))
    network, batch = network_for(task), split.collate(task, np.arange(4))
    torch.manual_seed(1)
    with torch.no_grad():
        first, state = task.predict(network, batch), torch.get_rng_state()
        torch.manual_seed(2)
        assert np.array_equal(first["loss"], task.predict(network, batch)["loss"])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_the_most_frequent_answers_are_the_ones_to_choose_among() -> None:
    columns = asked([TEN, ["Blue", "blue"], ["red!"], ["a green"]])
    task, split = bound(columns, max_answers=2)
    assert (task.facts.labels, task.facts.counts) == (("red", "blue"), (6, 4))
    batch = split.collate(task, np.arange(4))
    assert batch["labels"].tolist() == [pytest.approx([1, 0.6]), [0, 1], [1, 0], [0, 0]]
    with torch.no_grad():
        records = task.predict(network_for(task), batch)
    assert records["reachable"].tolist() == [1, 1, 1, 0]
    assert records["answers"][3] == ["green"]
    named = VisualQuestionAnswering().find_facts(stored(columns), ("Green", "the red"))
    assert named.labels == ("green", "red")


def test_the_baseline_knows_the_beginning_of_the_question() -> None:
    questions = ["how many dogs?", "how many?", "what colour is it?", "What colour?", "is it?"]
    task, split = bound(asked([["2"], ["2"], ["red"], ["blue"], ["no"]], questions))
    records = {"question": [*questions, "how many cats?", "why?"]}
    first = task.facts.labels[0]
    assert task.baseline(records)["prediction"] == ["2", "2", "red", "red", "no", "2", first]
    assert len(split.rows) == 5


def test_answers_are_written_in_several_ways() -> None:
    for value in (["Yes", "no"], [{"answer": "yes", "answer_id": 1}, {"answer": "no"}], {"answer": ["yes", "No."]}):
        assert read_answers(value) == ["yes", "no"]
    assert read_answers("Yes") == ["yes"]
    assert read_answers([None, 3, ""]) == []
    rows = stored(asked([{"answer": ["yes"]}, {"answer": ["no"]}]))
    assert VisualQuestionAnswering().find_facts(rows, None).labels == ("no", "yes")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = ("dataset=tiny_questions", "dataset.train=64", "dataset.validation=24", "dataset.test=8", "epochs=2")
    return train_in(tmp_path_factory.mktemp("run"), *words, *TASK)


def test_transformers_gives_the_scores_of_predict(run: Path, hone: Hone) -> None:
    """Also for pictures of other sizes and channels."""
    question = "How many things are there?"
    Path("album").mkdir()
    for number, content in enumerate(question_examples(3)["image"]):
        Path(f"album/{number}.png").write_bytes(content)
    Image.open("album/0.png").resize((90, 50)).convert("L").save("album/0.png")
    Image.open("album/1.png").resize((40, 70)).convert("RGBA").save("album/1.png")
    processor = AutoProcessor.from_pretrained(run / "model")
    network = AutoModelForVisualQuestionAnswering.from_pretrained(run / "model").eval()
    done = hone("predict", f"run={run}", "input=album", f"question={question}", "precision=32-true")
    assert done.code == 0, done.said
    answers = [json.loads(line) for line in done.out.splitlines()]
    for number, row in enumerate(answers):
        inputs = processor(Image.open(f"album/{number}.png").convert("RGB"), question, return_tensors="pt")
        with torch.no_grad():
            scores = network(**inputs).logits[0].sigmoid()
        assert row["answer"] == network.config.id2label[int(scores.argmax())]
        assert row["score"] == pytest.approx(float(scores.max()), abs=1e-4)
        assert list(row["scores"].values()) == pytest.approx(scores.topk(5).values.tolist(), abs=1e-4)
    assert {row["question"] for row in answers} == {question}


def test_texts_beside_files_are_the_same_for_all(run: Path, hone: Hone) -> None:
    (Path("one.png")).write_bytes(question_examples(1)["image"][0])
    for words, problem in (
        (("question=a", "question=b"), "2 × question=: with input= there is one for all files"),
        (("image=one.png",), "input= and texts exclude each other"),
        ((), "no column 'question' for the role 'question'"),
    ):
        done = hone("predict", f"run={run}", "input=one.png", *words)
        assert (done.code, problem in done.err) == (2, True), done.said


def test_records_have_the_answers_and_the_baseline_is_scored(run: Path) -> None:
    recorded = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    scores = [score_answers(answers).get(prediction, 0)
              for prediction, answers in zip(recorded["prediction"], recorded["answers"], strict=True)]  # fmt: skip
    assert record(run)["scores"]["validation/accuracy"] == pytest.approx(np.mean(scores))
    assert 0 < record(run)["baseline"]["validation/accuracy"] < 1


def write_rows(folder: Path, changed: Any) -> Path:
    columns, lines = question_examples(12), []
    for place in range(12):
        (folder / f"{place}.png").write_bytes(columns["image"][place])
        row = {"image": f"{place}.png", "question": columns["question"][place], "answers": columns["answers"][place]}
        lines.append(json.dumps(row | (changed if place == 3 else {})))
    (folder / "rows.jsonl").write_text("\n".join(lines))
    return folder / "rows.jsonl"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"answers": []}, "expected an answer or a list of answers, not '[]'"),
        ({"answers": None}, "the answers are missing"),
        ({"answers": ["the"]}, "expected an answer"),
        ({"question": " "}, "the text is empty"),
    ],
)
def test_a_row_without_a_question_or_an_answer_is_a_bad_row(
    hone: Hone, tmp_path: Path, changed: dict[str, Any], words: str
) -> None:
    done = hone("train", "dataset=local", f"dataset.path={write_rows(tmp_path, changed)}", "dataset.holdout=0.3", *TASK)
    assert done.code == 2
    assert words in done.err
    assert "(row 3)" in done.err


def test_bad_rows_can_be_left_out(hone: Hone, tmp_path: Path) -> None:
    table = write_rows(tmp_path, {"answers": None})
    words = ("dataset=local", f"dataset.path={table}", "dataset.holdout=0.3", "dataset.on_bad_row=skip", *TASK)
    done = hone("train", *words, "epochs=1", "task.flip=horizontal")
    assert done.code == 0, done.said
    assert sum(record(only_run())["data"]["rows"].values()) == 11


def test_networks_that_do_not_choose_are_refused() -> None:
    with pytest.raises(UserError, match=r"as ViLT does, and a blip writes them.*Choose checkpoint=vilt"):
        VisualQuestionAnswering().read_config(BlipConfig())
    with pytest.raises(UserError, match=r"max_image_length=200: the network would read a random part"):
        VisualQuestionAnswering().read_config(ViltConfig(max_image_length=200))
    with pytest.raises(UserError, match="a choice needs two answers, and the training rows have 1"):
        bound(asked([["yes"], ["Yes."]]))
