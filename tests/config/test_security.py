"""Nothing that a config, a run folder or a checkpoint says makes hone run code that the user did not vouch for."""

import json
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from conftest import SMALL, Hone, record, runs, train_in
from hone.config.command_line import CommandLine
from hone.config.tree import CONF
from hone.core.errors import UserError
from hostile import EVIL, Payload

TARGETS = {
    "os.system": "command: touch {marker}",
    "posix.system": "command: touch {marker}",
    "subprocess.Popen": "args: [touch, '{marker}']",
    "builtins.eval": "_args_: [\"open('{marker}', 'w')\"]",
    "builtins.exec": "_args_: [\"open('{marker}', 'w')\"]",
    "pathlib.Path.touch": "_args_: ['{marker}']",
    "hone.cli.os.system": "command: touch {marker}",
    "hone.config.application.importlib.import_module": "name: evil",
    "hone.runs.provenance.subprocess.Popen": "args: [touch, '{marker}']",
    "torch.load": "f: evil.pickle, weights_only: false",
    "numpy.load": "file: evil.pickle, allow_pickle: true",
    "pickle.loads": "_args_: [evil]",
    "hydra.utils.get_method": "path: evil.Thing",
    "hydra.utils.instantiate": "config: evil.Thing",
    "evil.Thing": "",
    "hone.training.optim.optimizers.evil.Thing": "",
    "torch.optim.lr_scheduler.evil.Thing": "",
}
"""What would leave the marker, if it were called."""


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears when something evil has run; `import evil` and unpickling `evil.pickle` suffice."""
    place = tmp_path / "marker"
    Path("evil.py").write_text(EVIL.format(marker=str(place)))
    Path("evil.pickle").write_bytes(pickle.dumps(Payload(place)))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    return place


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it should be; tests poison copies of it."""
    return train_in(tmp_path_factory.mktemp("finished"), *SMALL, "limit=8")


