"""`hone tokenizer`: what it trains is a tokenizer that transformers reads and a network from scratch takes."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from conftest import Hone, only_run, record

BRIEF = ("tokenizer", "dataset.train=400", "vocab_size=400")
TEXT = "the small dogs near the river see a Cat ."


def trained(hone: Hone, *words: str) -> Any:
    done = hone(*BRIEF, "output=made", *words)
    assert done.code == 0, done.said
    assert ("keep this folder" in done.out) == ("algorithm=wordpiece" in words or "algorithm=unigram" in words)
    return AutoTokenizer.from_pretrained("made")


@pytest.mark.parametrize(
    ("algorithm", "special"), [*product(("bpe", "wordpiece", "unigram"), ("encoder", "decoder", "seq2seq"))]
)
def test_it_reads_and_writes_what_it_was_trained_on(hone: Hone, algorithm: str, special: str) -> None:
    tokenizer = trained(hone, f"algorithm={algorithm}", f"special={special}")
    assert len(tokenizer) <= 400
    ids = tokenizer(TEXT.lower())["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True).replace(" .", ".") == TEXT.lower().replace(" .", ".")
    begins, ends = {"encoder": ("cls", "sep"), "decoder": ("bos", None), "seq2seq": (None, "eos")}[special]
    assert begins is None or ids[0] == getattr(tokenizer, f"{begins}_token_id")
    assert ends is None or ids[-1] == getattr(tokenizer, f"{ends}_token_id")
    assert tokenizer.pad_token_id == 0
    assert (tokenizer.mask_token is not None) == (special == "encoder")


def test_bytes_lose_nothing_and_training_on_them_is_deterministic(hone: Hone) -> None:
    tokenizer = trained(hone)
    odd = "  Ünï\n\tcafé 日本 😀 "
    assert tokenizer.decode(tokenizer(odd, add_special_tokens=False)["input_ids"]) == odd
    assert hone(*BRIEF, "output=again").code == 0
    assert Path("made/tokenizer.json").read_bytes() == Path("again/tokenizer.json").read_bytes()


def test_small_letters(hone: Hone) -> None:
    tokenizer = trained(hone, "lowercase=true")
    assert tokenizer("DOG")["input_ids"] == tokenizer("dog")["input_ids"]


SIZES = "checkpoint.hyperparameters={hidden_size:32,num_hidden_layers:1,num_attention_heads:2,intermediate_size:48}"


@pytest.mark.parametrize(
    ("special", "architecture", "task"),
    [("encoder", "bert", "masked_lm"), ("encoder", "roberta", "masked_lm"), ("decoder", "llama", "causal_lm")],
)
def test_a_network_from_scratch_takes_it(hone: Hone, special: str, architecture: str, task: str) -> None:
    tokenizer = trained(hone, f"special={special}")
    done = hone(
        "train", "dataset=tiny_grammar", "dataset.train=64", "dataset.validation=8", "dataset.test=8", f"task={task}",
        "checkpoint=scratch", f"checkpoint.architecture={architecture}", "checkpoint.tokenizer=made", SIZES, "epochs=1",
        "tracker=none",
    )  # fmt: skip
    assert done.code == 0, done.said
    told = only_run() / "model" / "config.json"
    assert f'"vocab_size": {len(tokenizer)}' in told.read_text()
    assert '"pad_token_id": 0' in told.read_text()
    assert record(only_run())["state"] == "finished"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("vocab_size=100",), "vocab_size=100: 261 entries are reserved"),
        (("algorithm=bpee",), "Did you mean bpe?"),
        (("roles=[txt]",), "Did you mean text?"),
        (("output=there",), "overwrite=true"),
        (("special=decodr",), "decoder"),
    ],
)
def test_mistakes(hone: Hone, words: tuple[str, ...], said: str) -> None:
    Path("there").mkdir()
    done = hone(*BRIEF, *words)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.said


def test_what_is_there_is_replaced_when_told_to(hone: Hone) -> None:
    Path("there").mkdir()
    assert hone(*BRIEF, "output=there", "overwrite=true").code == 0
    assert Path("there/tokenizer.json").is_file()


def test_labels_are_no_text(hone: Hone) -> None:
    rows = "".join(f"text {n % 3} is here,{'zebra' if n % 2 else 'yak'}\n" for n in range(60))
    Path("a.csv").write_text("text,label\n" + rows)
    done = hone("tokenizer", "dataset=local", "dataset.path=a.csv", "vocab_size=400", "output=made")
    assert done.code == 0, done.said
    assert "Ġzebra" not in AutoTokenizer.from_pretrained("made").get_vocab()
    assert "zebra" not in AutoTokenizer.from_pretrained("made").get_vocab()
