"""TLS on every interface and on pushes, over real sockets: who has the right certificate gets in, and nobody else does."""

import asyncio
import shutil
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from emulator.client.control import ControlClient
from emulator.client.documents import MessageReader
from emulator.client.errors import Unreachable
from emulator.client.receiver import Receiver
from emulator.client.requests import read_firmware_version, read_inventory
from emulator.client.session import DuisClient
from emulator.client.smki import SmkiClient
from emulator.client.tls import client_tls, endpoint_tls
from emulator.domain.errors import Malformed
from emulator.duis.messages import ServiceResponse
from emulator.pki.dccki import LOCAL_NAMES, Dccki, Issued
from emulator.pki.keystore import KeyStore
from emulator.service.config import Outbox, Tls
from emulator.service.server import Server
from emulator.service.tls import listener_context, push_context
from tests.service.conftest import ESME, SUPPLIER, ServerFactory

SECRET, OTHER_SECRET = b"of the tests", b"of somebody else"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of one authority, right and wrong ones, and of another that nobody knows."""
    folder, now_ms = tmp_path_factory.mktemp("dccki"), time.time_ns() // 1_000_000
    ours, foreign = Dccki.make(SECRET, now_ms), Dccki.make(OTHER_SECRET, now_ms)
    (folder / "ca.pem").write_bytes(ours.pem)
    (folder / "foreign-ca.pem").write_bytes(foreign.pem)
    made: dict[str, Issued] = {
        "server": ours.issue_server(SECRET, LOCAL_NAMES, now_ms),
        "client": ours.issue_client(SECRET, "client", now_ms),
        "expired": ours.issue_client(SECRET, "late", now_ms, days=-1),
        "unborn": ours.issue_client(SECRET, "early", now_ms + 10 * 86_400_000),
        "foreign": foreign.issue_client(OTHER_SECRET, "client", now_ms),
        "foreign-server": foreign.issue_server(OTHER_SECRET, LOCAL_NAMES, now_ms),
        "expired-server": ours.issue_server(SECRET, LOCAL_NAMES, now_ms, days=-1),
        "other-name": ours.issue_server(SECRET, ("emulator.example",), now_ms),
    }
    for name, issued in made.items():
        (folder / f"{name}.pem").write_bytes(issued.certificate)
        (folder / f"{name}.key").write_bytes(issued.private_key)
    return folder


def shown(files: Path, name: str = "", ca: str = "ca") -> ssl.SSLContext | None:
    """The context of a client that shows this certificate."""
    pair = (files / f"{name}.pem", files / f"{name}.key") if name else (None, None)
    return client_tls(files / f"{ca}.pem", *pair)


def secured(files: Path, *, mutual: bool = True, server: str = "server", **more: object) -> dict[str, object]:
    """Settings of a server with TLS."""
    client_ca = {"tls.client_ca": files / "ca.pem"} if mutual else {}
    return {"tls.certificate": files / f"{server}.pem", "tls.key": files / f"{server}.key", **client_ca, **more}


Ask = Callable[[Server, ssl.SSLContext | None, KeyStore], Awaitable[None]]


async def ask_duis(server: Server, tls: ssl.SSLContext | None, keys: KeyStore) -> None:
    async with DuisClient(server.url("duis"), SUPPLIER, keys, tls=tls) as client:
        assert (await client.send(read_inventory(SUPPLIER, ESME))).code == "I0"


async def ask_smki(server: Server, tls: ssl.SSLContext | None, keys: KeyStore) -> None:
    async with SmkiClient(server.url("smki"), KeyStore(), tls=tls) as client:
        assert len(await client.fetch(ESME)) == 2


async def ask_control(server: Server, tls: ssl.SSLContext | None, keys: KeyStore) -> None:
    async with ControlClient(server.url("control"), tls=tls) as client:
        assert await client.ready()
        assert len(await client.digest()) == 64


ASK: dict[str, Ask] = {"duis": ask_duis, "smki": ask_smki, "control": ask_control}


async def test_mutual_tls(servers: ServerFactory, files: Path, world_keys: KeyStore) -> None:
    """The right certificate gets in; none, an expired one, one of another authority and a server's do not."""
    server = await servers.start(secured(files))
    for interface, ask in ASK.items():
        assert server.url(interface).startswith("https://")
        for wrong in ("", "expired", "unborn", "foreign", "server"):
            with pytest.raises(Unreachable):
                await ask(server, shown(files, wrong), world_keys)
        await ask(server, shown(files, "client"), world_keys)


