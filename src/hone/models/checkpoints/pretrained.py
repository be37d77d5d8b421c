"""Pretrained weights from the hub, a local folder, or a model stored in W&B."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import transformers
from huggingface_hub import is_offline_mode, try_to_load_from_cache
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from hone.core.errors import UserError, join_names, one_line
from hone.core.paths import nearest_path
from hone.core.task import Facts
from hone.core.trust import needs_remote_code
from hone.core.value_types import Place, Positive
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import backbone_options, change_config, set_attention
from hone.models.head_parameters import require_weights
from hone.models.loading import Loading, loading_of
from hone.models.processor_source import ProcessorSource
from hone.models.sentence_transformers import set_trained_pooling
from hone.runs.address import is_address
from hone.runs.manifest import require_intact_checkpoint

_FILES = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
"""The names of weight files."""


@final
@dataclass(frozen=True)
class Pretrained(Checkpoint):
    """A checkpoint with trained weights. The fields are the keys of `conf/checkpoint/*.yaml`."""

    path: Place
    lr: Positive
    revision: str | None = None
    tokenizer: Place | None = None
    processor: Place | dict[str, Any] | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    weights: Literal["pretrained", "random"] = "pretrained"
    attention: str | None = None
    hyperparameters: dict[str, Any] | None = None
    trust_remote_code: bool = False

    @property
    def name(self) -> str:
        return self.path.rstrip("/").rpartition("/")[2] if Path(self.path).is_dir() else self.path

    @property
    def _source(self) -> str:
        """The hub id or the folder that transformers loads."""
        if not is_address(self.path):
            return self.path
        from hone.tracking.wandb.models import download_model  # only this case needs W&B's client

        return str(download_model(self.path).model)

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        require_intact_checkpoint(Path(self._source))
        try:
            config = AutoConfig.from_pretrained(self._source, **self._access())
        except UserError:
            raise
        except Exception as error:  # the files of a folder decide what goes wrong
            raise UserError(f"checkpoint.path={self.path}: {self._describe_absence(error)}") from error
        config.dtype = self.dtype
        set_attention(config, self.attention, self.trust_remote_code)
        set_trained_pooling(config, self._source, self.revision)
        return change_config(change_config(config, self.hyperparameters or {}, "checkpoint.hyperparameters"), changes)

    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        source = ProcessorSource(self.tokenizer, self.processor, self._source, self._access())
        return source.make(auto_class, facts, self.config({}))

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        if self.weights == "random":
            auto = getattr(transformers, auto_class)
            network: PreTrainedModel = auto.from_config(
                config, trust_remote_code=self.trust_remote_code, **backbone_options(auto, config)
            )
            return network
        network = self._load(auto_class, config)
        network.train()
        return network

    def require_fitting(self, auto_class: str, config: PretrainedConfig) -> Loading | None:
        if self.weights == "pretrained" and (self.at_hand() or is_offline_mode()):
            return loading_of(self._load(auto_class, config, device_map={"": "meta"}))
        return None

    def at_hand(self) -> bool:
        if self.weights == "random" or Path(self._source).is_dir():
            return True
        files = (try_to_load_from_cache(self._source, name, revision=self.revision) for name in _FILES)
        return any(isinstance(file, str) for file in files)

    def fingerprint(self) -> str:
        folder = Path(self._source)
        if not folder.is_dir():
            return self._commit() or self.revision or "unknown"
        digest = hashlib.sha256()
        for file in sorted(folder.glob("*")):
            if file.is_file():
                digest.update(file.name.encode())
                with file.open("rb") as content:
                    digest.update(hashlib.file_digest(content, "sha256").digest())
        return digest.hexdigest()[:16]

    def _load(self, auto_class: str, config: PretrainedConfig, **options: Any) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel
        try:
            network, info = auto.from_pretrained(
                self._source, config=config, ignore_mismatched_sizes=True, output_loading_info=True,
                dtype=self.dtype, **backbone_options(auto, config), **self._access(), **options,
            )  # fmt: skip
        except Exception as error:  # the files of a folder decide what goes wrong
            raise UserError(f"checkpoint.path={self.path}: no weights for {auto_class} ({one_line(error)})") from error
        require_weights(network, info, self.path)
        Loading.of(info).attach(network)
        return network

    def _commit(self) -> str | None:
        """Returns the commit on the hub to which the files in the cache belong: the name of their folder."""
        file = try_to_load_from_cache(self._source, "config.json", revision=self.revision)
        return Path(file).parent.name if isinstance(file, str) else None

    def _access(self) -> dict[str, Any]:
        return {"revision": self.revision or "main", "trust_remote_code": self.trust_remote_code}

    def _describe_absence(self, error: Exception) -> str:
        path = Path(self.path).expanduser()
        if path.is_dir():
            files = join_names(sorted(entry.name for entry in path.iterdir()), 8)
            code = " Set checkpoint.trust_remote_code=true to run it." if needs_remote_code(error) else ""
            return f"no checkpoint that transformers can read; the folder has {files} ({one_line(error)}).{code}"
        if path.exists():
            return "this is a file; a checkpoint is a folder or a hub id."
        return f"no such folder, and the hub does not provide it ({one_line(error)}).{nearest_path(path)}"
