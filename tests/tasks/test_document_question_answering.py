"""Questions about pages: words, boxes and pictures, answers in windows, scores as published."""

from __future__ import annotations

import contextlib
import io
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from torchmetrics.functional.text import edit_distance
from transformers import BertTokenizer, LayoutLMConfig, LayoutLMForQuestionAnswering, pipeline

from conftest import Hone, only_run, record
from hone.core.errors import RowError, UserError
from hone.core.scores import compute_scores
from hone.core.task import Facts
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.data.tiny.forms import form_examples, form_words
from hone.models.checkpoints.tiny_documents import TinyLayoutLMv3
from hone.models.checkpoints.tiny_text import number_pieces
from hone.tasks.metrics.anls import anls, is_exact, page_answer_metrics
from hone.tasks.multimodal.document_question_answering import DocumentQuestionAnswering
from hone.tasks.multimodal.shared.pages import PageWindow, find_answer

BRIEF = ("tracker=none", "precision=32-true", "epochs=null", "steps=3", "batch_size=4")
LOCAL = ("dataset=local", "dataset.path=rows.jsonl", "task=document_question_answering", "dataset.holdout=0.3")
PICTURES = "dataset.columns.image=image"
TINY = "checkpoint=tiny_layoutlmv3"


def bound(columns: dict[str, list[Any]], **options: Any) -> tuple[DocumentQuestionAnswering, EncodedRows]:
    raw = DocumentQuestionAnswering(**options)
    rows = store_media(Dataset.from_dict({**columns, "id": [*range(len(columns["words"]))]}), raw, {})
    facts = raw.find_facts(rows, None)
    task = raw.bind(TinyLayoutLMv3(lr=1.0).make_processor(raw.auto_processor, facts), facts)
    encoded = rows.map(partial(encode_with_media, task), batched=True, remove_columns=rows.column_names,
                       try_original_type=False)  # fmt: skip
    return task, EncodedRows.of(encoded, rows, task)


def make_network(task: DocumentQuestionAnswering) -> Any:
    torch.manual_seed(0)
    checkpoint = TinyLayoutLMv3(lr=1.0)
    return checkpoint.network(task.auto_model, checkpoint.config(task.model_config())).eval()


def without(columns: dict[str, list[Any]], *names: str) -> dict[str, list[Any]]:
    return {name: values for name, values in columns.items() if name not in names}


def long_page(words: int, place: int) -> dict[str, list[Any]]:
    """A page of many words that are spelt out, with the answer at a place."""
    page = [f"w{number}" for number in range(words)]
    page[place : place + 2] = ["David", "Hill"]
    boxes = [[number % 900, number, number % 900 + 50, number + 9] for number in range(words)]
    return {"question": ["Who is the buyer?"], "words": [page], "boxes": [boxes], "answers": [["david hill"]]}


def write_rows(**changes: Any) -> None:
    """The files of some forms, and their table. Of the fourth row, these values are changed."""
    columns = form_examples(12)
    with Path("rows.jsonl").open("w") as file:
        for place in range(12):
            Path(f"{place}.png").write_bytes(columns["image"][place])
            row = {name: values[place] for name, values in columns.items()} | {"image": f"{place}.png"}
            file.write(json.dumps(row | (changes if place == 3 else {})) + "\n")


def test_the_score_is_that_of_docvqa() -> None:
    assert anls("David  HILL", ["david hill"]) == 1
    assert anls("davld hill", ["david hill"]) == pytest.approx(0.9)
    assert anls("ab", ["ax"]) == 0.5, "a half is right"
    assert anls("abc", ["axy"]) == 0
    assert anls("37", ["thirty seven", "37,", "40"]) == pytest.approx(2 / 3), "the best of them"
    assert anls("", ["a"]) == 0
    assert is_exact("David  HILL", ["x", "david hill"]) == 1
    assert is_exact("David", ["david hill"]) == 0
    rng = np.random.default_rng(0)
    for _ in range(200):
        one, other = ("".join(rng.choice([*"abc"], size=rng.integers(1, 9))) for _ in range(2))
        share = 1 - int(edit_distance([one], [other], reduction="sum")) / max(len(one), len(other))
        assert anls(one, [other]) == pytest.approx(share if share >= 0.5 else 0), (one, other)
    records = {"prediction": ["37", "x"], "answers": [["38"], ["x", "y"]]}
    scores = {name: metric.compute(records) for name, metric in page_answer_metrics().items()}
    assert scores == {"anls": 0.75, "exact_match": 0.5}