async def test_the_client_checks_the_server(servers: ServerFactory, files: Path, world_keys: KeyStore) -> None:
    for name in ("foreign-server", "expired-server", "other-name"):
        server = await servers.start(secured(files, server=name, mutual=False))
        for ask in ASK.values():
            with pytest.raises(Unreachable, match="certificate"):
                await ask(server, shown(files), world_keys)
    server = await servers.start(secured(files, mutual=False))
    for ask in ASK.values():
        await ask(server, shown(files), world_keys)
        for wrong in (None, shown(files, ca="foreign-ca")):
            with pytest.raises(Unreachable, match="certificate"):
                await ask(server, wrong, world_keys)


async def test_pushes_both_ways(servers: ServerFactory, files: Path, world_keys: KeyStore) -> None:
    """The emulator shows its certificate to an endpoint that asks for one, and the result comes."""
    own = {"outbox.ca": files / "ca.pem", "outbox.certificate": files / "client.pem", "outbox.key": files / "client.key"}
    server = await servers.start(secured(files, **own))
    endpoint = endpoint_tls(files / "server.pem", files / "server.key", files / "ca.pem")
    tls = shown(files, "client")
    async with (
        Receiver(MessageReader(world_keys), tls=endpoint) as receiver,
        ControlClient(server.url("control"), tls=tls) as control,
        DuisClient(server.url("duis"), SUPPLIER, world_keys, tls=tls) as client,
    ):
        assert receiver.url.startswith("https://")
        await control.set_endpoint(SUPPLIER, receiver.url)
        answer = await client.send(read_firmware_version(SUPPLIER, ESME))
        assert answer.code == "I99"
        push = await receiver.wait_for(lambda each: isinstance(each.message, ServiceResponse))
        assert isinstance(push.message, ServiceResponse)
        assert push.message.code == "I0"


@pytest.mark.parametrize(
    ("endpoint", "emulator", "ca"),
    [
        ("foreign-server", "client", "ca"),
        ("expired-server", "client", "ca"),
        ("other-name", "client", "ca"),
        ("server", "", "ca"),
        ("server", "expired", "ca"),
        ("server", "foreign", "ca"),
        ("server", "client", "foreign-ca"),
    ],
)
async def test_pushes_to_or_from_the_wrong_one(
    servers: ServerFactory, files: Path, world_keys: KeyStore, endpoint: str, emulator: str, ca: str
) -> None:
    """Nothing arrives; the message waits and is tried again."""
    own = {"outbox.certificate": files / f"{emulator}.pem", "outbox.key": files / f"{emulator}.key"} if emulator else {}
    server = await servers.start({"outbox.ca": files / f"{ca}.pem", **own})
    context = endpoint_tls(files / f"{endpoint}.pem", files / f"{endpoint}.key", files / "ca.pem")
    async with (
        Receiver(MessageReader(world_keys), tls=context) as receiver,
        ControlClient(server.url("control")) as control,
        DuisClient(server.url("duis"), SUPPLIER, world_keys) as client,
    ):
        await control.set_endpoint(SUPPLIER, receiver.url)
        await client.send(read_firmware_version(SUPPLIER, ESME))
        waiting: list[dict[str, object]] = []
        for _ in range(500):
            waiting = [each for each in (await control.outbox())["messages"] if each["attempts"]]
            if waiting:
                break
            await asyncio.sleep(0.02)
        assert [each["state"] for each in waiting] == ["queued"]
        assert not receiver.received


async def test_old_protocols_are_not_spoken(servers: ServerFactory, files: Path) -> None:
    server = await servers.start(secured(files, mutual=False))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        tls = shown(files)
        assert tls is not None
        tls.minimum_version = tls.maximum_version = version
        _, writer = await asyncio.open_connection("127.0.0.1", server.ports["duis"], ssl=tls)
        spoken, cipher = writer.get_extra_info("ssl_object").version(), writer.get_extra_info("cipher")[0]
        assert spoken == version.name.replace("_", ".")
        assert "GCM" in cipher or "CHACHA20" in cipher
        writer.close()
        await writer.wait_closed()
    context = listener_context(Tls(certificate=files / "server.pem", key=files / "server.key"))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert not [
        each for each in context.get_ciphers() if each["kea"] == "kx-rsa" or "CBC" in each["name"] or "NULL" in each["name"]
    ]


async def test_plain_http_to_a_port_with_tls(servers: ServerFactory, files: Path, http: aiohttp.ClientSession) -> None:
    """Nothing is answered in the clear."""
    server = await servers.start(secured(files, mutual=False))
    for interface in ASK:
        with pytest.raises(aiohttp.ClientError):
            await http.get(server.url(interface).replace("https", "http"))


