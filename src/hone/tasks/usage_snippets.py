"""Python snippets for model cards: how to use a saved model with transformers alone, without hone.

Each snippet runs as it stands. `place` is the first argument of its `from_pretrained` calls, as source code.
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
"""Expressions for the pooled vector of each text, by kind of pooling."""


def to_literal(value: Any) -> str:
    """Return a text, or a list of texts, as a Python literal with double quotes and readable Unicode."""
    return json.dumps(value, ensure_ascii=False)


def pipeline_snippet(name: str, place: str, arguments: str, **options: Any) -> str:
    """Return a snippet that builds the pipeline `name` with `options` and calls it with `arguments`."""
    keywords = "".join(f", {option}={to_literal(value)}" for option, value in options.items())
    return (
        f'from transformers import pipeline\n\npredict = pipeline("{name}", model={place}{keywords})\n'
        f"print(predict({arguments}))"
    )


def picture_snippet(name: str, place: str, file: str, auto_model: str, *, grey: bool, options: str = "") -> str:
    """Return a snippet that builds the pipeline `name` and calls it with a picture and the source code `options`.

    A pipeline opens every file in three channels, so a network that reads one is called itself."""
    if not grey:
        return pipeline_snippet(name, place, f"{to_literal(file)}{options}")
    return "\n".join(
        [
            f"import torch\nfrom PIL import Image\nfrom transformers import AutoImageProcessor, {auto_model}\n",
            "# The network reads one channel, and a pipeline opens every picture in three: this calls it without one.",
            f'processor = AutoImageProcessor.from_pretrained({place}, backend="pil")',
            f"model = {auto_model}.from_pretrained({place})",
            f'picture = Image.open({to_literal(file)}).convert("RGB").convert("L")',
            "with torch.no_grad():",
            '    print(model(**processor(picture, return_tensors="pt")))',
        ]
    )


def sound_pipeline_snippet(name: str, place: str, file: str) -> str:
    """Return a snippet that builds the pipeline `name` and calls it with the samples of a file."""
    return "\n".join(
        [
            "import soundfile\nimport soxr\nfrom transformers import pipeline\n",
            f'predict = pipeline("{name}", model={place})',
            "rate = predict.feature_extractor.sampling_rate",
            f'samples, own_rate = soundfile.read({to_literal(file)}, dtype="float32", always_2d=True)',
            "samples = soxr.resample(samples.mean(axis=1), own_rate, rate)",
            'print(predict({"array": samples, "sampling_rate": rate}))',
        ]
    )


def captioning_snippet(place: str, file: str) -> str:
    """Return a snippet that describes a picture; beams and lengths come from the saved generation config."""
    return "\n".join(
        [
            "import torch\nfrom PIL import Image",
            "from transformers import AutoModelForImageTextToText, AutoProcessor\n",
            f"processor = AutoProcessor.from_pretrained({place})",
            f"model = AutoModelForImageTextToText.from_pretrained({place})",
            f'picture = Image.open({to_literal(file)}).convert("RGB")',
            'pixels = processor.image_processor(picture, return_tensors="pt")["pixel_values"]',
            "with torch.no_grad():",
            "    generated = model.generate(pixel_values=pixels, generation_config=model.generation_config)",
            "print(processor.tokenizer.batch_decode(generated, skip_special_tokens=True)[0])",
        ]
    )


def visual_question_snippet(place: str, file: str, question: str) -> str:
    """Return a snippet that chooses the answer to a question about a picture."""
    return "\n".join(
        [
            "import torch\nfrom PIL import Image",
            "from transformers import AutoModelForVisualQuestionAnswering, AutoProcessor\n",
            f"processor = AutoProcessor.from_pretrained({place})",
            f"model = AutoModelForVisualQuestionAnswering.from_pretrained({place})",
            f'picture = Image.open({to_literal(file)}).convert("RGB")',
            f'inputs = processor(images=picture, text={to_literal(question)}, return_tensors="pt")',
            "with torch.no_grad():",
            "    scores = model(**inputs).logits[0].sigmoid()",
            "print(model.config.id2label[int(scores.argmax())])",
        ]
    )


def video_snippet(place: str, file: str, count: int, stride: int | None, scale: str) -> str:
    """Return a snippet that reads `count` frames of a file, as the model was evaluated, and prints the scores, which
    `scale` makes of logits."""
    spread = f"(numpy.arange({count}) + 0.5) / {count} * len(frames)"
    stretch = f"max(0, len(frames) - 1 - {count - 1} * {stride}) // 2 + numpy.arange({count}) * {stride}"
    return "\n".join(
        [
            "import av\nimport numpy\nimport torch",
            "from transformers import AutoImageProcessor, AutoModelForVideoClassification\n",
            f'processor = AutoImageProcessor.from_pretrained({place}, backend="pil")',
            f"model = AutoModelForVideoClassification.from_pretrained({place})",
            f"with av.open({to_literal(file)}) as video:",
            "    frames = [frame.to_image() for frame in video.decode(video=0)]",
            f"places = ({spread if stride is None else stretch}).astype(int).clip(0, len(frames) - 1)",
            'pixels = processor([frames[place] for place in places], return_tensors="pt")',
            "with torch.no_grad():",
            f"    scores = model(**pixels).logits[0]{scale}",
            "print({model.config.id2label[place]: float(score) for place, score in enumerate(scores)})",
        ]
    )


def speech_snippet(place: str, text: str) -> str:
    """Return a snippet that generates the spectrogram of a text, of which a vocoder makes a sound."""
    return "\n".join(
        [
            "import torch\nfrom transformers import AutoModelForTextToSpectrogram, AutoProcessor\n",
            f"processor = AutoProcessor.from_pretrained({place})",
            f"model = AutoModelForTextToSpectrogram.from_pretrained({place})",
            f'inputs = processor(text={to_literal(text)}, return_tensors="pt")',
            "speaker = torch.zeros(1, model.config.speaker_embedding_dim)  # or the embedding of a voice",
            "torch.manual_seed(0)  # dropout is always on",
            'spectrogram = model.generate_speech(inputs["input_ids"], speaker)  # with vocoder=…, a sound',
            "print(spectrogram.shape)",
        ]
    )


def question_answering_snippet(place: str, question: str, context: str, longest: int) -> str:
    """Return a snippet for a context that fits in one window and contains an answer of up to `longest` tokens."""
    return _network_snippet(
        "AutoModelForQuestionAnswering",
        place,
        f"question = {to_literal(question)}",
        f"context = {to_literal(context)}",
        'inputs = tokenizer(question, context, truncation="only_second", return_offsets_mapping=True, '
        'return_tensors="pt")',
        'offsets = inputs.pop("offset_mapping")[0]',
        "with torch.no_grad():",
        "    output = model(**inputs)",
        "inside = torch.tensor([part == 1 for part in inputs.sequence_ids()])",
        f"allowed = (inside[:, None] & inside).triu().tril({longest - 1})  # at most {longest} tokens of the context",
        "scores = output.start_logits[0][:, None] + output.end_logits[0]",
        "first, last = divmod(int(scores.masked_fill(~allowed, -torch.inf).argmax()), len(inside))",
        "print(context[offsets[first][0] : offsets[last][1]])",
    )


def table_question_answering_snippet(place: str, table: dict[str, list[str]], question: str) -> str:
    """Return a snippet for a table that is given by its columns."""
    columns = ", ".join(f"{to_literal(name)}: {to_literal(cells)}" for name, cells in table.items())
    arguments = f"table={{{columns}}}, query={to_literal(question)}"
    return pipeline_snippet("table-question-answering", place, arguments)


def document_question_answering_snippet(
    place: str, question: str, words: list[str], boxes: list[list[int]], longest: int, image: str | None = None
) -> str:
    """Return a snippet for a page that fits in one window.

    The pipeline of transformers does not show a network the picture, so it only serves where there is none.
    """
    if image is None:
        pairs = to_literal([list(pair) for pair in zip(words, boxes, strict=True)])
        page = f'{{"question": {to_literal(question)}, "word_boxes": {pairs}}}'
        return pipeline_snippet("document-question-answering", place, f"[{page}], max_answer_len={longest}")
    return "\n".join(
        [
            "import torch\nfrom PIL import Image",
            "from transformers import AutoModelForDocumentQuestionAnswering, AutoProcessor\n",
            f"processor = AutoProcessor.from_pretrained({place})",
            f"model = AutoModelForDocumentQuestionAnswering.from_pretrained({place})",
            f"question = {to_literal(question)}",
            f"words = {to_literal(words)}",
            f"boxes = {to_literal(boxes)}  # left, top, right and bottom, in thousandths of the page",
            f'picture = Image.open({to_literal(image)}).convert("RGB")',
            'inputs = processor(picture, question, words, boxes=boxes, truncation=True, return_tensors="pt")',
            "with torch.no_grad():",
            "    output = model(**inputs)",
            "inside = torch.tensor([part == 1 for part in inputs.sequence_ids()])",
            f"allowed = (inside[:, None] & inside).triu().tril({longest - 1})  # at most {longest} tokens of the page",
            "begin, end = (logits[0, : len(inside)] for logits in (output.start_logits, output.end_logits))",
            "scores = (begin[:, None] + end).masked_fill(~allowed, -torch.inf)",
            "first, last = (inputs.word_ids()[place] for place in divmod(int(scores.argmax()), len(inside)))",
            'print(" ".join(words[first : last + 1]))',
        ]
    )


def seq2seq_snippet(place: str, source: str, language: str | None) -> str:
    """Return a snippet that generates a text; beams and lengths come from the saved generation config.

    `language` is the source language, for tokenizers that need to know it.
    """
    return _network_snippet(
        "AutoModelForSeq2SeqLM",
        place,
        *([f"tokenizer.src_lang = {to_literal(language)}"] if language else []),
        f'inputs = tokenizer([{to_literal(source)}], return_tensors="pt")',
        "with torch.no_grad():",
        "    generated = model.generate(**inputs)",
        "print(tokenizer.batch_decode(generated, skip_special_tokens=True)[0])",
    )


def multiple_choice_snippet(place: str, question: str, choices: list[str]) -> str:
    """Return a snippet that picks one of any number of choices."""
    return _network_snippet(
        "AutoModelForMultipleChoice",
        place,
        f"question = {to_literal(question)}",
        f"choices = {to_literal(choices)}",
        'inputs = tokenizer([question] * len(choices), choices, padding=True, truncation=True, return_tensors="pt")',
        "with torch.no_grad():",
        "    scores = model(**{name: values[None] for name, values in inputs.items()}).logits[0]",
        "print(choices[int(scores.argmax())])",
    )


def next_sentence_snippet(place: str, text: str, text_pair: str) -> str:
    """Return a snippet that prints the probability that a text follows another one."""
    return _network_snippet(
        "AutoModelForNextSentencePrediction",
        place,
        f'inputs = tokenizer({to_literal(text)}, {to_literal(text_pair)}, truncation=True, return_tensors="pt")',
        "with torch.no_grad():",
        "    scores = model(**inputs).logits[0].softmax(dim=-1)",
        "print(float(scores[0]))  # the probability that the second text follows the first",
    )


def text_embedding_snippet(place: str, texts: list[str], pooling: str) -> str:
    """Return a snippet that computes vectors of length 1, so that their products are cosines."""
    return _network_snippet(
        "AutoModel",
        place,
        f"texts = {to_literal(texts)}",
        'inputs = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")',
        "with torch.no_grad():",
        "    states = model(**inputs).last_hidden_state",
        'mask = inputs["attention_mask"][..., None]  # a warning about a missing pooler is harmless: it is not used',
        f"vectors = torch.nn.functional.normalize({_POOLED[pooling]}, dim=-1)",
        "print(vectors @ vectors.T)",
    )


def masked_image_snippet(place: str, file: str, ratio: float) -> str:
    """Return a snippet that hides patches of a picture, each with a probability of `ratio`, and reconstructs them."""
    auto_model = "AutoModelForMaskedImageModeling"
    return "\n".join(
        [
            f"import torch\nfrom PIL import Image\nfrom transformers import AutoImageProcessor, {auto_model}\n",
            f'processor = AutoImageProcessor.from_pretrained({place}, backend="pil")',
            f"model = {auto_model}.from_pretrained({place})",
            f'image = Image.open({to_literal(file)}).convert("RGB")',
            'pixels = processor(image, return_tensors="pt")["pixel_values"]',
            "patches = (model.config.image_size // model.config.patch_size) ** 2",
            f"hidden = torch.rand(1, patches) < {ratio:g}",
            "with torch.no_grad():",
            "    output = model(pixels, bool_masked_pos=hidden)",
            "print(output.loss)  # the mean absolute error of the hidden pixels; they are in output.reconstruction",
        ]
    )


def _network_snippet(auto_model: str, place: str, *lines: str) -> str:
    return "\n".join(
        [
            f"import torch\nfrom transformers import {auto_model}, AutoTokenizer\n",
            f"tokenizer = AutoTokenizer.from_pretrained({place})",
            f"model = {auto_model}.from_pretrained({place})",
            *lines,
        ]
    )