@pytest.mark.parametrize(
    ("words", "answers", "place"),
    [
        (["The", "Total:", "37", "EUR"], ["total: 37"], (1, 2)),
        (["The", "Total:", "37", "EUR"], ["Total 37"], (1, 2)),
        (["12", "May", "2020,", "Oslo"], ["12 may 2020"], (0, 2)),
        (["12", "May", "20", "20"], ["May 2020"], (1, 3)),
        (["a", "b", "a", "c"], ["a c"], (2, 3)),
        (["a", "", "c"], ["a c"], (0, 2)),
        (["a", "b"], ["x", "b"], (1, 1)),
        (["ab", "c"], ["a"], None),
        (["ab", "c"], ["?!"], None),
    ],
)
def test_an_answer_is_looked_for_among_the_words(
    words: list[str], answers: list[str], place: tuple[int, int] | None
) -> None:
    assert find_answer(words, answers) == place


@pytest.mark.parametrize("place", [0, 60, 118])
def test_long_pages_are_read_in_windows(place: int) -> None:
    columns = long_page(120, place)
    task, encoded = bound(columns, max_length=64, stride=16)
    rows = encoded.columns(np.arange(len(encoded.lengths)))
    assert len(encoded.lengths) > 3
    assert encoded.lengths.max() <= 64
    page, boxes = columns["words"][0], columns["boxes"][0]
    covered = set()
    answered = 0
    for row, text in enumerate(rows["text"]):
        offsets = np.asarray(rows["offsets"][row]).reshape(-1, 2)
        token_boxes = np.asarray(rows["bbox"][row]).reshape(-1, 4)
        assert json.loads(text) == page[offsets[0, 0] : offsets[-1, 1]]
        for token, (word, _) in enumerate(offsets, start=rows["first"][row]):
            assert token_boxes[token].tolist() == boxes[word]
            assert task.tokenizer.decode(rows["input_ids"][row][token]).strip() in page[word]
        covered |= set(offsets[:, 0].tolist())
        if rows["begin"][row] == rows["null"][row]:
            assert not {place, place + 1} <= set(offsets[1:-1, 0].tolist())
        else:
            answered += 1
            said = offsets[[rows["begin"][row] - rows["first"][row], rows["end"][row] - rows["first"][row]]]
            assert said[:, 0].tolist() == [place, place + 1]
    assert covered == set(range(120))
    assert answered >= 1
    with torch.no_grad():
        records = task.merge(task.predict(make_network(task), encoded.collate(task, np.arange(len(encoded.lengths)))))
    outcome = task.outcome({name: values[0] for name, values in records.items()})
    assert outcome["answer"] == " ".join(page[outcome["start"] : outcome["end"] + 1])
    inside = np.array(boxes[outcome["start"] : outcome["end"] + 1])
    assert outcome["box"] == [*inside[:, :2].min(axis=0), *inside[:, 2:].max(axis=0)]
    with pytest.raises(RowError, match="leaves no room for its page"):
        task.encode({**columns, "id": [7], "question": ["who is it " * 60]})


def test_an_answer_is_whole_in_a_window_or_not_there() -> None:
    words = np.array([3, 3, 4, 5])
    window = PageWindow(0, [0] * 8, None, [], null=0, first=4, words=words, begins=False, ends=False)
    assert window.span == (3, 6)
    answers = {(4, 4): (6, 6), (3, 4): (0, 0), (4, 5): (0, 0), (2, 4): (0, 0), (4, 6): (0, 0), (8, 9): (0, 0)}
    assert {answer: window.answer_tokens(answer) for answer in answers} == answers
    outer = replace(window, begins=True, ends=True)
    assert outer.answer_tokens((3, 4)) == (4, 6)
    assert outer.answer_tokens((5, 5)) == (7, 7)


