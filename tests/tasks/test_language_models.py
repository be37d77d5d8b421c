"""Language models: what is counted, however texts are cut up; and predictions that are those of transformers."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from torchmetrics.functional.text import perplexity as reference_perplexity
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, pipeline

from conftest import Hone, journal, only_run, record
from hone.core.columns import read_columns
from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.core.scores import compute_scores
from hone.core.task import Facts, Task
from hone.data.batching import Random
from hone.data.encoded_rows import EncodedRows
from hone.data.module import DataModule
from hone.models.checkpoint import Checkpoint
from hone.models.checkpoints.tiny import TinyBert, TinyLlama
from hone.tasks.metrics.scalars import BITS_PER_BYTE
from hone.tasks.text.causal_lm import CausalLM
from hone.tasks.text.masked_lm import MaskedLM
from hone.tasks.text.shared.documents import CONTEXT
from hone.tasks.text.shared.language_model import require_causal
from hone.training.evaluation import Predictor, predict
from hone.training.fabric import make_fabric

TEXTS = [
    "the small dog sees the cats near the river .",
    "i feel so happy today",
    "café Ünï 日本 😀 \t x",
    "no",
    "the bears in the garden eat honey every morning . the lazy child waits .",
]
EOS = 3


def equipped(task: Task, checkpoint: Checkpoint, seed: int = 0) -> tuple[Any, Any]:
    """The task with the checkpoint's tokenizer, and a random network."""
    ready = task.bind(checkpoint.processor("AutoTokenizer", Facts("text")), Facts("text"))
    torch.manual_seed(seed)
    return ready, checkpoint.network(task.auto_model, checkpoint.config({})).eval()


def encoded(task: Task, raw: Columns) -> Dataset:
    rows = Dataset.from_dict({**raw, "id": list(range(len(next(iter(raw.values())))))})
    return rows.map(task.encode, batched=True, remove_columns=rows.column_names)


def batch_of(task: Task, raw: Columns) -> dict[str, Any]:
    rows = encoded(task, raw)
    return task.collate(read_columns(rows.with_format("arrow"), np.arange(len(rows))), Draws())


@torch.no_grad()
def records_of(task: Task, network: Any, raw: Columns) -> Columns:
    return task.merge(Predictor(network, task).predict_step(batch_of(task, raw)))


def answers(task: Task, network: Any, texts: list[str]) -> list[dict[str, Any]]:
    records = records_of(task, network, task.without_targets({"text": texts}))
    return [task.outcome({name: values[row] for name, values in records.items()}) for row in range(len(texts))]


def test_the_loss_of_a_text_is_that_of_transformers_whatever_stands_beside_it() -> None:
    task, network = equipped(CausalLM(), TinyLlama(lr=1e-3))
    records = records_of(task, network, {"text": TEXTS})
    for place, text in enumerate(TEXTS):
        ids = torch.tensor([[*task.processor(text)["input_ids"], EOS]])
        loss = float(network(input_ids=ids, labels=ids).loss.detach())
        assert records["loss"][place] == pytest.approx(loss * (ids.shape[1] - 1), rel=1e-4)
        assert records["targets"][place] == ids.shape[1] - 1
        assert records["bytes"][place] == len(text.encode())


@pytest.mark.parametrize("size", [2, 3, 7, 16, 64, 256])
@pytest.mark.parametrize("option", ["block_size", "max_length"])
def test_every_token_is_foretold_once_however_texts_are_cut(size: int, option: str) -> None:
    task, network = equipped(CausalLM(**{option: size}), TinyLlama(lr=1e-3))
    rows = encoded(task, {"text": TEXTS})
    assert max(rows["length"]) <= size
    if option == "block_size":
        assert set(rows["length"][:-1]) <= {size}, "only the last block is short"
    records = records_of(task, network, {"text": TEXTS})
    counts = [len(task.processor(text, add_special_tokens=False)["input_ids"]) + 1 for text in TEXTS]
    assert records["id"].tolist() == list(range(len(TEXTS)))
    assert records["targets"].tolist() == counts
    assert records["bytes"].tolist() == [len(text.encode()) for text in TEXTS]


def test_blocks_are_the_documents_with_an_end_between_them() -> None:
    task, _ = equipped(CausalLM(block_size=8), TinyLlama(lr=1e-3))
    rows = encoded(task, {"text": TEXTS})
    stream = [2]
    for place, text in enumerate(TEXTS):
        stream += [*([2] if place else []), *task.processor(text, add_special_tokens=False)["input_ids"], EOS]
    pieces = rows["input_ids"][:]
    assert [*pieces[0], *itertools.chain(*(piece[1:] for piece in pieces[1:]))] == stream
    assert all(piece[0] == before[-1] for before, piece in itertools.pairwise(pieces))
    assert rows["input_ids"][:] == encoded(task, {"text": TEXTS})["input_ids"][:]


