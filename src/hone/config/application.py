"""Runs a command under Hydra: parses its words, checks its configs, runs its jobs one after another."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from hone.config.allowlist import SWEEPER, vetted
from hone.config.check import check
from hone.config.command_line import CommandLine, without_open_columns
from hone.config.hydra_private import HYDRA, errors_raised, set_current_config
from hone.config.job import Invocation
from hone.config.mistakes import explain, with_fitting_tasks
from hone.config.tree import CONF, keys_of
from hone.core.errors import HoneError, StopRequest, UserError, report_error
from hone.core.process import import_without_gc
from hone.core.redact import remember_secrets
from hone.core.streams import write_line
from hone.core.trust import trusted_by_environment
from hone.core.wording import as_typed


@final
class Application:
    """One command, which may run several jobs (`--multirun`); its exit code is the worst of theirs."""

    def __init__(self, command: str, debug: bool) -> None:
        self.command = command
        self.debug = debug
        self.code = 0
        self.line = CommandLine((), (), None, None, frozenset())

    def run(self, words: Sequence[str], retried: str | None = None) -> int:
        """Run the command with these words; `retried` is the folder of a sweep whose words come before them."""
        try:
            self.line = self._read(words, retried)
            if self.line.help:
                from hone.config.help import help_text

                write_line(help_text(self.command, self.line))
                return 0
            if self.command == "sweep" and self.line.folders[:1] == ("retry",):
                return self._retry()
            sys.argv = [f"hone {self.command}", *self.line.words]
            with errors_raised(), vetted(self.command, self.line):
                hydra.main(version_base=HYDRA, config_path=str(CONF), config_name=self.command)(self._job)()
        except (HoneError, BrokenPipeError):
            raise
        except SystemExit as end:  # 1 is Hydra's, which has printed its reason
            sys.exit(UserError.exit_code if end.code == 1 else end.code)
        except Exception as error:  # no job is running: the config is at fault
            raise explain(error, self.command, self.line) from error
        return self.code

    def _read(self, words: Sequence[str], retried: str | None) -> CommandLine:
        """The typed words, with what this command makes of plain words, texts and addresses."""
        line = CommandLine.read(words)
        if retried is not None:
            line = line.with_retried_words(retried)
        if self.command in ("train", "plan"):
            line = line.with_resumed_words() if retried is None else line
            line.require_no_withheld()
        keys = keys_of(self.command)
        line = line.with_wandb_checkpoint(keys)
        if "inputs" in keys:
            line = line.with_texts(keys)
        return line.with_folders(keys) if "folders" in keys else line

    def _retry(self) -> int:
        """Run the sweep's own command with the words added to it; finished runs stay as they are."""
        if len(self.line.folders) != 2:
            raise UserError("hone sweep retry DIR: expected the folder of one sweep.")
        return Application("train", self.debug).run(self.line.words, self.line.folders[1])

    def _job(self, config: Any) -> Any:
        """Run one job; a failure is reported and remembered, and the next jobs still run."""
        try:
            _remove_copy(HydraConfig.get())
            settings, parts, invocation = self._prepare(config, HydraConfig.get())
            return import_without_gc(f"hone.commands.{self.command}").main(settings, parts, invocation)
        except StopRequest as error:
            sys.exit(report_error(error, self.debug))
        except Exception as error:
            self.code = max(self.code, report_error(with_fitting_tasks(error), self.debug))
            return None

    def prepare(self, config: Any) -> tuple[Any, dict[str, Any], Invocation]:
        """The settings, parts and invocation of one job of a sweep, from the config that Hydra composed for it."""
        set_current_config(config)
        return self._prepare(config, config.hydra)

    def _prepare(self, config: Any, hydra_node: Any) -> tuple[Any, dict[str, Any], Invocation]:
        settings, parts = self._check(config)
        invocation = Invocation.of(
            [without_open_columns(word) for word in hydra_node.overrides.task], hydra_node.runtime.choices
        )
        if hydra_node.mode is RunMode.MULTIRUN and hydra_node.sweeper._target_ == SWEEPER:
            invocation = replace(invocation, sweep=Path(hydra_node.sweep.dir).absolute(), number=hydra_node.job.num)
        return settings, parts, invocation

    def _check(self, config: Any) -> tuple[Any, dict[str, Any]]:
        """Check the config, without importing anything heavy."""
        try:
            values: Any = {key: _plain(config[key]) for key in config if key != "hydra"}
        except Exception as error:
            raise explain(error, self.command, self.line) from error
        self._require_trusted_by_user(values.get("trust"))
        self._require_allowed_code(values, "")
        if self.line.inputs:
            values["inputs"] = self.line.inputs
        if self.line.folders:
            values["folders"] = list(self.line.folders)
        remember_secrets(values)
        return check(self.command, values)

    def _require_trusted_by_user(self, trust: Any) -> None:
        """Only the command line or HONE_TRUST may trust a package: a config that could would defeat the allowlist."""
        given = set(trust) if isinstance(trust, list) and all(isinstance(name, str) for name in trust) else set()
        if not given <= self.line.trusted | trusted_by_environment():
            raise UserError(
                f"trust={as_typed(trust)}: this is in a config file, but only you can declare code trusted; "
                f"repeat it on the command line, or set HONE_TRUST={','.join(sorted(given))}."
            )

    def _require_allowed_code(self, node: Any, place: str) -> None:
        """Only the user may allow code that comes with a checkpoint to run, whatever file or interpolation says so."""
        if isinstance(node, list):
            for index, item in enumerate(node):
                self._require_allowed_code(item, f"{place}[{index}]")
        for key, value in node.items() if isinstance(node, dict) else ():
            inner = f"{place}.{key}" if place else str(key)
            if key == "trust_remote_code" and value not in (False, None) and not self.line.allows_remote_code(inner):
                raise UserError(
                    f"{inner}={as_typed(value)}: this is in a config file, but only you can allow code that comes with "
                    f"a checkpoint to run; type {inner}=true, or set HONE_TRUST_REMOTE_CODE=1."
                )
            self._require_allowed_code(value, inner)


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if OmegaConf.is_config(value) else value


def _remove_copy(hydra_node: Any) -> None:
    """Delete Hydra's copy of a multirun's config: it contains secrets, and the runs store their own configs."""
    if hydra_node.mode is RunMode.MULTIRUN:
        Path(hydra_node.sweep.dir, "multirun.yaml").unlink(missing_ok=True)
