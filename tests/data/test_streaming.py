"""Training rows that are read on the way: the same promises as for rows that are loaded."""

import os
import signal
from collections import Counter
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from conftest import Hone, journal, only_run, record
from harness import ADAMW
from hone.core import seeds
from hone.core.errors import RunError, UserError
from hone.core.task import Batch
from hone.data import streaming as streamed
from hone.data.batching import Batching, Buckets, Random
from hone.data.module import DataModule, Step
from hone.data.rows import load_rows
from hone.data.source import RawStream
from hone.data.sources.hub import Hub
from hone.data.sources.local import Local
from hone.data.streaming import shuffle_buffered
from hone.data.tiny.emotion import TinyEmotion
from hone.models.checkpoints.tiny import TinyBert
from hone.models.layers import LayerMap
from hone.runs.record import Record
from hone.tasks.text.text_classification import TextClassification
from hone.training.module import Module
from hone.training.optim.optimizers import Optimizer
from hone.training.optim.schedules import Linear
from hone.training.prefetch import ahead

LABELS = ("good", "bad", "good", "so-so")
STREAM = (
    "train", "tracker=none", "epochs=2", "batch_size=4", "log_every=1", "precision=32-true",
    "dataset=local", "dataset.path=here", "dataset.streaming=true", "dataset.shuffle_buffer=16",
)  # fmt: skip


def examples(count: int) -> list[dict[str, Any]]:
    """Of all lengths, each with its own number."""
    return [{"text": f"so {'very ' * (row * 7 % 12)}happy {row}", "label": LABELS[row % 4]} for row in range(count)]


@pytest.fixture(autouse=True)
def here(own_folder: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty rows to stream and a few to judge by, a cache of their own, and windows that an epoch has several of."""
    monkeypatch.setenv("HONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(streamed, "_WINDOW", 16)
    Path("here").mkdir()
    Dataset.from_list(examples(50)).to_json("here/train.jsonl")
    Dataset.from_list(examples(12)).to_json("here/validation.jsonl")


def told(**options: Any) -> Local:
    return Local("here", **{"streaming": True, "shuffle_buffer": 16, **options})


def module(source: Any = None, batching: Batching | None = None, limit: int | None = None, **plan: Any) -> DataModule:
    """The data of a run, as `material` makes it."""
    rows = load_rows(source or told(), TextClassification(), limit)
    task = TextClassification().bind(TinyBert(lr=1.0).processor("AutoTokenizer", rows.facts), rows.facts)
    return DataModule({}, task, batching or Random(), **{"batch_size": 4, **plan}, stream=rows.stream)


def ids_of(batch: Batch) -> list[int]:
    return [int(row) for row in batch["id"]]


def ids(steps: list[Step]) -> list[list[list[int]]]:
    return [[ids_of(batch) for batch in step.batches] for step in steps]


def epoch_of(data: DataModule, epoch: int = 0) -> list[list[list[int]]]:
    steps = data.feed.steps_per_epoch
    return ids(list(islice(data.steps(1 + epoch * steps), steps)))


def test_a_stream_trains_and_trains_the_same_again(hone: Hone) -> None:
    for name in ("one", "two"):
        done = hone(*STREAM, f"name={name}")
        assert done.code == 0, done.said
    one, two = only_run("outputs/one"), only_run("outputs/two")
    assert record(one)["data"]["rows"] == {"train": 50, "validation": 12}
    assert record(one)["data"]["fingerprint"].startswith("stamp-"), "the content was not read for it"
    assert record(one)["best"]["step"] in (13, 26)
    assert [row["step"] for row in journal(one) if "train/loss" in row] == list(range(1, 27))
    assert record(one)["scores"] == record(two)["scores"]
    model = "model/model.safetensors"
    assert (one / model).read_bytes() == (two / model).read_bytes()


@pytest.mark.parametrize("at", [5, 20])
def test_a_stream_goes_on_where_it_was_stopped(at: int, hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a window of the first epoch and of the second: the bits are those of a run that was never stopped."""
    from hone.training.progress import RunProgress

    words = (*STREAM, "batch=buckets")
    assert hone(*words, "name=straight").code == 0
    advance = RunProgress.advance

    def asked(run: RunProgress, step: int) -> None:
        advance(run, step)
        if step == at:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunProgress, "advance", asked)
        stopped = hone(*words, "name=stopped")
    assert stopped.code == 75, stopped.said
    run, straight = only_run("outputs/stopped"), only_run("outputs/straight")
    assert hone("train", f"resume={run}").code == 0
    assert record(run)["scores"] == record(straight)["scores"]
    assert [row["step"] for row in journal(run)] == [row["step"] for row in journal(straight)]
    model = "model/model.safetensors"
    assert (run / model).read_bytes() == (straight / model).read_bytes()


