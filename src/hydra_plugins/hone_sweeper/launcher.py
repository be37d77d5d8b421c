"""What Hydra calls for our launchers, when another sweeper than ours uses them; ours asks `hone.command.engines`."""

from collections.abc import Sequence
from typing import Any

from hydra.plugins.launcher import Launcher


class HoneLauncher(Launcher):
    def __init__(self, **values: Any) -> None:
        """The values are read from the config when there is something to launch."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.told = (task_function, hydra_context, config)

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[Any]:
        from hone.command.launching import launch

        return launch(*self.told, job_overrides, initial_job_idx)


class SlurmLauncher(HoneLauncher):
    """hydra/launcher=slurm"""


class SlurmLocalLauncher(HoneLauncher):
    """hydra/launcher=slurm_local"""


class RayLauncher(HoneLauncher):
    """hydra/launcher=ray"""
