"""Runs as tasks of a Ray cluster, or of a Ray that is started here."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.core.errors import HoneError, UserError, one_line
from hone.core.redact import redact_text
from hone.core.value_types import Count, Index, NotNegative
from hone.sweeps.launchers.launcher import RemoteLauncher, require_package
from hone.sweeps.launchers.remote import RemoteJob, RemoteWorkers

_ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Set to 0, and looked at when Ray is imported, this keeps it to the loopback address on Linux as well."""
_STORE = 80 * 2**20
"""Bytes for what Ray passes between its processes: of ours, some words a run."""


@final
class RayWorkers(RemoteWorkers):
    """Ray is begun with the first of them. What it loses (a machine is gone) is handed over again, so many times."""

    def __init__(
        self, address: str | None, cores: int | None, gpus: float, retries: int,
        limit: int, timeout: float | None, threads: int,
    ) -> None:  # fmt: skip
        super().__init__(limit, timeout, threads)
        self.address, self.cores, self.gpus, self.retries = address, cores, gpus, retries
        self.tasks: dict[str, Any] = {}
        self.errands: dict[str, RemoteJob] = {}
        self.lost: Counter[str] = Counter()

    def submit(self, errands: Mapping[str, RemoteJob]) -> None:
        ray = self._ray()
        told = {"num_cpus": self.threads, "num_gpus": self.gpus, "max_calls": 1, "max_retries": 0}
        task = ray.remote(**told)(run_remote_job)
        self.errands |= errands
        self.tasks |= {key: task.remote(errand) for key, errand in errands.items()}

    def ended(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        if not self.tasks:
            return
        ray = self._ray()
        done, _ = ray.wait([*self.tasks.values()], num_returns=len(self.tasks), timeout=0)
        for key in [key for key, task in self.tasks.items() if task in done]:
            words = self._words(key, self.tasks.pop(key))
            if words is not None:
                yield key, words

    def cancel(self, keys: Iterable[str], kindly: bool) -> None:
        """Kindly, Ray interrupts a task as Ctrl-C would."""
        for key in keys:
            if key in self.tasks:
                self._ray().cancel(self.tasks[key], force=not kindly)

    def _words(self, key: str, task: Any) -> Mapping[str, Any] | None:
        """None: it is on its way once more."""
        ray = self._ray()
        try:
            return dict(ray.get(task))
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
            if self.lost[key] < self.retries and not self.asked:
                self.lost[key] += 1
                self.submit({key: self.errands[key]})
                return None
            return {"state": "failed", "reason": f"Ray lost it: {one_line(error)}"}
        except ray.exceptions.RayError as error:
            return {"state": "failed", "reason": redact_text(one_line(error))}

    def _ray(self) -> Any:
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address == "local":
            os.environ.setdefault(_ALONE, "0")
        import ray

        if not ray.is_initialized():
            told = {"num_cpus": self.cores, "object_store_memory": _STORE, "_node_ip_address": "127.0.0.1"}
            try:
                ray.init(
                    address, log_to_driver=False, logging_level="ERROR", include_dashboard=False,
                    **(told if address == "local" else {}),
                )  # fmt: skip
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise UserError(
                    f"hydra.launcher.address={address}: {one_line(error)}; say where a Ray is at work "
                    "(ray start --head begins one), or null: one is begun here."
                ) from error
        return ray


def run_remote_job(errand: RemoteJob) -> Mapping[str, Any]:
    """The task."""
    try:
        running = errand.begin()
    except HoneError as error:
        return {"state": "failed", "reason": str(error)}
    while True:
        try:
            return running.words()
        except KeyboardInterrupt:  # Ray's way to ask a task to end
            running.ask()


@final
@dataclass(frozen=True)
class RayLauncher(RemoteLauncher):
    """`conf/hydra/launcher/ray.yaml` says what each key means."""

    address: str | None
    num_cpus: Count | None
    cpus_per_run: Count
    gpus_per_run: NotNegative
    retries: Index

    def require_installed(self) -> None:
        require_package("ray", "ray", "ray")

    def remote(self, limit: int, timeout: float | None, folder: Path) -> RayWorkers:
        return RayWorkers(
            self.address, self.num_cpus, self.gpus_per_run, self.retries, limit, timeout, self.cpus_per_run
        )
