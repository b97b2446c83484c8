"""What gas meters and proxies show to customers and keep from them (3.1, 3.2, 3.4, 3.5, 9.1); electricity meters store it."""

from collections.abc import Sequence

from emulator.domain.errors import Malformed
from emulator.gbcs.gbz import CHARACTER_STRING, FAILURE, OCTET_STRING, read_zcl
from emulator.gbcs.octets import Reader
from emulator.premises.actions.dating import SERVER_TO_CLIENT, numbers
from emulator.premises.answers import ZclAnswer, ZclCall, ZclHandler, ZclHandlers
from emulator.premises.display import show

MESSAGING, DEVICE_MANAGEMENT = 0x0703, 0x0708
MESSAGE = 0x00
TENANCY, SUPPLIER, PASSWORD, IDENTIFICATION = 0x00, 0x01, 0x02, 0x06

_U32, _U16, _BITS, _BITS32, _ENUM = 0x23, 0x21, 0x18, 0x1B, 0x30

PRIVACY_PIN = 2
"""Type of password (test message GCS11)."""

HIDE_FORMER_TENANT = 0x0200
"""Bit of the tenancy's control that keeps older data from the new tenant (test message GCS09)."""


def _texts(fields: Sequence[int], string: int, *names: str) -> ZclHandler:
    """Numbers that are passed over, then texts that are shown."""

    def run(call: ZclCall) -> ZclAnswer:
        reader = Reader(numbers(call.request.payload, *fields)[1])
        for name in names:
            value = read_zcl(reader, string)
            if not isinstance(value, bytes):
                raise Malformed(f"{name} is missing", where="ZCL payload", expected="a string")
            show(call.device, name, value)
        return ZclAnswer()

    return run


def _change_tenancy(call: ZclCall) -> ZclAnswer:
    (_, _, _, date, control), _ = numbers(call.request.payload, _U32, _U32, _BITS, _U32, _BITS32)
    if control & HIDE_FORMER_TENANT:
        show(call.device, "hidden_before", date.to_bytes(4, "big"))
    return ZclAnswer()


def _change_password(call: ZclCall) -> ZclAnswer:
    (_, _, _, kind), rest = numbers(call.request.payload, _U32, _U32, _U16, _ENUM)
    value = read_zcl(Reader(rest), OCTET_STRING)
    if kind != PRIVACY_PIN or not isinstance(value, bytes):
        return ZclAnswer(FAILURE)
    show(call.device, "privacy_pin", value)
    return ZclAnswer()


ZCL: ZclHandlers = {
    (MESSAGING, SERVER_TO_CLIENT, MESSAGE): _texts((_U32, _BITS, _U32, _U16), CHARACTER_STRING, "message"),
    (DEVICE_MANAGEMENT, SERVER_TO_CLIENT, TENANCY): _change_tenancy,
    (DEVICE_MANAGEMENT, SERVER_TO_CLIENT, SUPPLIER): _texts(
        (_U32, _U32, _BITS, _U32, _U32, _BITS32), OCTET_STRING, "supplier_name", "supplier_telephone"
    ),
    (DEVICE_MANAGEMENT, SERVER_TO_CLIENT, PASSWORD): _change_password,
    (DEVICE_MANAGEMENT, SERVER_TO_CLIENT, IDENTIFICATION): _texts((_U32, _U32, _U32), OCTET_STRING, "identification_number"),
}
"""Test messages GCS07, GCS09, GCS44, GCS11, GCS36."""
