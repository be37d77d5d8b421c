"""Training without padding: the same loss, the same gradients, wherever a network allows it, and never by mistake."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    PreTrainedModel,
)

from conftest import SMALL, Hone, journal, only_run, runs
from harness import Training, distance
from hone.core.draws import Draws
from hone.core.task import Batch, Facts, Task
from hone.data.batching import Random
from hone.models.checkpoints.tiny import TinyBert
from hone.models.layers import LayerMap
from hone.tasks.text.text_classification import TextClassification
from hone.training.fast.layout import Layout
from hone.training.fast.packing import Packed, Packing, Padded, packing_for

SIZE = {
    "hidden_size": 32, "dim": 32, "embedding_size": 32, "num_hidden_layers": 2, "n_layers": 2, "num_attention_heads": 2,
    "n_heads": 2, "intermediate_size": 48, "hidden_dim": 48, "max_position_embeddings": 140, "pad_token_id": 0,
    "initializer_range": 0.2, "num_key_value_heads": 1, "head_dim": 16, "n_embd": 32, "n_layer": 2, "n_head": 2,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "dropout": 0.0, "attention_dropout": 0.0,
    "embedding_dropout": 0.0, "mlp_dropout": 0.0, "classifier_dropout": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
    "attn_pdrop": 0.0, "seq_classif_dropout": 0.0, "pooler_dropout": 0.0,
}  # fmt: skip
CPU = torch.device("cpu")
PACK = ["bert", "distilbert", "roberta", "electra", "xlm-roberta", "gpt2", "llama", "qwen2"]
"""Architectures whose layers treat tokens alike: losing one of them would cost its users dearly."""
CANNOT = ["albert", "deberta-v2", "t5", "mpnet", "modernbert", "bart"]
"""Shared layers, relative positions, windows, two stacks."""


def task() -> Task:
    facts = Facts("single_label", ("a", "b", "c"), (1, 1, 1))
    return TextClassification().bind(TinyBert(lr=1.0).processor("AutoTokenizer", facts), facts)


def batch(*lengths: int) -> Batch:
    rng = np.random.default_rng(0)
    rows = {"id": [*range(len(lengths))], "input_ids": [rng.integers(5, 300, length) for length in lengths]}
    return task().collate({**rows, "label": [row % 3 for row in rows["id"]]}, Draws())


def network(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    blank = AutoConfig.for_model(kind)
    known = {name: value for name, value in SIZE.items() if name in blank.to_dict() or name in blank.attribute_map}
    config = AutoConfig.for_model(kind, **known, vocab_size=403, num_labels=3)
    return AutoModelForSequenceClassification.from_config(config).train()


def chosen(wanted: Any, kind: str) -> tuple[PreTrainedModel, Packing]:
    made = network(kind)
    return made, packing_for(wanted, made, LayerMap.of(made), task(), batch(3, 9, 17), CPU)


def gradients(made: PreTrainedModel, packing: Packing, rows: Batch) -> tuple[float, dict[str, torch.Tensor]]:
    made.zero_grad()
    with packing.active():
        loss = task().loss(made, rows)
        loss.backward()
    return float(loss.detach()), {
        name: weight.grad for name, weight in made.named_parameters() if weight.grad is not None
    }


@pytest.mark.parametrize("lengths", [(5, 40, 3, 17, 18, 39), (4, 60), (7, 7, 7), (1, 90, 2, 3, 60, 61, 59)])
@pytest.mark.parametrize("kind", PACK)
def test_the_gradients_are_those_of_the_padded_batch(kind: str, lengths: tuple[int, ...]) -> None:
    made, packing = chosen("auto", kind)
    assert isinstance(packing, Packed)
    loss, exact = gradients(made, Padded(), batch(*lengths))
    packed_loss, packed = gradients(made, packing, batch(*lengths))
    assert packed_loss == pytest.approx(loss, rel=1e-5)
    largest = max(float(gradient.abs().max()) for gradient in exact.values())
    for name, gradient in exact.items():
        assert torch.allclose(packed[name], gradient, rtol=1e-3, atol=1e-5 * largest), name


@pytest.mark.parametrize("kind", CANNOT)
def test_other_networks_are_left_alone(kind: str) -> None:
    _, packing = chosen("auto", kind)
    assert isinstance(packing, Padded)


def test_the_layers_see_no_padding() -> None:
    made, packing = chosen("auto", "bert")
    seen: list[torch.Size] = []
    for layer in made.bert.encoder.layer:
        layer.attention.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].shape))
    with packing.active():
        task().loss(made, batch(5, 40, 3))
        made.eval()
        task().loss(made, batch(5, 40, 3))
    made.train()
    task().loss(made, batch(5, 40, 3))
    assert [tuple(shape) for shape in seen] == [(1, 48, 32)] * 2 + [(3, 40, 32)] * 4, "training alone, and while active"


def test_a_row_of_nothing_goes_through_padded() -> None:
    made, packing = chosen("auto", "bert")
    rows = batch(5, 9, 3)
    rows["inputs"]["attention_mask"][2] = 0
    exact, packed = (gradients(made, way, rows)[0] for way in (Padded(), packing))
    assert packed == exact


class Mixing(BertForSequenceClassification):
    """Looks at its neighbours in the rectangle, as no network may that is to be packed."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        for layer in self.bert.encoder.layer:
            layer.register_forward_hook(lambda module, arguments, output: output + output.roll(1, dims=1))


