"""The DCC's own key store client finds our devices' certificates, as the Node-RED nodes would."""

import asyncio
from typing import Any

from cryptography import x509

from emulator.client.official import OfficialTools
from emulator.domain.identifiers import eui_hex, parse_eui
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore
from emulator.service.server import Server

DEVICES = [f"00-DB-12-34-56-78-90-A{digit}" for digit in range(6)]
SUPPLIER, BROKER = "90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-00-00-02"


async def ask(tools: OfficialTools, server: Server, *items: dict[str, Any]) -> list[dict[str, Any]]:
    questions = [{"name": str(number), **item} for number, item in enumerate(items)]
    return await asyncio.to_thread(tools.certificates, server.url("smki"), questions)


async def test_exactly_one_certificate_per_device_and_usage(server: Server, interop: OfficialTools) -> None:
    questions = [{"eui": device, "usage": usage} for device in DEVICES for usage in Usage]
    keys = server.worlds["default"].world.keys
    for question, result in zip(questions, await ask(interop, server, *questions), strict=True):
        (found,) = result["certificates"]
        eui, usage = parse_eui(question["eui"]), Usage(question["usage"])
        ours = keys.device(eui, usage)
        assert ours is not None
        assert found["eui"] == eui_hex(eui)
        assert int(found["serial"]) == ours.serial
        assert found["usage"] == ["digitalSignature" if usage is Usage.DIGITAL_SIGNATURE else "keyAgreement"]
        assert x509.load_pem_x509_certificate(found["pem"].encode()) == ours.certificate


async def test_a_certificate_is_found_by_its_serial(server: Server, interop: OfficialTools) -> None:
    record = server.worlds["default"].world.keys.device(parse_eui(DEVICES[0]), Usage.KEY_AGREEMENT)
    assert record is not None
    (result,) = await ask(interop, server, {"serial": str(record.serial)})
    assert result["certificates"][0]["eui"] == eui_hex(record.eui)


async def test_strangers_are_not_found_and_that_is_no_error(server: Server, interop: OfficialTools) -> None:
    unknown, no_serial = await ask(interop, server, {"eui": "00-DB-12-34-56-78-90-FF", "usage": "DS"}, {"serial": "12345"})
    assert (unknown["certificates"], no_serial["certificates"]) == ([], [])


async def test_organisations_are_those_of_its_own_file(server: Server, interop: OfficialTools, official_keys: KeyStore) -> None:
    """The live keys are the same on both sides, so that MACs and signatures agree."""
    world = server.worlds["default"].world.keys
    for party in (SUPPLIER, BROKER):
        for usage in Usage:
            ours, theirs = world.live(parse_eui(party), usage), official_keys.live(parse_eui(party), usage)
            assert ours is not None
            assert ours == theirs
            assert ours.private_key is not None
    (result,) = await ask(interop, server, {"eui": SUPPLIER, "usage": "DS"})
    assert {entry["name"] for entry in result["certificates"]} >= {"Z1-supplier-ds", "xml-sign-90B3D51F30010000-ds"}
