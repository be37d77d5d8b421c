"""What every run of a sweep would load for itself, loaded by the process that they are forked from."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from hone.config.job import Job
from hone.data.rows import Rows, prepare
from hone.runs.provenance import versions
from hone.sweeps.ready import Ready
from hone.training.parts import Parts


def stock(ready: Iterable[Ready]) -> None:
    """Rows alone: networks and tokenizers bring threads, which a fork does not survive."""
    import torch
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    importlib.import_module("hone.training.run")  # with it, all that runs need and checks do not
    torch.set_num_threads(1)
    get_checkpoint_conversion_mapping("")  # the first call compiles the patterns that saving a model asks for
    versions()
    for each in ready:
        if not each.job.config["dataset"].get("streaming"):
            with suppress(Exception):  # it went well a moment ago; if not now, the run will say why
                each.memory.once("rows", partial(_rows, each.job))
    gc.freeze()  # what is here already is never searched for garbage in the runs' processes, nor copied for it


def _rows(job: Job) -> Rows:
    parts = Parts.of(job.config, job.settings.trust)
    return prepare(parts.dataset, parts.task, job.settings.limit)
