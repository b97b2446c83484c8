"""What users were sent, as expectations look at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from emulator.client.receiver import Received
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, parse_eui
from emulator.duis.messages import DccAlert, DeviceAlert, Element


class Kind(StrEnum):
    """The three kinds of message that the DCC pushes."""

    RESPONSE = "response"
    DEVICE_ALERT = "device alert"
    DCC_ALERT = "DCC alert"


@dataclass(frozen=True, slots=True)
class Seen:
    """One message at one user, each delivery counted once."""

    to: Eui64
    at_ms: int
    """Simulated time at which the DCC made it."""
    kind: Kind
    code: str
    """Response code, alert code of the device in four digits, or number of the DCC Alert."""
    about: frozenset[Eui64]
    """Devices that it names: the one it comes from, or for a DCC Alert all in its body."""
    requests: frozenset[RequestId]
    """The request that a response answers, or those that the body of a DCC Alert names."""
    body: Element | None
    """Payload of a response, or body of a DCC Alert."""
    push: Received

    @property
    def throttled(self) -> int:
        """How many alerts it says were held back before it."""
        message = self.push.message
        told = message.throttled if isinstance(message, DeviceAlert | DccAlert) else None
        return 0 if told is None else told.count

    @property
    def order(self) -> tuple[int, int, bytes]:
        """A sequence that does not depend on which push came first over the network."""
        return self.at_ms, self.to, self.push.document


def seen(user: Eui64, push: Received) -> Seen:
    """A push as expectations see it."""
    message = push.message
    if isinstance(message, DeviceAlert):
        about = _device_of(message.response_id)
        return Seen(user, message.at_ms, Kind.DEVICE_ALERT, f"{message.alert_code:04X}", about, frozenset(), None, push)
    if isinstance(message, DccAlert):
        texts = list(_texts(message.body))
        about = frozenset(eui for text in texts for eui in _euis(text))
        named = frozenset(request for text in texts for request in _requests(text))
        return Seen(user, message.at_ms, Kind.DCC_ALERT, message.alert_code, about, named, message.body, push)
    about = _device_of(message.response_id)
    answered: frozenset[RequestId] = frozenset() if push.request_id is None else frozenset({push.request_id})
    about = (about | {request.target for request in answered}) - {ACCESS_CONTROL_BROKER}
    return Seen(user, message.at_ms, Kind.RESPONSE, message.code, about, answered, message.payload, push)


def _device_of(response_id: str | None) -> frozenset[Eui64]:
    if response_id is None:
        return frozenset()
    return frozenset({parse_eui(response_id.partition(":")[0])})


def _texts(body: Element) -> Iterator[str]:
    for child in body.children:
        yield from _texts(child)
    if body.text:
        yield body.text


def _euis(text: str) -> list[Eui64]:
    """The devices of an element that holds nothing but EUIs."""
    try:
        return [parse_eui(part.strip()) for part in text.split(",")]
    except Malformed:
        return []


def _requests(text: str) -> list[RequestId]:
    try:
        return [RequestId.parse(text)] if ":" in text else []
    except Malformed:
        return []
