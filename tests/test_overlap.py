"""Our BLEU, chrF, TER and ROUGE against sacrebleu's and rouge_score's, on random and on awkward texts."""

import time
from collections.abc import Iterator
from random import Random

import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF, TER

from hone.overlap import rouge
from hone.overlap.bleu import bleu
from hone.overlap.chrf import chrf
from hone.overlap.ter import ter

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


@pytest.mark.parametrize("tokens", ["13a", "char", "none"])
def test_bleu(tokens: str) -> None:
    for written, wanted in corpora():
        theirs = BLEU(tokenize=tokens, force=True).corpus_score(written, [wanted]).score
        assert bleu(written, wanted, tokens) == pytest.approx(theirs), (written, wanted)


def test_chrf() -> None:
    for written, wanted in corpora():
        assert chrf(written, wanted) == pytest.approx(CHRF().corpus_score(written, [wanted]).score), (written, wanted)


def test_ter() -> None:
    for written, wanted in corpora():
        assert ter(written, wanted) == pytest.approx(TER().corpus_score(written, [wanted]).score), (written, wanted)


def test_ter_is_exact_where_a_beam_is_not() -> None:
    assert ter(["x"], [" ".join(["y"] * 60)]) == 100.0


def test_a_moved_phrase_is_one_edit() -> None:
    assert ter(["c d e a b"], ["a b c d e"]) == 20.0


@pytest.mark.parametrize("name", ROUGE)
def test_rouge(name: str) -> None:
    scorer = RougeScorer([name])
    for pair in corpora():
        for written, wanted in zip(*pair, strict=True):
            lines = ["\n".join(rouge.sentences(each)) for each in (wanted, written)]
            theirs = scorer.score(*lines)[name].fmeasure
            assert ROUGE[name](written, wanted) == pytest.approx(theirs), (written, wanted)


def test_sentences_are_lines_or_what_marks_end() -> None:
    assert rouge.sentences("One. Two! 3.5 is no end") == ["One.", "Two!", "3.5 is no end"]
    assert rouge.sentences("One. Two\nThree") == ["One. Two", "Three"]


def test_two_thousand_pairs_take_little_time() -> None:
    rng = Random(0)
    wanted = [text(rng, 25) for _ in range(2000)]
    written = [damaged(rng, each) for each in wanted]
    for score in (bleu, chrf, ter, *(lambda a, b, f=f: rouge.mean(f, a, b) for f in ROUGE.values())):
        start = time.process_time()
        score(written, wanted)
        assert time.process_time() - start < 2
