"""The emulator in a container, for the tests of a project in any language: `pip install testcontainers pytest`."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

IMAGE = os.environ.get("DCC_IMAGE", "dcc-csp-emulator")
DUIS, CONTROL, SMKI = 8079, 8080, 8083
SETTINGS = {
    "DCC_CLOCK__MODE": "autojump",  # hours of network time in seconds, while somebody waits
    "DCC_CLOCK__START": "estate",  # the instant of the estate: equal inputs, equal bytes
    "DCC_OUTBOX__PUSH_FLOOR_MS": "50",
    "DCC_OUTBOX__ALLOWED_HOSTS": "host.docker.internal",  # this machine, as the container sees it
    "DCC_CONTROL__OPEN": "true",  # in a CI job nobody else reaches the port
}


@dataclass(frozen=True)
class Emulator:
    """Where its services are, as this machine sees them."""

    duis: str
    control: str
    smki: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An operation of the control API on the default world."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.control}/control/v1/worlds/default{path}", data, method=method)
        request.add_header("Content-Type", "application/json")
        with urlopen(request) as answer:
            return json.loads(answer.read() or b"null")


@pytest.fixture(scope="session")
def container() -> Iterator[DockerContainer]:
    """One container for all tests."""
    made = DockerContainer(IMAGE).with_exposed_ports(DUIS, CONTROL, SMKI).with_envs(**SETTINGS)
    made = made.with_kwargs(extra_hosts={"host.docker.internal": "host-gateway"})
    with made.waiting_for(HttpWaitStrategy(CONTROL, "/_dcc/ready")) as running:
        yield running


@pytest.fixture
def emulator(container: DockerContainer) -> Emulator:
    """The emulator with its default world as it was at the beginning."""
    host = container.get_container_host_ip()
    duis, control, smki = (f"http://{host}:{container.get_exposed_port(port)}" for port in (DUIS, CONTROL, SMKI))
    found = Emulator(duis, control, smki)
    found.ask("POST", "/reset", {})
    return found