def test_a_page_without_its_answer_teaches_nothing(caplog: pytest.LogCaptureFixture) -> None:
    columns = form_examples(4)
    columns["answers"][1] = ["elsewhere"]
    task, encoded = bound(columns)
    network, batch = make_network(task), encoded.collate(task, np.arange(4))
    assert task.count_targets(batch) == 3
    with torch.no_grad():
        records, loss = task.predict(network, batch), float(task.loss(network, batch))
        others = encoded.collate(task, np.array([0, 2, 3]))
        assert float(task.loss(network, others)) == pytest.approx(loss, rel=1e-5)
        own = network(
            **others["inputs"], start_positions=others["labels"]["begin"], end_positions=others["labels"]["end"]
        )
    assert own.start_logits.shape[1] > others["allowed"].shape[1], "the picture has logits as well"
    assert records["targets"].tolist() == [1, 0, 1, 1]
    assert records["loss"].sum() / 3 == pytest.approx(loss, rel=1e-5)
    assert len(compute_scores(task, records)) == 3
    task.read_config(TinyLayoutLMv3(lr=1.0).config({}))
    assert "1 of 4 training rows have no answer among the words of their page" in caplog.text


def test_pictures_are_read_as_the_processor_reads_them() -> None:
    columns = form_examples(3)
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)) for shape in ((50, 70), (64, 64, 3), (9, 8, 4))
    ]
    files = [io.BytesIO() for _ in pictures]
    for picture, file in zip(pictures, files, strict=True):
        picture.save(file, "PNG")
    task, encoded = bound({**columns, "image": [file.getvalue() for file in files]})
    ours = encoded.collate(task, np.arange(3))["inputs"]["pixel_values"]
    theirs = task.images([picture.convert("RGB") for picture in pictures], return_tensors="pt")["pixel_values"]
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_run_with_pictures_answers_as_its_card_does(hone: Hone) -> None:
    write_rows()
    done = hone("train", *LOCAL, PICTURES, TINY, *BRIEF)
    assert done.code == 0, done.said
    assert {"validation/anls", "validation/exact_match"} <= record(only_run())["scores"].keys()
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    code = re.findall(r"```python\n(.*?)```", Path("shared/README.md").read_text(), re.DOTALL)[0]
    Path("page.png").write_bytes(form_examples(8)["image"][0])
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code.replace("this/folder", "shared"), {})
    row = {name: values[0] for name, values in without(form_examples(8), "image", "answers").items()}
    words = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in row.items()]
    asked = hone("predict", f"run={only_run()}", "image=page.png", *words, "precision=32-true")
    assert asked.code == 0, asked.said
    answer = json.loads(asked.out)
    assert answer["answer"] == printed.getvalue().strip()
    blind = hone("predict", f"run={only_run()}", *words, "precision=32-true")
    assert json.loads(blind.out)["score"] != answer["score"], "the picture counts"
    equal_to_the_pipeline(hone, "shared")
    done = hone("predict", f"run={only_run()}", "image=page.png", words[0])
    assert done.code == 2
    assert "no column 'words' for the role 'words'" in done.err
    assert "hone reads no text from pictures" in done.err


