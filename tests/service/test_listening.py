"""Endpoints that stop while connections come in."""

import asyncio
import gc
import ssl
import time
import warnings
from contextlib import suppress

import pytest

from emulator.client.documents import MessageReader
from emulator.client.receiver import Receiver
from emulator.client.tls import endpoint_tls
from emulator.pki.dccki import LOCAL_NAMES, Dccki
from emulator.pki.keystore import KeyStore


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """What an endpoint with TLS shows."""
    folder, now_ms = tmp_path_factory.mktemp("dccki"), time.time_ns() // 1_000_000
    authority = Dccki.make(b"of the tests", now_ms)
    issued = authority.issue_server(b"of the tests", LOCAL_NAMES, now_ms)
    for name, octets in (("ca.pem", authority.pem), ("server.pem", issued.certificate), ("server.key", issued.private_key)):
        (folder / name).write_bytes(octets)
    return endpoint_tls(folder / "server.pem", folder / "server.key", folder / "ca.pem")


async def _stop_after(turns: int, tls: ssl.SSLContext | None) -> None:
    async with Receiver(MessageReader(KeyStore()), tls=tls) as receiver:
        connecting = asyncio.create_task(asyncio.open_connection("127.0.0.1", receiver.port))
        for _ in range(turns):
            await asyncio.sleep(0)
    with suppress(ConnectionError):  # who was not accepted any more
        _, writer = await connecting
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("secure", [False, True])
def test_whoever_was_accepted_as_it_stopped_is_not_left_behind(secure: bool, tls: ssl.SSLContext) -> None:
    """Whatever the turn of the event loop in which it stops, no socket stays open."""
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for turns in range(12):
            asyncio.run(_stop_after(turns, tls if secure else None))
            gc.collect()
    assert [str(each.message) for each in caught if issubclass(each.category, ResourceWarning)] == []
