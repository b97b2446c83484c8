"""Builders make what the published schema takes."""

from pathlib import Path

import pytest

from emulator.client import requests
from emulator.client.requests import CANCEL
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId
from emulator.domain.vocabulary import DeviceType
from emulator.duis.encode import encode_request
from emulator.duis.messages import Request
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet

USER = Eui64(0x90B3D51F30010000)
ESME = Eui64(0x00DB1234567890A0)
HUB = Eui64(0x00DB1234567890A2)
PPMID = Eui64(0x00DB1234567890A4)
HASH = bytes(range(32))
AT_MS = 1_767_600_000_000

BUILT: dict[str, Request] = {
    "11.1": requests.update_firmware(USER, b"image", "00010100", [ESME]),
    "11.4": requests.update_ppmid_firmware(USER, b"image", "00010100", [PPMID, ESME]),
    "11.2": requests.read_firmware_version(USER, ESME),
    "11.2 at a time": requests.read_firmware_version(USER, ESME, AT_MS),
    "11.3": requests.activate_firmware(USER, ESME, HASH),
    "11.3 at a time": requests.activate_firmware(USER, ESME, HASH, AT_MS),
    "11.3 cancelled": requests.cancel_activation(USER, ESME, HASH),
    "8.2 by device": requests.read_inventory(USER, ESME),
    "8.2 by MPxN": requests.read_inventory(USER, mpxn="1200000000001"),
    "8.2 by UPRN": requests.read_inventory(USER, uprn=1001),
    "8.2 by address": requests.read_inventory(USER, post_code="MK1 1AA", address_identifier="1 Test Lane"),
    "8.3": requests.decommission_device(USER, ESME),
    "8.4 status": requests.update_inventory(USER, ESME, requests.status_change("Pending")),
    "8.4 hub status": requests.update_inventory(USER, HUB, requests.status_change("Commissioned", hub=True)),
    "8.4 details": requests.update_inventory(USER, ESME, requests.details_change(model="00020101", firmware_version="00010000")),
    "8.4 delete": requests.update_inventory(USER, ESME, requests.deletion()),
    "8.4 MPxN": requests.update_inventory(USER, ESME, requests.mpxn_change(export_mpan="1300000000001")),
    "12.2": requests.device_prenotification(
        USER, ESME, DeviceType.ESME, manufacturer="11E5", model="00020101", firmware_version="00010000", esme_variant="A"
    ),
    "12.2 hub": requests.device_prenotification(USER, HUB, DeviceType.CHF, manufacturer="10C0", model="00010101", gpf=PPMID),
    "8.11 add": requests.add_to_device_log(USER, HUB, ESME, bytes(16), join_time_s=90, import_mpxn="1200000000001"),
    "8.11 remove": requests.remove_from_device_log(USER, HUB, ESME),
    "8.1.1": requests.commission_device(USER, ESME, AT_MS),
    "8.7.1": requests.join(USER, ESME, PPMID, critical=True),
    "8.7.2": requests.join(USER, PPMID, ESME, critical=False),
    "8.8.1": requests.unjoin(USER, ESME, PPMID, critical=True),
    "8.8.2": requests.unjoin(USER, PPMID, ESME, critical=False),
    "8.9": requests.read_device_log(USER, HUB),
    "4.1.1": requests.read_import_registers(USER, ESME),
    "6.2.4": requests.read_identity(USER, ESME),
    "5.2": requests.read_schedule(USER, schedule_id=7),
    "5.3": requests.delete_schedule(USER, device=ESME),
    "12.1": requests.request_wan_matrix(USER, uprn=1001),
    "12.1 by address": requests.request_wan_matrix(USER, post_code="MK1 1AA", address_identifier="1 Test Lane"),
    "8.14.1": requests.hub_installed(USER, HUB, "1200000000001"),
    "signed": requests.signed_pre_command(requests.activate_firmware(USER, ESME, HASH), b"\xdf\x09"),
}


@pytest.mark.parametrize("name", BUILT)
def test_every_builder_fits_our_schemas(name: str) -> None:
    assert SchemaSet().validate(parse_document(encode_request(BUILT[name]))) is None


@pytest.mark.reference
def test_every_builder_fits_the_published_schema(reference: Path) -> None:
    schemas = SchemaSet(reference / "duis" / "xsd")
    for name, request in BUILT.items():
        assert schemas.validate(parse_document(encode_request(request))) is None, name


def test_command_variant_and_target_follow_the_kind_of_request() -> None:
    assert (BUILT["11.1"].command_variant, BUILT["11.1"].request_id.target) == (8, ACCESS_CONTROL_BROKER)
    assert (BUILT["11.2"].command_variant, BUILT["11.2"].request_id.target) == (1, ESME)
    assert (BUILT["11.3"].command_variant, BUILT["11.3"].service_reference_variant) == (4, "11.3")
    assert (BUILT["8.7.1"].service_reference, BUILT["8.7.1"].service_reference_variant) == ("8.7", "8.7.1")


def test_cancelling_repeats_the_request_with_the_agreed_date() -> None:
    assert BUILT["11.3 cancelled"].body.value("ExecutionDateTime") == CANCEL


def test_signed_pre_command_keeps_the_request_id() -> None:
    transform = requests.activate_firmware(USER, ESME, HASH)
    signed = requests.signed_pre_command(transform, b"payload")
    assert signed.request_id == RequestId(USER, ESME, 0) == transform.request_id
    assert (signed.command_variant, signed.body.name) == (5, "SignedPreCommand")


def test_a_search_needs_exactly_one_key() -> None:
    with pytest.raises(Malformed, match="exactly one of device, mpxn"):
        requests.read_inventory(USER)
    with pytest.raises(Malformed, match="exactly one"):
        requests.read_inventory(USER, ESME, mpxn="1200000000001")


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(Malformed, match=r"'99\.9' is not a Service Reference Variant"):
        requests.service_request(USER, "99.9")