def test_a_stream_that_has_changed_is_another_run(hone: Hone) -> None:
    words = (*STREAM, "epochs=null", "steps=2", "output_root=out")
    assert hone(*words).code == 0
    run = only_run("out")
    Record.load(run / "run.json").update(state="failed")
    Dataset.from_list(examples(60)).to_json("here/train.jsonl")
    refused = hone("train", f"resume={run}")
    assert refused.code == 2
    assert "has changed since this run began" in refused.err


@pytest.mark.parametrize("batching", [Random(), Buckets(), Buckets(pool=1), Buckets(pool=1000)])
@pytest.mark.parametrize(("size", "accumulate", "world"), [(4, 1, 1), (4, 3, 1), (2, 2, 2), (64, 1, 1)])
def test_an_epoch_of_a_stream_is_every_row_once(batching: Batching, size: int, accumulate: int, world: int) -> None:
    parts = [
        module(None, batching, batch_size=size, accumulate=accumulate, rank=rank, world=world) for rank in range(world)
    ]
    for epoch in (0, 1):
        walks = [list(part.feed.epoch(epoch)) for part in parts]
        assert {len(walk) for walk in walks} == {parts[0].feed.steps_per_epoch}
        rows = [
            int(step.rows.ids[place])
            for walk in walks
            for step in walk
            for micro in step.passes
            if micro.counts
            for place in micro.rows
        ]
        assert sorted(rows) == list(range(50))


def test_two_processes_share_each_batch_of_a_stream() -> None:
    whole = epoch_of(module(batch_size=8))
    halves = [epoch_of(module(batch_size=4, rank=rank, world=2)) for rank in range(2)]
    together = [sorted(one[0] + two[0]) for one, two in zip(*halves, strict=True)]
    assert together == [sorted(step[0]) for step in whole]


