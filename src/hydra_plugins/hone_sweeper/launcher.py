"""What Hydra calls for `hydra/launcher=local`, when another sweeper than ours uses it."""

from collections.abc import Sequence
from typing import Any

from hydra.plugins.launcher import Launcher


class HoneLauncher(Launcher):
    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.told = (task_function, hydra_context, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        from hone.command.launching import launch

        return launch(*self.told, job_overrides, initial_job_idx)