@pytest.fixture
def poisoned(finished: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the run with other overrides, and with its config changed."""

    def make(overrides: tuple[str, ...] = (), change: Callable[[dict[str, Any]], object] | None = None) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(finished, folder)
        (folder / "run.json").write_text(json.dumps(record(folder) | {"overrides": [*SMALL, *overrides]}))
        (folder / "manifest.json").unlink()
        config = yaml.safe_load((folder / "config.yaml").read_text())
        if change:
            change(config)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        return folder

    return make


def node(target: str, marker: Path) -> str:
    """A config that calls a target, as Hydra's override grammar and as YAML."""
    arguments = TARGETS[target].format(marker=marker)
    return f"{{_target_: {target}{', ' if arguments else ''}{arguments}}}"


def refused(done: Any, marker: Path, *words: str) -> None:
    assert done.code == 2, done.said
    assert not marker.exists(), "it ran"
    assert "Traceback" not in done.said
    assert runs() == []
    for word in words:
        assert word in done.err


def config_dir(**files: str) -> str:
    """A folder of configs; `__` stands for the slash in a file's name."""
    for name, content in files.items():
        path = Path("configs", *name.split("__")).with_suffix(".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return "--config-dir=configs"


@pytest.mark.parametrize("target", TARGETS)
def test_no_target_outside_the_allowlist_is_called_or_imported(target: str, hone: Hone, marker: Path) -> None:
    done = hone("train", *SMALL, "~optimizer.algorithm", f"+optimizer.algorithm={node(target, marker)}")
    refused(done, marker, f"optimizer.algorithm._target_={target}")
    yaml_file = config_dir(
        dataset__evil=f"evil: {node(target, marker)}\n_target_: hone.data.tiny.emotion.TinyEmotion\n"
    )
    refused(hone("train", yaml_file, "dataset=evil", "tracker=none"), marker, f"dataset.evil._target_={target}")


PLACES = {
    "a part": ("dataset._target_=evil.Thing",),
    "a part of a part": ("+checkpoint.hyperparameters.x={_target_: evil.Thing}",),
    "one that waits for arguments": ("optimizer.algorithm={_target_: evil.Thing, _partial_: true}",),
    "a list": ("task.class_weights=[1, {_target_: evil.Thing}]",),
    "an interpolation": ("notes=evil.Thing", "dataset._target_=${notes}"),
    "a new section": ("+mine._target_=evil.Thing",),
    "a section of Hydra": ("+hydra.callbacks.mine._target_=evil.Thing",),
    "a list of Hydra": (
        "+hydra.callbacks.mine={_target_: hone.core.errors.UserError, _args_: [{_target_: evil.Thing}]}",
    ),
    "a sweeper's part": ("-m", "seed=1", "+hydra.sweeper.params.x={_target_: evil.Thing}"),
    "a launcher": ("-m", "seed=1", "hydra.launcher._target_=evil.Thing"),
    "a log's handler": ("+hydra.job_logging.handlers.mine.class=evil.Thing", "+hydra.job_logging.version=1"),
    "a log's formatter": ("+hydra.job_logging.formatters.mine={'()': evil.Thing}", "+hydra.job_logging.version=1"),
    "a log's stream": ("+hydra.job_logging.handlers.mine={class: logging.StreamHandler, stream: 'ext://evil.Thing'}",),
    "Hydra's own log": ("+hydra.hydra_logging.handlers.mine.class=evil.Thing", "+hydra.hydra_logging.version=1"),
}


@pytest.mark.parametrize("words", PLACES.values(), ids=PLACES)
def test_no_place_is_overlooked(words: tuple[str, ...], hone: Hone, marker: Path) -> None:
    refused(hone("train", "tracker=none", *words), marker)


def test_a_module_of_ours_gives_nothing_but_its_own(hone: Hone, marker: Path) -> None:
    done = hone(
        "train",
        *SMALL,
        "~optimizer.algorithm",
        "+optimizer.algorithm={_target_: hone.commands.sync.Text, text: x}",
    )
    refused(done, marker, "optimizer.algorithm._target_=rich.text.Text: not a trusted target")


@pytest.mark.parametrize(
    "content",
    [
        "trust: [evil]\ndataset:\n  _target_: evil.Thing",
        "hydra:\n  job:\n    env_set: {HONE_TRUST: evil}\ndataset:\n  _target_: evil.Thing",
        "hydra:\n  callbacks:\n    mine: {_target_: evil.Thing}",
        "hydra:\n  job_logging:\n    version: 1\n    formatters:\n      mine: {'()': evil.Thing}",
        "notes: !!python/object/apply:os.system ['touch marker']",
        "notes: !!python/name:evil.Thing",
    ],
)
def test_no_config_file_vouches_for_itself(content: str, hone: Hone, marker: Path) -> None:
    files = config_dir(experiment__evil=f"# @package _global_\n{content}\n")
    refused(hone("train", "tracker=none", files, "experiment=evil"), marker)


@pytest.mark.parametrize("words", [("trust=[evil]",), ()])
def test_what_the_user_vouches_for_is_imported(
    words: tuple[str, ...], hone: Hone, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probes above do leave the marker when they are let through; what is no data source is still refused."""
    if not words:
        monkeypatch.setenv("HONE_TRUST", "other,evil")
    done = hone("train", "tracker=none", *words, "dataset._target_=evil.Thing")
    assert done.code == 2
    assert marker.exists()
    assert "Thing is not a Source" in done.err


SAVED = {
    "a target": ("dataset._target_=evil.Thing",),
    "trust": ("trust=[evil]", "dataset._target_=evil.Thing"),
    "trust forced": ("++trust=[evil]", "dataset._target_=evil.Thing"),
    "the environment": ("+hydra.job.env_set.HONE_TRUST=evil", "dataset._target_=evil.Thing"),
    "a callback": ("+hydra.callbacks.mine._target_=evil.Thing",),
    "a pickle": ("--experimental-rerun=evil.pickle",),
    "a flag": ("--config-dir=configs", "dataset=evil"),
    "remote code": ("checkpoint=hub", "checkpoint.path=remote", "checkpoint.trust_remote_code=true"),
    "remote code inside": ("checkpoint=hub", "++checkpoint={path: remote, trust_remote_code: true}"),
}


@pytest.mark.parametrize("words", SAVED.values(), ids=SAVED)
def test_a_saved_command_vouches_for_nothing(
    words: tuple[str, ...], hone: Hone, marker: Path, poisoned: Callable[..., Path]
) -> None:
    config_dir(dataset__evil="_target_: evil.Thing")
    remote_code("remote")
    done = hone("train", f"resume={poisoned(words)}", "output_root=outputs")
    refused(done, marker)


@pytest.mark.parametrize(
    "word",
    [
        "trust=[evil]",
        "++trust=[evil]",
        "hydra.run.dir=/",
        "+hydra.job.env_set.X=1",
        "hydra/launcher=evil",
        "resume=elsewhere",
        "checkpoint.trust_remote_code=true",
        "++checkpoint={trust_remote_code: true}",
        "++checkpoint={a: [{trust_remote_code: true}]}",
    ],
)
def test_what_only_the_user_can_say_is_not_repeated(word: str, poisoned: Callable[..., Path]) -> None:
    line = CommandLine.read([f"resume={poisoned((word, 'seed=7'))}", "log_every=3"]).with_resumed_words()
    assert word not in line.overrides
    assert line.overrides[-3:] == ("seed=7", line.overrides[-2], "log_every=3")
    assert line.trusted == frozenset()


@pytest.mark.parametrize(
    "word",
    [
        "checkpoint.trust_remote_code=true",
        "++checkpoint={path: remote, trust_remote_code: true}",
        "++checkpoint={path: remote, trust_remote_code: true},{path: other}",
    ],
)
def test_the_code_of_a_checkpoint_is_allowed_anew_each_time(
    word: str, poisoned: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = poisoned((word, "seed=7"))
    forgotten = CommandLine.read([f"resume={run}"]).with_resumed_words()
    with pytest.raises(UserError, match=r"only you can allow .* add checkpoint\.trust_remote_code=true"):
        forgotten.require_no_withheld()
    repeated = CommandLine.read([f"resume={run}", "checkpoint.trust_remote_code=true"]).with_resumed_words()
    repeated.require_no_withheld()
    assert "seed=7" in repeated.overrides
    assert repeated.allows_remote_code("checkpoint.trust_remote_code")
    monkeypatch.setenv("HONE_TRUST_REMOTE_CODE", "1")
    assert word in CommandLine.read([f"resume={run}"]).with_resumed_words().overrides


def test_a_file_may_choose_a_launcher_and_its_options(hone: Hone) -> None:
    own = "defaults: [train, _self_, override hydra/launcher: slurm]\nhydra: {launcher: {partition: gpu}}\n"
    files = config_dir(job=own, copy=(CONF / "train.yaml").read_text())
    shown = ("--cfg", "hydra", "--package", "hydra.launcher")
    done = hone("train", files, "--config-name=job", *shown)
    assert done.code == 0, done.said
    assert "SlurmLauncher" in done.out
    assert "partition: gpu" in done.out
    copied = hone("train", files, "--config-name=copy", "hydra/launcher=slurm", "hydra.launcher.partition=gpu", *shown)
    assert copied.out == done.out, copied.said


@pytest.mark.parametrize("command", ["evaluate", "export"])
@pytest.mark.parametrize("target", ["evil.Thing", "os.system", "hone.cli.os.system", "torch.load"])
def test_a_saved_config_vouches_for_nothing(
    command: str, target: str, hone: Hone, marker: Path, poisoned: Callable[..., Path]
) -> None:
    def change(config: dict[str, Any]) -> None:
        config["trust"] = [target.partition(".")[0]]
        config["task"] = {"_target_": target, "command": f"touch {marker}"}

    done = hone(command, f"run={poisoned(change=change)}", "output=out")
    refused(done, marker, f"task._target_={target}")
    assert not Path("out").exists()


@pytest.mark.parametrize("flag", ["--experimental-rerun", "--experimental", "--exp", "--e"])
@pytest.mark.parametrize("joint", ["=", " "])
def test_no_pickle_of_hydra_is_opened(flag: str, joint: str, hone: Hone, marker: Path) -> None:
    refused(hone("train", *f"{flag}{joint}evil.pickle".split()), marker, "--experimental-rerun")


def remote_code(folder: str) -> Path:
    """A checkpoint that brings its own code."""
    path = Path(folder)
    path.mkdir()
    auto = {"AutoConfig": "evil.Thing", "AutoTokenizer": ["evil.Thing", None]}
    (path / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": auto}))
    shutil.copy("evil.py", path / "evil.py")
    return path


def test_code_that_comes_with_a_checkpoint_is_not_run(hone: Hone, marker: Path) -> None:
    done = hone("train", *SMALL, "checkpoint=hub", f"checkpoint.path={remote_code('remote')}")
    refused(done, marker, "checkpoint.trust_remote_code=true")


def test_code_in_a_run_folder_is_not_run(hone: Hone, marker: Path, poisoned: Callable[..., Path]) -> None:
    run = poisoned()
    shutil.rmtree(run / "model")
    remote_code(str(run / "model"))
    assert hone("evaluate", f"run={run}").code != 0
    assert not marker.exists()


def test_weights_are_never_unpickled_into_objects(hone: Hone, marker: Path, finished: Path) -> None:
    shutil.copytree(finished / "model", "pickled")
    Path("pickled/model.safetensors").unlink()
    torch.save({"weight": Payload(marker)}, "pickled/pytorch_model.bin")
    refused(hone("train", *SMALL, "checkpoint=hub", "checkpoint.path=pickled"), marker, "no weights")
    torch.load("pickled/pytorch_model.bin", weights_only=False)
    assert marker.exists(), "this pickle does harm when it is opened"
