"""Choices: any number a row, labels written in several ways, columns side by side, the loss of the published head."""

from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForMultipleChoice, DistilBertConfig, ElectraConfig, RobertaConfig

from conftest import SMALL, Hone, journal, only_run, record
from hone.core.draws import Draws
from hone.data.canonical import to_canonical
from hone.data.sources.local import Local
from hone.data.tiny.endings import TinyEndings
from hone.models.checkpoints.tiny import TinyBert
from hone.models.layers import LayerMap
from hone.tasks.text.multiple_choice import MultipleChoice
from hone.tasks.text.shared.choices import choice_index, find_label_style
from hone.training.fast.packing import Packed, Padded, packing_for
from mistakes import lines, refused, store, trains

STILL = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def equipped(**options: Any) -> tuple[MultipleChoice, Any, Dataset]:
    raw = MultipleChoice(**options)
    rows = TinyEndings(32, 1, 1).load()["train"]
    rows = rows.add_column("id", np.arange(len(rows)))
    facts, checkpoint = raw.find_facts(rows, None), TinyBert(1.0, STILL)
    task = raw.bind(checkpoint.processor("AutoTokenizer", facts), facts)
    torch.manual_seed(0)
    network = checkpoint.network(task.auto_model, checkpoint.config({}))
    return task, network, rows.map(task.encode, batched=True, remove_columns=rows.column_names)


def test_the_loss_is_that_of_the_published_head() -> None:
    """Each row by itself, in the shape that transformers documents: (rows, choices, tokens) with `labels`."""
    task, network, encoded = equipped()
    network.eval()
    rows = TinyEndings(32, 1, 1).load()["train"]
    assert len({len(choices) for choices in rows["choices"]}) == 4
    with torch.inference_mode():
        ours = task.predict(network, task.collate(encoded[:], Draws()))
    for place, row in enumerate(rows):
        pairs = ([row["question"]] * len(row["choices"]), row["choices"])
        tokens = task.processor(*pairs, padding=True, return_tensors="pt")
        with torch.inference_mode():
            theirs = network(**{name: each[None] for name, each in tokens.items()}, labels=torch.tensor([row["label"]]))
        assert ours["loss"][place] == pytest.approx(float(theirs.loss), rel=1e-4)
        assert ours["scores"][place] == pytest.approx(theirs.logits[0].softmax(-1).tolist(), rel=1e-4)
        assert ours["prediction"][place] == int(theirs.logits[0].argmax())


def test_a_row_costs_all_its_choices() -> None:
    task, _, encoded = equipped()
    batch = task.collate(encoded[:4], Draws())
    assert int(batch["inputs"]["attention_mask"].sum()) == sum(encoded["length"][:4])
    assert batch["inputs"]["input_ids"].shape[:2] == (1, sum(map(len, encoded["choices"][:4])))