def test_perplexity_and_bits_per_byte() -> None:
    task, network = equipped(CausalLM(), TinyLlama(lr=1e-3))
    batch = batch_of(task, {"text": TEXTS})
    with torch.no_grad():
        logits = network(**batch["inputs"]).logits
    wanted = batch["inputs"]["input_ids"][:, 1:].masked_fill(torch.from_numpy(batch["owner"])[:, 1:] == CONTEXT, -100)
    records = records_of(task, network, {"text": TEXTS})
    scores = compute_scores(task, records)
    assert scores["perplexity"] == pytest.approx(float(reference_perplexity(logits[:, :-1], wanted, -100)), rel=1e-4)
    assert scores["perplexity"] == pytest.approx(math.exp(scores["loss"]))
    size = sum(len(text.encode()) for text in TEXTS)
    assert scores["bits_per_byte"] == pytest.approx(sum(records["loss"]) / size / math.log(2))
    assert compute_scores(task, records | {"loss": np.full(5, 1e6)})["perplexity"] < math.inf
    assert BITS_PER_BYTE.compute({"loss": [8 * math.log(2)], "bytes": [1]}) == pytest.approx(8)


def test_a_prompt_is_read_and_not_counted() -> None:
    task, network = equipped(CausalLM(), TinyLlama(lr=1e-3))
    records = records_of(task, network, {"prompt": ["the small dog"], "text": ["sees a cat"]})
    ids = torch.tensor([[*task.processor("the small dog sees a cat")["input_ids"], EOS]])
    labels = ids.clone()
    labels[0, :4] = -100
    counted = int((labels != -100).sum())
    assert records["targets"].tolist() == [counted]
    assert records["loss"][0] == pytest.approx(
        float(network(input_ids=ids, labels=labels).loss.detach()) * counted, rel=1e-4
    )
    assert records["bytes"].tolist() == [10]


def test_prompts_have_no_place_in_blocks() -> None:
    with pytest.raises(UserError, match=r"dataset\.columns\.prompt=null"):
        CausalLM(block_size=8).find_facts(Dataset.from_dict({"text": ["a"], "prompt": ["b"]}), None)


@pytest.mark.parametrize("size", [1, 257])
@pytest.mark.parametrize("task", [CausalLM, MaskedLM])
def test_a_block_must_fit_and_hold_something(task: Any, size: int) -> None:
    checkpoint = TinyLlama(lr=1e-3) if task is CausalLM else TinyBert(lr=1e-3)
    ready, _ = equipped(task(block_size=size), checkpoint)
    with pytest.raises(UserError, match=f"task.block_size={size}"):
        encoded(ready, {"text": TEXTS})


def test_a_network_that_sees_the_future_is_refused() -> None:
    _, bert = equipped(CausalLM(), TinyBert(lr=1e-3))
    with pytest.raises(UserError, match="is_decoder:true"):
        require_causal(bert, 300)
    _, decoder = equipped(CausalLM(), TinyBert(1e-3, {"is_decoder": True}))
    require_causal(decoder, 300)
    require_causal(equipped(CausalLM(), TinyLlama(lr=1e-3))[1], 300)


def test_a_refused_network_is_a_mistake_of_the_user(hone: Hone) -> None:
    words = ("train", "dataset=tiny_grammar", "checkpoint=tiny_bert", "tracker=none")
    done = hone(*words)
    assert done.code == 2
    assert "reads in both directions" in done.err
    brief = ("dataset.train=64", "dataset.validation=8", "dataset.test=8", "epochs=1", "task.max_new_tokens=4")
    done = hone(*words, "checkpoint.hyperparameters={is_decoder:true}", *brief)
    assert done.code == 0, done.said


@pytest.mark.parametrize("how", [{}, {"num_beams": 3}])
def test_what_it_writes_is_what_the_pipeline_writes(tmp_path: Path, how: dict[str, Any]) -> None:
    task, network = equipped(CausalLM(max_new_tokens=12, **how), TinyLlama(lr=1e-3))
    network.save_pretrained(tmp_path)
    task.processor.save_pretrained(tmp_path)
    upstream = pipeline("text-generation", model=str(tmp_path))
    texts = [answer["text"] for answer in answers(task, network, TEXTS)]
    for text, ours in zip(TEXTS, texts, strict=True):
        (theirs,) = upstream(text, max_new_tokens=12, do_sample=False, return_full_text=False, **how)
        assert ours == theirs["generated_text"]
    assert len({*texts}) > 1


