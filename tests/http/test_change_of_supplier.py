"""A change of supplier over HTTP: the gaining supplier asks, the transitional CoS party acts, and the meter has a new master."""

import base64

from emulator.client.credentials import NewCertificates, change_of_supplier, live_certificates
from emulator.client.receiver import Receiver
from emulator.client.requests import activate_firmware
from emulator.client.session import DuisClient
from emulator.domain.identifiers import TRANSITIONAL_COS, format_eui
from emulator.duis.messages import DccAlert, ServiceResponse
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import verify_signature
from emulator.gbcs.results import read_result
from emulator.pki.certificates import Usage, read_pem_certificate
from tests.http.side import ESME, NETWORK_OPERATOR, SUPPLIER, SUPPLIER_TWO, Side

MPAN = "1200000000001"


async def offered(side: Side) -> NewCertificates:
    """The live certificates of the second supplier."""
    authority = (await side.control.authorities())["organisations"]
    return live_certificates(side.keys, SUPPLIER_TWO, [read_pem_certificate(authority.encode())])


def gbcs(answer: object) -> GbcsMessage:
    assert isinstance(answer, ServiceResponse)
    assert answer.payload is not None
    return decode_message(base64.b64decode(answer.payload.value("GBCSPayload") or answer.payload.text))


async def test_a_change_of_supplier_from_the_request_to_the_new_supplier_s_first_command(side: Side) -> None:
    control = side.control
    await control.autojump()
    at_ms = ((await control.describe())["now_ms"] // 1_000 + 3 * 86_400) * 1_000
    path = f"/control/v1/worlds/{side.name}/registrations"
    row = {"mpxn": MPAN, "role": "IS", "party": "supplier-two", "from_ms": at_ms}
    await control.call("POST", path, body=row)

    async with Receiver(side.reader) as losing, Receiver(side.reader) as gaining, Receiver(side.reader) as network:
        for user, receiver in ((SUPPLIER, losing), (SUPPLIER_TWO, gaining), (NETWORK_OPERATOR, network)):
            await control.set_endpoint(user, receiver.url)

        new = await offered(side)
        refused = await side.refused(change_of_supplier(SUPPLIER, ESME, new, MPAN, at_ms))
        assert refused.code == "E4", "it is to lose the meter"
        request = side.stamped(change_of_supplier(SUPPLIER_TWO, ESME, new, MPAN, at_ms))
        assert (await side.ask(request)).code == "I99"

        await control.advance(to_ms=at_ms - 23 * 3_600_000)
        answer = gbcs((await gaining.answer_to(request.request_id)).message)
        assert (answer.recipient, answer.message_code) == (TRANSITIONAL_COS, 0x0107)
        assert read_result(answer)["outcome"] is None, "the meter waits for the date"

        await control.advance(to_ms=at_ms + 60_000)
        completed = (await losing.wait_for(lambda push: isinstance(push.message, DccAlert))).message
        assert isinstance(completed, DccAlert)
        assert completed.alert_code == "N27"
        assert completed.body.value("DeviceChangeOfSupplier", "DeviceID") == format_eui(ESME)
        updated = (await network.wait_for(lambda push: isinstance(push.message, DccAlert))).message
        assert isinstance(updated, DccAlert)
        assert updated.alert_code == "N42"

        dated = gaining.received[-1].message
        assert isinstance(dated, ServiceResponse)
        assert dated.request_id == str(request.request_id)
        outcome = gbcs(dated)
        (meter,) = side.keys.records(ESME, Usage.DIGITAL_SIGNATURE)
        assert verify_signature(outcome, meter.public_key)
        replaced = read_result(outcome)["outcome"]
        assert isinstance(replaced, dict)
        assert [(each["result"], each["party_after"]) for each in replaced["replaced"]] == [(0, SUPPLIER_TWO)] * 3

        assert (await control.device(ESME))["state"]["credentials"]["2"] == format_eui(SUPPLIER_TWO)
        async with DuisClient(side.url(), SUPPLIER_TWO, side.keys, reader=side.reader, counters=side.counters) as client:
            done = await client.transform_and_send(activate_firmware(SUPPLIER_TWO, ESME, bytes(32)))
        assert not isinstance(done, ServiceResponse)
        assert done.acknowledgement.code == "I99"
        first = gbcs((await gaining.answer_to(done.transform.request_id)).message)
        assert first.recipient == SUPPLIER_TWO
        assert (await side.refused(activate_firmware(SUPPLIER, ESME, bytes(32)))).code == "E4"
