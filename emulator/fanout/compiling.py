"""One source, two ways to run it: kernels are plain functions, and :func:`compiled` makes their machine code where numba is
there.

A kernel is registered by :func:`kernel` and stays what it is: a Python function. Its compiled twin is made from the same code
object, with the other kernels that it names replaced by their twins. Twins are cached on disk under a name that has the digest
of all kernel sources, so that a change of one file never leaves code of another behind.
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

Function = TypeVar("Function", bound=Callable[..., int])

_KERNELS: dict[FunctionType, bool] = {}
"""Every kernel in the order of definition, a kernel after those it calls; whether it goes into its callers whole."""


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


def can_compile() -> bool:
    """Whether the extra ``scale`` is installed."""
    return find_spec("numba") is not None


@cache
def compiled() -> dict[Callable[..., int], Callable[..., int]]:
    """The compiled twin of every kernel defined so far; needs the extra ``scale``. Compilation itself is at the first call."""
    numba: Any = import_module("numba")
    config: Any = import_module("numba.core.config")
    twins: dict[Any, Any] = {}
    files = sorted({str(inspect.getsourcefile(function)) for function in _KERNELS} | {__file__})
    digest = hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()[:16]
    before, config.CACHE_DIR = config.CACHE_DIR, str(Path(__file__).parent / "__pycache__" / f"kernels-{digest}")
    try:
        for function, into_callers in _KERNELS.items():
            twin = FunctionType(function.__code__, dict(function.__globals__), function.__name__, function.__defaults__)
            twin.__module__, twin.__qualname__ = function.__module__, function.__qualname__
            options = {"nogil": True, "forceinline": into_callers, "error_model": "numpy"}
            try:
                twins[function] = numba.njit(cache=True, **options)(twin)
            except RuntimeError:  # nowhere to write: compiled anew in each process
                twins[function] = numba.njit(**options)(twin)
    finally:
        config.CACHE_DIR = before
    for function, twin in twins.items():
        known = {name: twins[value] for name, value in function.__globals__.items() if callable(value) and value in twins}
        twin.py_func.__globals__.update(known)
    return twins