@pytest.mark.verify
async def test_more_processes_behind_the_port(servers: ServerFactory, files: Path, world_keys: KeyStore) -> None:
    server = await servers.start(secured(files, **{"duis.processes": 2}))
    await ask_duis(server, shown(files, "client"), world_keys)
    for wrong in ("", "expired", "foreign"):
        with pytest.raises(Unreachable):
            await ask_duis(server, shown(files, wrong), world_keys)


async def test_some_listeners_only(servers: ServerFactory, files: Path, world_keys: KeyStore) -> None:
    server = await servers.start(secured(files, **{"tls.listeners": ["duis"]}))
    assert [server.url(name).partition(":")[0] for name in ASK] == ["https", "http", "http"]
    await ask_duis(server, shown(files, "client"), world_keys)
    await ask_control(server, None, world_keys)


async def test_a_hundred_handshakes_that_do_not_end_hold_up_nobody(
    servers: ServerFactory, files: Path, world_keys: KeyStore
) -> None:
    server = await servers.start(secured(files))
    held = [await asyncio.open_connection("127.0.0.1", server.ports["duis"]) for _ in range(100)]
    for _, writer in held:
        writer.write(bytes.fromhex("160301020001000001fc0303"))
    await ask_duis(server, shown(files, "client"), world_keys)
    for _, writer in held:
        writer.close()


async def run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode("utf-8", "replace")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_curl(servers: ServerFactory, files: Path) -> None:
    server = await servers.start(secured(files))
    url = f"{server.url('control')}/_dcc/health"
    common = ("curl", "--silent", "--show-error", "--cacert", str(files / "ca.pem"), url)
    for name, expected in (("client", True), ("", False), ("expired", False), ("foreign", False), ("server", False)):
        given = ("--cert", str(files / f"{name}.pem"), "--key", str(files / f"{name}.key")) if name else ()
        code, output = await run(*common, *given)
        assert (code == 0) is expected, output
        assert ("alive" in output) is expected
    code, _ = await run(*common, "--tls-max", "1.1", "--cert", str(files / "client.pem"), "--key", str(files / "client.key"))
    assert code != 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
async def test_openssl_verifies_what_the_authority_issues(files: Path) -> None:
    for name, purpose, good in (
        ("server", "sslserver", True),
        ("client", "sslclient", True),
        ("client", "sslserver", False),
        ("server", "sslclient", False),
        ("expired", "sslclient", False),
        ("foreign", "sslclient", False),
    ):
        command = ("openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(files / "ca.pem"))
        code, output = await run(*command, str(files / f"{name}.pem"))
        assert (code == 0) is good, output


@pytest.mark.parametrize(
    ("settings", "where"),
    [
        ({"certificate": "missing.pem"}, "tls.certificate"),
        ({"certificate": "server.pem"}, "tls.certificate"),
        ({"certificate": "server.pem", "key": "client.key"}, "tls.certificate"),
        ({"certificate": "server.key", "key": "server.key"}, "tls.certificate"),
        ({"certificate": "server.pem", "key": "server.key", "client_ca": "missing.pem"}, "tls.client_ca"),
        ({"certificate": "server.pem", "key": "server.key", "client_ca": "server.key"}, "tls.client_ca"),
        ({"key": "server.key"}, "tls.certificate"),
        ({"client_ca": "ca.pem"}, "tls.certificate"),
    ],
)
def test_files_that_cannot_be_used(files: Path, settings: dict[str, str], where: str) -> None:
    with pytest.raises(Malformed) as refusal:
        listener_context(Tls(**{name: files / value for name, value in settings.items()}))  # type: ignore[arg-type]
    assert refusal.value.where == where
    assert "PRIVATE KEY" not in str(refusal.value)


def test_files_for_pushes(files: Path) -> None:
    assert push_context(Outbox()) is True
    assert push_context(Outbox(verify_tls=False)) is False
    lax = push_context(Outbox(verify_tls=False, certificate=files / "client.pem", key=files / "client.key"))
    assert isinstance(lax, ssl.SSLContext)
    assert lax.verify_mode == ssl.CERT_NONE
    for wrong in ({"ca": "missing.pem"}, {"certificate": "client.pem"}, {"certificate": "missing.pem"}):
        with pytest.raises(Malformed, match=r"outbox\."):
            push_context(Outbox(**{name: files / value for name, value in wrong.items()}))  # type: ignore[arg-type]


def test_files_of_a_client(files: Path) -> None:
    assert client_tls() is None
    for wrong in ({"ca": "missing.pem"}, {"certificate": "client.pem"}, {"key": "client.key"}, {"ca": "client.key"}):
        with pytest.raises(Malformed):
            client_tls(**{name: files / value for name, value in wrong.items()})
    with pytest.raises(Malformed):
        endpoint_tls(files / "ca.pem", files / "client.key")
