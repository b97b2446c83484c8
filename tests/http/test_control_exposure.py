"""Who may use the control API: it steers everything, so it is for this machine or for holders of the token, for no web page."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from emulator.client.control import ControlClient
from emulator.domain.errors import Malformed
from emulator.service.config import LOOPBACK, Control, load_settings
from emulator.service.server import check_exposure
from tests.conftest import ROOT
from tests.http.conftest import MakeSide
from tests.http.raw import speak
from tests.http.running import QUICK, Emulator, emulator_process
from tests.http.side import Answer, Side

TOKEN = "correct horse battery staple"
DIGEST = "/control/v1/worlds/default/digest"


async def ask(side: Side, path: str, *lines: str, host: str = "127.0.0.1", first: str = "") -> Answer:
    """A GET with header lines as given."""
    head = [first or f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines, "", ""]
    answer = await speak(side.emulator, "\r\n".join(head).encode("latin-1"), interface="control")
    assert answer is not None
    return answer


@pytest.fixture(scope="module")
def with_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator with a token."""
    with emulator_process(tmp_path_factory.mktemp("guarded"), control__token=TOKEN) as running:
        yield running


@pytest.fixture
async def guarded(with_token: Emulator, sides: MakeSide) -> AsyncIterator[Side]:
    """The side of one who has the token."""
    side = await sides(with_token)
    async with ControlClient(with_token.url("control"), token=TOKEN) as control:
        yield replace(side, control=control)


async def test_names_that_a_page_could_have_made_resolve_to_us(default: Side) -> None:
    """DNS rebinding: the page's own name leads here, so the browser says no Origin; but it says the name."""
    port = default.emulator.ports["control"]
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "127.0.0.1.evil.example", "127-0-0-1.example"):
        for path in (DIGEST, "/_dcc/diagnose", "/control/v1/settings"):
            refused = await ask(default, path, host=host)
            assert refused.status == 403
            assert json.loads(refused.body)["where"] == "Host"
    for host in ("", "a b", "[::1", "127.0.0.1@evil.example", "evil.example#127.0.0.1", "evil.example/127.0.0.1", "\xe9"):
        assert (await ask(default, DIGEST, host=host)).status in (400, 403)
    for host in (f"127.0.0.1:{port}", "localhost", f"LOCALHOST:{port}", "[::1]", f"[::1]:{port}", "127.8.9.1", "192.0.2.7"):
        assert (await ask(default, DIGEST, host=host)).status == 200


async def test_with_a_token_the_name_does_not_matter(guarded: Side) -> None:
    """A page cannot know the token, so the service may have any name."""
    assert (await ask(guarded, DIGEST, host="any.example")).status == 401
    assert (await ask(guarded, DIGEST, f"Authorization: Bearer {TOKEN}", host="any.example")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/control/v1/settings",
        "/%63ontrol/v1/settings",
        "/control%2Fv1%2Fsettings",
        "//control/v1/settings",
        "/./control/v1/settings",
        "/_dcc/../control/v1/settings",
        "/_dcc/%2e%2e/control/v1/settings",
        "/CONTROL/v1/settings",
        "http://localhost/control/v1/settings",
        "http://localhost/_dcc/health/../../control/v1/settings",
        "/_dcc/diagnose",
        "/_dcc/%64iagnose",
        "/_dcc//diagnose",
        "/control/v1/openapi.json",
        "/control/v1/worlds/default/keys/keystore.json",
        f"/control/v1/settings?token={TOKEN.replace(' ', '%20')}",
        f"/control/v1/settings?access_token={TOKEN.replace(' ', '%20')}",
    ],
)
async def test_no_spelling_of_a_path_leads_past_the_token(guarded: Side, path: str) -> None:
    refused = await ask(guarded, path)
    assert refused.status in (400, 401, 404)


