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
from hone.config.command_line import CommandLine, as_typed_in, retried
from hone.config.hydra_private import HYDRA, errors_raised, set_current_config
from hone.config.job import Invocation
from hone.config.mistakes import explain, with_fitting_tasks
from hone.config.tree import CONF
from hone.config.tree import keys_of as words_of
from hone.core.errors import HoneError, Interrupted, Preempted, UserError, report_error
from hone.core.process import import_uncollected
from hone.core.wording import as_typed


@final
class Application:
    """One command, which may run several jobs (`--multirun`); its exit code is the worst of theirs."""

    def __init__(self, command: str, debug: bool) -> None:
        self.command = command
        self.debug = debug
        self.code = 0
        self.line = CommandLine((), (), None, None, frozenset())

    def run(self, words: Sequence[str]) -> int:
        try:
            self.line = CommandLine.read(words)
            self.line = self.line.resumed() if self.command in ("train", "plan") else self.line
            known = words_of(self.command)
            self.line = self.line.fetching(known)
            self.line = self.line.reading(known) if "inputs" in known else self.line
            self.line = self.line.placing(known) if "folders" in known else self.line
            if self.line.help:
                from hone.config.help import help_text

                print(help_text(self.command, self.line))
                return 0
            if self.command == "sweep" and self.line.folders[:1] == ("retry",):
                return self._retried()
            sys.argv = [f"hone {self.command}", *self.line.words]
            with errors_raised(), vetted(self.command, self.line.vouched):
                hydra.main(version_base=HYDRA, config_path=str(CONF), config_name=self.command)(self._job)()
        except (HoneError, BrokenPipeError):
            raise
        except SystemExit as end:  # 1 is Hydra's, which has printed its reason
            sys.exit(UserError.exit_code if end.code == 1 else end.code)
        except Exception as error:  # no job is running: the config is at fault
            raise explain(error, self.command, self.line) from error
        return self.code

    def _retried(self) -> int:
        """Run the sweep's own command with the words added to it; finished runs stay as they are."""
        if len(self.line.folders) != 2:
            raise UserError("hone sweep retry DIR: expected the folder of one sweep.")
        return Application("train", self.debug).run([*retried(self.line.folders[1]), *self.line.words])

    def _job(self, config: Any) -> Any:
        """Run one job; a failure is reported and remembered, and the next jobs still run."""
        try:
            _remove_copy(HydraConfig.get())
            settings, parts, invocation = self._ready(config, HydraConfig.get())
            return import_uncollected(f"hone.commands.{self.command}").main(settings, parts, invocation)
        except (Preempted, Interrupted) as error:
            sys.exit(report_error(error, self.debug))
        except Exception as error:
            self.code = max(self.code, report_error(with_fitting_tasks(error), self.debug))
            return None

    def prepared(self, config: Any) -> tuple[Any, dict[str, Any], Invocation]:
        """The settings, parts and invocation of one job of a sweep, from the config that Hydra composed for it."""
        set_current_config(config)
        return self._ready(config, config.hydra)

    def _ready(self, config: Any, about: Any) -> tuple[Any, dict[str, Any], Invocation]:
        settings, parts = self._checked(config)
        invocation = Invocation.of([as_typed_in(word) for word in about.overrides.task], about.runtime.choices)
        if about.mode is RunMode.MULTIRUN and about.sweeper._target_ == SWEEPER:
            invocation = replace(invocation, sweep=Path(about.sweep.dir).absolute(), number=about.job.num)
        return settings, parts, invocation

    def _checked(self, config: Any) -> tuple[Any, dict[str, Any]]:
        """The checked config; nothing heavy is imported."""
        try:
            values: Any = {key: _plain(config[key]) for key in config if key != "hydra"}
        except Exception as error:
            raise explain(error, self.command, self.line) from error
        self._require_vouched(values.get("trust"))
        values |= {"inputs": self.line.inputs} if self.line.inputs else {}
        values |= {"folders": list(self.line.folders)} if self.line.folders else {}
        return check(self.command, values)

    def _require_vouched(self, trust: Any) -> None:
        """Only the command line or HONE_TRUST may trust a package: a config that could would defeat the allowlist."""
        given = set(trust) if isinstance(trust, list) and all(isinstance(name, str) for name in trust) else set()
        if not given <= self.line.vouched:
            raise UserError(
                f"trust={as_typed(trust)}: this is in a config file, but only you can declare code trusted; "
                f"repeat it on the command line, or set HONE_TRUST={','.join(sorted(given))}."
            )


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if OmegaConf.is_config(value) else value


def _remove_copy(about: Any) -> None:
    """Delete Hydra's copy of a multirun's config: it contains secrets, and the runs store their own configs."""
    if about.mode is RunMode.MULTIRUN:
        Path(about.sweep.dir, "multirun.yaml").unlink(missing_ok=True)
