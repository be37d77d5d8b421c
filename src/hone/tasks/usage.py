"""How a saved model is used without hone: Python for its card, that runs as it stands with transformers alone.

`place` is what the model is loaded from, as the arguments of `from_pretrained`.
"""

from __future__ import annotations

import json
from typing import Any

_POOLED = {
    "mean": "(states * mask).sum(dim=1) / mask.sum(dim=1)",
    "max": "states.masked_fill(mask == 0, -torch.inf).amax(dim=1)",
    "cls": "states[:, 0]",
    "last": "states[torch.arange(len(texts)), mask[..., 0].cumsum(dim=1).argmax(dim=1)]",
}


def quoted(value: Any) -> str:
    """Texts, and lists of them, as Python that looks the same wherever it is printed."""
    return json.dumps(value, ensure_ascii=False)


def by_pipeline(name: str, place: str, said: str, **options: Any) -> str:
    """`said` is what the pipeline is called with."""
    told = "".join(f", {option}={quoted(value)}" for option, value in options.items())
    return (
        f'from transformers import pipeline\n\npredict = pipeline("{name}", model={place}{told})\n'
        f"print(predict({said}))"
    )


def answers(place: str, question: str, context: str, longest: int) -> str:
    """A context that fits in one window, and has an answer."""
    return _by_network(
        "AutoModelForQuestionAnswering",
        place,
        f"question = {quoted(question)}",
        f"context = {quoted(context)}",
        'read = tokenizer(question, context, truncation="only_second", return_offsets_mapping=True, '
        'return_tensors="pt")',
        'places = read.pop("offset_mapping")[0]',
        "with torch.no_grad():",
        "    said = model(**read)",
        "inside = torch.tensor([part == 1 for part in read.sequence_ids()])",
        f"allowed = (inside[:, None] & inside).triu().tril({longest - 1})  # at most {longest} tokens of the context",
        "scores = said.start_logits[0][:, None] + said.end_logits[0]",
        "first, last = divmod(int(scores.masked_fill(~allowed, -torch.inf).argmax()), len(inside))",
        "print(context[places[first][0] : places[last][1]])",
    )


def texts(place: str, source: str, language: str | None) -> str:
    """How it is written is in the saved generation config; `language` is what some tokenizers must be told to read."""
    return _by_network(
        "AutoModelForSeq2SeqLM",
        place,
        *([f"tokenizer.src_lang = {quoted(language)}"] if language else []),
        f'read = tokenizer([{quoted(source)}], return_tensors="pt")',
        "with torch.no_grad():",
        "    written = model.generate(**read)",
        "print(tokenizer.batch_decode(written, skip_special_tokens=True)[0])",
    )


def choices(place: str, question: str, among: list[str]) -> str:
    """Any number of choices."""
    return _by_network(
        "AutoModelForMultipleChoice",
        place,
        f"question = {quoted(question)}",
        f"choices = {quoted(among)}",
        'read = tokenizer([question] * len(choices), choices, padding=True, truncation=True, return_tensors="pt")',
        "with torch.no_grad():",
        "    scores = model(**{name: values[None] for name, values in read.items()}).logits[0]",
        "print(choices[int(scores.argmax())])",
    )


def embeddings(place: str, alike: list[str], pooling: str) -> str:
    """Vectors of length 1, so that products are cosines."""
    return _by_network(
        "AutoModel",
        place,
        f"texts = {quoted(alike)}",
        'read = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")',
        "with torch.no_grad():",
        "    states = model(**read).last_hidden_state",
        'mask = read["attention_mask"][..., None]  # if a pooler was missing: none is needed',
        f"vectors = torch.nn.functional.normalize({_POOLED[pooling]}, dim=-1)",
        "print(vectors @ vectors.T)",
    )


def _by_network(auto_model: str, place: str, *lines: str) -> str:
    return "\n".join(
        [
            f"import torch\nfrom transformers import {auto_model}, AutoTokenizer\n",
            f"tokenizer = AutoTokenizer.from_pretrained({place})",
            f"model = {auto_model}.from_pretrained({place})",
            *lines,
        ]
    )