@pytest.mark.parametrize("batching", [Random(), Buckets(pool=2)])
def test_a_stream_can_be_entered_anywhere_without_encoding_what_went_before(
    batching: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = ids(list(islice(module(None, batching, accumulate=2).steps(1), 21)))
    encode, seen = TextClassification.encode, []
    monkeypatch.setattr(
        TextClassification, "encode", lambda task, rows: (seen.extend(rows["id"]), encode(task, rows))[1]
    )
    for first in (1, 2, 5, 7, 8, 12, 21):
        seen.clear()
        entered = ids(list(islice(module(None, batching, accumulate=2).steps(first), 22 - first)))
        assert entered == straight[first - 1 :]
    assert len(seen) <= 16 + 2, "of the last step, its window"


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    data = module()
    first, second, other = epoch_of(data), epoch_of(data, 1), epoch_of(module(seed=1))
    assert first == epoch_of(module())
    assert len({str(order) for order in (first, second, other)}) == 3


def test_a_buffer_mixes_as_far_as_it_reaches() -> None:
    rows = [{"id": row} for row in range(2000)]
    order = [row["id"] for row in shuffle_buffered(rows, 100, seeds.stream(0, "shuffle", 0))]
    assert sorted(order) == list(range(2000))
    late = np.arange(2000) - np.array(order)
    assert late.min() == pytest.approx(-100, abs=5), "no row comes before it is read"
    assert 60 < np.abs(late).mean() < 140
    assert [row["id"] for row in shuffle_buffered(rows[:5], 1, seeds.stream(0, "shuffle", 0))] == [0, 1, 2, 3, 4]


def test_buckets_of_a_stream_hold_rows_of_like_length() -> None:
    def waste(batching: Batching) -> float:
        steps = list(islice(module(None, batching).steps(1), 13))
        return sum(step.padded_tokens for step in steps) / sum(step.tokens for step in steps)

    assert waste(Buckets(pool=8)) < 1 + (waste(Random()) - 1) / 2


@pytest.mark.parametrize("batching", [Random(), Buckets(pool=2)])
def test_batches_of_a_stream_go_through_in_parts_of_like_length(
    batching: Batching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows in the same steps, in more and narrower passes."""
    monkeypatch.setattr("hone.data.batching._PASS", 0)
    whole, cut = module(None, batching, batch_size=8), module(None, batching, batch_size=8)
    cut.splits_batches = True
    finer = 0
    for one, two in islice(zip(whole.steps(1), cut.steps(1), strict=True), 14):
        rows, parts = (sorted(np.concatenate([batch["id"] for batch in step.batches])) for step in (one, two))
        assert rows == parts
        assert (sum(one.targets), one.tokens, one.rows) == (sum(two.targets), two.tokens, two.rows)
        assert two.padded_tokens <= one.padded_tokens
        finer += len(two.batches) - len(one.batches)
    assert finer > 14


def test_a_thread_makes_steps_of_a_stream_ahead() -> None:
    with closing(ahead(islice(module().steps(1), 20), lambda tensor: tensor)) as steps:
        assert ids(list(steps)) == ids(list(islice(module().steps(1), 20)))


@pytest.mark.filterwarnings("ignore")  # a stock trainer has advice to give
def test_a_stock_trainer_walks_whole_epochs_of_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    data, bert, seen = module(batch_size=8), TinyBert(lr=0.001), []
    network = bert.network(data.task.auto_model, bert.config(data.task.model_config()))
    learner = Module(network, data.task, LayerMap.of(network), Optimizer(ADAMW, 0.001), Linear(warmup=0))
    learn = Module.training_step
    monkeypatch.setattr(
        Module, "training_step", lambda self, batch, place: (seen.extend(ids_of(batch)), learn(self, batch, place))[1]
    )
    lightning.Trainer(
        max_epochs=2, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, logger=False,
        enable_checkpointing=False, limit_val_batches=0,
    ).fit(learner, datamodule=data)  # fmt: skip
    first, second = seen[:50], seen[50:]
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second


def test_a_limit_takes_the_first_rows_and_knows_all_labels() -> None:
    data = module(limit=10)
    assert sorted(row for step in epoch_of(data) for batch in step for row in batch) == list(range(10))
    assert data.task.facts.counts == (13, 25, 12)


def test_what_is_known_of_a_stream_is_what_is_known_of_loaded_rows() -> None:
    streamed, loaded = (load_rows(told(streaming=each), TextClassification()) for each in (True, False))
    assert streamed.facts == loaded.facts
    assert streamed.sizes == loaded.sizes
    texts = {row["id"]: row["text"] for row in streamed.stream.rows()}
    assert texts == dict(zip(loaded.splits["train"]["id"], loaded.splits["train"]["text"], strict=True))


KINDS = {
    "lists": lambda row: [["a"], ["a", "b"], [], ["c"]][row % 4],
    "fractions": lambda row: row / 7,
    "numbers": lambda row: row % 3,
}


@pytest.mark.parametrize("kind", KINDS)
def test_facts_add_up_over_chunks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hone.data.source.CHUNK", 8)
    for split in ("train", "validation"):
        rows = [{**row, "label": KINDS[kind](place)} for place, row in enumerate(examples(50))]
        Dataset.from_list(rows).to_json(f"here/{split}.jsonl")
    ours, theirs = (load_rows(told(streaming=each), TextClassification()).facts for each in (True, False))
    assert (ours.kind, ours.labels, ours.counts) == (theirs.kind, theirs.labels, theirs.counts)
    assert ours.numbers == pytest.approx(theirs.numbers)


def test_fields_of_a_column_of_a_stream_can_play_roles() -> None:
    for split in ("train", "validation"):
        Dataset.from_list([{"data": row} for row in examples(50)]).to_json(f"here/{split}.jsonl")
    named = {"text": "data.text", "label": "data.label"}
    ours, theirs = (load_rows(told(streaming=each, columns=named), TextClassification()) for each in (True, False))
    assert ours.facts == theirs.facts
    assert [row["text"] for row in ours.stream.rows()] == [row["text"] for row in examples(50)]


STORES = {
    "csv": lambda rows: rows.to_csv("there/train.csv"),
    "tsv": lambda rows: rows.to_csv("there/train.tsv", sep="\t"),
    "parquet": lambda rows: rows.to_parquet("there/train.parquet"),
    "saved splits": lambda rows: DatasetDict(train=rows, dev=rows).save_to_disk("there"),
}


@pytest.mark.parametrize("kind", STORES)
def test_files_of_every_kind_are_streamed(kind: str) -> None:
    Path("there").mkdir()
    STORES[kind](Dataset.from_list(examples(50)))
    named = {} if kind == "saved splits" else {"validation": "../here/validation.jsonl"}
    rows = load_rows(Local("there", splits=named, streaming=True), TextClassification())
    assert [row["text"] for row in rows.stream.rows()] == [row["text"] for row in examples(50)]
    assert [row["id"] for row in rows.stream.rows()] == list(range(50))


def test_a_stream_of_the_hub_loads_no_training_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a folder laid out like one, whose labels are numbers with names."""
    splits = TinyEmotion(train=60, validation=12, test=5).load()
    for split in splits:
        splits[split].to_parquet(f"there/{split}.parquet")
    monkeypatch.setattr("hone.data.sources.hub.load_dataset", None)  # it would fetch everything
    source = Hub("there", splits={"train": "train", "validation": "validation", "test": "test"}, streaming=True)
    rows = load_rows(source, TextClassification())
    assert rows.sizes == {"train": 60, "validation": 12, "test": 5}
    names = splits["train"].features["label"].names
    assert rows.facts.labels == tuple(names)
    assert [row["label"] for row in rows.stream.rows()] == [names[label] for label in splits["train"]["label"]]


def test_the_look_at_all_rows_is_remembered_until_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_rows(told(), TextClassification())
    with monkeypatch.context() as patch:
        patch.setattr(RawStream, "iter_chunks", None)  # whoever called it would fail
        again = load_rows(told(), TextClassification())
    assert (again.facts, again.sizes, again.fingerprint()) == (first.facts, first.sizes, first.fingerprint())
    Dataset.from_list(examples(60)).to_json("here/train.jsonl")
    changed = load_rows(told(), TextClassification())
    assert changed.sizes["train"] == 60
    assert changed.fingerprint() != first.fingerprint()


def with_bad_rows() -> None:
    rows = examples(50)
    rows[7]["text"], rows[30]["text"], rows[31]["label"] = "", "  ", None
    Dataset.from_list(rows).to_json("here/train.jsonl")


def test_bad_rows_of_a_stream_end_the_command_before_the_training(hone: Hone) -> None:
    with_bad_rows()
    done = hone(*STREAM)
    assert done.code == 2
    assert "train split: 3 of 50 rows cannot be used" in done.err
    assert "column 'text': the text is empty (2 rows: 7, 30)" in done.err
    assert "the label is missing (row 31)" in done.err
    assert not list(Path("outputs").glob("**/run.json"))


def test_bad_rows_of_a_stream_are_left_out_where_the_user_says_so(hone: Hone) -> None:
    with_bad_rows()
    for name in ("first", "again"):
        done = hone(*STREAM, "dataset.on_bad_row=skip", f"name={name}")
        assert done.code == 0, done.said
        assert "3 of 50 rows cannot be used and are left out" in done.err, "also when the cache remembers it"
    assert record(only_run("outputs/first"))["data"]["rows"]["train"] == 47
    seen = Counter(row for step in epoch_of(module(told(on_bad_row="skip"))) for batch in step for row in batch)
    assert seen == Counter({*range(50)} - {7, 30, 31})


MISTAKES = {
    "dataset.splits.validation=no.jsonl": "no.jsonl: no such file",
    "dataset.path=here/train.jsonl": "none can be held out from a stream (dataset.streaming=true)",
    "head=linear_probe": "features computed once for all rows",
    "batch.by=tokens batch_size=900": "Say batch.by=examples with a batch_size in rows, or dataset.streaming=false",
    "dataset.columns.text=body": "no column 'body'",
    "dataset.shuffle_buffer=0": "dataset.shuffle_buffer",
    "task.max_length=4 task.truncation=do_not_truncate": "task.truncation=do_not_truncate cuts none",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_with_a_stream_is_told(words: str, hone: Hone) -> None:
    done = hone(*STREAM, *words.split())
    assert done.code == 2, done.said
    assert MISTAKES[words] in done.err


def test_a_broken_line_is_found_before_the_training(hone: Hone) -> None:
    with Path("here/train.jsonl").open("a") as file:
        file.write('{"text": "half a ')
    done = hone(*STREAM)
    assert done.code == 2, done.said
    assert "here" in done.err
    assert not list(Path("outputs").glob("**/run.json"))


def test_what_can_only_be_loaded_does_not_stream(hone: Hone) -> None:
    done = hone("train", "tracker=none", "dataset.streaming=true")
    assert done.code == 2
    with pytest.raises(UserError, match="can only be loaded"):
        TinyEmotion().stream()


def test_rows_that_change_during_the_training_end_it_and_leave_the_run() -> None:
    data = module()
    assert len(epoch_of(data)) == 13
    Dataset.from_list(examples(40)).to_json("here/train.jsonl")
    with pytest.raises(RunError, match="50 rows before the training, now 40"):
        list(islice(data.steps(1), 20))


def test_a_finished_stream_is_evaluated_without_its_training_rows(hone: Hone) -> None:
    assert hone(*STREAM, "epochs=null", "steps=2").code == 0
    Path("here/train.jsonl").write_text('{"text": "a", "label": "good"}\n')
    done = hone("evaluate", f"run={only_run()}", "split=validation")
    assert done.code == 0, done.said
    refused = hone("evaluate", f"run={only_run()}", "split=train")
    assert refused.code == 2
    assert "split=train" in refused.err


def peak(rows: int) -> int:
    """The most memory, in KB, that reading a file of so many rows takes, in a process of its own."""
    with Path("here/train.jsonl").open("w") as file:
        file.writelines(f'{{"text": "{str(row) * 400}", "label": "{LABELS[row % 4]}"}}\n' for row in range(rows))
    child = os.fork()
    if child == 0:
        stream = load_rows(told(), TextClassification()).stream
        os._exit(0 if sum(1 for _ in stream.epoch(seeds.stream(0, "shuffle", 0))) == rows else 1)
    _, status, usage = os.wait4(child, 0)
    assert status == 0
    return usage.ru_maxrss


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file() -> None:
    """`datasets` reads 10 MB at a time and arrow keeps some of what it frees; another 115 MB of rows find their place
    in what is there."""
    small, large = peak(20_000), peak(80_000)
    assert large - small < 40_000
