"""How numba compiles a kernel that only other kernels call: to what they link in, and no further.

Left to itself numba optimises every function with all that it calls and makes machine code of it, for each caller again. Here
that is done once, for the kernel that is called from outside.
"""

from collections.abc import Callable
from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler


class _NoAddresses:
    """A code generator for functions that have no address."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, env: object) -> None:
        """There is nowhere to put it, and kernels use no Python object."""


class LinkedLibrary(JITCodeLibrary):
    """A function that is linked into its callers and never run by itself."""

    @property
    def codegen(self) -> _NoAddresses:
        """What makes code of it."""
        return _NoAddresses(self._codegen)

    def enable_object_caching(self) -> None:
        """There is no object."""

    def get_pointer_to_function(self, name: str) -> int:
        """None."""
        _finalized(self)
        return 0

    def _optimize_final_module(self) -> None:
        """That is for the caller."""

    def _finalize_final_module(self) -> None:
        self._finalized = True


class LinkedOnly(Compiler):
    """The usual passes, into a :class:`LinkedLibrary`."""

    def define_pipelines(self) -> Any:
        """The usual ones."""
        library: Any = LinkedLibrary
        self.state.library = library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return _usual(super())


def after(prepare: Callable[[], None]) -> type[Any]:
    """The usual passes for a function that was not in the cache, after its callees have been compiled."""

    class Prepared(Compiler):
        """See :func:`after`."""

        def define_pipelines(self) -> Any:
            """The usual ones."""
            prepare()
            return _usual(super())

    return Prepared


def _usual(compiler: Any) -> Any:
    return compiler.define_pipelines()


def _finalized(library: Any) -> None:
    library._ensure_finalized()
