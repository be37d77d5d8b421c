"""The way of the rows: from files of every kind, split, limited, encoded once, and put into batches."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict

from conftest import Hone, only_run, record
from hone.core import cache, seeds
from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.task import Facts
from hone.data.batching import Batching, Buckets, Random, split_by_length
from hone.data.canonical import flatten_nested
from hone.data.encoded import encode
from hone.data.plan import StepPlan, sorted_batches
from hone.data.rows import Rows, load_rows
from hone.data.sources.local import Local
from hone.data.tiny.emotion import TinyEmotion
from hone.models.checkpoints.tiny_text import TinyBert
from hone.tasks.text.text_classification import TextClassification

BRIEF = ("train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local", "dataset.path=here")


def table(rows: int = 24) -> Dataset:
    words = ["so happy today", "how sad it is", "what a lovely long afternoon in the quiet old house"]
    texts = [f"{words[row % 3]} {row}" for row in range(rows)]
    return Dataset.from_dict({"text": texts, "label": [("good", "bad", "good")[row % 3] for row in range(rows)]})


STORES: dict[str, Callable[[Dataset], object]] = {
    "csv": lambda rows: rows.to_csv("here/train.csv"),
    "tsv": lambda rows: rows.to_csv("here/train.tsv", sep="\t"),
    "jsonl": lambda rows: rows.to_json("here/train.jsonl"),
    "json": lambda rows: Path("here/train.json").write_text(json.dumps(rows.to_list())),
    "parquet": lambda rows: rows.to_parquet("here/train.parquet"),
    "a saved data set": lambda rows: rows.save_to_disk("here"),
    "saved splits": lambda rows: DatasetDict(train=rows, dev=rows, test=rows).save_to_disk("here"),
}


@pytest.mark.parametrize("kind", STORES)
def test_files_of_every_kind_are_read(kind: str) -> None:
    Path("here").mkdir()
    STORES[kind](table())
    rows = load_rows(Local("here"), TextClassification())
    texts = [text for split in ("train", "validation") for text in rows.splits[split]["text"]]
    assert {*table()["text"]} == {*texts}
    assert rows.facts.labels == ("bad", "good")
    assert ("test" in rows.splits) == (kind == "saved splits")
    assert len(rows.splits["validation"]) == (24 if kind == "saved splits" else 2)


def run(rows: dict[str, list[Any]], hone: Hone, *words: str) -> dict[str, Any]:
    """What became of a run on these rows."""
    Path("here").mkdir()
    Dataset.from_dict(rows).to_json("here/train.jsonl")
    done = hone(*BRIEF, *words)
    assert done.code == 0, done.said
    return json.loads((only_run() / "model" / "config.json").read_text())


def scores() -> set[str]:
    return {name.removeprefix("validation/") for name in record(only_run())["scores"]}


def test_pairs_are_read_together(hone: Hone) -> None:
    texts = table()["text"][:]
    pairs = {"premise": texts, "hypothesis": texts[::-1], "label": [row % 2 for row in range(24)]}
    columns = ("dataset.columns={text: premise, text_pair: hypothesis}", "dataset.labels=[no,yes]")
    assert run(pairs, hone, *columns)["id2label"] == {"0": "no", "1": "yes"}
    encoded = [pq.read_table(path) for path in (only_run() / "predictions").glob("*.parquet")]
    assert len(encoded) == 1
    assert {"accuracy", "f1_macro", "matthews", "auroc"} <= scores()


def test_lists_are_any_number_of_labels(hone: Hone) -> None:
    labels = [["a"], ["a", "b"], [], ["c"]] * 6
    config = run({"text": table()["text"][:], "label": labels}, hone)
    assert config["problem_type"] == "multi_label_classification"
    assert [*config["id2label"].values()] == ["a", "b", "c"]
    assert {"f1_micro", "f1_macro", "accuracy"} <= scores()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
def test_fractions_are_numbers_to_predict(precision: str, hone: Hone) -> None:
    rows = {"text": table()["text"][:], "label": [row / 7 for row in range(24)]}
    config = run(rows, hone, "dataset.holdout=0.25", f"precision={precision}")
    assert config["problem_type"] == "regression"
    assert {"pearson", "spearman", "mse", "mae"} <= scores()
    (kept,) = (only_run() / "predictions").glob("*.parquet")
    sevenths = pq.read_table(kept)["label"].to_numpy() * 7
    assert sevenths == pytest.approx(sevenths.round(), abs=1e-5), "labels are not rounded to the network's precision"


def test_whole_numbers_can_be_predicted_where_the_user_says_so(hone: Hone) -> None:
    rows = {"text": table()["text"][:], "label": [row % 5 for row in range(24)]}
    assert run(rows, hone, "task.kind=regression", "dataset.holdout=0.25")["problem_type"] == "regression"


def test_balanced_weights_and_smoothing_reach_the_loss() -> None:
    facts = Facts("single_label", ("rare", "usual"), (10, 30))
    plain = TextClassification()._target(facts)
    balanced = TextClassification(class_weights="balanced")._target(facts)
    smooth = TextClassification(label_smoothing=0.2)._target(facts)
    logits, labels = np.array([[2.0, 0.0], [2.0, 0.0]]), plain.tensor([0, 1])
    told = [target.losses(plain.tensor([0]).new_tensor(logits).float(), labels) for target in (plain, balanced, smooth)]
    surprise = -np.log([np.exp(2) / (np.exp(2) + 1), 1 / (np.exp(2) + 1)])
    assert told[0].numpy() == pytest.approx(surprise, abs=1e-6)
    assert told[1].numpy() == pytest.approx(surprise * [2.0, 2 / 3], abs=1e-6)
    assert told[2].numpy() == pytest.approx(0.8 * surprise + 0.1 * surprise.sum(), abs=1e-6)


def test_held_out_rows_have_every_label_its_share_and_never_the_only_one() -> None:
    Path("here").mkdir()
    labels = ["often"] * 80 + ["seldom"] * 20 + ["once"]
    Dataset.from_dict({"text": [f"text {row}" for row in range(101)], "label": labels}).to_csv("here/train.csv")
    rows = load_rows(Local("here", holdout=0.2), TextClassification())
    assert Counter(rows.splits["validation"]["label"]) == {"often": 16, "seldom": 4}
    assert "once" in rows.splits["train"]["label"]
    again = load_rows(Local("here", holdout=0.2), TextClassification())
    assert again.splits["validation"]["id"][:] == rows.splits["validation"]["id"][:]


def test_a_limit_draws_rows_and_leaves_the_labels_known() -> None:
    source = TinyEmotion(train=300, validation=50, test=50)
    whole, some = load_rows(source, TextClassification()), load_rows(source, TextClassification(), limit=20)
    assert set(some.sizes.values()) == {20}
    assert some.facts == whole.facts
    assert some.splits["train"]["id"][:] != list(range(20)), "not just the first ones"
    every = [len(load_rows(source, TextClassification(), limit=1000).splits["train"])]
    assert every == [300]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HONE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encoded(**options: Any) -> Dataset:
    """A long and a short row, encoded."""
    rows = Dataset.from_dict(
        {"text": ["i feel happy about my new job tonight", "sad"], "label": ["joy", "sadness"], "id": [0, 1]}
    )
    facts = Facts("single_label", ("joy", "sadness"), (1, 1))
    task = TextClassification(**options).bind(TinyBert(lr=1.0).make_processor("AutoTokenizer", facts), facts)
    return encode(Rows({"train": rows}, facts), task, TinyEmotion(1, 1, 1))[1]["train"].rows.with_format(None)


def words(rows: Dataset, row: int = 0) -> list[str]:
    tokenizer = TinyBert(lr=1.0).make_processor("AutoTokenizer", Facts("single_label"))
    return tokenizer.convert_ids_to_tokens(rows[row]["input_ids"])


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, "[CLS] i feel happy about my new job tonight [SEP]"),
        ({"max_length": 5}, "[CLS] i feel happy [SEP]"),
        ({"max_length": 5, "truncation_side": "left"}, "[CLS] new job tonight [SEP]"),
    ],
)
def test_texts_are_cut_as_asked(options: dict[str, Any], kept: str) -> None:
    rows = encoded(**options)
    assert words(rows) == kept.split()
    assert rows["length"][:] == [len(kept.split()), 3]


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ({}, 10),
        ({"pad_to_multiple_of": 8}, 16),
        ({"padding": "max_length", "max_length": 20}, 20),
        ({"padding": "max_length", "max_length": 20, "pad_to_multiple_of": 8}, 24),
    ],
)
def test_batches_are_padded_as_asked(options: dict[str, Any], width: int) -> None:
    rows = encoded(**options)
    facts = Facts("single_label", ("joy", "sadness"), (1, 1))
    task = TextClassification(**options).bind(TinyBert(lr=1.0).make_processor("AutoTokenizer", facts), facts)
    batch = task.collate(rows[:], Draws())
    assert batch["inputs"]["input_ids"].shape == (2, width)
    assert batch["inputs"]["attention_mask"].sum(dim=1).tolist() == [10, 3]


def test_rows_are_encoded_once_and_again_when_it_matters(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def files() -> int:
        return len([*own_cache.glob("encoded/*.arrow")])

    encoded()
    assert files() == 1
    monkeypatch.setattr(TextClassification, "encode", None)  # whoever called it would fail
    assert words(encoded())[1:3] == ["i", "feel"]
    monkeypatch.undo()
    monkeypatch.setenv("HONE_CACHE", str(own_cache))
    encoded(max_length=5)
    encoded(max_length=5, truncation_side="left")
    assert files() == 3


def test_without_a_place_for_the_cache_rows_are_made_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HONE_CACHE", str(tmp_path / "file"))
    assert len(encoded()) == 2
    assert "made in memory" in caplog.text


def test_what_is_interrupted_leaves_nothing_in_the_cache(own_cache: Path) -> None:
    def interrupted(file: str | None) -> Dataset:
        Path(file or "").write_bytes(b"half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.load_or_make("encoded", "mine", interrupted)
    assert [path.name for path in own_cache.rglob("*") if path.suffix != ".lock" and path.is_file()] == []


def test_a_folder_like_a_hub_data_set_is_read_anew_when_it_changes(hone: Hone) -> None:
    Path("mine").mkdir()
    Path("mine/README.md").write_text("---\nconfigs:\n- config_name: default\n  data_files: rows.csv\n---\n")
    for count in (12, 20):
        table(count).to_csv("mine/rows.csv")
        done = hone("train", "tracker=none", "epochs=1", "dataset=hub", "dataset.path=mine", f"name=of{count}")
        assert done.code == 0, done.said
    assert sum(record(only_run("outputs/of12"))["data"]["rows"].values()) == 12
    assert sum(record(only_run("outputs/of20"))["data"]["rows"].values()) == 20


LENGTHS = np.random.default_rng(0).integers(3, 60, 101)


@pytest.mark.parametrize("batching", [Random(), Buckets(), Buckets(pool=1), Buckets(pool=1000)])
@pytest.mark.parametrize(("size", "accumulate", "world"), [(8, 1, 1), (8, 3, 1), (4, 2, 2), (200, 1, 1), (1, 1, 3)])
def test_an_epoch_is_every_row_once(batching: Batching, size: int, accumulate: int, world: int) -> None:
    plans = [StepPlan(LENGTHS, batching, size, accumulate, 7, rank, world) for rank in range(world)]
    for epoch in (0, 1):
        steps = [plan.epoch(epoch) for plan in plans]
        rows = [row for each in steps for step in each for micro in step if micro.counts for row in micro.rows]
        assert sorted(rows) == list(range(101))
        assert {len(each) for each in steps} == {plans[0].steps_per_epoch}
        assert {sum(map(len, each)) for each in steps} == {plans[0].count_batches(epoch)}
        assert max(len(step) for each in steps for step in each) <= accumulate
    first, second = (str(plans[0].epoch(epoch)) for epoch in (0, 1))
    assert first != second or size > 101
    assert first == str(StepPlan(LENGTHS, batching, size, accumulate, 7, 0, world).epoch(0))


@pytest.mark.parametrize("batching", [Random(by="tokens"), Buckets(by="tokens"), Buckets(by="tokens", noise=0.3)])
def test_a_budget_of_tokens_is_kept_and_used(batching: Batching) -> None:
    plan = StepPlan(LENGTHS, batching, 300, 1, 7)
    for epoch in (0, 1):
        batches = [micro.rows for step in plan.epoch(epoch) for micro in step]
        assert sorted(np.concatenate(batches)) == list(range(101))
        costs = [len(rows) * LENGTHS[rows].max() for rows in batches]
        assert max(costs) <= 300
        assert np.mean(costs) > 150
        assert plan.count_batches(epoch) == len(batches)
    assert plan.steps_per_epoch == len(plan.epoch(0))


def test_noise_makes_buckets_more_random() -> None:
    def spread(batching: Batching) -> float:
        batches = batching.epoch(LENGTHS, 8, seeds.stream(0, "order", 0))
        return float(np.mean([np.ptp(LENGTHS[rows]) for rows in batches]))

    assert spread(Buckets(pool=12)) < spread(Buckets(pool=12, noise=0.5)) < spread(Random())


@pytest.mark.parametrize("lengths", [[5], [9] * 16, [3] * 8 + [200] * 8, list(range(1, 65)), [400] + [10] * 63])
def test_parts_of_a_batch_are_all_of_it_and_cheap(lengths: list[int]) -> None:
    known = np.array(lengths)
    cut = split_by_length(known)
    assert sorted(np.concatenate(cut)) == list(range(len(lengths)))
    whole = len(lengths) * known.max()
    assert sum(len(part) * known[part].max() for part in cut) <= whole
    assert (len(cut) > 1) == (lengths[-1] - lengths[0] > 60 or lengths[0] == 400)


@pytest.mark.parametrize("batching", [Buckets(), Buckets(by="tokens", noise=0.2)])
def test_a_plan_can_be_entered_anywhere(batching: Batching) -> None:
    plan = StepPlan(LENGTHS, batching, 80, 2, seed=3)
    whole = [str(micros) for (_, _, micros), _ in zip(plan.steps(1), range(30), strict=False)]
    for start in (1, 6, 7, 8, 20):
        entered = [str(micros) for (_, _, micros), _ in zip(plan.steps(start), range(31 - start), strict=False)]
        assert entered == whole[start - 1 :]


def test_buckets_waste_less_and_evaluation_least() -> None:
    def waste(batches: list[Any]) -> float:
        padded = sum(LENGTHS[rows].max() * len(rows) for rows in batches)
        return padded / LENGTHS.sum() - 1

    rng = seeds.stream(0, "order", 0)
    random, buckets = (waste(kind.epoch(LENGTHS, 8, rng)) for kind in (Random(), Buckets(pool=8)))
    assert waste(sorted_batches(LENGTHS, 8)) < buckets < random / 2


def test_of_one_name_two_weights_are_refused() -> None:
    with pytest.raises(UserError, match="joy"):
        TextClassification(class_weights={"joyy": 1.0}).check(Facts("single_label", ("joy", "sadness"), (1, 1)))


def test_fields_of_lists_of_objects_are_columns() -> None:
    """As many data sets of the Hub have what is in a picture."""
    things = [[{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], [], None]
    raw = Dataset.from_dict({"things": things})
    source = Local("x", columns={"label": "things.name", "segments": "things.id"})
    flat = flatten_nested(raw, source)
    assert flat["things.name"][:] == [["a", "b"], [], None]
    assert flat["things.id"][:] == [[1, 2], [], None]
