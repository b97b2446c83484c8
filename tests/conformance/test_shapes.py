"""What counts as the same shape, on messages of our own making."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from emulator.conformance.shapes import difference
from emulator.domain.identifiers import Eui64
from emulator.gbcs import dlms, gbz
from emulator.gbcs.dlms import AccessResponse, AccessResult, Data, Operation, Tag
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.shapes import encode_shape

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "golden" / "messages.json").read_text())


def answer(*items: AccessResult) -> GbcsMessage:
    content = AccessResponse(0x20000001, items).encode()
    return GbcsMessage(Cra.RESPONSE, 1, Eui64(0xA0), Eui64(0xB0), 0x0019, content, signature=b"")


def got(data: Data, code: int = 0) -> AccessResult:
    return AccessResult(Operation.GET, code, data)


def numbers(*values: int) -> Data:
    return dlms.array(*(dlms.number(Tag.UINT32, value) for value in values))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in GOLDEN])
def test_a_message_has_its_own_shape(case: dict[str, str]) -> None:
    message = decode_message(bytes.fromhex(case["message"]))
    assert difference(message, message) is None


def test_values_and_lengths_of_lists_may_differ() -> None:
    one = answer(got(dlms.structure(dlms.octets(b"ab"), numbers(1, 2, 3))))
    assert difference(one, answer(got(dlms.structure(dlms.octets(b"xyz"), numbers(9))))) is None
    assert difference(one, answer(got(dlms.structure(dlms.octets(b""), numbers())))) is None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (answer(got(numbers(1), code=1)), "result 0: code: 0, published 1"),
        (answer(got(numbers(1)), got(numbers(1))), "results: 1, published 2"),
        (answer(got(dlms.number(Tag.UINT32, 1))), "result 0: data: array of 1, published uint32"),
        (answer(got(dlms.array(dlms.number(Tag.UINT8, 1)))), "result 0: data[0]: uint32, published uint8"),
        (replace(answer(got(numbers(1))), message_code=0x001A), "message code: 0019, published 001A"),
        (replace(answer(got(numbers(1))), counter=2), "counter: 1, published 2"),
        (replace(answer(got(numbers(1))), date_time=bytes(12)), "date-time: False, published True"),
        (replace(answer(got(numbers(1))), mac=bytes(12)), "MAC: False, published True"),
    ],
)
def test_what_differs_is_said(other: GbcsMessage, said: str) -> None:
    assert difference(answer(got(numbers(1))), other) == said


def zigbee(*components: gbz.Component) -> GbcsMessage:
    return GbcsMessage(Cra.RESPONSE, 1, Eui64(0xA1), Eui64(0xB0), 0x0074, gbz.encode_components(components), signature=b"")


def record(number: int, payload: str) -> gbz.Component:
    return gbz.Component(0x0702, 0x19, number, 0x06, bytes.fromhex(payload))


def nothing(number: int) -> gbz.Component:
    return gbz.Component(0x0702, 0x08, number, gbz.DEFAULT_RESPONSE, bytes((0x06, gbz.NOT_FOUND)))


def test_records_that_are_read_one_by_one_may_be_more_or_fewer() -> None:
    theirs = zigbee(record(0, "01"), record(1, "02"), nothing(2), nothing(3))
    assert difference(zigbee(record(0, "0304"), nothing(1), nothing(2), nothing(3)), theirs) is None
    failed = gbz.Component(0x0702, 0x08, 3, gbz.DEFAULT_RESPONSE, bytes((0x06, gbz.HARDWARE_FAILURE)))
    assert str(difference(zigbee(record(0, "01"), record(1, "02"), nothing(2), failed), theirs)).startswith("component 3: ")


def test_asn1_payloads_are_compared_by_their_tags() -> None:
    def joined(*devices: int) -> GbcsMessage:
        entries = [{"device": eui, "device_type": 1} for eui in devices]
        content = encode_shape("joined_devices", {"code": 0, "devices": entries or None})
        return GbcsMessage(Cra.RESPONSE, 1, Eui64(0xA1), Eui64(0xB0), 0x0013, content, signature=b"")

    assert difference(joined(1, 2, 3), joined(7)) is None
    assert difference(joined(), joined(7)) == "content: 1 elements, published 2"
