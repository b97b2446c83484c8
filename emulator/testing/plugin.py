"""The pytest plugin ``dcc``: worlds as fixtures, and what happened in them when a test fails.

Installed with the package (entry point ``pytest11``). All tests of a session share one emulator in this process; each has a world
of its own in it, so that tests may run at the same time and in any order. Pytest loads this module in every run of an environment
that has the package, so it imports the emulator only when a test asks for it.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from emulator.client.blocking import BlockingClient
    from emulator.client.receiver import Receiver
    from emulator.domain.identifiers import Eui64
    from emulator.testing.harness import RunningEmulator
    from emulator.testing.worlds import Dcc

SESSION_WORLDS = 256
"""Worlds that the emulator of a session may hold at a time; tests end theirs."""


class PlanFault(Protocol):
    """Plans a fault and gives its number; the arguments are those of :meth:`RunningEmulator.fault`."""

    def __call__(self, kind: str, device: "Eui64 | None" = None, **options: Any) -> int:
        """Plan it."""
        ...


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option by which a failure is made again."""
    group = parser.getgroup("dcc", "DCC/CSP emulator")
    group.addoption("--dcc-seed", type=int, default=None, help="seed of the worlds of tests that name none in their marker")


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    text = "dcc(seed=1, estate=None, scenario='', start_ms=None): what the world of fixture `dcc` is made from"
    config.addinivalue_line("markers", text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Show seed, reproduction and the latest of the journal with a failure."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()  # type: ignore[attr-defined]
    dcc = getattr(item, "funcargs", {}).get("dcc")
    if report.when == "call" and report.failed and dcc is not None and hasattr(dcc, "story"):
        again = f'pytest "{item.nodeid}" --dcc-seed {dcc.seed}'
        report.sections.append(("dcc-emulator", f"again: {again}\n{dcc.story()}"))
        item.user_properties.append(("dcc-again", again))  # which reports in JUnit XML have


@pytest.fixture(scope="session")
def dcc_session() -> Iterator["RunningEmulator"]:
    """The emulator of the session: in this process, in memory, on free ports."""
    from emulator.testing.harness import running_emulator

    with running_emulator({"worlds.limit": SESSION_WORLDS}) as running:
        yield running


@pytest.fixture
def dcc(request: pytest.FixtureRequest, dcc_session: "RunningEmulator") -> Iterator["Dcc"]:
    """A world of this test's own, on time that jumps while somebody waits; the marker ``dcc`` says from what it is made."""
    from emulator.testing.worlds import USUAL_SEED, world_of

    marker = request.node.get_closest_marker("dcc")
    wanted = {} if marker is None else dict(marker.kwargs)
    given = request.config.getoption("--dcc-seed")
    seed = wanted.pop("seed", USUAL_SEED) if given is None else given
    wanted.pop("seed", None)
    with world_of(dcc_session, request.node.name, seed=seed, **wanted) as world:
        yield world


@pytest.fixture
def dcc_client(dcc: "Dcc") -> "BlockingClient":
    """The supplier of the default estate as a client, with an endpoint for its messages."""
    return dcc.client()


@pytest.fixture
def dcc_receiver(dcc_client: "BlockingClient") -> "Receiver":
    """What came to the endpoint of ``dcc_client``, in order: its ``received`` and ``refused``."""
    return dcc_client.receiver


@pytest.fixture
def dcc_server() -> Iterator["RunningEmulator"]:
    """An emulator for this test alone, on sockets of its own: for clients that know no worlds, and other programs."""
    from emulator.testing.harness import running_emulator

    with running_emulator() as running:
        yield running


@pytest.fixture
def dcc_emulator(dcc_server: "RunningEmulator") -> "RunningEmulator":
    """The older name of ``dcc_server``."""
    return dcc_server


@pytest.fixture
def dcc_fault(dcc_server: "RunningEmulator") -> Iterator[PlanFault]:
    """Plans a fault in ``dcc_server`` and takes it back after the test: ``dcc_fault("device.silent", eui, times=1)``."""
    with ExitStack() as stack:
        yield lambda kind, device=None, **options: stack.enter_context(dcc_server.fault(kind, device, **options))
