"""A test of a supplier's adapter: `pytest docs/examples/tests`."""

from emulator.client.requests import read_firmware_version


def test_a_silent_meter_is_reported(dcc, dcc_client):
    dcc.fault("device.silent", "ESME@central", times=1)
    sent = dcc_client.send(read_firmware_version(dcc.user("supplier"), dcc.device("ESME@central")))
    assert sent.code == "I99"
    assert dcc_client.answer_to(sent.request_id).message.code == "E21"
