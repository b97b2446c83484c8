"""Who was told what: the messages of a run by user, each of them valid by the schema."""

from collections.abc import Iterable
from functools import cache

from emulator.domain.identifiers import Eui64
from emulator.dsp.effects import Delivery
from emulator.duis.encode import encode_message
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Message
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from tests.dsp.bench_world import AGENT, NETWORK_OPERATOR, OTHER_USER, SUPPLIER, SUPPLIER_TWO

NAMES = {SUPPLIER: "one", SUPPLIER_TWO: "two", NETWORK_OPERATOR: "network", OTHER_USER: "other", AGENT: "agent"}


@cache
def schemas() -> SchemaSet:
    return SchemaSet()


def short(message: Message) -> str:
    """``N60``, ``8F72``, ``11.3 I0``, ``11.3 8F66``."""
    if isinstance(message, DccAlert):
        return message.alert_code
    if isinstance(message, DeviceAlert):
        return f"{message.alert_code:04X}"
    dated = message.payload.value("FutureDatedAlertCode") if message.payload is not None else None
    return f"{message.service_reference_variant} {dated or message.code}"


def valid(message: Message) -> bool:
    """By the schema; it says what is wrong."""
    refusal = schemas().validate(parse_document(encode_message(message)))
    assert refusal is None, (refusal, message)
    return True


def told(deliveries: Iterable[Delivery]) -> dict[str, list[str]]:
    """By the name of the user, what it got, in order. Users that got nothing are left out."""
    found: dict[str, list[str]] = {}
    for delivery in deliveries:
        assert valid(delivery.message)
        found.setdefault(NAMES[Eui64(delivery.recipient)], []).append(short(delivery.message))
    return found


def bodies(deliveries: Iterable[Delivery], code: str) -> list[Element]:
    """Bodies of the DCC Alerts of this code."""
    return [d.message.body for d in deliveries if isinstance(d.message, DccAlert) and d.message.alert_code == code]
