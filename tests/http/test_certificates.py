"""Certificates over HTTP: a supplier renews its own, and a meter gets new ones for keys that it makes."""

import base64

from emulator.client.credentials import NewCertificates, device_certificate, issue_credentials, renewal
from emulator.client.keys import key_store_of
from emulator.client.receiver import Receiver
from emulator.client.requests import activate_firmware
from emulator.client.session import DuisClient, SignedCommand
from emulator.domain.identifiers import format_eui
from emulator.duis.messages import Request, ServiceResponse
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import verify_signature
from emulator.gbcs.results import read_result
from emulator.pki.certificates import Usage, read_certificate
from emulator.pki.formats import read_keystore_json
from emulator.pki.keystore import KeyStore
from tests.http.side import ESME, SUPPLIER, Side


async def current_keys(side: Side) -> KeyStore:
    """All keys of the world as they are now."""
    path = f"/control/v1/worlds/{side.name}/keys/keystore.json"
    return key_store_of(read_keystore_json(await side.control.call("GET", path, query={"devices": "true"})))


async def send(side: Side, receiver: Receiver, request: Request, keys: KeyStore) -> GbcsMessage:
    """Transform, check, sign with ``keys``, send; what the meter answered."""
    async with DuisClient(side.url(), SUPPLIER, keys, reader=side.reader, counters=side.counters) as client:
        done = await client.transform_and_send(request)
    assert isinstance(done, SignedCommand), done
    assert done.acknowledgement.code == "I99"
    message = (await receiver.answer_to(done.transform.request_id)).message
    assert isinstance(message, ServiceResponse)
    assert message.payload is not None, message.code
    return decode_message(base64.b64decode(message.payload.text))


async def test_a_supplier_renews_its_certificates(side: Side) -> None:
    await side.control.autojump()
    renewed = await side.control.renew_certificates(SUPPLIER)
    new = [base64.b64decode(each["certificate"]) for each in renewed["certificates"]]
    assert [read_certificate(der).usage for der in new] == [Usage.DIGITAL_SIGNATURE, Usage.KEY_AGREEMENT, Usage.KEY_AGREEMENT]
    offered = NewCertificates(new[0], new[1], new[2], (base64.b64decode(renewed["authority"]),))
    keys = await current_keys(side)
    async with Receiver(side.reader) as receiver:
        await side.control.set_endpoint(SUPPLIER, receiver.url)
        answer = await send(side, receiver, renewal(SUPPLIER, ESME, "Supplier", offered), side.keys)
        outcome = read_result(answer)["outcome"]
        assert isinstance(outcome, dict)
        assert [each["result"] for each in outcome["replaced"]] == [0, 0, 0]
        answer = await send(side, receiver, activate_firmware(SUPPLIER, ESME, bytes(32)), keys)
        assert read_result(answer)["activate_image_code"] == 1, "it knows the new signature, and holds no image"
    state = (await side.control.device(ESME))["state"]["changed_credentials"]
    assert sorted(state["cells"]) == ["2 DS", "2 KA", "2 PP"]


async def test_a_meter_gets_a_certificate_for_a_key_that_it_makes(side: Side) -> None:
    await side.control.autojump()
    async with Receiver(side.reader) as receiver:
        await side.control.set_endpoint(SUPPLIER, receiver.url)
        asked = await send(side, receiver, issue_credentials(SUPPLIER, ESME, Usage.DIGITAL_SIGNATURE), side.keys)
        request = bytes.fromhex(str(read_result(asked)["certification_request"]))
        issued = await side.control.issue_certificate(request)
        assert (issued["device"], issued["usage"]) == (format_eui(ESME), "DS")
        record = read_certificate(base64.b64decode(issued["certificate"]))
        taken = await send(side, receiver, device_certificate(SUPPLIER, ESME, record.der), side.keys)
        assert read_result(taken)["code"] == 0
        assert verify_signature(taken, record.public_key), "the meter signs with its new key"
    listed = (await current_keys(side)).records(ESME, Usage.DIGITAL_SIGNATURE)
    assert [each.der for each in listed] == [record.der]
