"""The user's side of one world: raw posts with right and wrong signatures, and what a refusal must leave alone."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import aiohttp

from emulator.client.control import ControlClient
from emulator.client.documents import MessageReader
from emulator.client.signing import CounterSource, sign_request, stamp
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, parse_eui
from emulator.domain.tables import WEB_SERVICE
from emulator.duis.encode import encode_request
from emulator.duis.messages import Request, ServiceResponse
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.keystore import KeyStore
from tests.duis.parties import Party, raw_ecdsa, sign_otherwise
from tests.http.running import Emulator

SUPPLIER = parse_eui("90-B3-D5-1F-30-01-00-00")
SUPPLIER_TWO = parse_eui("90-B3-D5-1F-30-03-00-00")
NETWORK_OPERATOR = parse_eui("90-B3-D5-1F-30-02-00-00")
OTHER_USER = parse_eui("00-DB-12-34-56-78-00-04")
RECOVERY = parse_eui("90-B3-D5-1F-30-00-00-01")
NOBODY = parse_eui("11-22-33-44-55-66-77-88")
"""Neither device nor party."""


def device(home: int, last: str) -> Eui64:
    """A device of the default estate: home 0 central, 1 north, 2 south; ``A0`` ESME … ``A5`` HCALCS."""
    return parse_eui(f"00-DB-12-34-56-78-9{home}-{last}")


ESME, GSME, CHF, PPMID, HCALCS = (device(0, last) for last in ("A0", "A1", "A2", "A4", "A5"))


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def media_type(self) -> str:
        """Without parameters."""
        return self.headers.get("content-type", "").partition(";")[0]

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(frozen=True)
class Refused:
    """A functional refusal: the code on the wire, and the words in the journal."""

    code: str
    words: str
    """Which check refused, and why."""


async def take(answer: aiohttp.ClientResponse) -> Answer:
    """Read an answer to its end."""
    return Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, await answer.read())


@dataclass
class Side:
    """One world of a running emulator, as its users meet it."""

    emulator: Emulator
    name: str
    http: aiohttp.ClientSession
    control: ControlClient
    keys: KeyStore
    reader: MessageReader
    counters: CounterSource = field(default_factory=CounterSource)

    def url(self, interface: str = "duis") -> str:
        """The root of ``duis`` or ``smki`` of this world."""
        prefix = "" if self.name == "default" else f"/worlds/{self.name}"
        return self.emulator.url(interface) + prefix

    # Requests

    def stamped(self, request: Request) -> Request:
        """With the next counter, unless it has one."""
        return stamp(request, self.counters)

    def xml(self, request: Request) -> bytes:
        """Canonical, unsigned."""
        return encode_request(self.stamped(request))

    def signed(self, request: Request) -> bytes:
        """As the originator signs it."""
        return sign_request(self.stamped(request), self.keys)

    def record(self, eui: Eui64) -> CertificateRecord:
        """The XML-signing certificate of a user."""
        found = self.keys.xml_signing(eui)
        assert found is not None
        return found

    def party(self, eui: Eui64 = SUPPLIER) -> Party:
        """A user's XML-signing key for the signers of :mod:`tests.duis.parties`."""
        return party_of(self.record(eui))

    def gbcs_party(self, eui: Eui64 = SUPPLIER) -> Party:
        """The key with which a user signs GBCS."""
        found = self.keys.live(eui, Usage.DIGITAL_SIGNATURE)
        assert found is not None
        return party_of(found)

    def sign_otherwise(self, document: bytes, **options: Any) -> bytes:
        """As the first supplier signs it by other means: consistent, with what ``tests.duis.parties`` offers to change."""
        party = self.party()
        return sign_otherwise(document, party=party, **{"make_value": lambda data: raw_ecdsa(data, party), **options})

    # Exchanges

    async def post(self, body: bytes, service: str = "D", headers: dict[str, str] | None = None) -> Answer:
        """Post octets to a DUIS web service."""
        sent = {"Content-Type": "application/xml", **(headers or {})}
        async with self.http.post(f"{self.url()}/api/v1/service{service}", data=BytesIO(body), headers=sent) as answer:
            return await take(answer)

    async def ask(self, request: Request | bytes, service: str | None = None) -> ServiceResponse:
        """Sign and post a request, and check what must be so of every answer."""
        if isinstance(request, Request):
            request = self.stamped(request)
            service = service or WEB_SERVICE[request.command_variant]
            body = self.signed(request)
        else:
            body = request
        answer = await self.post(body, service or "D")
        assert (answer.status, answer.media_type) == (200, "application/xml"), answer.text
        message = self.reader.read(answer.body)
        assert isinstance(message, ServiceResponse)
        if isinstance(request, Request):
            assert message.request_id == str(request.request_id)
        return message

    # Refusals

    @asynccontextmanager
    async def unchanged(self) -> AsyncIterator[None]:
        """What happens inside must be no input of the world: same state to the last bit, and nothing pushed."""
        before = await self._bits()
        yield
        assert await self._bits() == before

    async def refuses(self, body: bytes, service: str = "D", headers: dict[str, str] | None = None) -> Answer:
        """The answer to what is refused below DUIS: plain words, and the world as before."""
        async with self.unchanged():
            answer = await self.post(body, service, headers)
        assert_plain(answer)
        return answer

    async def refused(self, request: Request | bytes, service: str | None = None) -> Refused:
        """The code and the words with which a request is refused that got as far as the gate, and did nothing there."""
        before = await self._work()
        answer = await self.ask(request, service)
        assert answer.code.startswith("E"), answer
        assert answer.payload is None
        assert await self._work() == {**before, "inputs": before["inputs"] + 1}
        entry = (await self.control.journal(request_id=answer.request_id, kind="refusal"))[-1]
        return Refused(answer.code, entry["summary"].removeprefix(f"{answer.code}: "))

    async def _bits(self) -> dict[str, Any]:
        world = await self.control.describe()
        return {
            "digest": await self.control.digest(),
            "inputs": world["inputs"],
            "outbox": (await self.control.outbox())["counts"],
        }

    async def _work(self) -> dict[str, Any]:
        """All that a world does; the RequestIDs that it remembers are none of it."""
        world = await self.control.describe()
        return {
            "now_ms": world["now_ms"],
            "next": world["next_wakeup_ms"],
            "inputs": world["inputs"],
            "devices": await self.control.devices(),
            "jobs": await self.control.jobs(),
            "transactions": await self.control.transactions(),
            "outbox": (await self.control.outbox())["counts"],
        }


