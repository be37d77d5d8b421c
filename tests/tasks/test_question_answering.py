"""Answers as spans: found as they stand in the text, scored by the published rules, refused where impossible."""

import collections
import json
import re
import string
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest
import torch
from datasets import Dataset
from torchmetrics.functional.text import squad

from conftest import Hone, only_run, record
from hone.core.draws import Draws
from hone.core.scores import compute_scores
from hone.core.task import Facts
from hone.data.tiny.neighbours import TinyNeighbours
from hone.models.checkpoints.tiny_text import TinyBert
from hone.tasks.metrics.squad import Measure, Squad
from hone.tasks.text.question_answering import QuestionAnswering
from hone.tasks.text.shared.answers import Answer, choose_answers, find_best_spans, merge_spans, read_answers
from hone.tasks.text.shared.windows import split_into_windows
from mistakes import lines, refused, store, trains

PIECES = [
    "the", "The", "a", "an", "A.", "cat", "cats", "Cat!", "theory", "an-other", "U.S.", "don't", "—", "é", "É", "日本",
    "😀", "İstanbul", "ß", "2,000", "2000", "$5", "\u00a0", "\t", " ", "(", ")", "«oui»", "…", "ﬁne", "a_the",
    "the\u200b",
]  # fmt: skip


def texts(rng: np.random.Generator, most: int = 5) -> str:
    return " ".join(rng.choice(PIECES, size=rng.integers(0, most + 1)))


# The published evaluation of version 2, as literally as possible: what ours is measured against.


def published_tokens(text: str) -> list[str]:
    return published_normal(text).split() if text else []


def published_normal(text: str) -> str:
    text = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text).split())


def published_f1(gold: str, said: str) -> float:
    gold_tokens, said_tokens = published_tokens(gold), published_tokens(said)
    same = sum((collections.Counter(gold_tokens) & collections.Counter(said_tokens)).values())
    if len(gold_tokens) == 0 or len(said_tokens) == 0:
        return int(gold_tokens == said_tokens)
    if same == 0:
        return 0
    precision, recall = same / len(said_tokens), same / len(gold_tokens)
    return (2 * precision * recall) / (precision + recall)


def published_first_f1(said: str, gold: str) -> float:
    """As in version 1."""
    same = sum((collections.Counter(published_tokens(said)) & collections.Counter(published_tokens(gold))).values())
    return published_f1(gold, said) if same else 0


def published_raw(said: str, answers: Sequence[str]) -> tuple[float, float]:
    gold = [answer for answer in answers if published_normal(answer)] or [""]
    exact = max(int(published_normal(each) == published_normal(said)) for each in gold)
    return exact, max(published_f1(each, said) for each in gold)


def published_best(said: list[str], scores: list[float], gaps: list[float], answered: list[bool]) -> float:
    current = best = sum(not each for each in answered)
    for row in sorted(range(len(gaps)), key=lambda row: gaps[row]):
        current += scores[row] if answered[row] else (-1 if said[row] else 0)
        best = max(best, current)
    return best / len(scores)


