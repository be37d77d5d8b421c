"""The sweeper that Hydra finds under the name `hone`; it passes everything on to `hone.sweeps.hydra.sweeper`.

Hydra imports every module of `hydra_plugins` at each start, so this one imports hone only once a sweep begins.
"""

from typing import Any

from hydra.plugins.sweeper import Sweeper


class HoneSweeper(Sweeper):
    """Runs the cells of `hone train -m` and `hone plan -m`."""

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        self.context = (task_function, hydra_context, config)

    def sweep(self, arguments: list[str]) -> Any:
        from hone.sweeps.hydra.sweeper import sweep

        return sweep(*self.context, arguments)