def assert_plain(answer: Answer) -> None:
    """A refusal below DUIS is a few lines of plain text without anything of our insides."""
    assert 400 <= answer.status < 500
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.text.endswith("\n")
    assert len(answer.text) < 2_000
    for leak in ("Traceback", 'File "', "emulator/", "lxml", "libxml"):
        assert leak not in answer.text


def party_of(record: CertificateRecord) -> Party:
    """The certificate and its private key for the signers of :mod:`tests.duis.parties`."""
    assert record.private_key is not None
    scalar = record.private_key.private_numbers().private_value
    return Party(record.eui, scalar, record.serial, record.issuer, record.role or 0)


def to_dcc(originator: Eui64 = SUPPLIER, counter: int = 0) -> RequestId:
    """The RequestID of a request to the DCC itself."""
    return RequestId(originator, ACCESS_CONTROL_BROKER, counter)


def with_identity(request: Request, **parts: Any) -> Request:
    """The request with other parts of its RequestID."""
    return replace(request, request_id=replace(request.request_id, text="", **parts))


def problem(answer: Answer) -> dict[str, str]:
    """The error of a control call, which has exactly these three fields."""
    assert answer.media_type == "application/json"
    found: dict[str, str] = json.loads(answer.body)
    assert found.keys() == {"error", "where", "expected"}
    return found