@pytest.mark.parametrize("seed", range(4))
def test_version_1_scores_as_published(seed: int) -> None:
    """And as torchmetrics, but for texts of which nothing is left: those it scores by the rules of version 2."""
    rng = np.random.default_rng(seed)
    said = [texts(rng) for _ in range(300)]
    meant = [[texts(rng) for _ in range(rng.integers(1, 4))] for _ in said]
    meant = [[*each[1:], one] if rng.random() < 0.3 else each for one, each in zip(said, meant, strict=True)]
    records = {"prediction": said, "answers": meant}
    f1 = [max(published_first_f1(one, each) for each in many) for one, many in zip(said, meant, strict=True)]
    assert Squad(1).mean("f1").compute(records) == pytest.approx(np.mean(f1))

    theirs = squad(
        [{"prediction_text": one, "id": str(row)} for row, one in enumerate(said)],
        [
            {"answers": {"text": each, "answer_start": [0] * len(each)}, "id": str(row)}
            for row, each in enumerate(meant)
        ],
    )
    assert Squad(1).mean("exact").compute(records) * 100 == pytest.approx(float(theirs["exact_match"]), rel=1e-6)
    assert float(theirs["f1"]) / 100 >= Squad(1).mean("f1").compute(records)
    filled = {"prediction": [f"{one} x" for one in said], "answers": [[f"{each} y" for each in many] for many in meant]}
    theirs = squad(
        [{"prediction_text": one, "id": str(row)} for row, one in enumerate(filled["prediction"])],
        [
            {"answers": {"text": each, "answer_start": [0] * len(each)}, "id": str(row)}
            for row, each in enumerate(filled["answers"])
        ],
    )
    assert Squad(1).mean("f1").compute(filled) * 100 == pytest.approx(float(theirs["f1"]), rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_version_2_scores_as_published(seed: int) -> None:
    rng = np.random.default_rng(seed)
    meant = [[texts(rng) or "x" for _ in range(rng.integers(0, 4))] for _ in range(300)]
    spans = [rng.choice([*each, texts(rng)]) if rng.random() < 0.5 else texts(rng) for each in meant]
    gaps = rng.normal(size=len(meant))
    said = ["" if gap > 0.3 else span for gap, span in zip(gaps, spans, strict=True)]
    raw = np.array([published_raw(*pair) for pair in zip(said, meant, strict=True)])
    answered = np.array([bool(each) for each in meant])
    records = {"prediction": said, "answers": meant, "span": spans, "null_gap": gaps}
    rules = Squad(2)
    assert rules.mean("exact").compute(records) == pytest.approx(raw[:, 0].mean())
    assert rules.mean("f1").compute(records) == pytest.approx(raw[:, 1].mean())
    assert rules.mean_where(answerable=True).compute(records)["f1"] == pytest.approx(raw[answered, 1].mean())
    assert rules.mean_where(answerable=False).compute(records)["exact_match"] == pytest.approx(raw[~answered, 0].mean())
    bare = np.array([published_raw(*pair) for pair in zip(spans, meant, strict=True)])
    for place, measure in enumerate(get_args(Measure)):
        best = published_best(spans, list(bare[:, place]), list(gaps), list(answered))
        assert rules.best(measure).compute(records) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(20))
def test_the_tuned_threshold_gives_what_it_promises(seed: int) -> None:
    """Used as the option it gives the best score, however many rows are alike; no other one does better."""
    rng = np.random.default_rng(seed)
    words = ["red", "blue", "green"]
    meant = [[rng.choice(words)] if rng.random() < rng.choice([0, 0.5, 1]) else [] for _ in range(12)]
    gaps = rng.integers(-2, 3, size=12).astype(float)
    records = {"span": [rng.choice(words) for _ in meant], "answers": meant, "null_gap": gaps}

    def at(threshold: float) -> float:
        said = ["" if gap > threshold else span for gap, span in zip(gaps, records["span"], strict=True)]
        return Squad(2).mean("f1").compute({**records, "prediction": said})

    best, threshold = (tune("f1").compute(records) for tune in (Squad(2).best, Squad(2).best_threshold))
    assert at(threshold) == pytest.approx(best)
    assert max(at(each) for each in [-9, *gaps]) == pytest.approx(best)


@pytest.mark.parametrize("seed", range(6))
def test_the_best_spans_are_the_best_of_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, longest, count = rng.integers(1, 12), rng.integers(1, 6), rng.integers(1, 30)
    begin, end = rng.normal(size=(2, size)).astype(np.float32)
    widths = rng.integers(0, 4, size=size)
    offsets = np.stack([np.cumsum(widths) - widths, np.cumsum(widths)], axis=1)
    every = [
        (float(begin[a]) + float(end[b]), int(offsets[a, 0]), int(offsets[b, 1]))
        for a in range(size)
        for b in range(a, min(a + longest, size))
        if offsets[b, 1] > offsets[a, 0]
    ]
    found = find_best_spans(begin, end, offsets.reshape(-1), int(count), int(longest))
    assert [score for score, _, _ in found] == pytest.approx(sorted((each[0] for each in every), reverse=True)[:count])
    assert {(a, b) for _, a, b in found} <= {(a, b) for _, a, b in every}


