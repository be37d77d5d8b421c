"""An evaluation leaves the network as it was, also when it fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed
from torch.nn.parallel import DistributedDataParallel

from harness import Training
from hone.data.module import Batches
from hone.training.evaluation import run_through
from hone.training.fabric import make_fabric


class Broken(Exception): ...


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[None]:
    """A group of one process."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def failing(place: int, rows: Any) -> Any:
    raise Broken


def test_a_network_that_was_training_trains_again(tmp_path: Path) -> None:
    started = Training(tmp_path).start()
    module = started.train_state.wrapped.train()
    with pytest.raises(Broken):
        run_through(started.fabric, module, Batches([np.arange(1)], failing))
    assert module.training
    assert started.network.training


@pytest.mark.usefixtures("alone")
def test_processes_exchange_their_buffers_again() -> None:
    fabric = make_fabric("cpu", "32-true")
    module = fabric.setup_module(torch.nn.Linear(2, 2))
    module._forward_module = spread = DistributedDataParallel(torch.nn.Linear(2, 2))
    assert spread.require_forward_param_sync
    with pytest.raises(Broken):
        run_through(fabric, module, Batches([np.arange(1)], failing))
    assert spread.require_forward_param_sync
