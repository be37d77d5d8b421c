"""Embeddings of texts: what competes in a batch, partners found in a split, scores followed, and use as features."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from scipy import stats
from sklearn.metrics import label_ranking_average_precision_score, top_k_accuracy_score
from transformers import AutoModel, AutoTokenizer

from conftest import Hone, only_run, record, runs
from hone.core.columns import read_columns
from hone.core.draws import Draws
from hone.core.scores import compute_scores
from hone.core.task import Facts
from hone.data.tiny.paraphrases import TinyParaphrases
from hone.models.checkpoints.tiny_text import TinyBert
from hone.models.layers import LayerMap
from hone.tasks.metrics.retrieval import embedding_metrics, mark_rivals, partner_ranks
from hone.tasks.text.text_embedding import TextEmbedding
from hone.training.fast.packing import Packed, packing_for
from mistakes import lines, refused, store, trains

TINY = ("dataset=tiny_paraphrases", "dataset.train=48", "dataset.validation=16", "dataset.test=16", "tracker=none",
        "epochs=1", "precision=32-true")  # fmt: skip


def unit(rng: np.random.Generator, rows: int, width: int = 8) -> np.ndarray:
    return F.normalize(torch.from_numpy(rng.normal(size=(rows, width))), dim=1).float().numpy()


@pytest.mark.parametrize("rows", [2, 50, 700])
def test_partners_are_found_as_others_count(rows: int) -> None:
    rng = np.random.default_rng(rows)
    queries = unit(rng, rows)
    partners = F.normalize(torch.from_numpy(queries + 0.4 * unit(rng, rows)), dim=1).numpy()
    ranks = partner_ranks(queries, partners, np.arange(rows), np.arange(rows) + rows, 10_000)
    scores = queries @ partners.T
    metrics = embedding_metrics("pairs")
    ours = {name: metric.compute({"rank": ranks}) for name, metric in metrics.items()}
    assert ours["mrr"] == pytest.approx(label_ranking_average_precision_score(np.eye(rows), scores))
    for count in (1, 5, 10):
        if rows > 10:
            theirs = top_k_accuracy_score(np.arange(rows), scores, k=count)
            assert ours[f"recall@{count}"] == pytest.approx(theirs)


def test_one_embedding_for_all_texts_finds_nothing() -> None:
    same = np.ones((20, 4), dtype=np.float32) / 2
    assert set(partner_ranks(same, same, np.arange(20), np.arange(20) + 20, 10_000)) == {20}


def test_texts_that_are_right_as_well_do_not_compete() -> None:
    """Rows 0 and 1 ask the same, row 2 asks what is row 0's partner, and row 3 has that partner too."""
    rng = np.random.default_rng(0)
    query, partner = np.array([7, 7, 8, 9]), np.array([8, 5, 6, 8])
    embeddings = unit(rng, 4)
    ranks = partner_ranks(embeddings, np.tile(embeddings[:1], (4, 1)), query, partner, 10_000)
    assert ranks.tolist() == [2, 2, 2, 3]  # of the texts 5, 6 and 8, all alike
    marks = mark_rivals(np.stack([query, partner]))
    assert marks.tolist() == [[True, False, True, False], [False, True, True, False], [False, True, True, False],
                              [False, True, True, True]]  # fmt: skip


def test_the_pool_has_an_end() -> None:
    same = np.ones((20, 4), dtype=np.float32) / 2
    assert set(partner_ranks(same, same, np.arange(20), np.arange(20) + 20, 5)) == {5, 6}


def equipped(kind: str = "pairs", **options: Any) -> TextEmbedding:
    facts = Facts(kind, numbers={"low": 0.0, "high": 5.0} if kind == "scores" else {})
    return TextEmbedding(**options).bind(TinyBert(lr=1.0).make_processor("AutoTokenizer", facts), facts)