def test_windows_are_weighed_against_each_other() -> None:
    one = [{"text": "x", "score": 2.0, "start": 1, "end": 2}, {"text": "y", "score": 1.0, "start": 5, "end": 6}]
    two = [{"text": "y", "score": 3.0, "start": 5, "end": 6}]
    spans = merge_spans([one, two], 5)
    assert [(span["text"], span["score"]) for span in spans] == [("y", 3.0), ("x", 2.0)]
    said = choose_answers([spans] * 3, [2.5, 3.5, 99.0], 1.0)
    assert said["prediction"] == ["y", "y", ""]
    assert said["span"] == ["y"] * 3
    assert said["start"] == [5, 5, -1]
    assert said["null_gap"] == [-0.5, 0.5, 96.0]
    assert choose_answers([spans, []], [99.0, 0.0], None)["prediction"] == ["y", ""], "where there always is an answer"


def tokenizer() -> Any:
    return TinyBert(lr=1.0).make_processor("AutoTokenizer", Facts(""))


def test_every_answer_is_found_again_in_its_window() -> None:
    """By its tokens alone, in the original's characters, with capitals, accents and all."""
    pieces = [
        "Zoë",
        "paid",
        "€20",
        "to",
        "Łukasz",
        "O'Neil",
        "東京",
        "🙂",
        "co-op",
        "  ",
        "U.S.A.",
        "e\u0301te",
        "won't",
    ]
    rng = np.random.default_rng(0)
    contexts = [" ".join(rng.choice(pieces, size=size)) for size in (5, 60, 200)]
    seen = 0
    for context in contexts:
        words = [(found.start(), found[0]) for found in re.finditer(r"\S+( \S+)?", context)]
        for start, text in words:
            for window in split_into_windows(tokenizer(), [0], ["who paid?"], [context], 40, 12):
                first, last = window.answer_tokens(Answer(text, start))
                if first == window.null:
                    continue
                offsets = window.offsets[[first - window.first, last - window.first]]
                assert context[offsets[0, 0] : offsets[1, 1]] == text
                seen += 1
    assert seen > len(contexts)


def test_windows_cover_the_context_and_keep_the_question() -> None:
    windows = split_into_windows(
        tokenizer(), [7, 8], ["who is it?", "w" * 60], ["it is me. " * 40, "it is you. " * 40], 80, 30
    )
    for row in (0, 1):
        mine = [window for window in windows if window.row == row]
        assert mine[0].begins
        assert mine[-1].ends
        assert all(len(window.input_ids) <= 80 for window in mine)
        assert len({tuple(window.input_ids[: window.first]) for window in mine}) == 1
        for one, two in pairwise(mine):
            assert two.offsets[0, 0] <= one.offsets[-1, 1], "no gap"
    assert [window.row for window in windows] == sorted(window.row for window in windows)


def equipped(**options: Any) -> tuple[QuestionAnswering, Any, Dataset]:
    raw = QuestionAnswering(**options)
    rows = TinyNeighbours(40, 1, 1).load()["train"]
    rows = rows.add_column("id", np.arange(len(rows)))
    facts, checkpoint = raw.find_facts(rows, None), TinyBert(lr=1.0)
    task = raw.bind(checkpoint.make_processor("AutoTokenizer", facts), facts)
    torch.manual_seed(0)
    network = checkpoint.network(task.auto_model, checkpoint.config({})).eval()
    return task, network, rows.map(task.encode, batched=True, remove_columns=rows.column_names)


@torch.inference_mode()
def test_neither_padding_nor_neighbours_change_a_row() -> None:
    task, network, encoded = equipped()
    order = np.argsort(encoded["length"])
    assert encoded[int(order[0])]["length"] < encoded[int(order[-1])]["length"]
    everything = task.predict(network, task.collate(encoded[:], Draws()))
    for place in map(int, order[:3]):
        alone = task.predict(network, task.collate(encoded[place : place + 1], Draws()))
        assert alone["loss"][0] == pytest.approx(everything["loss"][place], rel=1e-5)
        assert alone["prediction"][0] == everything["prediction"][place]
        assert alone["null"][0] == pytest.approx(everything["null"][place], rel=1e-5)


