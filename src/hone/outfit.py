"""What trains the material: network, optimiser, schedule and the rest of a trainee, on the device."""

from __future__ import annotations

from lightning.fabric import Fabric

from hone.compiling import compilation_for
from hone.course import Course
from hone.ema import average_of
from hone.material import Material
from hone.module import Module
from hone.optim import schedule
from hone.parts import Parts
from hone.trainee import Trainee


def outfit(fabric: Fabric, parts: Parts, material: Material, course: Course, compiled: bool) -> Trainee:
    """Everything that training moves."""
    module = Module(material.network, material.task, material.anatomy, parts.optimizer, parts.scheduler)
    optimizer = module.make_optimizer()
    wrapped, ready = fabric.setup(module, optimizer)
    scheduler = schedule(optimizer, parts.scheduler, course.clock)
    average = average_of(material.network, parts.optimizer.ema)
    compilation = compilation_for(compiled, material.network, material.anatomy, fabric.device)
    return Trainee(module, wrapped, ready, scheduler, average, material.packing, compilation)
