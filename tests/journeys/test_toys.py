"""Every toy experiment learns what its file says, through the command. `make toys` prints all scores."""

from __future__ import annotations

import pytest

from conftest import Hone, only_run, record
from hone.config.tree import CONF

BOUNDS = {
    "audio_classification": ("f1_macro", ">", 0.7),
    "causal_lm": ("perplexity", "<", 6.0),
    "depth_estimation": ("abs_rel", "<", 0.35),
    "document_question_answering": ("anls", ">", 0.7),
    "image_captioning": ("cider", ">", 3.0),
    "image_classification": ("accuracy", ">", 0.9),
    "image_text_contrastive": ("mean_recall", ">", 0.6),
    "instance_segmentation": ("map_50", ">", 0.75),
    "masked_image_modelling": ("relative_error", "<", 0.7),
    "masked_lm": ("masked_accuracy", ">", 0.5),
    "multiple_choice": ("accuracy", ">", 0.85),
    "next_sentence_prediction": ("accuracy", ">", 0.8),
    "object_detection": ("map_50", ">", 0.2),
    "panoptic_segmentation": ("pq", ">", 0.45),
    "question_answering": ("f1", ">", 0.7),
    "semantic_segmentation": ("mean_iou", ">", 0.6),
    "speech_recognition_ctc": ("wer", "<", 0.2),
    "speech_recognition_seq2seq": ("wer", "<", 0.2),
    "summarization": ("rougeL", ">", 0.8),
    "table_question_answering": ("exact_match", ">", 0.6),
    "text_classification": ("f1_macro", ">", 0.7),
    "text_embedding": ("mrr", ">", 0.9),
    "text_to_speech": ("mel_l1", "<", 0.08),
    "token_classification": ("f1", ">", 0.9),
    "translation": ("bleu", ">", 90.0),
    "video_classification": ("accuracy", ">", 0.9),
    "visual_question_answering": ("accuracy", ">", 0.75),
    "zero_shot_image_classification": ("accuracy", ">", 0.9),
}
"""The metric of the test split, and the bound that a run passes clearly: what the experiments' files say is better."""


def test_every_toy_has_a_bound() -> None:
    assert BOUNDS.keys() == {file.stem for file in (CONF / "experiment/toy").glob("*.yaml")}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDS)
def test_a_toy_is_learned(name: str, hone: Hone) -> None:
    metric, sign, bound = BOUNDS[name]
    done = hone("train", f"experiment=toy/{name}", "tracker=none")
    assert done.code == 0, done.said
    score = record(only_run())["scores"][f"test/{metric}"]
    assert score > bound if sign == ">" else score < bound, f"test/{metric} is {score:.4f}"