@torch.inference_mode()
def test_question_and_padding_are_never_an_answer() -> None:
    """Even from a network that is sure of it; and what is said is a part of the context."""
    task, network, encoded = equipped(max_length=40)
    batch = task.collate(encoded[:], Draws())

    def sure(**inputs: Any) -> Any:
        out = network(**inputs)
        for logits in (out.start_logits, out.end_logits):
            logits[~batch["allowed"]] += 1e4
        return out

    certain, usual = (task.predict(each, batch) for each in (sure, network))
    assert certain["prediction"] == usual["prediction"]
    assert np.array_equal(certain["loss"], usual["loss"])
    contexts = TinyNeighbours(40, 1, 1).load()["train"]["context"]
    for span in (
        span for row, spans in zip(usual["id"], usual["nbest"], strict=True) for span in [{**spans[0], "row": row}]
    ):
        assert contexts[span["row"]][span["start"] : span["end"]] == span["text"] != ""


def test_the_threshold_is_an_option() -> None:
    never, always = ({"task": equipped(null_threshold=value)} for value in (1e9, -1e9))
    for said, nothing in ((never, False), (always, True)):
        task, network, encoded = said["task"]
        with torch.inference_mode():
            records = task.merge(task.predict(network, task.collate(encoded[:], Draws())))
        assert all((text == "") == nothing for text in records["prediction"])
        assert all(0 <= score <= 1 for score in records["score"])
        one = task.outcome({name: values[0] for name, values in records.items()})
        assert (one["start"] is None) == nothing
        assert set(one) == {"answer", "score", "start", "end"}
        assert {"has_answer/f1", "no_answer/f1", "best_f1", "best_f1_thresh"} <= compute_scores(task, records).keys()


def test_where_every_row_has_an_answer_there_always_is_one() -> None:
    task = QuestionAnswering()
    rows = TinyNeighbours(20, 1, 1, unanswerable=0.0).load()["train"]
    task.facts = task.find_facts(rows, None)
    assert task.threshold is None
    assert set(task.metrics()) == {"exact_match", "f1"}
    assert task.baseline({"id": [0]}) is None


@pytest.mark.parametrize(
    ("value", "start", "answers"),
    [
        ({"text": ["a b"], "answer_start": [3]}, None, [Answer("a b", 3)]),
        ({"text": [], "answer_start": []}, None, []),
        ({"text": "x", "answer_start": 0}, None, [Answer("x", 0)]),
        ([{"text": "x", "answer_start": 1}, {"text": "y", "answer_start": 2}], None, [Answer("x", 1), Answer("y", 2)]),
        ([], None, []),
        ("x", 4, [Answer("x", 4)]),
        ("x", 4.0, [Answer("x", 4)]),
        ("", None, []),
        (None, -1, []),
    ],
)
def test_answers_come_in_several_forms(value: Any, start: Any, answers: list[Answer]) -> None:
    assert read_answers(value, start) == answers