def test_dice_fall_the_same_for_the_same_rows() -> None:
    task, network = equipped(CausalLM(do_sample=True, temperature=3.0, top_p=0.9, max_new_tokens=8), TinyLlama(lr=1e-3))
    assert answers(task, network, TEXTS) == answers(task, network, TEXTS)


def test_of_a_prompt_that_leaves_no_room_the_last_part_is_read() -> None:
    task, network = equipped(CausalLM(max_new_tokens=8), TinyLlama(lr=1e-3))
    long = " ".join(["dog"] * 400)
    cut = " ".join(["dog"] * 248)
    inputs = torch.tensor([task.processor(cut, add_special_tokens=False)["input_ids"]])
    expected = network.generate(input_ids=inputs, max_new_tokens=8, do_sample=False)[0, 248:]
    (answer,) = answers(task, network, [long])
    assert answer["text"] == task.processor.decode(expected, skip_special_tokens=True)


@pytest.mark.parametrize("blanks", ["the small [MASK] sees a cat", "[MASK] dog [MASK] the river", "no blank"])
def test_what_it_fills_in_is_what_the_pipeline_fills_in(tmp_path: Path, blanks: str) -> None:
    task, network = equipped(MaskedLM(top_k=4), TinyBert(lr=1e-3))
    (_, answer) = answers(task, network, ["a much longer text that is beside it with [MASK] in it", blanks])
    assert json.dumps(answer)
    if "[MASK]" not in blanks:
        assert answer == {"fills": []}
        return
    network.save_pretrained(tmp_path)
    task.processor.save_pretrained(tmp_path)
    upstream = pipeline("fill-mask", model=str(tmp_path))(blanks, top_k=4)
    upstream = upstream if isinstance(upstream[0], list) else [upstream]
    for ours, theirs in zip(answer["fills"], upstream, strict=True):
        assert [fill["token"] for fill in ours] == [fill["token_str"] for fill in theirs]
        assert [fill["text"] for fill in ours] == [fill["sequence"] for fill in theirs]
        assert [fill["score"] for fill in ours] == pytest.approx([fill["score"] for fill in theirs], rel=1e-3)


def test_tokens_are_hidden_in_the_published_shares() -> None:
    task, _ = equipped(MaskedLM(), TinyBert(lr=1e-3))
    batch = batch_of(task, {"text": [" ".join(["dog", "happy", "river"] * 40)] * 100})
    before = np.array([task.processor(" ".join(["dog", "happy", "river"] * 40))["input_ids"]] * 100)
    after = batch["inputs"]["input_ids"].numpy()
    hidden = np.zeros(after.size, dtype=bool)
    hidden[batch["places"].numpy()] = True
    hidden = hidden.reshape(after.shape)
    assert (after == before)[~hidden].all()
    assert not hidden[:, [0, -1]].any(), "the frame is no text"
    assert hidden[:, 1:-1].mean() == pytest.approx(0.15, abs=0.015)
    fates = after[hidden], before[hidden]
    assert (fates[0] == task.processor.mask_token_id).mean() == pytest.approx(0.8, abs=0.04)
    assert (fates[0] == fates[1]).mean() == pytest.approx(0.1, abs=0.03)
    others = fates[0][(fates[0] != fates[1]) & (fates[0] != task.processor.mask_token_id)]
    assert len({*others.tolist()}) > 50, "from the whole vocabulary"
    assert len({tuple(row) for row in hidden.tolist()}) > 90, "equal rows are not hidden alike"


def test_whole_words_are_hidden_whole() -> None:
    task, _ = equipped(MaskedLM(whole_words=True, probability=0.5), TinyBert(lr=1e-3))
    batch = batch_of(task, {"text": ["zyxw happy qponm dog lkjih"] * 50})
    hidden = np.zeros(batch["owner"].size, dtype=bool)
    hidden[batch["places"].numpy()] = True
    rows = hidden.reshape(batch["owner"].shape)[:, 1:-1]
    words = np.array([0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4])
    for word in range(5):
        inside = rows[:, words == word]
        assert (inside.all(axis=1) == inside.any(axis=1)).all()
        assert inside.any(axis=1).mean() == pytest.approx(0.5, abs=0.25)


def test_scores_do_not_depend_on_the_batch_size() -> None:
    """The same tokens are hidden, and the same loss is found, in any batch of an evaluation."""
    fabric = make_fabric("cpu", "32-true")
    for task, checkpoint in ((MaskedLM(), TinyBert(lr=1e-3)), (CausalLM(block_size=16), TinyLlama(lr=1e-3))):
        ready, network = equipped(task, checkpoint)
        rows = encoded(ready, {"text": TEXTS * 5})
        found = []
        for size in (1, 3, 32):
            data = DataModule(
                dict.fromkeys(("train", "validation"), EncodedRows.of(rows, None, ready)), ready, Random(), size
            )
            found.append(predict(fabric, fabric.setup_module(Predictor(network, ready)), data, "validation"))
        for other in found[1:]:
            assert other["targets"].tolist() == found[0]["targets"].tolist()
            assert other["loss"] == pytest.approx(found[0]["loss"], rel=1e-3, abs=1e-4)


