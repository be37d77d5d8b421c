"""Translation and summarization: what is learned, what is written, and how checkpoints of many kinds are told to."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedTokenizerFast

import fake_hub
from conftest import Hone, journal, only_run, record
from hone.core.columns import draw_rows, read_columns
from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.task import Facts
from hone.models.checkpoints.tiny_text import TinyT5
from hone.models.layers import LayerMap
from hone.models.processors import fit_tokenizer
from hone.tasks.generation import decoder_inputs
from hone.tasks.text.shared.generation import Languages, supported_languages
from hone.tasks.text.shared.seq2seq import Seq2Seq
from hone.tasks.text.summarization import Summarization
from hone.tasks.text.translation import Translation

TINY = ("dataset=tiny_translation", "dataset.train=48", "dataset.validation=12", "dataset.test=8", "checkpoint=tiny_t5")
BRIEF = ("tracker=none", "precision=32-true", "epochs=1", "batch_size=8", "task.max_new_tokens=6")
MARIAN, MBART, NLLB, T5, BART = (
    "Helsinki-NLP/opus-mt-en-de", "facebook/mbart-large-50-many-to-many-mmt", "facebook/nllb-200-distilled-600M",
    "google-t5/t5-small", "facebook/bart-base",
)  # fmt: skip


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub")
    for path in (MARIAN, MBART, NLLB, T5, BART):
        fake_hub.write_checkpoint(folder / path)
    return folder


def equipped(task: Seq2Seq, **hyperparameters: Any) -> tuple[Any, Any]:
    """The task and a network for it, as at the start of a run."""
    torch.manual_seed(0)
    checkpoint = TinyT5(lr=1e-3, hyperparameters=hyperparameters or None)
    task = task.bind(checkpoint.make_processor("AutoTokenizer", Facts("texts")), Facts("texts"))
    network = checkpoint.network(task.auto_model, checkpoint.config({}))
    task.configure_generation(network)
    return task, network.eval()


def batch(task: Any, rows: dict[str, list[str]] | None = None, places: Any = None) -> dict[str, Any]:
    sample = rows or task.sample()
    raw = Dataset.from_dict({**sample, "id": list(range(len(sample["source"])))})
    encoded = raw.map(task.encode, batched=True, remove_columns=raw.column_names).with_format("arrow")
    return task.collate(read_columns(encoded, np.arange(len(raw)) if places is None else places), Draws())


@pytest.mark.parametrize("task", [Translation(), Summarization(label_smoothing=0.1)])
def test_neighbours_change_nothing_of_a_row(task: Seq2Seq) -> None:
    task, network = equipped(task)
    with torch.inference_mode():
        whole = task.predict(network, batch(task))
        alone = [task.predict(network, batch(task, places=np.array([place]))) for place in range(4)]
    assert whole["loss"] == pytest.approx(np.concatenate([each["loss"] for each in alone]), rel=1e-4)
    assert whole["prediction"] == [each["prediction"][0] for each in alone]
    assert list(whole["tokens"]) == [each["tokens"][0] for each in alone]


def test_the_loss_is_the_networks_own() -> None:
    task, network = equipped(Translation())
    one = batch(task)
    with torch.inference_mode():
        theirs = network(**one["inputs"], labels=one["labels"]).loss
        assert float(task.loss(network, one)) == pytest.approx(float(theirs), rel=1e-5)


def test_options_of_writing_are_kept_with_the_model_and_only_there(tmp_path: Path) -> None:
    task, network = equipped(Translation(num_beams=3, max_new_tokens=5, min_new_tokens=2, length_penalty=0.5))
    network.save_pretrained(tmp_path)
    again = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    kept = again.generation_config
    assert (kept.num_beams, kept.max_new_tokens, kept.min_new_tokens, kept.length_penalty) == (3, 5, 2, 0.5)
    assert "num_beams" not in json.loads((tmp_path / "config.json").read_text())
    one = batch(task)
    with torch.inference_mode():
        predictions = task.predict(network, one)
        theirs = again.eval().generate(**one["inputs"])
    assert predictions["prediction"] == task.processor.batch_decode(theirs, skip_special_tokens=True)
    assert 2 <= min(predictions["tokens"]) <= max(predictions["tokens"]) <= 5


def test_what_a_checkpoint_says_of_writing_stands_where_the_options_are_silent() -> None:
    task, network = equipped(Summarization(max_new_tokens=10))
    network.generation_config.update(num_beams=4, min_length=56, max_length=142, length_penalty=2.0, temperature=0.7)
    task.configure_generation(network)
    own = network.generation_config
    assert (own.num_beams, own.length_penalty, own.max_new_tokens, own.max_length) == (4, 2.0, 10, None)
    assert own.min_new_tokens == 10, "no more than may be written"
    assert own.temperature is None, "nothing is left to chance"
    own.validate(strict=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"length_penalty": 2.0}, "task.num_beams=4"), ({"max_new_tokens": 4, "min_new_tokens": 9}, "at most 4")],
)
def test_options_that_do_nothing_are_a_mistake(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        equipped(Translation(**options))


def test_a_prefix_stands_before_every_source() -> None:
    task, _ = equipped(Translation(source_prefix="translate: "))
    ids = task.encode({"id": [0], "source": ["the dog"]})["input_ids"][0]
    assert task.processor.decode(ids, skip_special_tokens=True) == "translate : the dog"


def test_long_texts_are_cut_and_keep_their_end() -> None:
    task, _ = equipped(Translation(max_source_length=6, max_target_length=5))
    rows = task.encode({"id": [0], "source": ["the dog " * 9], "target": ["lo karo " * 9]})
    end = task.processor.eos_token_id
    assert [len(rows[name][0]) for name in ("input_ids", "labels")] == [6, 5]
    assert rows["input_ids"][0][-1] == rows["labels"][0][-1] == end


@pytest.mark.parametrize("path", [T5, BART, MARIAN, MBART, NLLB])
def test_writing_begins_as_training_did(hub: Path, path: str) -> None:
    """Whatever the architecture puts first: T5's and Marian's pad token, BART's end token, a language's."""
    words = {MBART: {"target_language": "fr_XX"}, NLLB: {"target_language": "fra_Latn"}}.get(path, {})
    network = AutoModelForSeq2SeqLM.from_pretrained(hub / path).eval()
    tokenizer = fit_tokenizer(AutoTokenizer.from_pretrained(hub / path), network.config, path)
    task: Any = Translation(max_new_tokens=4, **words).bind(tokenizer, Facts("texts"))
    task.configure_generation(network)
    one = batch(task, {"source": ["i feel happy"], "target": ["i feel sad"]})
    written = network.generate(**one["inputs"])
    assert written[0, 0] == decoder_inputs(network, one["labels"])[0, 0]
    if words:
        assert tokenizer.convert_ids_to_tokens(int(written[0, 1])) == words["target_language"]
        assert written[0, 1] == one["labels"][0, 0]
    with torch.inference_mode():
        assert len(task.predict(network, one)["prediction"]) == 1


@pytest.mark.parametrize(
    ("path", "target", "said"),
    [
        (MBART, "fr", "Did you mean fr_XX"), (MBART, None, "choose one of"), (NLLB, "fra", "Did you mean fra_Latn"),
        (T5, "fr", "task.source_prefix"), (MARIAN, "deu", "has no languages to choose from"),
    ],
)  # fmt: skip
def test_a_language_that_is_not_known(hub: Path, path: str, target: str | None, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Translation(target_language=target).bind(AutoTokenizer.from_pretrained(hub / path), Facts("texts"))


def test_marian_with_several_languages_reads_which() -> None:
    class Several:
        supported_language_codes = (">>fra<<", ">>deu<<")
        unk_token_id = 0

        def convert_tokens_to_ids(self, token: str) -> int:
            return 7

    assert list(supported_languages(Several())) == ["fra", "deu"]
    assert (
        Languages(None, "fra").target_mark(Several()) == Languages(None, ">>fra<<").target_mark(Several()) == ">>fra<< "
    )
    with pytest.raises(UserError, match="Did you mean deu"):
        Languages(None, "de").apply_to(Several())


@pytest.fixture
def tokenizer(tmp_path: Path) -> str:
    """Trained on the spot, without a post-processor: it never says where a text ends."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    made.train_from_iterator(["the dog sees a cat"] * 9, trainers.BpeTrainer(vocab_size=60, special_tokens=special))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
    fast.save_pretrained(tmp_path / "tokenizer")
    return str(tmp_path / "tokenizer")