SIZE = {
    "vocab_size": 2000, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48,
}  # fmt: skip
SMALL_DISTILBERT = {
    "vocab_size": 2000, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "dropout": 0.0,
    "attention_dropout": 0.0, "seq_classif_dropout": 0.0,
}  # fmt: skip
CONFIGS = {
    "bert": None,
    "distilbert": DistilBertConfig(**SMALL_DISTILBERT),
    "roberta": RobertaConfig(**SIZE, **STILL, pad_token_id=0),
    "electra": ElectraConfig(**SIZE, **STILL, embedding_size=32, summary_last_dropout=0.0),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_packed_it_learns_the_same(config: Any) -> None:
    task, network, encoded = equipped()
    if config is not None:
        torch.manual_seed(0)
        network = AutoModelForMultipleChoice.from_config(config)
    rows = task.collate(encoded[:6], Draws())
    if config is not None:
        rows["inputs"].pop("token_type_ids")
    network.train()
    packing = packing_for("auto", network, LayerMap.of(network), task, rows, torch.device("cpu"))
    assert isinstance(packing, Packed)
    gradients = []
    for way in (Padded(), packing):
        network.zero_grad()
        with way.active():
            loss = task.loss(network, rows)
            loss.backward()
        learned = [weight.grad.clone() for weight in network.parameters() if weight.grad is not None]
        gradients.append([loss.detach(), *learned])
    largest = max(float(gradient.abs().max()) for gradient in gradients[0])
    for one, two in zip(*gradients, strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-5 * largest)


def test_missing_choices_take_no_part() -> None:
    """Gradients of a batch of uneven rows are the mean of the rows' own."""
    task, network, encoded = equipped()
    whole = torch.autograd.grad(task.loss(network, task.collate(encoded[:8], Draws())), network.classifier.weight)[0]
    parts = [
        torch.autograd.grad(
            task.loss(network, task.collate(encoded[row : row + 1], Draws())), network.classifier.weight
        )[0]
        for row in range(8)
    ]
    assert torch.allclose(whole, torch.stack(parts).mean(dim=0), atol=1e-6)


CHOICES = [["red", "green"], ["one", "two", "three"], ["2", "0", "1"]]


@pytest.mark.parametrize(
    ("labels", "names", "way"),
    [
        ([0, 2, 1], None, "index"),
        (["0", "2", "1"], None, "index"),
        ([0.0, 2.0, 1.0], None, "index"),
        (["A", "C", "B"], None, "letter"),
        (["red", "three", "0"], None, "text"),
        (["x", "z", "y"], [["x", "y"], ["x", "y", "z"], ["x", "y", "z"]], "name"),
        ([1, 3, 2], [["1", "2"], ["1", "2", "3"], ["1", "2", "3"]], "name"),
    ],
)
def test_labels_point_in_several_ways(labels: list[Any], names: Any, way: str) -> None:
    rows = Dataset.from_dict({"choices": CHOICES, "label": labels, **({"names": names} if names else {})})
    assert find_label_style(rows) == way
    called = names or [None] * 3
    assert [choice_index(find_label_style(rows), *row) for row in zip(labels, CHOICES, called, strict=True)] == [
        0,
        2,
        1,
    ]


def test_columns_make_a_list() -> None:
    rows = {"q": ["a", "b"], "one": ["x", "y"], "two": ["u", None], "s": [{"t": "p"}, {"t": None}], "label": [0, 1]}
    source = Local("", columns={"question": "q", "choices": ["two", "one", "s.t"], "text": "text"})
    told = to_canonical(Dataset.from_dict(rows), "train", source, MultipleChoice())
    assert told["choices"][:] == [["u", "x", "p"], [None, "y", None]]
    assert set(told.column_names) == {"question", "choices", "label", "id"}


def row(place: int, **change: Any) -> dict[str, Any]:
    choices = ["red", "green", "blue", "black"][: 2 + place % 3]
    return {"question": f"number {place}?", "choices": choices, "label": place % 2, **change}


GOOD = [row(place) for place in range(9)]
LOCAL = (
    "train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local", "task=multiple_choice",
)  # fmt: skip
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no choices": ({"choices": None}, "the choices are missing"),
    "one choice": ({"choices": ["red"]}, "fewer than two choices"),
    "nothing to choose": ({"choices": []}, "fewer than two choices"),
    "an empty choice": ({"choices": ["red", " ", "blue"]}, "a choice is empty"),
    "a gap": ({"choices": ["red", None, "blue"]}, "a choice is empty"),
    "no label": ({"label": None}, "the label is missing"),
    "a secret": ({"label": -1}, "withheld"),
    "too far": ({"label": 3}, "label '3' is not one of 0 to 1"),
    "no question": ({"question": ""}, "'question': the text is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_rows_that_cannot_work_are_named(case: str, hone: Hone) -> None:
    change, said = BAD[case]
    store({"a.jsonl": lines([*GOOD, row(0, **change)])})
    refused(hone(*LOCAL, "dataset.path=a.jsonl"), said, "(row 9)", "dataset.on_bad_row=skip")


def test_bad_rows_can_be_left_out(hone: Hone) -> None:
    store({"a.jsonl": lines([*GOOD, *(row(0, **change) for change, _ in BAD.values())])})
    done = hone(*LOCAL, "dataset.path=a.jsonl", "dataset.on_bad_row=skip", "dataset.holdout=0.3")
    trains(done)
    assert f"{len(BAD)} of {len(BAD) + 9} rows cannot be used" in done.err
    assert sum(record(only_run())["data"]["rows"].values()) == 9


WRONG = {
    "a label of no choice": ("a.jsonl", "label=right", "label 'gren' is not one of red, green|Did you mean green"),
    "no such column": ("a.jsonl", "choices=[question,endng]", "no column 'endng' for the role 'choices'"),
    "numbers beside texts": ("a.csv", "choices=[c1,n]", "c1 is string|n is int64"),
    "text for choices": ("a.csv", "choices=c1", "expected a list of texts|{choices: [a, b, c]}"),
    "no column": ("a.csv", "choices=[]", "expected a column"),
    "long rows": (
        "a.jsonl",
        "label=label task.max_length=6 task.truncation=do_not_truncate",
        "the 6 tokens that are allowed",
    ),
    "long choices": (
        "a.jsonl",
        "label=label task.max_length=4 task.truncation=only_first",
        "only_first cuts only that",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read_is_refused(case: str, hone: Hone) -> None:
    file, words, said = WRONG[case]
    table = "".join(f"{place}?,red,green,{place},{place % 2}\n" for place in range(9))
    told = [row(place, right=row(place)["choices"][place % 2]) for place in range(9)] + [row(0, right="gren")]
    store({"a.jsonl": lines(told), "a.csv": "question,c1,c2,n,label\n" + table})
    refused(hone(*LOCAL, f"dataset.path={file}", *f"dataset.columns.{words}".split()), *said.split("|"))


def test_a_table_with_a_column_a_choice_is_enough(hone: Hone) -> None:
    """With an empty cell where a row has fewer, and letters for labels."""
    table = "".join(f"{place}?,red,green,{['', 'blue'][place % 2]},{'ABC'[place % 2]}\n" for place in range(12))
    store({"a.csv": "q,c1,c2,c3,right\n" + table})
    words = "dataset.columns={question: q, choices: [c1, c2, c3], label: right}"
    trains(hone(*LOCAL, "dataset.path=a.csv", words, "dataset.holdout=0.3"))


def test_a_run_packs_and_is_evaluated(hone: Hone) -> None:
    assert hone("train", *SMALL, "dataset=tiny_endings", "limit=32").code == 0
    run = only_run()
    assert max(each["train/waste"] for each in journal(run) if "train/waste" in each) == 1.0
    assert hone("evaluate", f"run={run}").code == 0


def test_the_choices_of_a_row_share_one_softmax() -> None:
    task, network, encoded = equipped()
    with torch.inference_mode():
        records = task.predict(network.eval(), task.collate(encoded[:], Draws()))
    assert [len(scores) for scores in records["scores"]] == [len(choices) for choices in records["choices"]]
    assert all(sum(scores) == pytest.approx(1) for scores in records["scores"])
    shares = [torch.tensor(scores)[label] for scores, label in zip(records["scores"], records["label"], strict=True)]
    assert records["loss"] == pytest.approx(-torch.stack(shares).log().numpy(), rel=1e-4)
