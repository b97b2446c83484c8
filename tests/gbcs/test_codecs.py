"""The codecs against anything: what they write they read, and bad octets only ever raise Malformed with a place."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.gbcs import asn1, dlms, gbz, times
from emulator.gbcs.calendars import clock_time
from emulator.gbcs.dlms import Access, AccessRequest, AccessResponse, AccessResult, Attribute, Data, Operation, Tag
from emulator.gbcs.explain import explain
from emulator.gbcs.message import Cra, GbcsMessage, Supplementary, decode_message
from emulator.gbcs.octets import Reader, encode_length
from emulator.gbcs.results import read_result
from emulator.gbcs.shapes import SHAPES, decode_shape, encode_shape
from tests.gbcs.test_golden import CASES

counters = st.integers(0, 2**64 - 1)
euis = st.integers(0, 2**64 - 1).map(Eui64)
supplementary = st.one_of(
    st.none(),
    st.builds(Supplementary, euis),
    st.builds(Supplementary, euis, counters),
    st.builds(Supplementary, euis, counters, counters),
    st.builds(Supplementary, euis, counters, st.none(), st.binary(min_size=9, max_size=500)),
)
messages = st.builds(
    GbcsMessage,
    cra=st.sampled_from(Cra),
    counter=counters,
    originator=euis,
    recipient=euis,
    message_code=st.integers(0, 0xFFFF),
    content=st.binary(max_size=400),
    supplementary=supplementary,
    date_time=st.none() | st.binary(min_size=12, max_size=12),
    signature=st.just(b"") | st.binary(min_size=64, max_size=64),
    mac=st.none() | st.binary(min_size=12, max_size=12),
)

numbers = st.one_of(
    *(
        st.integers(-(1 << bits - 1) if signed else 0, (1 << bits - signed) - 1).map(lambda value, tag=tag: Data(tag, value))
        for tag, bits, signed in (
            (Tag.BOOLEAN, 8, 0), (Tag.INT8, 8, 1), (Tag.INT16, 16, 1), (Tag.INT32, 32, 1), (Tag.INT64, 64, 1),
            (Tag.UINT8, 8, 0), (Tag.UINT16, 16, 0), (Tag.UINT32, 32, 0), (Tag.UINT64, 64, 0), (Tag.ENUM, 8, 0),
        )
    )
)  # fmt: skip
scalars = st.one_of(
    st.just(dlms.NULL),
    numbers,
    st.binary(max_size=200).map(dlms.octets),
    st.text(alphabet=st.characters(max_codepoint=255), max_size=20).map(lambda text: Data(Tag.VISIBLE_STRING, text)),
    st.text(max_size=20).map(lambda text: Data(Tag.UTF8_STRING, text)),
    st.text(alphabet="01", max_size=40).map(lambda text: Data(Tag.BIT_STRING, text)),
)
data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4).flatmap(lambda items: st.sampled_from(
        [dlms.structure(*items), dlms.array(*items)]
    )), max_leaves=12,
)  # fmt: skip
attributes = st.builds(Attribute, st.integers(0, 0xFFFF), st.binary(min_size=6, max_size=6), st.integers(0, 255))
accesses = st.one_of(
    st.builds(Access, st.sampled_from([Operation.GET, Operation.SET, Operation.ACTION]), attributes, data),
    st.builds(Access, st.just(Operation.GET_SELECTIVE), attributes, data, st.integers(0, 255), data),
)
results = st.builds(
    AccessResult, st.sampled_from([Operation.GET, Operation.SET, Operation.ACTION]), st.integers(0, 255), data
)  # fmt: skip
octet, word = st.integers(0, 0xFF), st.integers(0, 0xFFFFFFFF)
components = st.builds(
    gbz.Component, st.integers(0, 0xFFFF), octet, octet, octet, st.binary(max_size=60), st.none() | word, st.none() | octet
)
zcl_values = st.one_of(
    st.builds(gbz.ZclValue, st.just(0x25), st.integers(0, 2**48 - 1)),
    st.builds(gbz.ZclValue, st.just(0x2B), st.integers(-(2**31), 2**31 - 1)),
    st.builds(gbz.ZclValue, st.sampled_from([0x41, 0x42]), st.none() | st.binary(max_size=254)),
    st.builds(gbz.ZclValue, st.just(0x43), st.none() | st.binary(max_size=300)),
)
records = st.builds(gbz.AttributeRecord, st.integers(0, 0xFFFF), st.just(0), zcl_values) | st.builds(
    gbz.AttributeRecord, st.integers(0, 0xFFFF), st.integers(1, 255)
)
instants = st.integers(0, 4_000_000_000).map(lambda seconds: seconds * 1000)


@given(messages)
def test_messages(message: GbcsMessage) -> None:
    assert decode_message(message.encode()) == message


@given(data)
def test_dlms_values(value: Data) -> None:
    assert dlms.decode_data(value.encode()) == value


@given(st.integers(0, 2**32 - 1), st.lists(accesses, max_size=6))
def test_access_requests(invoke: int, items: list[Access]) -> None:
    request = AccessRequest(invoke, tuple(items))
    assert dlms.decode_access_request(request.encode()) == request


@given(st.integers(0, 2**32 - 1), st.lists(results, max_size=6))
def test_access_responses(invoke: int, items: list[AccessResult]) -> None:
    response = AccessResponse(invoke, tuple(items))
    assert dlms.decode_access_response(response.encode()) == response


@given(st.lists(components, max_size=5))
def test_components(items: list[gbz.Component]) -> None:
    assert list(gbz.decode_components(gbz.encode_components(items))) == items


@given(st.lists(records, max_size=5))
def test_attribute_records(items: list[gbz.AttributeRecord]) -> None:
    assert list(gbz.decode_records(gbz.encode_records(items))) == items


@given(st.integers(0, 0xFFFF), word, st.binary(max_size=60))
def test_gbz_alerts(code: int, time: int, extra: bytes) -> None:
    alert = gbz.GbzAlert(code, time, extra)
    assert gbz.decode_alert(alert.encode()) == alert


@given(st.integers(0, 2**32 - 1))
def test_lengths(count: int) -> None:
    octets = encode_length(count)
    assert Reader(octets).length("it") == count
    assert len(octets) == (1 if count < 128 else 1 + (count.bit_length() + 7) // 8)


@given(st.integers(-(2**63), 2**64 - 1))
def test_der_integers(value: int) -> None:
    shape = asn1.Integer(-(2**63), 2**64 - 1)
    octets = shape.encode(value)
    assert shape.decode(asn1.decode_element(octets)) == value


@given(st.binary(min_size=32, max_size=32), counters, st.none() | instants | st.just(times.CANCEL))
def test_shapes(image_hash: bytes, counter: int, at_ms: int | None) -> None:
    values = {"hash": image_hash, "counter": counter, "execution_time_ms": at_ms}
    assert decode_shape("activate_firmware", encode_shape("activate_firmware", values)) == values


@given(instants)
def test_times(at_ms: int) -> None:
    assert times.read_cosem(times.cosem(at_ms)) == at_ms
    assert times.read_generalized(times.generalized(at_ms)) == at_ms
    assert times.read_duis(times.as_text(at_ms)) == at_ms
    if at_ms > times.ZCL_EPOCH_MS:
        assert times.read_utc_time(times.utc_time(at_ms)) == at_ms


def test_times_of_now_and_never() -> None:
    assert times.cosem(None).hex() == "0000000000000000008000ff"
    assert times.cosem(times.CANCEL).hex() == "ffffffffffffffffff8000ff"
    assert times.read_cosem(times.COSEM_NOW) is None
    assert times.read_cosem(times.COSEM_CANCEL) == times.CANCEL
    assert times.utc_time(times.CANCEL) == 0xFFFFFFFF
    assert times.utc_time(times.CANCEL, publish=True) == 0xFFFFFFFE
    assert times.generalized(times.CANCEL) == "99991231235959Z"
    assert times.read_duis("3000-12-31T00:00:00.00Z") == times.CANCEL
    assert times.read_duis("2025-12-31T24:00:00Z") == times.read_duis("2026-01-01T00:00:00")
    assert clock_time("00:30:00.5+01:00") == bytes((23, 30, 0, 50))
    assert clock_time("24:00:00") == bytes(4)
    assert times.read_duis("2026-03-29T02:00:00.25+01:00") == times.read_duis("2026-03-29T01:00:00.250Z")
    for octets in ("07ea031dff02000000003cff", "07ea0d1dff0200000080" + "00ff", "ffffffffff0200000080" + "00ff", "00"):
        with pytest.raises(Malformed):
            times.read_cosem(bytes.fromhex(octets))


READERS: list[Callable[[bytes], object]] = [
    decode_message,
    explain,
    dlms.decode_data,
    dlms.decode_access_request,
    dlms.decode_access_response,
    dlms.decode_notification,
    gbz.decode_components,
    gbz.decode_alert,
    gbz.decode_records,
    asn1.decode_element,
    times.read_cosem,
    *(lambda octets, name=name: decode_shape(name, octets) for name in SHAPES),  # type: ignore[misc]
]


@given(st.binary(max_size=120), st.sampled_from(READERS))
def test_random_octets_raise_only_malformed(octets: bytes, read: Callable[[bytes], object]) -> None:
    with contextlib.suppress(Malformed):
        read(octets)


changed_octets = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4)


@given(st.sampled_from(CASES), changed_octets, st.booleans())
def test_mutated_messages_raise_only_malformed(case: dict[str, str], changes: list[tuple[int, int]], cut: bool) -> None:
    octets = bytearray.fromhex(case["message"])
    for place, value in changes:
        octets[place % len(octets)] = value
    if cut:
        del octets[changes[0][0] % len(octets) :]
    try:
        message = decode_message(bytes(octets))
    except Malformed:
        return
    assert message.encode() == bytes(octets)
    explain(bytes(octets))
    with contextlib.suppress(Malformed):
        read_result(message)


@given(st.sampled_from(CASES), st.integers(0, 10_000), st.integers(0, 255))
def test_mutated_payloads_raise_only_malformed(case: dict[str, str], place: int, value: int) -> None:
    message = decode_message(bytes.fromhex(case["message"]))
    content = bytearray(message.content)
    content[place % len(content)] = value
    read = {0xD9: dlms.decode_access_request, 0xDA: dlms.decode_access_response, 0x0F: dlms.decode_notification}
    with contextlib.suppress(Malformed):
        read.get(message.content[0], asn1.decode_element)(bytes(content))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "octet 0"),
        ("dd0000000000", "octet 0"),
        ("dd000000000000ff", "octet 7"),
        ("dd000000000000811111000000", "octet 7"),
        ("de", "octet 0"),
        ("df08", "octet 1"),
        ("df0904", "octet 2"),
    ],
)
def test_malformed_names_the_octet(text: str, where: str) -> None:
    with pytest.raises(Malformed) as problem:
        decode_message(bytes.fromhex(text + "0" * (len(text) % 2)))
    assert problem.value.where == where


def test_nesting_is_bounded() -> None:
    with pytest.raises(Malformed, match="deep"):
        dlms.decode_data(b"\x02\x01" * 5000 + b"\x00")
    nested = b"\x05\x00"
    for _ in range(60):
        nested = b"\x30" + encode_length(len(nested)) + nested
    with pytest.raises(Malformed, match="deep"):
        asn1.decode_element(nested)


def test_huge_counts_are_refused_before_they_are_made() -> None:
    with pytest.raises(Malformed):
        dlms.decode_data(b"\x01\x84\xff\xff\xff\xff")
    with pytest.raises(Malformed):
        dlms.decode_access_request(b"\xd9\x20\0\0\0\0\x84\xff\xff\xff\xff")
    with pytest.raises(Malformed):
        dlms.decode_data(b"\x13\x01\xff\xff\x00\x01\x00")
