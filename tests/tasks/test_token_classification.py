"""Tags of words: spans as seqeval counts them, sub-words of every tokenizer, nothing dropped, faults by name."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import seqeval.metrics as theirs
import torch
from datasets import Dataset
from seqeval.metrics.sequence_labeling import get_entities
from sklearn.metrics import f1_score
from transformers import AutoTokenizer, TokenClassificationPipeline

import fake_hub
from conftest import Hone, only_run, record
from hone.core.columns import read_columns
from hone.core.draws import Draws
from hone.core.scores import compute_scores
from hone.core.task import Facts
from hone.data.tiny.entities import TAGS, TinyEntities
from hone.models.checkpoints.tiny import TinyBert
from hone.tasks.metrics import spans as entities
from hone.tasks.text.shared import word_pieces
from hone.tasks.text.shared.tags import find_tags, tag_metrics
from hone.tasks.text.token_classification import TokenClassification
from mistakes import lines, refused, store, trains

IOB = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER", "B-creative-work", "I-creative-work"]
IOBES = ["O", *(f"{mark}-{kind}" for mark in "BIES" for kind in ("LOC", "PER"))]
ODD = {
    "nothing to find": ([["O", "O"]], [["O", "O"]]),
    "nothing found": ([["B-LOC", "I-LOC"]], [["O", "O"]]),
    "found where nothing is": ([["O"]], [["B-LOC"]]),
    "a span that begins inside": ([["O", "I-LOC", "I-LOC"]], [["O", "B-LOC", "I-LOC"]]),
    "a type that changes": ([["B-LOC", "I-PER", "I-PER"]], [["B-LOC", "I-LOC", "I-PER"]]),
    "neighbours": ([["B-LOC", "B-LOC", "I-LOC"]], [["B-LOC", "I-LOC", "B-LOC"]]),
    "over the end of a row": ([["O", "B-LOC"], ["I-LOC", "O"]], [["O", "B-LOC"], ["O", "I-LOC"]]),
    "marks without types": ([["B", "I", "O", "B"]], [["B", "I", "I", "B"]]),
    "both ends": ([["B-LOC", "E-LOC", "E-LOC", "S-LOC", "I-LOC"]], [["B-LOC", "I-LOC", "E-LOC", "S-LOC", "S-LOC"]]),
}


def random_rows(tags: list[str], seed: int) -> tuple[list[list[str]], list[list[str]]]:
    rng = np.random.default_rng(seed)
    truth = [rng.choice(tags, size=rng.integers(1, 12)).tolist() for _ in range(60)]
    return truth, [[tag if rng.random() < 0.7 else str(rng.choice(tags)) for tag in row] for row in truth]


def numbered(rows: list[list[str]], tags: list[str]) -> list[list[int]]:
    return [[tags.index(tag) for tag in row] for row in rows]


CASES = [
    *(random_rows(tags, seed) for tags in (IOB, IOBES, ["O", "B", "I"], ["O", "I-LOC"]) for seed in range(5)),
    *ODD.values(),
]


@pytest.mark.parametrize("case", CASES)
def test_spans_are_those_of_seqeval(case: Any) -> None:
    truth, guess = case
    tags = sorted({tag for row in [*truth, *guess] for tag in row})
    for row in [*truth, *guess]:
        ours = entities.find_spans(map(entities.read_tag, row))
        assert [(kind, start, end - 1) for kind, start, end in ours] == get_entities(row)
    records = {"label": numbered(truth, tags), "prediction": numbered(guess, tags)}
    facts = Facts("spans", tuple(tags), (1,) * len(tags))
    ours = {name: metric.compute(records) for name, metric in tag_metrics(facts).items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is ill-defined, which both call 0
        assert ours["precision"] == pytest.approx(theirs.precision_score(truth, guess))
        assert ours["recall"] == pytest.approx(theirs.recall_score(truth, guess))
        assert ours["accuracy"] == pytest.approx(theirs.accuracy_score(truth, guess))
        assert ours["f1"].pop("") == pytest.approx(theirs.f1_score(truth, guess))
        report = theirs.classification_report(truth, guess, output_dict=True) if any(map(get_entities, truth)) else {}
    each = {kind: row["f1-score"] for kind, row in report.items() if row["support"] and " avg" not in kind}
    assert ours["f1"] == pytest.approx(each)


@pytest.mark.parametrize("scheme", ["IOB1", "IOBES", "BILOU"])
def test_every_scheme_says_the_same(scheme: str) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        spans, place = [], 0
        while place < 12:
            size = int(rng.integers(1, 4))
            spans += [(str(rng.choice(["LOC", "PER"])), place, place + size)] if rng.random() < 0.6 else []
            place += size
        assert entities.find_spans(map(entities.read_tag, written(spans, scheme))) == spans


def written(spans: list[entities.Span], scheme: str) -> list[str]:
    tags, last = ["O"] * 16, ("", 0)
    for kind, start, end in spans:
        marks = {"IOB1": "IIII", "IOBES": "BIES", "BILOU": "BILU"}[scheme]
        tags[start:end] = [f"{marks[0]}-{kind}", *[f"{marks[1]}-{kind}"] * (end - start - 1)]
        tags[end - 1] = f"{marks[3] if end - start == 1 else marks[2]}-{kind}"
        if scheme == "IOB1" and last == (kind, start):
            tags[start] = f"B-{kind}"
        last = (kind, end)
    return tags


def test_tags_that_mark_no_span_are_scored_one_by_one() -> None:
    tags = ("NOUN", "VERB", "DET")
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, size=40)
    records = {name: [rng.integers(0, 3, size).tolist() for size in sizes] for name in ("label", "prediction")}
    ours = {name: metric.compute(records) for name, metric in tag_metrics(Facts("tags", tags, (1, 1, 1))).items()}
    label, prediction = ([tag for row in records[name] for tag in row] for name in ("label", "prediction"))
    assert ours["accuracy"] == pytest.approx(np.mean(np.array(label) == np.array(prediction)))
    assert ours["f1_macro"] == pytest.approx(f1_score(label, prediction, average="macro"))
    assert ours["f1"] == pytest.approx(dict(zip(tags, f1_score(label, prediction, average=None), strict=True)))


@pytest.mark.parametrize(
    ("tags", "kind"),
    [(["O", "B-LOC"], "spans"), (["O", "I-a-b"], "spans"), (["B", "I", "O"], "spans"), (["O", "LOC"], "tags"),
     (["NOUN", "VERB"], "tags"), ([0, 1], "tags"), (["O", "S-LOC", "E-LOC"], "spans"), (["X-LOC", "O"], "tags")],
)  # fmt: skip
def test_the_kind_follows_from_the_tags(tags: list[Any], kind: str) -> None:
    assert find_tags(Dataset.from_dict({"label": [tags]}), None, "auto").kind == kind


ARCHITECTURES = ["bert", "roberta", "gpt2", "modernbert", "deberta-v2", "albert", "xlm-roberta", "bart", "llama"]
WORDS = ["i", "", "feel", "un-be-lievable", "\u200b", "don't", "new york", "日本", " ", "happy"]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_tokenizer_tells_its_words_apart(kind: str, tmp_path: Path) -> None:
    """A word is split as it is inside of a sentence, wherever it stands, also by the tokenizer that is saved."""
    tokenizer = fake_hub.make_tokenizer(kind)
    word_pieces.prepare_tokenizer(tokenizer)
    ids, owners = word_pieces.tokenise_words(tokenizer, [WORDS, ["happy", "happy"]], None)
    places = word_pieces.find_first_pieces(owners[0], len(WORDS))
    assert [place for place in places if place >= 0] == sorted(place for place in places if place >= 0)
    assert all(places[word] >= 0 for word in (0, 2, 3, 5, 6, 9))
    assert places[1] == -1
    pieces = [[token for token, owner in zip(ids[1], owners[1], strict=True) if owner == word] for word in (0, 1)]
    assert pieces[0] == pieces[1]
    inside = tokenizer("i feel happy", add_special_tokens=False)["input_ids"]
    assert inside[-len(pieces[0]) :] == pieces[0]
    tokenizer.save_pretrained(tmp_path)
    assert word_pieces.tokenise_words(AutoTokenizer.from_pretrained(tmp_path), [WORDS], None)[0] == ids[:1]


def test_bytes_behind_other_rules_are_no_trouble() -> None:
    from tokenizers import Regex, pre_tokenizers

    tokenizer = fake_hub.make_tokenizer("llama")
    plain = word_pieces.tokenise_words(tokenizer, [["feel", "happy"]], None)
    rules = pre_tokenizers.Split(Regex(r" ?\w+|'\w"), "isolated")
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [rules, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    word_pieces.prepare_tokenizer(tokenizer)
    spaced = word_pieces.tokenise_words(tokenizer, [["feel", "happy"]], None)
    assert spaced != plain
    assert "".join(tokenizer.convert_ids_to_tokens(spaced[0][0])) == "[CLS]ĠfeelĠhappy[SEP]"


def equipped(**options: Any) -> TokenClassification:
    facts = Facts("spans", TAGS, (9, 1, 1, 1, 1, 1, 1))
    return TokenClassification(**options).bind(TinyBert(lr=1.0).processor("AutoTokenizer", facts), facts)


def network(task: TokenClassification) -> Any:
    torch.manual_seed(0)
    checkpoint = TinyBert(1.0, {"initializer_range": 0.5})
    return checkpoint.network(task.auto_model, checkpoint.config(task.model_config())).eval()


def predicted(task: TokenClassification, rows: dict[str, Any], made: Any = None) -> dict[str, Any]:
    encoded = Dataset.from_dict(task.encode({"id": [*range(len(rows["words"]))], **rows}))
    batch = task.collate(read_columns(encoded.with_format("arrow"), np.arange(len(encoded))), Draws())
    with torch.inference_mode():
        return task.merge(task.predict(made or network(task), batch))


def some_rows(count: int = 40) -> dict[str, Any]:
    rows = TinyEntities(count, 1, 1).load()["train"]
    return {"words": rows["words"][:], "label": [[TAGS[tag] for tag in row] for row in rows["label"]]}


def test_words_that_were_cut_off_count_as_outside() -> None:
    task = equipped(max_length=6)
    rows = some_rows()
    records = predicted(task, rows)
    assert [len(row) for row in records["prediction"]] == [len(row) for row in rows["label"]]
    cut = [row for row, words in enumerate(rows["words"]) if len(words) > 6]
    assert cut
    assert all(records["prediction"][row][-1] == 0 and records["scores"][row][-1] == 0.0 for row in cut)
    everything = sum(len(row) for row in rows["label"])
    pairs = [zip(*both, strict=True) for both in zip(records["prediction"], records["label"], strict=True)]
    right = sum(guess == truth for row in pairs for guess, truth in row)
    assert compute_scores(task, records)["accuracy"] == pytest.approx(right / everything)
    assert records["targets"].sum() < everything


def test_words_that_a_tokenizer_drops_keep_their_place() -> None:
    words, tags = ["anna", "", "\u200b", "stone"], ["B-PER", "O", "O", "I-PER"]
    records = predicted(equipped(), {"words": [words], "label": [tags]})
    assert len(records["prediction"][0]) == 4
    assert records["targets"].tolist() == [2]


def test_a_text_is_split_at_its_blanks() -> None:
    task = equipped()
    made = network(task)
    either = ["anna lives  in oslo"], [["anna", "lives", "in", "oslo"]]
    texts, lists = (predicted(task, {"words": words}, made) for words in either)
    assert texts["prediction"] == lists["prediction"]
    assert [list(row) for row in texts["words"]] == [list(row) for row in lists["words"]]


@pytest.mark.parametrize(("label_all", "told"), [(False, [5, -100, -100, -100]), (True, [5, 6, 6, 6])])
def test_further_sub_words_learn_where_told(label_all: bool, told: list[int]) -> None:
    rows = {"id": [0], "words": [["baki", "stone"]], "label": [["B-PER", "I-PER"]]}
    encoded = equipped(label_all=label_all).encode(rows)
    assert encoded["target"] == [[-100, *told, 6, -100]]
    assert encoded["first"] == [[1, 5]]


@pytest.mark.parametrize("side", ["left", "right"])
def test_tags_stand_where_their_words_do(side: str) -> None:
    task = equipped()
    task.processor.padding_side = side
    encoded = Dataset.from_dict(task.encode({"id": [*range(40)], **some_rows()}))
    batch = task.collate(read_columns(encoded.with_format("arrow"), np.arange(40)), Draws())
    for row, (first, label) in enumerate(zip(batch["first"], batch["label"], strict=True)):
        assert batch["labels"][row, first].tolist() == list(label)
    assert task.count_targets(batch) == sum(map(len, batch["label"]))


def test_entities_are_those_of_the_pipeline() -> None:
    """Aggregated by the first sub-word, with what is outside of all entities left out."""
    task = equipped()
    made = network(task)
    pipeline = TokenClassificationPipeline(model=made, tokenizer=task.processor, aggregation_strategy="first")
    rows = some_rows(60)
    records = predicted(task, {"words": rows["words"]}, made)
    seen = 0
    for row, words in enumerate(rows["words"]):
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])
        ours = task.outcome({name: column[row] for name, column in records.items()})["entities"]
        json.dumps(ours)
        expected = pipeline(" ".join(words))
        assert [each["entity_group"] for each in ours] == [each["entity_group"] for each in expected]
        assert [each["word"] for each in ours] == [each["word"] for each in expected]
        assert [starts[each["start"]] for each in ours] == [each["start"] for each in expected]
        assert [starts[each["end"]] - 1 for each in ours] == [each["end"] for each in expected]
        assert [each["score"] for each in ours] == pytest.approx([float(each["score"]) for each in expected], abs=1e-4)
        seen += len(ours)
    assert seen > 30


def file(change: dict[str, Any] | None = None, at: int = 3) -> str:
    rows = [{"words": ["anna", "sees", "oslo"], "label": ["B-PER", "O", "B-LOC"]} for _ in range(12)]
    rows[at] |= change or {}
    return lines(rows)


LOCAL = ("train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local", "task=token_classification",
         "dataset.path=a.jsonl", "dataset.columns={words: words, label: label}")  # fmt: skip
WRONG = {
    "fewer tags": ({"label": ["O", "O"]}, "column 'label': 3 words and 2 tags (row 3)|dataset.on_bad_row=skip"),
    "no words": ({"words": [], "label": []}, "column 'words': there are no words (row 3)"),
    "blank words": ({"words": ["", " ", ""]}, "there are no words (row 3)"),
    "words that are missing": ({"words": None}, "the words are missing (row 3)"),
    "a word that is missing": ({"words": ["anna", None, "oslo"]}, "a word is missing (row 3)"),
    "tags that are missing": ({"label": None}, "the tags are missing (row 3)"),
    "a tag that is missing": ({"label": ["O", None, "O"]}, "a tag is missing (row 3)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rows_are_named(case: str, hone: Hone) -> None:
    change, said = WRONG[case]
    store({"a.jsonl": file(change)})
    refused(hone(*LOCAL), *said.split("|"))


def test_a_tag_that_training_lacks_is_named(hone: Hone) -> None:
    store({"d/train.jsonl": file(), "d/validation.jsonl": file({"label": ["B-PER", "O", "B-LOK"]})})
    there = [word.replace("a.jsonl", "d") for word in LOCAL]
    refused(hone(*there), "tag 'B-LOK' is not one of the training tags O, B-LOC, B-PER", "Did you mean B-LOC?",
            "(row 3)", "dataset.labels=[…]")  # fmt: skip
    trains(hone(*there, "dataset.labels=[O,B-PER,B-LOC,B-LOK]"))


def test_tags_that_mark_nothing_cannot_be_spans(hone: Hone) -> None:
    store({"a.jsonl": file().replace("B-PER", "NOUN")})
    refused(hone(*LOCAL, "task.kind=spans"), "task.kind=spans: NOUN does not mark a span", "task.kind=tags")


def test_a_row_too_long_is_refused_where_cutting_is(hone: Hone) -> None:
    store({"a.jsonl": file({"words": ["w"] * 300, "label": ["O"] * 300})})
    refused(hone(*LOCAL, "task.truncation=false"), "(row 3)", "128 tokens that are allowed, and task.truncation=false")
    done = hone(*LOCAL, "task.truncation=false", "dataset.on_bad_row=skip")
    trains(done)
    assert "1 of " in done.err


def test_files_are_learned_from_and_evaluated(hone: Hone) -> None:
    bad = {"label": ["O"]}
    store({"a.jsonl": file(bad)})
    done = hone(*LOCAL, "dataset.on_bad_row=skip")
    trains(done)
    assert "1 of 12 rows cannot be used and are left out" in done.err
    run = only_run()
    scores = record(run)["scores"]
    assert {"validation/f1", "validation/f1/LOC", "validation/f1/PER", "validation/accuracy"} <= scores.keys()
    rows = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    assert rows["words"] == [["anna", "sees", "oslo"]] * len(rows["words"])
    done = hone("evaluate", f"run={run}", "split=validation")
    assert done.code == 0, done.said
    assert "predicted class" not in done.out
    shown = [float(found) for found in re.findall(r"^│ +\d+ │ +(\d+\.\d+) │", done.out, re.M)]
    assert shown
    assert shown == sorted(shown, reverse=True), "a row's loss is that of its words"
    story = json.loads((run / "evaluation/validation.json").read_text())
    assert story["scores"]["f1"] == pytest.approx(scores["validation/f1"])
    assert story["confusion"] is None


def test_plain_tags_are_learned_from_files(hone: Hone) -> None:
    store({"a.jsonl": file().replace("B-PER", "NOUN").replace("B-LOC", "NOUN").replace('"O"', '"VERB"')})
    trains(hone(*LOCAL))
    assert record(only_run())["best"]["metric"] == "validation/f1_macro"


def test_facts_add_up() -> None:
    """A stream's tags are those of all its parts, in the order that they would have together."""
    one, other = ([["O", "B-LOC"], ["I-PER", "O"]], [["B-PER", "O", "I-PER"]])
    task = TokenClassification()
    first = task.find_facts(Dataset.from_dict({"label": one}), None)
    assert task.add_facts(first, Dataset.from_dict({"label": other}), None) == task.find_facts(
        Dataset.from_dict({"label": one + other}), None
    )