SMALL = {
    "t5": "{d_model:16,d_kv:8,d_ff:16,num_layers:1,num_heads:2}",
    "bart": "{d_model:16,encoder_layers:1,decoder_layers:1,encoder_attention_heads:2,decoder_attention_heads:2}",
}
SMALL |= dict.fromkeys(["marian", "mbart", "pegasus", "blenderbot"], SMALL["bart"])


@pytest.mark.parametrize("architecture", SMALL)
def test_architectures_from_scratch_begin_and_end_as_their_tokenizer_says(
    hone: Hone, tokenizer: str, architecture: str
) -> None:
    told = [f"checkpoint.architecture={architecture}", f"checkpoint.tokenizer={tokenizer}"]
    told += [f"checkpoint.hyperparameters={SMALL[architecture]}"]
    done = hone("train", *TINY[:-1], *BRIEF, "checkpoint=scratch", *told)
    assert done.code == 0, done.said
    model = AutoModelForSeq2SeqLM.from_pretrained(only_run() / "model")
    assert (model.config.pad_token_id, model.config.eos_token_id) == (3, 2)
    assert model.generation_config.decoder_start_token_id == {"t5": 3, "marian": 3, "pegasus": 3, "blenderbot": 1}.get(
        architecture, 2
    )
    assert model.generation_config.eos_token_id == 2