def test_a_mask_token_in_a_text_is_read_and_not_learned() -> None:
    task, _ = equipped(MaskedLM(probability=0.9), TinyBert(lr=1e-3))
    batch = batch_of(task, {"text": ["the [MASK] dog [MASK] runs"] * 9})
    assert task.processor.mask_token_id not in batch["wanted"].tolist()


def test_a_tokenizer_without_a_mask_is_a_mistake(hone: Hone) -> None:
    task = MaskedLM()
    processor = TinyBert(lr=1e-3).processor("AutoTokenizer", Facts("text"))
    processor.mask_token = None
    with pytest.raises(UserError, match="no mask token"):
        task.bind(processor, Facts("text"))
    with pytest.raises(UserError, match="probability=0"):
        MaskedLM(probability=0.0).check(Facts("text"))


def test_a_run_shows_what_the_model_writes(hone: Hone) -> None:
    done = hone(
        "train", "experiment=toy/causal_lm", "tracker=none", "dataset.train=64", "dataset.validation=16",
        "dataset.test=8", "epochs=2", "task.shown=2", "task.max_new_tokens=5",
    )  # fmt: skip
    assert done.code == 0, done.said
    shown = [row["validation/shown"] for row in journal(only_run()) if "validation/shown" in row]
    assert [len(lines) for lines in shown] == [2, 2]
    assert all(" → " in line for lines in shown for line in lines)
    assert shown[0][0] in (only_run() / "log.txt").read_text(), "whole and in one line"
    kept = pq.read_table(only_run() / "predictions/validation.parquet").to_pydict()
    assert kept["id"] == list(range(16))
    assert record(only_run())["scores"]["validation/perplexity"] > 1
    assert hone("evaluate", f"run={only_run()}").code == 0
    AutoModelForCausalLM.from_pretrained(only_run() / "model")


def test_a_masked_model_goes_through_the_commands(hone: Hone) -> None:
    brief = ("dataset.train=64", "dataset.validation=16", "dataset.test=8", "epochs=1", "task.block_size=32")
    done = hone("train", "experiment=toy/masked_lm", "tracker=none", *brief)
    assert done.code == 0, done.said
    assert hone("evaluate", f"run={only_run()}").code == 0
    AutoModelForMaskedLM.from_pretrained(only_run() / "model")


@pytest.mark.parametrize(("documents", "rows"), [("lines", 4), ("paragraphs", 2), ("files", 1)])
def test_plain_text_files(hone: Hone, documents: str, rows: int) -> None:
    text = "First Citizen:\nhear me speak\n\n \nAll:\nSpeak café\n"
    Path("plays").mkdir()
    for split in ("train", "validation"):
        Path("plays", f"{split}.txt").write_text(text, encoding="utf-8")
    words = ("train", "dataset=local", "task=causal_lm", "checkpoint=tiny_llama", "tracker=none", "epochs=1")
    done = hone(*words, "dataset.path=plays", f"dataset.documents={documents}", "task.max_new_tokens=2")
    assert done.code == 0, done.said
    assert record(only_run())["data"]["rows"] == {"train": rows, "validation": rows}


def test_files_of_prompts_and_what_follows(hone: Hone) -> None:
    lines = [{"question": f"what is {n}", "answer": f"it is {n}"} for n in range(12)]
    Path("qa.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = hone(
        "train", "dataset=local", "dataset.path=qa.jsonl", "task=causal_lm", "checkpoint=tiny_llama", "tracker=none",
        "epochs=1", "dataset.columns={prompt:question,text:answer}", "task.max_new_tokens=2",
    )  # fmt: skip
    assert done.code == 0, done.said


@pytest.mark.parametrize("task", ["causal_lm", "masked_lm"])
def test_rows_without_text_are_named_or_skipped(hone: Hone, task: str) -> None:
    lines = [{"text": text} for text in [*TEXTS, " ", None]]
    Path("a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    checkpoint = "tiny_llama" if task == "causal_lm" else "tiny_bert"
    words = ("train", "dataset=local", "dataset.path=a.jsonl", f"task={task}", f"checkpoint={checkpoint}", "epochs=1")
    done = hone(*words, "tracker=none")
    assert done.code == 2
    assert "the text is empty (row 5)" in done.err
    assert "the text is missing (row 6)" in done.err
    assert hone(*words, "tracker=none", "dataset.on_bad_row=skip").code == 0