def network() -> Any:
    torch.manual_seed(0)
    checkpoint = TinyBert(
        1.0, {"initializer_range": 0.3, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    )
    return checkpoint.network("AutoModel", checkpoint.config({}))


def batch_of(task: TextEmbedding, rows: dict[str, Any]) -> dict[str, Any]:
    count = len(rows["text"])
    encoded = Dataset.from_dict(task.encode({"id": [*range(count)], **rows}))
    return task.collate(read_columns(encoded.with_format("arrow"), np.arange(count)), Draws())


def alone(made: Any, task: TextEmbedding, text: str, pooling: str) -> torch.Tensor:
    """What a user of transformers gets for one text."""
    states = made(**task.processor(text, return_tensors="pt")).last_hidden_state[0]
    pooled = {"mean": states.mean(dim=0), "cls": states[0], "last": states[-1], "max": states.amax(dim=0)}
    return F.normalize(pooled[pooling], dim=0)


def some_rows(count: int = 12) -> dict[str, Any]:
    rows = TinyParaphrases(count, 1, 1).load()["train"]
    return {role: rows[role][:] for role in ("text", "text_pair")}


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "max"])
def test_the_loss_is_the_one_in_the_books(pooling: str) -> None:
    task, made, rows = equipped("triplets", pooling=pooling, temperature=0.1), network().eval(), some_rows()
    rows["negative"] = [f"{text} never" for text in rows["text"]]
    with torch.no_grad():
        text, pair, negative = (torch.stack([alone(made, task, each, pooling) for each in rows[role]]) for role in rows)
        cosines = text @ torch.cat([pair, negative]).T / 0.1
        expected = F.cross_entropy(cosines, torch.arange(12))
        assert float(task.loss(made, batch_of(task, rows))) == pytest.approx(float(expected), rel=1e-4)
        records = task.merge(task.predict(made, batch_of(task, rows)))
    assert np.allclose(records["prediction"], text, atol=1e-5)
    assert np.allclose(records["similarity"], (text * pair).sum(dim=1), atol=1e-5)
    assert compute_scores(task, records)["triplet_accuracy"] == np.mean(
        (text * pair).sum(dim=1).numpy() > (text * negative).sum(dim=1).numpy()
    )


def test_the_same_text_in_another_row_is_no_negative() -> None:
    task, made, rows = equipped(), network().eval(), some_rows(4)
    rows["text_pair"][1] = rows["text_pair"][0]
    with torch.no_grad():
        twice = task.predict(made, batch_of(task, rows))["loss"]
        once = task.predict(made, batch_of(task, {role: [texts[0], *texts[2:]] for role, texts in rows.items()}))[
            "loss"
        ]
    assert twice[0] == pytest.approx(once[0], abs=1e-5)


def test_scores_are_followed() -> None:
    task, made = equipped("scores"), network().eval()
    rows = {**some_rows(), "label": [float(place % 6) for place in range(12)]}
    with torch.no_grad():
        records = task.merge(task.predict(made, batch_of(task, rows)))
        loss = float(task.loss(made, batch_of(task, rows)))
    wanted = np.array(rows["label"]) / 5
    assert loss == pytest.approx(np.mean((records["similarity"] - wanted) ** 2), rel=1e-4)
    scores = compute_scores(task, records)
    assert scores["spearman"] == pytest.approx(stats.spearmanr(records["similarity"], wanted).statistic)
    assert scores["loss"] == pytest.approx(loss, rel=1e-4)


def test_packing_is_exact() -> None:
    task, made = equipped(), network().train()
    batch = batch_of(task, some_rows())
    packing = packing_for("auto", made, LayerMap.of(made), task, batch, torch.device("cpu"))
    assert isinstance(packing, Packed)
    padded = gradients(task, made, batch)
    with packing.active():
        packed = gradients(task, made, batch)
    assert max(float((padded[name] - packed[name]).abs().max()) for name in padded) < 1e-5


def gradients(task: TextEmbedding, made: Any, batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    made.zero_grad()
    task.loss(made, batch).backward()
    return {name: weight.grad.clone() for name, weight in made.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("gradient_checkpointing", [False, True])
def test_a_batch_is_never_taken_apart(gradient_checkpointing: bool, hone: Hone) -> None:
    """Padded or packed, layers kept or computed again: the same steps."""
    still = "{hidden_dropout_prob:0.0,attention_probs_dropout_prob:0.0}"
    words = f"gradient_checkpointing={gradient_checkpointing} checkpoint.hyperparameters={still}"
    for pack in ("true", "false"):
        told = (f"batch.pack={pack}", "batch.split=true", f"output_root=pack_{pack}")
        done = hone("train", *TINY, *words.split(), *told)
        assert done.code == 0, done.said
    packed, padded = (record(only_run(f"pack_{pack}"))["scores"]["validation/loss"] for pack in ("true", "false"))
    assert packed == pytest.approx(padded, rel=1e-3)


def test_a_model_is_used_as_frozen_features(hone: Hone) -> None:
    trains(hone("train", *TINY))
    model = only_run() / "model"
    small = ("tracker=none", "epochs=1", "dataset.train=96", "dataset.validation=16", "dataset.test=16")
    told = ("checkpoint=hub", f"checkpoint.path={model}", "head=linear_probe", "output_root=probe")
    done = hone("train", *small, *told)
    assert done.code == 0, done.said
    ours, probed = AutoModel.from_pretrained(model), runs("probe")[0] / "model"
    assert AutoTokenizer.from_pretrained(probed)("a car")["input_ids"]
    from hone.models.heads import pooled

    pooled.register_models()
    from transformers import AutoModelForSequenceClassification

    kept = AutoModelForSequenceClassification.from_pretrained(probed).backbone
    assert torch.equal(kept.embeddings.word_embeddings.weight, ours.embeddings.word_embeddings.weight)


def test_it_evaluates_and_exports(hone: Hone) -> None:
    trains(hone("train", *TINY))
    run = only_run()
    scores = record(run)["scores"]
    assert {"validation/mrr", "validation/recall@1", "test/recall@10"} <= scores.keys()
    done = hone("evaluate", f"run={run}", "split=validation")
    assert done.code == 0, done.said
    story = json.loads((run / "evaluation/validation.json").read_text())
    assert story["scores"]["mrr"] == pytest.approx(scores["validation/mrr"], abs=1e-4)
    assert "cosine" in done.out
    assert hone("export", f"run={run}").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("checkpoint=tiny_t5", "is an encoder with a decoder"),
        ("adapter=frozen", "nothing is trainable"),
        ("head=mean", "use head=auto"),
        ("task.temperature=0", "task.temperature"),
        ("task.pooling=attention", "task.pooling"),
        ("task.max_length=2", "leave no room"),
    ],
)
def test_what_makes_no_sense_is_refused(words: str, said: str, hone: Hone) -> None:
    refused(hone("train", *TINY, *words.split()), said)