def test_a_network_that_would_learn_something_else_is_found_out() -> None:
    torch.manual_seed(0)
    made = Mixing(network("bert").config).train()
    packing = packing_for("auto", made, LayerMap.of(made), task(), batch(3, 9, 17), CPU)
    assert isinstance(packing, Padded)
    assert made.training
    assert made.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("lengths", [(3, 1, 2), (50,), (9, 9), (30, 17, 29, 4, 5, 16, 1)])
def test_a_layout_puts_every_token_in_its_place(lengths: tuple[int, ...]) -> None:
    width = max(lengths) + 2
    mask = (torch.arange(width) < torch.tensor(lengths)[:, None]).long()
    layout = Layout.of(mask)
    values = torch.arange(len(lengths) * width * 2).reshape(len(lengths), width, 2).float()
    packed = layout.pack(values)
    assert sum(lengths) == layout.tokens <= packed.shape[1] < 1.1 * sum(lengths) + 8
    assert torch.equal(layout.unpack(packed), values * mask[..., None])
    assert sum(group.rows for group in layout.groups) == len(lengths)
    heads = packed[:, None]
    there_and_back = torch.cat([group.to_tokens(group.to_rectangle(heads).transpose(1, 2)) for group in layout.groups])
    assert torch.equal(there_and_back[:, 0], packed[0, : layout.tokens])


def test_a_training_learns_the_same_in_parts(tmp_path: Path) -> None:
    """A network that cannot train packed takes a batch in parts of like length, with the gradients of the whole."""
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_hidden_layers": 1}
    told = {"hyperparameters": still, "batching": Random(pack=False), "batch_size": 40, "rows": 80, "accumulate": 2}
    whole = Training(tmp_path / "a", **told).start()
    whole.data.splits_batches = False
    whole.fit()
    cut = Training(tmp_path / "b", **told).start()
    assert cut.data.splits_batches
    assert len(next(cut.data.steps(1)).batches) > 2
    assert cut.fit().losses == pytest.approx(whole.losses, abs=1e-5)
    assert distance(cut.weights, whole.weights) < 1e-4
    wasted, less = ([row["train/waste"] for row in each.notebook.rows if "train/waste" in row] for each in (whole, cut))
    assert sum(less) < sum(wasted)


def test_a_training_learns_the_same_packed_and_padded(tmp_path: Path) -> None:
    still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "num_hidden_layers": 1}
    told = {"hyperparameters": still, "accumulate": 2}
    padded = Training(tmp_path / "a", batching=Random(pack=False), **told).start().fit()
    packed = Training(tmp_path / "b", batching=Random(pack=True), **told).start().fit()
    assert packed.losses == pytest.approx(padded.losses, abs=1e-4)
    assert distance(packed.weights, padded.weights) < 1e-3


@pytest.mark.parametrize("words", [("head=mean",), ("adapter=lora",), ("adapter=frozen",), ("precision=bf16-mixed",)])
def test_heads_and_adapters_of_ours_can_be_packed(words: tuple[str, ...], hone: Hone) -> None:
    assert hone("train", *SMALL, "limit=16", *words, "batch.pack=true").code == 0


def test_a_run_says_what_it_wasted(hone: Hone) -> None:
    def waste(folder: Path) -> float:
        return max(row["train/waste"] for row in journal(folder) if "train/waste" in row)

    assert hone("train", *SMALL, "name=packed").code == 0
    assert hone("train", *SMALL, "name=padded", "batch.pack=false").code == 0
    assert hone("train", *SMALL, "name=whole", "batch.pack=false", "batch.split=false").code == 0
    assert waste(only_run("outputs/packed")) == 1.0
    assert waste(only_run("outputs/whole")) > waste(only_run("outputs/padded")) > 1.2


@pytest.mark.parametrize(("split", "devices"), [("auto", {"cpu"}), (True, {"cpu", "cuda", "mps"}), (False, set())])
def test_batches_are_split_where_the_cost_was_measured(split: Any, devices: set[str]) -> None:
    assert {device for device in ("cpu", "cuda", "mps") if Random(split=split).splits_on(device)} == devices


def test_layers_in_chunks_are_padded_and_learn_the_same(hone: Hone) -> None:
    losses = []
    for number, (size, words) in enumerate([(0, ["batch.pack=false"]), (16, ["task.pad_to_multiple_of=16"])]):
        still = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "chunk_size_feed_forward": size}
        chunked = f"checkpoint.hyperparameters={still}".replace("'", "")
        done = hone("train", *SMALL, "limit=16", "precision=32-true", chunked, *words, f"output_root={number}")
        assert done.code == 0, done.said
        losses.append(json.loads((runs(str(number))[0] / "run.json").read_text())["scores"]["validation/loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert "feed-forward layers compute in chunks" in (runs("1")[0] / "log.txt").read_text()


def test_layers_in_chunks_need_batches_of_whole_chunks(hone: Hone) -> None:
    chunked = "checkpoint.hyperparameters={chunk_size_feed_forward: 16}"
    for words in ([], ["task.pad_to_multiple_of=8"]):
        done = hone("train", *SMALL, "limit=16", chunked, *words)
        assert done.code == 2, done.said
        assert "Traceback" not in done.said
        assert "chunk_size_feed_forward=16: batches must be a multiple of 16 tokens wide" in done.err
        assert "task.pad_to_multiple_of=16" in done.err


def test_what_cannot_be_packed_is_refused_to_who_insists(hone: Hone) -> None:
    done = hone("train", *SMALL, "head=linear_probe", "batch.pack=true")
    assert done.code == 2
    assert "batch.pack=true: this network cannot train packed: its inputs have no padding" in done.err
