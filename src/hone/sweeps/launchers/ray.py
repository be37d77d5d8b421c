"""The Ray launcher: each run is a task of a Ray cluster, or of a Ray that is started on this machine."""

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

_LOOPBACK_ONLY = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Ray reads this variable when it is imported. Set to 0, it keeps Ray to the loopback address, on Linux too."""
_STORE_BYTES = 80 * 2**20
"""The memory for what Ray passes between its processes. A run passes only its job and a short result."""


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
        return RayWorkers(self, limit, timeout)


@final
class RayWorkers(RemoteWorkers):
    """Runs jobs as Ray tasks. Ray starts with the first job. A job that is lost with its machine is submitted again."""

    def __init__(self, launcher: RayLauncher, limit: int, timeout: float | None) -> None:
        super().__init__(limit, timeout, launcher.cpus_per_run)
        self.launcher = launcher
        self.tasks: dict[str, Any] = {}
        self.jobs: dict[str, RemoteJob] = {}
        self.lost: Counter[str] = Counter()  # how often each job was lost

    def submit(self, jobs: Mapping[str, RemoteJob]) -> None:
        ray = self._ray()
        options = {"num_cpus": self.threads, "num_gpus": self.launcher.gpus_per_run, "max_calls": 1, "max_retries": 0}
        task = ray.remote(**options)(run_remote_job)
        self.jobs |= jobs
        self.tasks |= {key: task.remote(job) for key, job in jobs.items()}

    def ended(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        if not self.tasks:
            return
        ray = self._ray()
        done, _ = ray.wait([*self.tasks.values()], num_returns=len(self.tasks), timeout=0)
        for key in [key for key, task in self.tasks.items() if task in done]:
            result = self._result(key, self.tasks.pop(key))
            if result is not None:
                yield key, result

    def cancel(self, keys: Iterable[str], gently: bool) -> None:
        """Cancel tasks; `gently`, Ray interrupts them as Ctrl-C would."""
        for key in keys:
            if key in self.tasks:
                self._ray().cancel(self.tasks[key], force=not gently)

    def _result(self, key: str, task: Any) -> Mapping[str, Any] | None:
        """Return the result of a task that is done, or None if its job was lost and submitted again."""
        ray = self._ray()
        try:
            return dict(ray.get(task))
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError) as error:
            if self.lost[key] < self.launcher.retries and not self.asked:
                self.lost[key] += 1
                self.submit({key: self.jobs[key]})
                return None
            return {"state": "failed", "reason": f"Ray lost it: {one_line(error)}"}
        except ray.exceptions.RayError as error:
            return {"state": "failed", "reason": redact_text(one_line(error))}

    def _ray(self) -> Any:
        """Return the module, connected to a cluster."""
        address = self.launcher.address or os.environ.get("RAY_ADDRESS") or "local"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if address == "local":
            os.environ.setdefault(_LOOPBACK_ONLY, "0")
        import ray

        if not ray.is_initialized():
            self._connect(ray, address)
        return ray

    def _connect(self, ray: Any, address: str) -> None:
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
        if address == "local":
            options |= {"num_cpus": self.launcher.num_cpus, "object_store_memory": _STORE_BYTES}
            options["_node_ip_address"] = "127.0.0.1"
        try:
            ray.init(address, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"hydra.launcher.address={address}: {one_line(error)}; give the address of a running Ray "
                "(ray start --head starts one), or null to start one on this machine."
            ) from error


def run_remote_job(job: RemoteJob) -> Mapping[str, Any]:
    """Run a job; this is the function of a task."""
    try:
        running = job.begin()
    except HoneError as error:
        return {"state": "failed", "reason": str(error)}
    while True:
        try:
            return running.result()
        except KeyboardInterrupt:  # Ray asks a task to end in this way
            running.ask_to_stop()
