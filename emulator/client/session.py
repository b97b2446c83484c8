"""Sending requests to the three DUIS web services and checking the answers."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from types import TracebackType

import aiohttp

from emulator.client.documents import MessageReader
from emulator.client.errors import BadAnswer, KeyMissing, Rejected, Unexpected, Unreachable
from emulator.client.precommand import check_pre_command, pre_command_of
from emulator.client.requests import signed_pre_command
from emulator.client.signing import CounterSource, sign_request, sign_template, stamp, wall_clock_ms
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId, format_eui
from emulator.domain.operators import OPERATOR_HEADER, check_operator
from emulator.domain.tables import WEB_SERVICE
from emulator.domain.vocabulary import WebService
from emulator.duis.messages import Request, ServiceResponse
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import sign
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore

TIMEOUT_S = 3.0
"""What the stock client allows for a whole exchange (source: wire_contract.md section 0 item 7, measured)."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer as they were on the wire."""

    at_ms: int
    """Wall clock when the request was sent."""
    service: WebService
    request_id: RequestId
    request: bytes
    status: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class SignedCommand:
    """A critical command that was transformed, checked, signed and sent."""

    transform: Request
    pre_command: GbcsMessage
    command: GbcsMessage
    """The Pre-Command with the user's signature."""
    acknowledgement: ServiceResponse
    content_compared: bool
    """Whether the payload could be compared with the request before it was signed."""


class DuisClient:
    """One user towards one DUIS server.

    ``keys`` needs the user's XML-signing key, its digital-signature key for critical commands, and the certificate with which the
    server signs. Every method may raise :class:`~emulator.client.errors.ClientError`; a functional refusal is no error but
    the response that comes back.
    """

    def __init__(
        self,
        url: str,
        user: Eui64,
        keys: KeyStore,
        *,
        timeout_s: float = TIMEOUT_S,
        reader: MessageReader | None = None,
        counters: CounterSource | None = None,
        observer: Callable[[Exchange], None] | None = None,
        operator: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """``url`` is the root of the DUIS service, with ``/worlds/NAME`` for another world than the default; ``operator`` is the
        human who acts under the User ID, for the emulator's audit trail; :attr:`operator` may be set anew before any request;
        ``tls`` is as :func:`emulator.client.tls.client_tls` makes it."""
        self.url = url.rstrip("/")
        self.user = user
        self.keys = keys
        self.reader = reader or MessageReader(keys)
        self.counters = counters or CounterSource()
        self.observer = observer
        self.operator = check_operator(operator)
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "DuisClient":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def send(self, request: Request) -> ServiceResponse:
        """Stamp, sign and post a request to the web service of its Command Variant and return the checked answer."""
        request = stamp(request, self.counters)
        return await self._exchange(request.request_id, request.command_variant, sign_request(request, self.keys))

    async def send_template(self, document: bytes, *, preserve_counter: bool = False) -> ServiceResponse:
        """Sign a user's own XML with the key of its originator and post it, as :func:`sign_template` has it."""
        request_id, command_variant, signed = sign_template(document, self.counters, self.keys, preserve_counter=preserve_counter)
        return await self._exchange(request_id, command_variant, signed)

    async def transform_and_send(self, request: Request, command_variant: int = 5) -> SignedCommand | ServiceResponse:
        """Take a critical request (CV 4) to the device: Transform, check the Pre-Command, sign it, send it (CV 5), or have it
        handed out for local delivery (6), or both (7).

        A refused Transform gives its response; otherwise the acknowledgement is in the result, whatever its code.
        """
        request = stamp(request, self.counters)
        answer = await self.send(request)
        if answer.code != "I0":
            return answer
        pre_command = pre_command_of(answer)
        check = check_pre_command(request, pre_command)
        if check.problem:
            raise Unexpected(f"the Pre-Command is not what was asked for: {check.problem}")
        record = self.keys.live(self.user, Usage.DIGITAL_SIGNATURE)
        if record is None or record.private_key is None:
            raise KeyMissing(f"the key store has no digital-signature key for {format_eui(self.user)}")
        command = sign(pre_command, record.private_key)
        acknowledgement = await self.send(signed_pre_command(request, command.encode(), command_variant))
        return SignedCommand(request, pre_command, command, acknowledgement, check.content_compared)

    async def post(self, service: WebService, document: bytes) -> tuple[int, str, bytes]:
        """Post bytes as they are: status, media type and body of the answer. Only :class:`Unreachable` is raised."""
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=self._timeout, connector=aiohttp.TCPConnector(ssl=self._tls or True))
        url = f"{self.url}/api/v1/service{service}"
        headers = {"Content-Type": "application/xml", **({OPERATOR_HEADER: self.operator} if self.operator else {})}
        try:
            async with self._http.post(url, data=BytesIO(document), headers=headers) as answer:
                return answer.status, answer.content_type, await answer.read()
        except TimeoutError as late:
            raise Unreachable(f"{url} did not answer within {self._timeout.total} s") from late
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{url}: {error}") from error

    async def _exchange(self, request_id: RequestId, command_variant: int, document: bytes) -> ServiceResponse:
        service = WEB_SERVICE.get(command_variant)
        if service is None:
            raise Malformed(f"Command Variant {command_variant} has no web service", expected="1 to 8")
        at_ms = wall_clock_ms()
        status, media_type, body = await self.post(service, document)
        if self.observer is not None:
            self.observer(Exchange(at_ms, service, request_id, document, status, body))
        if not 200 <= status < 300:
            raise Rejected(status, body.decode("utf-8", "replace").strip()[:1000])
        if media_type != "application/xml":
            raise BadAnswer(f"the answer has media type {media_type!r}; expected 'application/xml'")
        message = self.reader.read(body)
        if not isinstance(message, ServiceResponse):
            raise BadAnswer(f"the answer is a {type(message).__name__}, not a response to a request")
        if message.request_id is not None and RequestId.parse(message.request_id) != request_id:
            raise BadAnswer(f"the answer is for RequestID {message.request_id}, the request was {request_id}")
        return message
