"""A data set names only files of its own: a card or a saved data set that points elsewhere is refused unread."""

import pytest
from datasets import Dataset, DatasetDict

from conftest import Hone
from mistakes import LOCAL, labelled, refused, store

SECRET = "outside/secret.jsonl"
PLACES = {
    "a parent's": "../outside/secret.jsonl",
    "a hidden parent's": "sub/../../outside/secret.jsonl",
    "absolute": "{folder}/outside/secret.jsonl",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("streaming", ["false", "true"])
def test_a_card_that_names_a_file_outside(place: str, streaming: str, hone: Hone, tmp_path) -> None:
    name = PLACES[place].format(folder=tmp_path)
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {name}\n"
    card += "  - split: validation\n    path: sub/other.jsonl\n---\n"  # a stream cannot do without
    rows = labelled(lambda row: row % 2)
    store({"set/README.md": card, "set/sub/other.jsonl": rows, SECRET: rows})
    more = ("dataset.splits.validation=validation", f"dataset.streaming={streaming}")
    done = hone("train", "tracker=none", "dataset=hub", "dataset.path=set", *more)
    refused(done, "/set: its card", "secret.jsonl", "outside the data set")


@pytest.mark.parametrize("file", ["train/state.json", "dataset_dict.json"])
def test_a_saved_data_set_that_names_a_file_outside(file: str, hone: Hone, tmp_path) -> None:
    DatasetDict({"train": Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]})}).save_to_disk("saved")
    path = tmp_path / "saved" / file
    path.write_text(path.read_text().replace('"data-', '"../../data-').replace('["train"]', '["../train"]'))
    refused(hone(*LOCAL, "dataset.path=saved"), file, "no name of a file in this folder")
