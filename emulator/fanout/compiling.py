"""One source, two ways to run it: kernels are plain functions, and :func:`compiled` makes their machine code where numba is
there.

A kernel is registered by :func:`kernel` and stays what it is: a Python function. Its compiled twin is made from the same code
object, with the other kernels that it names replaced by their twins. The twin of the entry, which holds all others, is cached on
disk under a name that has the digest of all kernel sources, so that a change of one file never leaves code of another behind.
"""

import hashlib
import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from emulator.fanout import fields, phases
from emulator.fanout.columns import DEVICE_COLUMNS, HUB_COLUMNS, OWN, Pool

Function = TypeVar("Function", bound=Callable[..., int])

_KERNELS: dict[FunctionType, bool] = {}
"""Every kernel, and whether it goes into its callers whole."""


def kernel(function: Function) -> Function:
    """Register a kernel that is called where it is named."""
    assert isinstance(function, FunctionType)
    _KERNELS[function] = False
    return function


def inlined(function: Function) -> Function:
    """Register a kernel that runs for nearly every event and goes into its callers whole."""
    assert isinstance(function, FunctionType)
    _KERNELS[function] = True
    return function


@cache
def can_compile() -> bool:
    """Whether the extra ``scale`` is installed."""
    return find_spec("numba") is not None


@cache
def compiled(entry: Function) -> Function:
    """The compiled twin of a kernel that is called from outside, with all that it calls; needs the extra ``scale``."""
    numba: Any = import_module("numba")
    config: Any = import_module("numba.core.config")
    linking: Any = import_module("emulator.fanout.linking")
    pool = _pool_type(numba)
    # Without reference counts: kernels make no arrays, and a pool has some forty of them.
    options = {"nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True}
    linked = options | {"no_cpython_wrapper": True, "pipeline_class": linking.LinkedOnly}
    *callees, entry_itself = _callees_first(entry)
    twins: dict[Any, Any] = {}
    for function in callees:
        twins[function] = numba.njit(forceinline=_KERNELS[function], **linked)(_twin(function, twins))

    def compile_callees() -> None:
        for function, twin in twins.items():
            twin.compile(_signature(numba, function, pool))
            twin.disable_compile()

    options |= {"pipeline_class": linking.after(compile_callees)}
    signature, twin = _signature(numba, entry_itself, pool), _twin(entry_itself, twins)
    before, config.CACHE_DIR = config.CACHE_DIR, str(Path(__file__).parent / "__pycache__" / f"kernels-{_sources()}")
    try:
        made: Function = numba.njit(signature, cache=True, **options)(twin)
    except RuntimeError:  # nowhere to write: compiled anew in each process
        made = numba.njit(signature, **options)(twin)
    finally:
        config.CACHE_DIR = before
    return made


def _twin(function: FunctionType, twins: dict[Any, Any]) -> FunctionType:
    """The same code, which calls twins."""
    names = {name: twins.get(value, value) if callable(value) else value for name, value in function.__globals__.items()}
    twin = FunctionType(function.__code__, names, function.__name__, function.__defaults__)
    twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
    return twin


def _signature(numba: Any, function: FunctionType, pool: Any) -> Any:
    """Integers to an integer, but for the pool."""
    return numba.int64(*(pool if name == "p" else numba.int64 for name in inspect.signature(function).parameters))


def _callees_first(entry: Any) -> list[FunctionType]:
    """What a kernel calls, each after those that it calls, and the kernel itself at the end."""
    found: dict[FunctionType, None] = {}

    def visit(function: FunctionType) -> None:
        for name in function.__code__.co_names:
            called = function.__globals__.get(name)
            if isinstance(called, FunctionType) and called in _KERNELS and called not in found:
                visit(called)
        found[function] = None

    visit(entry)
    return list(found)


def _sources() -> str:
    """A digest of everything that compiled code is made of."""
    files = sorted({str(inspect.getsourcefile(function)) for function in _KERNELS} | {__file__, fields.__file__, phases.__file__})
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()[:16]


def _pool_type(numba: Any) -> Any:
    """The type of a pool over arrays: columns lie apart in memory, tables do not."""
    kinds = {"<i8": numba.int64, "<i4": numba.int32, "<i2": numba.int16, "u1": numba.uint8}
    found = []
    for name in Pool._fields:
        if name in DEVICE_COLUMNS or name in HUB_COLUMNS:
            kind = (DEVICE_COLUMNS.get(name) or HUB_COLUMNS[name])[0]
            found.append(numba.types.Array(kinds[kind], 1, "A"))
        else:
            found.append(numba.types.Array(kinds[OWN[name][0] if name in OWN else "<i8"], 1, "C"))
    return numba.types.NamedTuple(found, Pool)