def test_a_text_alone_is_embedded_whatever_comes_along() -> None:
    task, made, rows = equipped("triplets"), network().eval(), some_rows(3)
    with torch.no_grad():
        beside = task.predict(made, batch_of(task, {**rows, "negative": rows["text"]}))
        alone = task.merge(task.predict(made, batch_of(task, {"text": rows["text"], "negative": [None, "x", "y"]})))
    assert alone.keys() == {"id", "prediction"}
    assert np.allclose(alone["prediction"], beside["prediction"], atol=1e-5)
    said = task.outcome({name: column[0] for name, column in alone.items()})
    assert np.linalg.norm(said["embedding"]) == pytest.approx(1)


@pytest.mark.parametrize("adapter", ["lora", "top_layers adapter.count=1"])
def test_without_a_head_adapters_adapt(adapter: str, hone: Hone) -> None:
    trains(hone("train", *TINY, *f"adapter={adapter}".split()))
    parameters = record(only_run())["parameters"]
    assert 0 < parameters["trainable"] < parameters["total"]


LOCAL = ("train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local", "task=text_embedding",
         "dataset.path=a.jsonl", "dataset.columns.text_pair=text_pair")  # fmt: skip


def file(change: dict[str, Any] | None = None, **more: Any) -> str:
    rows = [{"text": f"a car {row}", "text_pair": f"an automobile {row}", **more} for row in range(12)]
    rows[3] |= change or {}
    return lines(rows)


WRONG = {
    "no partner": ({"text_pair": None}, "column 'text_pair': the text is missing (row 3)"),
    "a blank text": ({"text": " "}, "column 'text': the text is empty (row 3)"),
    "no score": ({"label": None}, "column 'label': the label is missing (row 3)"),
    "one score for all": ({}, "all training pairs have the score 1, so there is nothing to learn"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_rows_are_named(case: str, hone: Hone) -> None:
    change, said = WRONG[case]
    store({"a.jsonl": file(change, label=1.0)})
    refused(hone(*LOCAL), said)


def test_classes_are_no_scores(hone: Hone) -> None:
    store({"a.jsonl": file(label=1)})
    refused(hone(*LOCAL, "dataset.labels=[no,yes]"), "dataset.columns.label", "these are classes", "label=null")


@pytest.mark.parametrize("change", [{"label": 3.5}, {}])
def test_files_are_learned_from(change: dict[str, float], hone: Hone, tmp_path: Path) -> None:
    bad = {"text_pair": ""}
    store({"a.jsonl": file(bad, label=1.0) if not change else file(change, label=1.0)})
    words = ["dataset.columns.label=null", "dataset.on_bad_row=skip"] if not change else []
    trains(hone(*LOCAL, *words))
    assert record(only_run())["best"]["metric"] == ("validation/spearman" if change else "validation/mrr")


def test_the_range_of_scores_adds_up() -> None:
    task = TextEmbedding()
    first = task.find_facts(Dataset.from_dict({"label": [2.0, 4.0]}), None)
    assert task.add_facts(first, Dataset.from_dict({"label": [3.0, 5.0]}), None).numbers == {"low": 2.0, "high": 5.0}