ROWS = [
    {
        "question": f"who is number {row}?", "context": f"Number {row} is {name}.",
        "answers": {"text": [name], "answer_start": [12]},
    }
    for row, name in enumerate(["Anna", "Bruno", "Clara", "David", "Elena", "Frank", "Greta", "Hugo"])
]  # fmt: skip
LOCAL = (
    "train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local", "task=question_answering",
    "dataset.path=a.jsonl",
)  # fmt: skip
GOOD = [*ROWS, {**ROWS[0], "answers": {"text": [], "answer_start": []}}]

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "at another place": ({"answers": {"text": ["Anna"], "answer_start": [3]}}, "does not stand in the context"),
    "behind the end": ({"answers": {"text": ["Anna"], "answer_start": [999]}}, "does not stand in the context"),
    "before the start": ({"answers": {"text": ["a."], "answer_start": [-2]}}, "does not stand in the context"),
    "in other letters": ({"answers": {"text": ["anna"], "answer_start": [12]}}, "does not stand in the context"),
    "fewer offsets": (
        {"answers": {"text": ["Anna", "Anna"], "answer_start": [12]}},
        "numbers of answers and of offsets differ",
    ),
    "an empty answer": ({"answers": {"text": [" "], "answer_start": [11]}}, "an answer is empty"),
    "no answers": ({"answers": None}, "the answers are missing"),
    "no question": ({"question": None}, "'question': the text is missing"),
    "an empty question": ({"question": " "}, "'question': the text is empty"),
    "no context": ({"context": None}, "'context': the text is missing"),
    "an empty context": ({"context": ""}, "'context': the text is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_rows_that_cannot_work_are_named(case: str, hone: Hone) -> None:
    change, said = BAD[case]
    store({"a.jsonl": lines([*GOOD, {**ROWS[0], **change}])})
    refused(hone(*LOCAL), said, "(row 9)", "dataset.on_bad_row=skip")


def test_bad_rows_can_be_left_out(hone: Hone) -> None:
    store({"a.jsonl": lines([*GOOD, *({**ROWS[0], **change} for change, _ in BAD.values())])})
    done = hone(*LOCAL, "dataset.on_bad_row=skip", "dataset.holdout=0.3")
    trains(done)
    assert f"{len(BAD)} of {len(BAD) + 9} rows cannot be used" in done.err
    assert sum(record(only_run())["data"]["rows"].values()) == 9


WRONG = {
    "a question without end": (
        [{**ROWS[0], "question": "who " * 200}],
        "",
        "(row 9)|windows of 128|dataset.on_bad_row=skip",
    ),
    "no answer anywhere": (None, "", "no training row has an answer"),
    "windows too wide": ([], "task.max_length=4000", "the model takes at most 128 tokens"),
    "windows all the same": ([], "task.max_length=64 task.stride=64", "task.stride=64: windows have 64 tokens"),
    "padded too far": ([], "task.pad_to_multiple_of=100", "task.pad_to_multiple_of=100"),
    "no such role": ([], "dataset.columns.answer=answers", "dataset.columns.answer|question, context, answers"),
    "a network without such a head": ([], "checkpoint=tiny_t5 checkpoint.hyperparameters=null head=mean", "head=auto"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read_is_refused(case: str, hone: Hone) -> None:
    added, words, said = WRONG[case]
    rows = [GOOD[-1]] * 9 if added is None else [*GOOD, *added]
    store({"a.jsonl": lines(rows)})
    refused(hone(*LOCAL, *words.split()), *said.split("|"))


def test_a_question_that_leaves_no_room_can_be_left_out(hone: Hone) -> None:
    """In training and in prediction, whose other rows keep their places."""
    long = {**ROWS[0], "question": "who " * 200}
    store({"a.jsonl": lines([*GOOD[:4], long, *GOOD[4:]])})
    done = hone(*LOCAL, "dataset.on_bad_row=skip", "dataset.holdout=0.3")
    trains(done)
    assert "no room for its context in windows of 128" in done.err
    assert sum(record(only_run())["data"]["rows"].values()) == 9

    words = ("predict", f"run={only_run()}", "input=a.jsonl")
    done = hone(*words)
    assert done.code == 2
    assert "row 4 (counting from 0): question: it makes more than" in done.err
    done = hone(*words, "on_bad_row=skip")
    assert [json.loads(line)["question"] for line in done.out.splitlines()] == [row["question"] for row in GOOD]
    assert "1 rows cannot be used" in done.err


def test_a_table_with_one_answer_a_row_is_enough(hone: Hone) -> None:
    """Plain text, its offset in a column of its own; no text where there is no answer."""
    rows = "".join(f'q{row},"It was Anna, I think.",{["Anna,7", ",-1"][row % 4 == 3]}\n' for row in range(16))
    store({"a.csv": "ask,passage,found,at\n" + rows})
    done = hone(
        *LOCAL[:-1], "dataset.path=a.csv", "dataset.holdout=0.4",
        "dataset.columns={question: ask, context: passage, answers: found, answer_start: at}",
    )  # fmt: skip
    trains(done)
    assert "validation/no_answer/f1" in record(only_run())["scores"]


def test_a_run_can_be_evaluated_and_read(hone: Hone) -> None:
    words = ("dataset=tiny_neighbours", "dataset.train=64", "dataset.validation=24", "dataset.test=8", "epochs=1")
    trains(hone("train", "tracker=none", *words))
    told = record(only_run())["scores"]
    done = hone("evaluate", f"run={only_run()}", "split=validation")
    assert done.code == 0, done.said
    again = json.loads((only_run() / "evaluation/validation.json").read_text())["scores"]
    assert again == pytest.approx(
        {name.removeprefix("validation/"): value for name, value in told.items() if name.startswith("validation/")},
        rel=1e-5,
    )