async def test_the_page_that_is_for_all_says_what_there_is_and_not_how_it_is(guarded: Side) -> None:
    """It asks for the token itself; whoever opens it without one learns what the documentation says, and no more."""
    page = await ask(guarded, "/control/v1/docs")
    assert page.status == 200
    assert "content-security-policy" in page.headers
    assert TOKEN not in page.text
    for path in (
        "/control/v1/docs/",
        "/control/v1/docs/../settings",
        "/control/v1/docs%2f..%2fsettings",
        "/control/v1/docs;/settings",
    ):
        assert (await ask(guarded, path)).status in (400, 401, 404)


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer {TOKEN[:-1]}",
        f"Authorization: Bearer {TOKEN}x",
        f"Authorization: Bearer {TOKEN.upper()}",
        "Authorization: Bearer ",
        "Authorization: Bearer",
        f"Authorization: Token {TOKEN}",
        f"Authorization: {TOKEN}",
        f"Cookie: token={TOKEN}",
        f"X-Token: {TOKEN}",
        f"Proxy-Authorization: Bearer {TOKEN}",
        "Authorization: Bearer \xe9\xff",
        f"Authorization: Bearer x\r\nAuthorization: Bearer {TOKEN}",
    ],
)
async def test_what_is_not_the_token(guarded: Side, line: str) -> None:
    refused = await ask(guarded, DIGEST, line)
    assert refused.status in (400, 401)
    assert TOKEN not in refused.text
    assert TOKEN not in guarded.emulator.log


async def test_no_answer_lets_a_page_of_another_site_read_it(default: Side) -> None:
    """No CORS header anywhere, and what a browser asks before a call that is not simple is refused."""
    for first in (f"OPTIONS {DIGEST} HTTP/1.1", "OPTIONS /control/v1/worlds/default/reset HTTP/1.1", f"GET {DIGEST} HTTP/1.1"):
        for lines in ((), ("Origin: http://evil.example", "Access-Control-Request-Method: POST")):
            answer = await ask(default, "", *lines, first=first)
            assert not [name for name in answer.headers if name.startswith("access-control-")]
            assert answer.status == (403 if lines else 200 if first.startswith("GET") else 405)


async def test_the_other_services_give_pages_nothing_either(default: Side) -> None:
    """What a page may send without asking first (text, forms) they do not take, and they answer no question about it."""
    for interface, path in (("duis", "/api/v1/serviceD"), ("smki", "/services/certificatesearch")):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://a.b\r\nContent-Type: {kind}\r\nContent-Length: 0\r\n\r\n"
            answer = await speak(default.emulator, head.encode(), interface=interface)
            assert answer is not None
            assert answer.status == 415
        head = f"OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\n\r\n"
        answer = await speak(default.emulator, head.encode(), interface=interface)
        assert answer is not None
        assert answer.status == 405
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def start(**settings: str) -> subprocess.CompletedProcess[str]:
    """Start a server that must not start."""
    assignments = [f"--set={name}={value}" for name, value in {**QUICK, **settings}.items()]
    command = [sys.executable, "-m", "emulator.service", *assignments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DCC_")}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=clean, timeout=120, check=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "emulator.example"])
def test_beyond_loopback_a_token_is_needed(host: str) -> None:
    with pytest.raises(Malformed, match=f"whoever reaches {host} would control everything"):
        check_exposure(Control(host=host))
    check_exposure(Control(host=host, token=SecretStr("x")))
    check_exposure(Control(host=host, open=True))


@pytest.mark.parametrize("host", sorted(LOOPBACK))
def test_on_loopback_none_is_needed(host: str) -> None:
    check_exposure(Control(host=host))


def test_there_is_no_start_without_it() -> None:
    refused = start(**{"control.host": "0.0.0.0"})
    assert refused.returncode == 2
    assert "control.token" in refused.stderr
    assert refused.stdout == ""


def test_an_empty_token_is_none_at_all() -> None:
    with pytest.raises(Malformed, match=r"control\.token"):
        load_settings(env={"DCC_CONTROL__TOKEN": ""})


async def test_open_on_purpose(emulators: Callable[..., Emulator], sides: MakeSide) -> None:
    """As in a container whose port is published on loopback alone; the name is still looked at, and diagnose says what it is."""
    names = "emulator.test,dcc"
    side = await sides(emulators(control__host="0.0.0.0", control__open="true", control__allowed_hosts=names))
    for host, status in (("emulator.test", 200), ("DCC:8080", 200), ("localhost", 200), ("127.0.0.1", 200), ("other.test", 403)):
        assert (await ask(side, DIGEST, host=host)).status == status
    found = await side.control.diagnose()
    assert [each["where"] for each in found["warnings"]] == ["control.host"]
