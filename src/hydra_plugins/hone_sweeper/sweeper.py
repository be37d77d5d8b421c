"""The class that Hydra loads for `hydra/sweeper=hone`."""

from typing import Any

from hydra.plugins.sweeper import Sweeper


class HoneSweeper(Sweeper):
    """Runs the cells of `hone train -m` and `hone plan -m`."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.context = (task_function, hydra_context, config)

    def sweep(self, arguments: list[str]) -> Any:
        from hone.sweeps.hydra.sweeper import run_sweep

        return run_sweep(*self.context, arguments)
