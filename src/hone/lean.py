"""Keeps out of a process what its libraries import and no run uses: a fifth of the start-up, and 88 MB.

torch, transformers and lightning import torch's compiler (with it code generators, sympy and more) for things that mean
nothing while nothing is compiled: to mark functions that it should leave alone, to ask whether a module is a compiled
one. torchmetrics, which lightning asks for its version, imports scipy's signals to add an old name to them;
transformers imports scipy's optimisers for the losses of object detection.

Modules stand in for those, which answer that much by themselves. Asked for anything else, or for a module inside them,
they have the real ones loaded and step back: names that others have imported from them become the real ones, and the
marks are made again. What is compiled afterwards (by a later job of a multirun, or by somebody's own code) finds all as
if they had never been there. Libraries that ask for more than they do today make the start slower, and break nothing.
"""

from __future__ import annotations

import functools
import importlib
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, final
from weakref import WeakKeyDictionary

_COMPILER = "torch._dynamo"
_marked: WeakKeyDictionary[Callable[..., Any], Callable[[Any], None]] = WeakKeyDictionary()
"""Functions that somebody has marked, and how to tell the real compiler."""


def spare(compiler: bool) -> None:
    """To be called before torch is imported, or it does nothing; `compiler` says whether to spare that as well."""
    if "torch" not in sys.modules and not any(isinstance(finder, _StandIns) for finder in sys.meta_path):
        signals = {"scipy.signal": {"hamming": _later("scipy.signal.windows", "hamming")}}
        optimisers = {"scipy.optimize": {"linear_sum_assignment": _later("scipy.optimize", "linear_sum_assignment")}}
        spared = [signals, optimisers, *([_compiler()] if compiler else [])]
        sys.meta_path[:0] = [_StandIns(answers) for answers in spared]


def _compiler() -> dict[str, dict[str, Any]]:
    """What is asked of the compiler where nothing is compiled."""
    indexing, shapes = f"{_COMPILER}._trace_wrapped_higher_order_op", "torch.fx.experimental.symbolic_shapes"
    answers = {
        "disable": _disable,
        "allow_in_graph": functools.partial(_mark, "allow_in_graph"),
        "assume_constant_result": functools.partial(_mark, "assume_constant_result"),
        "graph_break": lambda *reason, **more: None,
        "OptimizedModule": type("OptimizedModule", (), {}),  # nothing is one
    }
    guards = ("expect_true", "guard_or_false", "guard_or_true", "guard_size_oblivious", "statically_known_true")
    certain = {name: _certain(shapes, name, bool) for name in guards}
    certain |= {"sym_eq": _certain(shapes, "sym_eq", operator.eq)}
    certain |= {"is_nested_int": _certain(shapes, "is_nested_int", lambda size: False)}
    unknown = {"GuardOnDataDependentSymNode": type("GuardOnDataDependentSymNode", (Exception,), {})}
    return {
        _COMPILER: answers,
        f"{_COMPILER}.eval_frame": {"OptimizedModule": answers["OptimizedModule"]},
        indexing: {"TransformGetItemToIndex": _later(indexing, "TransformGetItemToIndex")},
        shapes: certain | unknown,
    }


@final
class _StandIns:
    """Finds modules that stand in for some that belong together, until they step back together."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        self.answers = answers
        self.found: dict[str, _StandIn] = {}

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name in self.answers:
            self.found[name] = _StandIn(name, self)
            return ModuleSpec(name, _Loader(self.found[name]), is_package=True)
        if name.rpartition(".")[0] not in self.found:
            return None
        self.step_back()
        return ModuleSpec(name, _Loader(sys.modules[name])) if name in sys.modules else find_spec(name)

    def step_back(self) -> None:
        """Puts the real modules where these are."""
        if self not in sys.meta_path:
            return
        sys.meta_path.remove(self)
        for name in self.found:
            parent, _, child = name.rpartition(".")
            vars(sys.modules[parent]).pop(child, None)
        for name in self.found:
            del sys.modules[name]
        for name in self.found:
            importlib.import_module(name)
        self._rename()
        if _COMPILER in self.found:
            for tell in list(_marked.values()):
                tell(sys.modules[_COMPILER])
            _marked.clear()

    def _rename(self) -> None:
        """Whoever has imported a name from one of these has imported the real one."""
        real = {
            id(answer): getattr(sys.modules[name], key, answer)
            for name in self.found
            for key, answer in self.answers[name].items()
        }
        for module in [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]:
            names = vars(module)
            names.update({key: real[id(value)] for key, value in list(names.items()) if id(value) in real})


@final
class _StandIn(ModuleType):
    """A package without files; what it cannot answer it asks of the real one."""

    def __init__(self, name: str, group: _StandIns) -> None:
        super().__init__(name)
        vars(self).update(group.answers[name], _group=group)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # those are asked of every module there is, by `inspect` and others
            raise AttributeError(name)
        group, inner = vars(self)["_group"], f"{self.__name__}.{name}"
        if inner not in group.answers:
            group.step_back()
            return getattr(importlib.import_module(self.__name__), name)
        return importlib.import_module(inner)


@final
class _Loader(Loader):
    """Of a module that is there; nothing is run again."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec or module.__spec__


def _later(module: str, name: str) -> Callable[..., Any]:
    """The real function, once it is called."""
    return lambda *inputs, **options: getattr(_real(module), name)(*inputs, **options)


def _certain(module: str, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    """As the real function, which is asked of sizes: it has more to say only where those are variables."""
    later = _later(module, name)
    return lambda *inputs: answer(*inputs) if all(map(_is_plain, inputs)) else later(*inputs)


def _is_plain(value: Any) -> bool:
    return isinstance(value, int) or (type(value) is tuple and all(isinstance(each, int) for each in value))


def _real(name: str) -> ModuleType:
    for group in [finder for finder in sys.meta_path if isinstance(finder, _StandIns) and name in finder.found]:
        group.step_back()
    return importlib.import_module(name)


def _disable(fn: Any = None, recursive: bool = True, **more: Any) -> Any:
    """The function, until there is a compiler to be kept out of it."""
    if fn is None:
        return functools.partial(_disable, recursive=recursive, **more)
    if not isinstance(fn, FunctionType | BuiltinFunctionType):
        return _real(_COMPILER).disable(fn, recursive, **more)
    called: Callable[..., Any] = fn

    @functools.wraps(fn)
    def disabled(*inputs: Any, **options: Any) -> Any:
        return called(*inputs, **options)

    def tell(compiler: Any) -> None:
        nonlocal called
        called = compiler.disable(fn, recursive, **more)

    _marked[disabled] = tell
    return disabled


def _mark(how: str, fn: Any) -> Any:
    """The function, of which the compiler will be told."""
    if not isinstance(fn, FunctionType):
        return getattr(_real(_COMPILER), how)(fn)
    _marked[fn] = lambda compiler: getattr(compiler, how)(fn)
    return fn
