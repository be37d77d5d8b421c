"""A command under Hydra: its words read, its configs vetted and checked, its jobs run one after another."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from hone.check import check
from hone.command.explain import explain
from hone.command.guard import SWEEPER, vetted
from hone.command.line import CommandLine, as_typed_in, retried
from hone.conf import CONF
from hone.conf import words as words_of
from hone.errors import HoneError, Interrupted, Preempted, UserError, tell
from hone.invocation import Invocation
from hone.lean import spare
from hone.wording import as_typed

HYDRA = "1.3"
"""The version whose ways we have."""


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
            if self.command == "sweep" and self.line.folders[:1] == ("retry",):
                return self._retried()
            sys.argv = [f"hone {self.command}", *self.line.words]
            with _errors_handed_over(), vetted(self.command, self.line.vouched):
                hydra.main(version_base=HYDRA, config_path=str(CONF), config_name=self.command)(self._job)()
        except (HoneError, BrokenPipeError):
            raise
        except SystemExit as end:  # 1 is Hydra's, which has said what it did not like
            sys.exit(UserError.exit_code if end.code == 1 else end.code)
        except Exception as error:  # no job is running: whatever it is, the config made Hydra stumble
            raise explain(error, self.command, self.line) from error
        return self.code

    def _retried(self) -> int:
        """The sweep's own command, with what is added to it: finished runs stay as they are."""
        if len(self.line.folders) != 2:
            raise UserError("hone sweep retry DIR: name one sweep's folder.")
        return Application("train", self.debug).run([*retried(self.line.folders[1]), *self.line.words])

    def _job(self, config: Any) -> Any:
        """One job; its failure is told and remembered, and does not end the jobs after it."""
        try:
            _remove_copy(HydraConfig.get())
            settings, parts, invocation = self._ready(config, HydraConfig.get())
            spare(compiler=not getattr(settings, "compile", False))
            return importlib.import_module(f"hone.{self.command}").main(settings, parts, invocation)
        except (Preempted, Interrupted) as error:
            sys.exit(tell(error, self.debug))
        except Exception as error:
            self.code = max(self.code, tell(error, self.debug))
            return None

    def prepared(self, config: Any) -> tuple[Any, dict[str, Any], Invocation]:
        """What one job of a sweep is told, from the whole config that Hydra composed for it."""
        HydraConfig.instance().cfg = config  # Hydra would copy it, which is a quarter of the time of a large grid
        return self._ready(config, config.hydra)

    def _ready(self, config: Any, about: Any) -> tuple[Any, dict[str, Any], Invocation]:
        settings, parts = self._checked(config)
        invocation = Invocation.of([as_typed_in(word) for word in about.overrides.task], about.runtime.choices)
        if about.mode is RunMode.MULTIRUN and about.sweeper._target_ == SWEEPER:
            invocation = replace(invocation, sweep=Path(about.sweep.dir).absolute(), number=about.job.num)
        return settings, parts, invocation

    def _checked(self, config: Any) -> tuple[Any, dict[str, Any]]:
        """The config with every value in its place and of its type, while nothing heavy is loaded."""
        try:
            values: Any = {key: _plain(config[key]) for key in config if key != "hydra"}
        except Exception as error:
            raise explain(error, self.command, self.line) from error
        self._require_vouched(values.get("trust"))
        values |= {"inputs": self.line.inputs} if self.line.inputs else {}
        values |= {"folders": list(self.line.folders)} if self.line.folders else {}
        return check(self.command, values)

    def _require_vouched(self, trust: Any) -> None:
        """A config that could vouch for itself would make the allowlist worthless."""
        given = set(trust) if isinstance(trust, list) and all(isinstance(name, str) for name in trust) else set()
        if not given <= self.line.vouched:
            raise UserError(
                f"trust={as_typed(trust)}: a config file says so, but only you can vouch for code; "
                f"repeat it on the command line, or set HONE_TRUST={','.join(sorted(given))}."
            )


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if OmegaConf.is_config(value) else value


def _remove_copy(about: Any) -> None:
    """Hydra's copy of a multirun's config has its secrets, and says nothing that the runs' own files do not."""
    if about.mode is RunMode.MULTIRUN:
        Path(about.sweep.dir, "multirun.yaml").unlink(missing_ok=True)


@contextmanager
def _errors_handed_over() -> Iterator[None]:
    """While this is open Hydra raises its errors instead of printing them."""
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        del os.environ["HYDRA_FULL_ERROR"]
        os.environ |= {"HYDRA_FULL_ERROR": before} if before is not None else {}