@pytest.mark.parametrize("adapter", ["lora", "top_layers", "frozen"])
def test_adapters_leave_the_embeddings_alone(hone: Hone, adapter: str) -> None:
    done = hone("train", *TINY, *BRIEF, f"adapter={adapter}", *(["adapter.count=1"] * (adapter == "top_layers")))
    if adapter == "frozen":  # the head is the embedding
        assert done.code == 2
        assert "nothing is trainable" in done.err
        return
    assert done.code == 0, done.said
    parameters = record(only_run())["parameters"]
    assert 0 < parameters["trainable"] < parameters["total"]
    assert record(only_run())["scores"]


def test_t5_has_a_head_though_nothing_surrounds_the_rest() -> None:
    _, network = equipped(Translation())
    layer_map = LayerMap.of(network)
    assert layer_map.in_head("lm_head.weight")
    assert not [name for name, _ in network.named_parameters() if layer_map.in_head(name)], (
        "it is tied to the embedding"
    )
    assert layer_map.level("shared.weight") == 0
    assert layer_map.level("decoder.block.1.layer.0.SelfAttention.q.weight") == layer_map.depth == 4


def test_a_sample_of_the_examples_keeps_windows_together() -> None:
    rows = Dataset.from_dict({"id": [0, 0, 1, 2, 2, 2, 3]})
    places = draw_rows(rows, 2)
    ids = np.array(rows["id"])
    assert len(set(ids[places])) == 2
    assert all(np.isin(np.flatnonzero(ids == each), places).all() for each in set(ids[places]))
    assert list(draw_rows(rows, None)) == list(draw_rows(rows, 9)) == list(range(7))
    assert list(draw_rows(rows, 2)) == list(places)


def test_training_looks_at_a_sample_and_the_end_at_everything(hone: Hone) -> None:
    done = hone("train", *TINY, *BRIEF, "evaluate_rows=3")
    assert done.code == 0, done.said
    seen = next(row["validation/loss"] for row in journal(only_run()) if "validation/loss" in row)
    table = pq.read_table(only_run() / "predictions/validation.parquet")
    scores = record(only_run())["scores"]
    assert len(table) == 12
    assert scores["validation/loss"] == pytest.approx(
        sum(table["loss"].to_pylist()) / sum(table["targets"].to_pylist())
    )
    assert scores["validation/loss"] != pytest.approx(seen, rel=1e-6)


@pytest.mark.parametrize(
    ("bad", "said"), [("", "the text is empty"), (None, "the text is missing"), (3, "expected text")]
)
def test_rows_that_cannot_work_are_named_or_skipped(hone: Hone, tmp_path: Path, bad: Any, said: str) -> None:
    rows = [{"en": "the dog", "xx": "lo karo"}] * 9 + [{"en": "the cat", "xx": bad}] * (9 if bad == 3 else 1)
    rows = [{**row, "xx": 3} for row in rows] if bad == 3 else rows
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    told = ["dataset=local", f"dataset.path={tmp_path}/train.jsonl", "task=translation", "checkpoint=tiny_t5"]
    told += ["dataset.columns={source: en, target: xx}", *BRIEF]
    done = hone("train", *told)
    assert done.code == 2
    assert "column 'xx'" in done.err or "column xx" in done.err
    assert said in done.err
    if bad != 3:
        assert "row 9" in done.err
        done = hone("train", *told, "dataset.on_bad_row=skip")
        assert done.code == 0, done.said
        assert "1 of 10 rows" in done.said


def test_a_head_of_ours_cannot_write(hone: Hone) -> None:
    done = hone("train", *TINY, *BRIEF, "head=mean")
    assert done.code == 2
    assert "head=auto" in done.err
