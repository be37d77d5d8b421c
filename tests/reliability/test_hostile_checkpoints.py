"""No checkpoint, run folder or data set makes hone run code that came with it. Another attack is one line here."""

import json
import pickle
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import SMALL, Hone, only_run, train_in
from hone.models.checkpoints.tiny_text import TinyBert
from hostile import Payload, harmless, plant, refused, remote_code

TEMPLATE = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__.__globals__.os.system('touch %s') }}"
PREDICT = (
    "predict",
    "checkpoint=hub",
    "checkpoint.path=bad",
    "task=text_classification",
    "text=good",
    "accelerator=cpu",
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained checkpoint as it should be; each attack changes a copy of it."""
    from transformers import BertConfig, BertForSequenceClassification

    from hone.core.task import Facts

    folder = tmp_path_factory.mktemp("sound")
    tokenizer = TinyBert(lr=1e-3).make_processor("AutoTokenizer", Facts("single_label"))
    size = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48, "num_hidden_layers": 1}
    config = BertConfig(vocab_size=len(tokenizer), pad_token_id=0, id2label={0: "bad", 1: "good"}, **size)
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound: Path) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    place = plant(tmp_path)
    shutil.copytree(sound, "bad")
    shutil.copy("evil.py", "bad/evil.py")
    return place


def put(name: str, **values: Any) -> Callable[[Path], object]:
    """Set keys of a JSON file in the checkpoint, which is made if it does not exist."""

    def change(marker: Path) -> None:
        path = Path("bad", name)
        path.parent.mkdir(exist_ok=True)
        before = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(before | values))

    return change


def pickled(*names: str, instead: bool = True) -> Callable[[Path], object]:
    """Put a pickle under these names; `instead` of the weights."""

    def change(marker: Path) -> None:
        if instead:
            Path("bad/model.safetensors").unlink()
        for name in names:
            Path("bad", name).parent.mkdir(exist_ok=True)
            torch.save({"weight": Payload(marker)}, Path("bad", name))

    return change


def text(name: str, content: str) -> Callable[[Path], object]:
    return lambda marker: Path("bad", name).write_text(content.replace("%s", str(marker)))


def both(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda marker: [change(marker) for change in changes]


def linked(marker: Path) -> None:
    Path("bad/model.safetensors").unlink()
    Path("bad/pytorch_model.bin").symlink_to(Path("evil.pickle").absolute())


CONFIG, TOKENIZER, ADAPTER = "config.json", "tokenizer_config.json", "adapter_config.json"
LORA = {"peft_type": "LORA", "r": 2, "target_modules": ["query"], "task_type": "SEQ_CLS"}
SHARD = {"metadata": {"total_size": 1}, "weight_map": {"bert.pooler.dense.bias": "evil.bin"}}
CHECKPOINTS: dict[str, Callable[[Path], object]] = {
    "a config class": put(CONFIG, model_type="evil", auto_map={"AutoConfig": "evil.Thing"}),
    "a config class of a known type": put(CONFIG, auto_map={"AutoConfig": "evil.Thing"}),
    "a network": put(CONFIG, auto_map={"AutoModelForSequenceClassification": "evil.Thing", "AutoModel": "evil.Thing"}),
    "a class of another repository": put(CONFIG, model_type="evil", auto_map={"AutoConfig": "evil/evil--evil.Thing"}),
    "a tokenizer": put(TOKENIZER, tokenizer_class="Thing", auto_map={"AutoTokenizer": ["evil.Thing", "evil.Thing"]}),
    "a tokenizer of the config": put(CONFIG, auto_map={"AutoTokenizer": ["evil.Thing", None]}),
    "a processor": put("processor_config.json", processor_class="Thing", auto_map={"AutoProcessor": "evil.Thing"}),
    "a feature extractor": put("preprocessor_config.json", auto_map={"AutoFeatureExtractor": "evil.Thing"}),
    "a way to generate": both(
        put("custom_generate/x.json"), lambda marker: shutil.copy("evil.py", "bad/custom_generate/generate.py")
    ),
    "its own permission": both(
        put(CONFIG, trust_remote_code=True, model_type="evil", auto_map={"AutoConfig": "evil.Thing"}),
        put(TOKENIZER, trust_remote_code=True, auto_map={"AutoTokenizer": ["evil.Thing", None]}),
    ),
    "a dotted class of a tokenizer": put(TOKENIZER, tokenizer_class="evil.Thing"),
    "dotted architectures": put(CONFIG, architectures=["evil.Thing"]),
    "pickled weights": pickled("pytorch_model.bin"),
    "pickled weights under other names": pickled("model.bin", "model.pt", "weights.pth", "tf_model.h5"),
    "a pickled shard": both(pickled("evil.bin"), put("pytorch_model.bin.index.json", **SHARD)),
    "a pickled shard of safe tensors": both(pickled("evil.bin"), put("model.safetensors.index.json", **SHARD)),
    "a pickle that is called safe": pickled("model.safetensors", instead=False),
    "a link to a pickle": linked,
    "a pickled optimiser": pickled("optimizer.pt", "scheduler.pt", "training_args.bin", instead=False),
    "a pickled vocabulary": both(put(CONFIG, model_type="transfo-xl"), pickled("vocab.pkl", instead=False)),
    "a pickled adapter": both(put(ADAPTER, **LORA), pickled("adapter_model.bin", instead=False)),
    "a library for an adapter": put(
        ADAPTER, **LORA, auto_mapping={"base_model_class": "Thing", "parent_library": "evil"}
    ),
    "a base for an adapter": both(
        put(ADAPTER, **LORA, base_model_name_or_path="remote"), lambda marker: remote_code("remote")
    ),
    "a kernel as attention": put(CONFIG, _attn_implementation="evil/kernel", attn_implementation="evil/kernel"),
    "a kernel as attention, inside": put(CONFIG, _attn_implementation_internal="evil/kernel", use_kernels=True),
    "a quantiser": put(CONFIG, quantization_config={"quant_method": "evil.Thing", "backend": "evil"}),
    "a template of a chat": put(TOKENIZER, chat_template=TEMPLATE),
    "a template of a chat in a file": text("chat_template.jinja", TEMPLATE),
    "modules of sentence-transformers": text(
        "modules.json", '[{"idx": 0, "name": "0", "path": "", "type": "evil.Thing"}]'
    ),
    "files that Python looks for": both(
        *(lambda marker, name=name: shutil.copy("evil.py", f"bad/{name}")
          for name in ("sitecustomize.py", "usercustomize.py", "__init__.py", "torch.py"))
    ),
}  # fmt: skip
"""Changes to a checkpoint that would run code in some program that reads it."""
QUICK = ("a config class", "a tokenizer", "pickled weights", "a pickled adapter", "a kernel as attention, inside")


@pytest.mark.parametrize(
    "attack", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in CHECKPOINTS]
)
def test_a_checkpoint_runs_nothing(attack: str, hone: Hone, marker: Path) -> None:
    """It is either refused or used without what is evil in it."""
    CHECKPOINTS[attack](marker)
    done = hone(*PREDICT)
    harmless(done, marker)
    assert done.code in (0, 2), done.said


@pytest.mark.slow
@pytest.mark.parametrize("attack", CHECKPOINTS)
def test_training_with_it_runs_nothing(attack: str, hone: Hone, marker: Path) -> None:
    CHECKPOINTS[attack](marker)
    done = hone("train", *SMALL, "limit=8", "checkpoint=hub", "checkpoint.path=bad", "task.max_length=32")
    harmless(done, marker)
    assert done.code in (0, 2), done.said


def test_a_kernel_of_the_hub_is_code(hone: Hone, marker: Path) -> None:
    done = hone("train", *SMALL, "checkpoint=hub", "checkpoint.path=bad", "checkpoint.attention=evil/kernel")
    refused(done, marker, "checkpoint.attention=evil/kernel")


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its checkpoints, made longer so that it goes on when it is resumed."""
    return train_in(tmp_path_factory.mktemp("unfinished"), *SMALL, "limit=8")


@pytest.mark.slow
def test_no_file_of_a_run_is_unpickled(hone: Hone, marker: Path, unfinished: Path) -> None:
    """Every file of a run in turn is a pickle that leaves the marker, when the run is read, resumed and exported."""
    for path in sorted(path.relative_to(unfinished) for path in unfinished.rglob("*") if path.is_file()):
        shutil.rmtree("run", ignore_errors=True)
        shutil.copytree(unfinished, "run")
        Path("run", path).write_bytes(pickle.dumps(Payload(marker)))
        for words in (["evaluate", "run=run", "output=x"], ["train", "resume=run"], ["export", "run=run", "output=y"]):
            hone(*words)
            assert not marker.exists(), (path, words)


@pytest.mark.slow
def test_a_run_does_not_bring_code(hone: Hone, marker: Path, unfinished: Path) -> None:
    shutil.copytree(unfinished, "run")
    shutil.rmtree("run/model")
    remote_code("run/model")
    assert hone("evaluate", "run=run").code != 0
    assert not marker.exists()


OWN = """from pathlib import Path
from transformers import BertConfig, BertForSequenceClassification
Path({marker!r}).touch()


class OwnConfig(BertConfig):
    model_type = "own_bert"


class OwnModel(BertForSequenceClassification):
    config_class = OwnConfig
"""


@pytest.mark.slow
def test_code_that_its_training_was_allowed_to_run_has_to_be_allowed_again(
    hone: Hone, marker: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands ask for it and do not call the model damaged; a run that was trained without code brings none."""
    shutil.copytree(sound, "own")
    Path("own/own.py").write_text(OWN.format(marker=str(marker)))
    config = json.loads(Path("own/config.json").read_text())
    classes = {"AutoConfig": "own.OwnConfig", "AutoModelForSequenceClassification": "own.OwnModel"}
    Path("own/config.json").write_text(json.dumps({**config, "model_type": "own_bert", "auto_map": classes}))
    words = (*SMALL, "limit=8", "checkpoint=hub", "checkpoint.path=own", "task.max_length=32")
    done = hone("train", *words, "checkpoint.trust_remote_code=true", "output_root=own-runs")
    assert done.code == 0, done.said
    assert marker.exists()
    run = only_run("own-runs")
    for command in (("evaluate", f"run={run}", "output=scores"), ("predict", f"run={run}", "text=good")):
        marker.unlink(missing_ok=True)
        asked = hone(*command)
        harmless(asked, marker)
        assert asked.code == 2
        assert "runs only if you allow it, and its training did: set HONE_TRUST_REMOTE_CODE=1." in asked.err
        with monkeypatch.context() as patch:
            patch.setenv("HONE_TRUST_REMOTE_CODE", "1")
            allowed = hone(*command)
            assert allowed.code == 0, allowed.said
    saved = Path(run, "config.yaml").read_text()
    Path(run, "config.yaml").write_text(saved.replace("trust_remote_code: true", "trust_remote_code: false"))
    marker.unlink(missing_ok=True)
    monkeypatch.setenv("HONE_TRUST_REMOTE_CODE", "1")
    assert hone("predict", f"run={run}", "text=good", "verify=false").code == 2
    assert not marker.exists()


def zipped(marker: Path) -> None:
    """An archive whose member would be written over a file outside of the folder into which it is unpacked."""
    with zipfile.ZipFile("data/train.zip", "w") as archive:
        for depth in range(1, 12):
            archive.writestr(f"{'../' * depth}precious", "spoilt")
        archive.writestr("train.csv", "text,label\ngood,1\nbad,0\n")


def card(content: str) -> Callable[[Path], object]:
    def write(marker: Path) -> None:
        Path("data/train.csv").write_text("text,label\ngood,1\nbad,0\n" * 8)
        Path("data/README.md").write_text(f"---\n{content}\n---\n")

    return write


def copied(source: str, name: str) -> Callable[[Path], object]:
    return lambda marker: shutil.copy(source, Path("data", name))


DATA: dict[str, Callable[[Path], object]] = {
    "a script": copied("evil.py", "data.py"),
    "a pickle as rows": copied("evil.pickle", "train.pkl"),
    "a pickle as arrow": copied("evil.pickle", "train.arrow"),
    "a pickle as parquet": copied("evil.pickle", "train.parquet"),
    "an archive that climbs": zipped,
    "a card that names a pickle": both(
        card("configs:\n- config_name: default\n  data_files: evil.pickle"), copied("evil.pickle", "evil.pickle")
    ),
    "a card that names a builder": card(
        "builder_name: evil\nconfigs:\n- config_name: default\n  data_files: train.csv"
    ),
    "a card with a type": card("dataset_info:\n  features:\n  - name: text\n    dtype: {_type: evil.Thing}"),
    "a card with trust": card("trust_remote_code: true\ntrust: [evil]\nhydra: {searchpath: [pkg://evil]}"),
    "a card with Python": card("notes: !!python/object/apply:os.system ['touch marker']"),
}
"""Data sets that would run code in some program that reads them."""


@pytest.mark.slow
@pytest.mark.parametrize("source", ["hub", "local"])
@pytest.mark.parametrize("attack", DATA)
def test_a_data_set_runs_nothing(attack: str, source: str, hone: Hone, marker: Path) -> None:
    Path("data").mkdir()
    DATA[attack](marker)
    done = hone("train", *SMALL[:2], "epochs=1", f"dataset={source}", "dataset.path=data", "dataset.labels=[bad,good]")
    assert not marker.exists(), "it ran"
    assert Path("precious").read_text() == "precious"
    assert "Traceback" not in done.said, done.said