def equal_to_the_pipeline(hone: Hone, model: str) -> None:
    """On pages without pictures, which the pipeline never shows to the network."""
    theirs = pipeline("document-question-answering", model=model, device="cpu")
    columns = without(form_examples(6), "image", "answers")
    rows = [{name: values[place] for name, values in columns.items()} for place in range(6)]
    rows[0]["words"] = [f"{word}-{word}" for word in rows[0]["words"]]
    Path("asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = hone("predict", f"run={only_run()}", "input=asked.jsonl", "output=out.jsonl", "precision=32-true")
    assert done.code == 0, done.said
    for row, line in zip(rows, Path("out.jsonl").read_text().splitlines(), strict=True):
        page = {"question": row["question"], "word_boxes": [*zip(row["words"], row["boxes"], strict=True)]}
        (expected,) = theirs([page], max_answer_len=30)[0]
        answer = json.loads(line)
        assert {name: answer[name] for name in ("answer", "start", "end")} == {
            name: expected[name] for name in ("answer", "start", "end")
        }
        assert answer["score"] == pytest.approx(expected["score"], abs=1e-4)


def test_a_network_without_eyes_learns_from_words_and_boxes(hone: Hone) -> None:
    """LayoutLM has a tokenizer that knows nothing of boxes, and no processor."""
    vocabulary = number_pieces(word.lower().strip(":?") for word in form_words())
    BertTokenizer(vocab=vocabulary, model_max_length=512).save_pretrained("layoutlm")
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    LayoutLMForQuestionAnswering(LayoutLMConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained("layoutlm")
    write_rows()
    done = hone("train", *LOCAL, "checkpoint=hub", "checkpoint.path=layoutlm", *BRIEF)
    assert done.code == 0, done.said
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    equal_to_the_pipeline(hone, "shared")


WRONG = {
    "no words": ({"words": None}, "column 'words': the words are missing; hone reads no text from pictures"),
    "no page": ({"words": [], "boxes": []}, "column 'words': the words are missing; hone reads no text from pictures"),
    "too few boxes": ({"boxes": [[0, 0, 1, 1]]}, "column 'boxes': expected a box for each of the 2 words, not 1 boxes"),
    "pixels": ({"boxes": [[0, 0, 1, 1], [5, 5, 1300, 9]]}, "[5, 5, 1300, 9] is no box: left, top, right and bottom"),
    "inside out": ({"boxes": [[0, 0, 1, 1], [5, 5, 4, 9]]}, "[5, 5, 4, 9] is no box"),
    "no answer": ({"answers": []}, "column 'answers': expected a text, or a list of texts that all are right, not []"),
    "no question": ({"question": None}, "column 'question': the text is missing (row 3)"),
}


def test_what_cannot_be_learned_is_a_bad_row(hone: Hone) -> None:
    sound = {"question": "what?", "words": ["Total:", "37"], "boxes": [[0, 0, 1, 1]] * 2, "answers": ["37"]}
    for case, (changes, words) in WRONG.items():
        rows = [dict(sound) for _ in range(5)]
        rows[3] |= changes
        (fault,) = DocumentQuestionAnswering().find_faults(Dataset.from_list(rows), Facts("spans"))
        assert words in f"column {fault.role!r}: {fault.problem} (row {fault.row})", case
    for changes, words in (WRONG["pixels"], ({"image": "none.png"}, "none.png")):
        write_rows(**{**sound, **changes})
        done = hone("train", *LOCAL, PICTURES, TINY, *BRIEF)
        assert done.code == 2
        assert words in done.err
        assert "Traceback" not in done.err


def test_a_data_set_without_words_is_told_that_pictures_are_not_read(hone: Hone) -> None:
    Path("rows.jsonl").write_text('{"image": "0.png", "question": "what?", "answers": ["37"]}\n' * 4)
    done = hone("train", *LOCAL, PICTURES, TINY, *BRIEF)
    assert done.code == 2
    assert done.err.count("hone reads no text from pictures") == 1


def test_options_must_fit_the_network() -> None:
    task = DocumentQuestionAnswering(max_length=300)
    processor = TinyLayoutLMv3(lr=1.0).own_processor("AutoProcessor")
    with pytest.raises(UserError, match=r"task.max_length=300: the model takes at most 256 tokens"):
        task.configure_processor(processor)
    with pytest.raises(UserError, match=r"task.stride=256: windows have 256 tokens"):
        DocumentQuestionAnswering(stride=256).configure_processor(processor)
    bound_task, _ = bound(form_examples(2))
    other = TinyLayoutLMv3(lr=1.0, hyperparameters={"id2label": {0: "a", 1: "b", 2: "c"}})
    assert other.config(bound_task.model_config()).num_labels == 2, "a checkpoint that tags words"
    processor.image_processor.apply_ocr = True
    DocumentQuestionAnswering().configure_processor(processor)
    assert not processor.image_processor.apply_ocr
    with pytest.raises(UserError, match="choose a checkpoint with a fast tokenizer"):
        DocumentQuestionAnswering().configure_processor(object())
