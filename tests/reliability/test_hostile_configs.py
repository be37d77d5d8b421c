"""No config decides which code runs, whether it is a file, a saved command, a sweep of W&B or typed without trust.

Another attack is one line of `ATTACKS`; it goes through every source.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import SMALL, Hone, train_in
from hostile import harmless, plant, refused, remote_code, words

TARGETS = (
    *("os.system", "posix.system", "os.popen", "os.execv", "subprocess.Popen", "subprocess.run", "pty.spawn"),
    *(
        "builtins.eval",
        "builtins.exec",
        "builtins.compile",
        "builtins.__import__",
        "builtins.open",
        "pathlib.Path.touch",
    ),
    *("shutil.rmtree", "runpy.run_path", "importlib.import_module", "ctypes.CDLL", "site.addsitedir", "code.interact"),
    *("pickle.loads", "dill.load", "cloudpickle.loads", "pandas.read_pickle", "numpy.load", "yaml.unsafe_load"),
    *(
        "torch.load",
        "torch.hub.load",
        "torch.jit.load",
        "torch.package.PackageImporter",
        "torch.utils.cpp_extension.load",
    ),
    *(
        "transformers.pipeline",
        "transformers.AutoModel.from_pretrained",
        "datasets.load_dataset",
        "logging.FileHandler",
    ),
    *("hydra.utils.get_method", "hydra.utils.instantiate", "omegaconf.OmegaConf.register_new_resolver"),
    *("multiprocessing.Process", "threading.Thread", "asyncio.create_subprocess_shell", "pip.main", "evil.Thing"),
    *("hone.cli.os.system", "hone.config.application.sys.exit", "hone.runs.provenance.subprocess.Popen"),
    *("hone.training.optim.optimizers.evil.Thing", "torch.optim.lr_scheduler.evil.Thing", "torch.optim.sys.exit"),
    *("hone", "hone.cli.main", "hone.data", "hone.data.source.Source", "hone.core.errors.RowError", "hone..cli"),
    *("evil", "", "../evil.Thing", "evil:Thing", "torch.optim", "torch.optim.Adam.step"),
)
"""What no `_target_` may name: nothing here is a class of hone of the right kind, or of a trusted package."""

SINKS = "hone.commands.predict.sinks.CsvSink"
KERNEL = "checkpoint: {_target_: hone.models.checkpoints.tiny_text.TinyBert, trust_remote_code: true}"
ROOT = "version: 1, root: {level: INFO}"
"""Without a root, Hydra configures no logging."""
LOG = "{version: 1, root: {level: INFO, handlers: [a]}, handlers: {a: %s}}"
ATTACKS = {
    **{f"dataset._target_={target}": f"dataset: {{_target_: '{target}'}}" for target in TARGETS},
    "a part of a part": "checkpoint: {hyperparameters: {x: {_target_: evil.Thing}}}",
    "one that waits for arguments": "optimizer: {algorithm: {_target_: evil.Thing, _partial_: true}}",
    "a part that empties": f"checkpoint: {{path: remote, hyperparameters: {{_target_: {SINKS}, path: precious}}}}",
    "an item of a list": "task: {class_weights: [1, {_target_: evil.Thing}]}",
    "an interpolated target": "{notes: evil.Thing, dataset: {_target_: '${notes}'}}",
    "a decoded target": "dataset: {_target_: '${oc.decode:evil.Thing}'}",
    "a new section": "mine: {_target_: evil.Thing}",
    "trust": "{trust: [evil], dataset: {_target_: evil.Thing}}",
    "a text as trust": "{trust: evil, dataset: {_target_: evil.Thing}}",
    "code of a checkpoint": "checkpoint: {path: remote, trust_remote_code: true}",
    "code of a checkpoint, as a text": "checkpoint: {path: remote, trust_remote_code: 'yes'}",
    "code of a checkpoint, interpolated": "{notes: 'true', checkpoint: {path: remote, trust_remote_code: '${notes}'}}",
    "code of a checkpoint, with a tracker": f"{{tracker: {{trust_remote_code: true}}, {KERNEL}}}",
    "a kernel of the hub": "checkpoint: {attention: evil/kernel}",
    "a home": "hydra: {job: {env_set: {HOME: '%(here)s'}}}",
    "a folder for git": "hydra: {job: {env_set: {XDG_CONFIG_HOME: '%(here)s'}}}",
    "a compiler": "{compile: true, hydra: {job: {env_set: {CXX: ./program, TORCHINDUCTOR_CACHE_DIR: fresh}}}}",
    "a proxy": "hydra: {job: {env_set: {HTTPS_PROXY: 'http://evil'}}}",
    "a certificate": "hydra: {job: {env_set: {SSL_CERT_FILE: evil.pem}}}",
    "a cache": "hydra: {job: {env_set: {HF_HOME: evil, HONE_CACHE: evil}}}",
    "a key": "hydra: {job: {env_set: {WANDB_API_KEY: evil}}}",
    "trust in the environment": "{hydra: {job: {env_set: {HONE_TRUST: evil}}}, dataset: {_target_: evil.Thing}}",
    "the environment, interpolated": "{notes: evil, hydra: {job: {env_set: {HOME: '${notes}'}}}}",
    "the whole environment, interpolated": "{mine: {HOME: evil}, hydra: {job: {env_set: '${mine}'}}}",
    "a copied variable": "hydra: {job: {env_copy: [HOME]}}",
    "a folder to search": "hydra: {searchpath: [pkg://evil]}",
    "a module to search": "hydra: {searchpath: [structured://evil]}",
    "a callback": "hydra: {callbacks: {mine: {_target_: evil.Thing}}}",
    "a callback of hone": "hydra: {callbacks: {mine: {_target_: hone.core.errors.UserError}}}",
    "a handler": f"hydra: {{job_logging: {LOG % '{class: evil.Thing}'}}}",
    "a formatter": f"hydra: {{job_logging: {{{ROOT}, formatters: {{mine: {{'()': evil.Thing}}}}}}}}",
    "a filter": f"hydra: {{job_logging: {{{ROOT}, filters: {{mine: {{'()': evil.Thing}}}}}}}}",
    "a stream": f"hydra: {{job_logging: {LOG % '{class: logging.StreamHandler, stream: ext://evil.Thing}'}}}",
    "a stream, resolved later": "hydra: {job: {name: 'ext://evil.Thing'}, job_logging: %s}"
    % (LOG % "{class: logging.StreamHandler, stream: '${hydra:job.name}'}"),
    "a stream of Hydra's log": f"hydra: {{hydra_logging: {LOG % '{class: logging.StreamHandler, stream: ext://evil.x}'}}}",
    "an emptied file": f"hydra: {{job_logging: {LOG % '{class: logging.FileHandler, filename: precious, mode: w}'}}}",
    "a sweeper": "hydra: {sweeper: {_target_: evil.Thing}}",
    "a sweeper's part": "hydra: {sweeper: {params: {x: {_target_: evil.Thing}}}}",
    "a launcher": "hydra: {launcher: {_target_: evil.Thing}}",
    "a launcher's part": "hydra: {launcher: {x: {_target_: evil.Thing}}}",
    "another cluster": "hydra: {launcher: {address: 'evil:6379'}}",
    "options of sbatch": "hydra: {launcher: {additional_parameters: {export: LD_PRELOAD=evil.so}}}",
    "words of a cell": "hydra: {overrides: {hydra: ['+hydra.callbacks.mine._target_=evil.Thing']}}",
    "words of the user": "hydra: {overrides: {task: ['trust=[evil]', 'dataset._target_=evil.Thing']}}",
    "a choice": "hydra: {runtime: {choices: {hydra/sweeper: evil}}}",
    "a mode": "hydra: {mode: MULTIRUN}",
    "a folder of runs": "hydra: {run: {dir: /}}",
    "Hydra's own copies": "hydra: {output_subdir: '../evil'}",
    "all of Hydra's section": "{mine: {job: {env_set: {HOME: evil}}}, hydra: '${mine}'}",
    "a space of Hydra": "sweep: {space: {+hydra.callbacks.mine._target_: 'evil.Thing,evil.Other'}}",
    "a space of trust": "sweep: {space: {checkpoint.trust_remote_code: 'true,false', checkpoint.path: 'remote,other'}}",
}
"""Configs that would run code, open or empty a file, or send data elsewhere: each in YAML, from the root."""

CONSENT = ("hydra", "trust", "code of a checkpoint", "a space")
"""What the user may do by typing it."""
SOURCES = ("an experiment", "a primary config", "the command line", "W&B's agent")
REAL = (
    *("a folder to search", "a module to search", "a callback", "a handler", "a formatter", "a filter"),
    *("a stream", "a stream, resolved later", "a stream of Hydra's log"),
)
"""What runs where the user types it, with no other words."""
QUICK = {
    *("dataset._target_=os.system", "dataset._target_=hone", "code of a checkpoint", "a home", "a folder to search"),
    *("a stream, resolved later", "an emptied file", "words of a cell"),
}


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    place = plant(tmp_path)
    remote_code("remote")
    return place


def config_of(attack: str) -> dict[str, Any]:
    content = yaml.safe_load(ATTACKS[attack].replace("%(here)s", str(Path.cwd())))
    assert isinstance(content, dict), attack
    return content


def fixed(config: dict[str, Any]) -> list[str]:
    """The choices that a config needs to make sense."""
    sweeps = ["-m", "seed=0,1"] if {"launcher", "sweeper", "overrides"} & {*_hydra(config)} or "sweep" in config else []
    return ["tracker=none", *sweeps, *(["checkpoint=hub"] if "checkpoint" in config else [])]


def _hydra(config: dict[str, Any]) -> dict[str, Any]:
    return config["hydra"] if isinstance(config.get("hydra"), dict) else {}


def consents(config: dict[str, Any], attack: str) -> bool:
    return "hydra" in config or attack.startswith(CONSENT)


def command(source: str, attack: str, monkeypatch: pytest.MonkeyPatch) -> list[str] | None:
    """The words that let a source have its say; None where it cannot, or where typing is consent."""
    config = config_of(attack)
    choices = fixed(config)
    if source in ("an experiment", "a primary config"):
        name = "experiment/evil" if source == "an experiment" else "job"
        path = Path("configs", f"{name}.yaml")
        path.parent.mkdir(parents=True)
        head = "# @package _global_\n" if source == "an experiment" else "defaults: [train, _self_]\n"
        path.write_text(f"{head}{yaml.safe_dump(config)}")
        chosen = ["experiment=evil"] if source == "an experiment" else ["--config-name=job"]
        return ["train", "--config-dir=configs", *chosen, *choices]
    typed = list(words(config))
    if source == "W&B's agent":
        monkeypatch.setenv("WANDB_SWEEP_ID", "abcdefgh")
    elif consents(config, attack):
        return None
    return ["train", *choices, *typed] if all(map(str.isascii, typed)) else None


def cases() -> Iterator[Any]:
    for attack in ATTACKS:
        for source in SOURCES:
            slow = attack not in QUICK or source not in ("an experiment", "a primary config", "W&B's agent")
            yield pytest.param(attack, source, id=f"{attack}-{source}", marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("attack", "source"), [*cases()])
def test_it_is_refused(attack: str, source: str, hone: Hone, marker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = command(source, attack, monkeypatch)
    if line is not None:
        refused(hone(*line), marker)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_in(tmp_path_factory.mktemp("finished"), *SMALL, "limit=8")


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_run_folder_does_not_do_it(attack: str, hone: Hone, marker: Path, finished: Path) -> None:
    """Its command may be refused or lose these words; its config, which `hone evaluate` reads, is refused."""
    shutil.copytree(finished, "run")
    config = config_of(attack)
    saved = json.loads(Path("run/run.json").read_text())
    del saved["sha256"]  # whoever writes such a file leaves out its seal, or makes a fitting one
    saved["overrides"] = [*SMALL, *(word for word in fixed(config)[1:] if word != "-m"), *words(config)]
    Path("run/run.json").write_text(json.dumps(saved))
    Path("run/manifest.json").unlink()  # or it would be the digest that is refused
    harmless(hone("train", "resume=run", "output_root=outputs"), marker)
    whole = yaml.safe_load(Path("run/config.yaml").read_text())
    for section, values in config.items():
        both = isinstance(values, dict) and isinstance(whole.get(section), dict)
        whole[section] = {**whole[section], **values} if both else values
    Path("run/config.yaml").write_text(yaml.safe_dump(whole))
    done = hone("evaluate", "run=run", "output=scores", "verify=false")
    harmless(done, marker)
    if "_target_" in config.get("dataset", {}):
        refused(done, marker, "dataset")


@pytest.mark.slow
@pytest.mark.parametrize("attack", REAL)
def test_it_runs_when_the_user_types_it(attack: str, hone: Hone, marker: Path) -> None:
    """So a refusal is not due to a misspelt key."""
    hone("train", "tracker=none", "trust=[evil]", "seed=-1", *words(config_of(attack)))
    assert marker.exists()


@pytest.mark.slow
def test_a_log_empties_a_file_when_the_user_types_it(hone: Hone, marker: Path) -> None:
    hone("train", "tracker=none", "seed=-1", *words(config_of("an emptied file")))
    assert Path("precious").read_text() != "precious"


@pytest.mark.slow
def test_the_environment_allows_the_code_of_a_checkpoint(
    hone: Hone, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HONE_TRUST_REMOTE_CODE", "1")
    line = command("an experiment", "code of a checkpoint", monkeypatch)
    assert line is not None
    assert hone(*line).code == 2
    assert marker.exists()
