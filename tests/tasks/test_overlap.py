"""BLEU, chrF and TER as sacrebleu has them and ROUGE as rouge_score has it, on random and on awkward texts."""

import importlib.util
import json
import time
from collections.abc import Iterator
from random import Random

import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF, TER

from conftest import Hone, only_run, record
from hone.core.errors import UserError
from hone.core.value_types import BleuTokens
from hone.tasks.metrics import rouge
from hone.tasks.metrics.bleu import require_tokenizer, translation_metrics

WORDS = [
    "the", "the", "the", "a", "cat", "Dog", "runs,", "it's", "3.14", "1,000", "e-mail", "über", "naïve", "“quote”",
    "...", "!", "日本", "語", "&quot;", "x-\ny", "<skipped>", "2-3", "A.B.", "🙂", "l`eau", "(ok)", "[x]", "end.",
]  # fmt: skip
ROUGE = {
    "rouge1": rouge.rouge_1, "rouge2": rouge.rouge_2, "rougeL": rouge.rouge_l, "rougeLsum": rouge.rouge_lsum,
}  # fmt: skip
Pairs = tuple[list[str], list[str]]


def text(rng: Random, most: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))


def damaged(rng: Random, wanted: str) -> str:
    """As a model might have it: phrases moved, a word replaced, or all of it, or nothing."""
    kind = rng.random()
    if kind < 0.3:
        return "" if kind < 0.15 else wanted
    if kind > 0.7:
        return text(rng, 20)
    words = wanted.split(" ")
    for _ in range(rng.randint(1, 4)):
        start, end = sorted(rng.randint(0, len(words)) for _ in range(2))
        phrase, words = words[start:end], words[:start] + words[end:]
        target = rng.randint(0, len(words))
        words = words[:target] + phrase + words[target:]
    words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)


def corpora() -> Iterator[Pairs]:
    for seed in range(120):
        rng = Random(seed)
        wanted = [text(rng, rng.choice((4, 12, 20))) for _ in range(rng.randint(1, 5))]
        yield [damaged(rng, each) for each in wanted], wanted
    yield [""], ["a b c"]
    yield ["a"], ["a"]
    yield ["!"], ["?"]
    yield ["the the the the the the"], ["the cat is on the mat"]
    yield ["日本 語 です"], ["日本語です"]


def ours(name: str, written: list[str], wanted: list[str], tokens: BleuTokens = "13a") -> float:
    score = translation_metrics(tokens)[name].compute({"prediction": written, "target": wanted})
    assert isinstance(score, float)
    return score


@pytest.mark.parametrize("tokens", ["13a", "intl", "char", "zh", "none"])
def test_bleu_is_that_of_sacrebleu(tokens: BleuTokens) -> None:
    reference = BLEU(tokenize=tokens, force=True)
    for written, wanted in corpora():
        score = reference.corpus_score(written, [wanted]).score
        assert ours("bleu", written, wanted, tokens) == pytest.approx(score), (written, wanted)
    assert translation_metrics(tokens)["bleu"].signature == str(reference.get_signature())


@pytest.mark.parametrize(("name", "reference"), [("chrf", CHRF()), ("ter", TER())])
def test_chrf_and_ter_are_those_of_sacrebleu(name: str, reference: CHRF | TER) -> None:
    for written, wanted in corpora():
        assert ours(name, written, wanted) == pytest.approx(reference.corpus_score(written, [wanted]).score)
    assert translation_metrics("13a")[name].signature == str(reference.get_signature())


@pytest.mark.parametrize("kind", [BLEU, CHRF, TER])
@pytest.mark.parametrize("name", ["_extract_corpus_statistics", "_compute_score_from_stats"])
def test_private_names_of_sacrebleu(kind: type, name: str) -> None:
    """They were seen in sacrebleu 2.6.0; `metrics/sacre.py` alone uses them."""
    assert callable(getattr(kind, name, None)), f"sacrebleu {sacrebleu.__version__} has no {kind.__name__}.{name}"


def test_known_scores() -> None:
    """A moved phrase is a single edit of five words; a text that is its reference is perfect."""
    assert ours("ter", ["c d e a b"], ["a b c d e"]) == 20.0
    assert ours("bleu", ["a b c d e"], ["a b c d e"]) == pytest.approx(100)
    assert ours("chrf", ["abcdef"], ["abcdef"]) == pytest.approx(100)
    assert ours("bleu", ["我是学生。"], ["我是学生。"], "zh") == pytest.approx(100)
    assert ours("bleu", ["我是学生。"], ["我是学生。"], "13a") == 0.0, "one long word, which has no pairs"


@pytest.mark.skipif(importlib.util.find_spec("MeCab") is not None, reason="the dictionary is installed")
def test_a_missing_dictionary_is_named() -> None:
    with pytest.raises(UserError, match=r"task.bleu_tokens=ja-mecab: .*pip install 'sacrebleu\[ja\]'$"):
        require_tokenizer("ja-mecab")


@pytest.mark.parametrize("name", ROUGE)
def test_rouge(name: str) -> None:
    scorer = RougeScorer([name])
    for pair in corpora():
        for written, wanted in zip(*pair, strict=True):
            lines = ["\n".join(rouge.split_sentences(each)) for each in (wanted, written)]
            theirs = scorer.score(*lines)[name].fmeasure
            assert ROUGE[name](written, wanted) == pytest.approx(theirs), (written, wanted)


def test_sentences_are_lines_or_what_marks_end() -> None:
    assert rouge.split_sentences("One. Two! 3.5 is no end") == ["One.", "Two!", "3.5 is no end"]
    assert rouge.split_sentences("One. Two\nThree") == ["One. Two", "Three"]


def test_two_thousand_pairs_take_little_time() -> None:
    rng = Random(0)
    wanted = [text(rng, 25) for _ in range(2000)]
    records = {"prediction": [damaged(rng, each) for each in wanted], "target": wanted}
    quick = [metric for name, metric in translation_metrics("13a").items() if name != "ter"]
    for metric in (*quick, *map(rouge.mean_rouge, ROUGE.values())):
        start = time.process_time()
        metric.compute(records)
        assert time.process_time() - start < 2


def test_a_score_has_its_signature_beside_it(hone: Hone) -> None:
    words = ("experiment=toy/translation", "tracker=none", "epochs=1", "limit=16", "task.bleu_tokens=zh")
    assert hone("train", *words).code == 0
    signature = record(only_run())["signatures"]["bleu"]
    assert signature == f"nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:{sacrebleu.__version__}"
    assert hone("evaluate", f"run={only_run()}", "split=validation").code == 0
    story = json.loads((only_run() / "evaluation" / "validation.json").read_text())
    assert story["signatures"]["bleu"] == signature
    done = hone("train", *words, "task.bleu_tokens=ja-mecap")
    assert (done.code, "ja-mecab" in done.err) == (2, True)
