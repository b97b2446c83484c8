"""Responses and Alerts rebuilt from what they say equal the published ones, octet for octet."""

from dataclasses import replace

from emulator.gbcs import dlms, gbz, times
from emulator.gbcs.alerts import alert_content, build_alert
from emulator.gbcs.commands import read_command
from emulator.gbcs.dlms import (
    AccessResponse,
    AccessResult,
    Operation,
    decode_access_response,
    decode_data,
    decode_notification,
    invoke_id,
)
from emulator.gbcs.gbz import (
    DEFAULT_RESPONSE,
    READ_ATTRIBUTES_RESPONSE,
    Component,
    decode_components,
    decode_records,
    default_response,
    encode_components,
    encode_records,
)
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import add_mac, seal, shared_secret, unseal
from emulator.gbcs.protected import is_protected_result, protected_result, read_protected_result, sealing_key, unsealing_key
from emulator.gbcs.responses import build_response
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.shapes import decode_shape, encode_shape
from emulator.gbcs.usecases import Format, UseCase, alert_use_case, all_use_cases, by_code, rows_of
from tests.gbcs.vectors import Pack, Vector


def command_of(pack: Pack, response: Vector) -> Vector:
    return next(vector for vector in pack.vectors if vector.name == response.name.removesuffix("RESPONSE") + "COMMAND")


def secret(pack: Pack, message: GbcsMessage) -> bytes:
    """Of the device and whoever may read its data."""
    reader = message.recipient if message.supplementary is None else message.supplementary.party
    return shared_secret(pack.private[reader, "KA"], pack.public[message.originator, "KA"])


def own_counter(response: GbcsMessage) -> int | None:
    return None if response.supplementary is None else response.supplementary.originator_counter


def rebuild_dlms(pack: Pack, command: GbcsMessage, response: GbcsMessage) -> bytes:
    view = read_command(command)
    assert view is not None
    answers = []
    for access, item in zip(view.accesses, decode_access_response(response.content).items, strict=True):
        data = item.data
        assert item.operation == (Operation.GET if access.operation is Operation.GET_SELECTIVE else access.operation)
        if is_protected_result(data):
            z = secret(pack, response)
            values = read_protected_result(data, unsealing_key(response, z), response.originator)
            data = protected_result(command, values, sealing_key(command, z, own_counter(response)))
        answers.append(AccessResult(item.operation, item.code, data))
    return AccessResponse(invoke_id(command.counter), tuple(answers)).encode()


def rebuild_gbz(pack: Pack, command: GbcsMessage, response: GbcsMessage) -> bytes:
    view = read_command(command)
    assert view is not None
    answers: list[Component] = []
    for found in decode_components(response.content):
        request = view.components[found.sequence]
        if not found.frame_control & 0x03 and found.command == DEFAULT_RESPONSE:
            answers.append(default_response(request, found.payload[1], found.payload[0]))
            continue
        payload = found.payload
        key = sealing_key(command, secret(pack, response), own_counter(response))
        clear = unseal(payload, key, response.originator) if found.encrypted else payload
        attributes = not found.frame_control & 0x03 and found.command == READ_ATTRIBUTES_RESPONSE
        if attributes:
            clear = encode_records(decode_records(clear))
        again = seal(clear, key, response.originator) if found.encrypted else clear
        answers.append(replace(found, payload=again))
    return encode_components(answers)


def rebuild_response(pack: Pack, vector: Vector) -> bytes:
    response, command = vector.message, command_of(pack, vector).message
    use_case = by_code(response.message_code)
    assert use_case is not None
    match use_case.format:
        case Format.DLMS:
            content = rebuild_dlms(pack, command, response)
        case Format.GBZ:
            content = rebuild_gbz(pack, command, response)
        case Format.ASN1:
            values = decode_shape(use_case.response_shape, response.content)
            content = encode_shape(use_case.response_shape, values)
            if b"\x82\x00" in response.content:  # the test devices write some lengths longer than needed (asn1.py)
                assert decode_shape(use_case.response_shape, content) == values
                content = response.content
    status = response.date_time[-1] if response.date_time else None
    device_time_ms = times.read_cosem(response.date_time) if response.date_time else 0
    built = build_response(
        command, use_case, content, device_time_ms or 0, originator_counter=own_counter(response), time_status=status
    )
    if use_case.critical or use_case.signed_answer or not response.mac:
        assert response.mac is None
        return replace(built, signature=response.signature).encode()
    pair = pack.pair(response)
    assert pair is not None
    return add_mac(built, *pair).encode()


def test_responses_equal_the_published_ones(pack: Pack) -> None:
    responses = (vector for vector in pack.vectors if vector.kind == "RESPONSE")
    seen = [vector for vector in responses if any(row.request for row in rows_of(vector.message.message_code))]
    assert len(seen) > 370
    assert [vector.name for vector in seen if rebuild_response(pack, vector) != vector.octets] == []


def test_whether_a_header_has_a_date_time_is_as_the_row_says(pack: Pack) -> None:
    for vector in pack.vectors:
        row = by_code(vector.message.message_code)
        if vector.kind == "RESPONSE" and row is not None:
            assert (vector.message.date_time is not None) == (row.date_time_status is not None), vector.name


def sealed_values(message: GbcsMessage) -> dict[str, object]:
    """Of an encrypted alert a device gives what it sealed as a whole."""
    if message.content[:1] != b"\x0f":
        return {"component": gbz.decode_alert(message.content).extra}
    _, _, parameters, sealed = dlms.decode_notification(message.content).value.items
    return {"parameters": parameters, "sealed": sealed.octets}


def values_of(use_case: UseCase, vector: Vector) -> dict[str, object]:
    """What a device would give to build this Alert, taken from what it says; octets as octets."""
    said = dict(read_result(vector.message))
    if use_case.code == 0x0018:
        return {"han_id": bytes.fromhex(str(said["han_id"])), "devices": said["devices"]}
    if use_case.name == "DBCH09":
        return {"settings": decode_notification(vector.message.content).value.items[2]}
    if "firmware_version" in said:
        said["version"] = bytes.fromhex(str(said["firmware_version"]))
        said["code"] = next(said[name] for name in use_case.success_codes)
    return sealed_values(vector.message) if said["encrypted"] else said


def test_alerts_equal_the_published_ones(pack: Pack) -> None:
    seen = [vector for vector in pack.vectors if vector.kind == "ALERT" and rows_of(vector.message.message_code)]
    codes = {vector.message.message_code for vector in seen}
    assert codes == {row.code for row in all_use_cases() if row.recipients}
    for vector in seen:
        message = vector.message
        assert vector.device_type is not None
        said = read_result(message)
        code, time_ms = said["alert_code"], said["time_ms"]
        assert isinstance(code, int)
        assert isinstance(time_ms, int)
        row = next(row for row in rows_of(message.message_code) if vector.device_type in row.recipients)
        use_case = alert_use_case(code, vector.device_type, row.name)
        assert use_case is not None
        assert use_case.code == message.message_code
        assert use_case.recipient is not None
        values = values_of(use_case, vector)
        content = alert_content(use_case, counter=message.counter, alert_code=code, time_ms=time_ms, values=values)
        if use_case.alert is not None and b"\x82\x00" in message.content:  # as in rebuild_response
            assert decode_shape(use_case.alert.shape, content) == decode_shape(use_case.alert.shape, message.content)
            content = message.content
        built = build_alert(
            use_case, device=message.originator, recipient=message.recipient, counter=message.counter, content=content,
            supplementary=message.supplementary,
        )  # fmt: skip
        assert use_case.critical == bool(message.signature), vector.name
        if use_case.critical:
            assert replace(built, signature=message.signature).encode() == vector.octets, vector.name
        else:
            pair = pack.pair(message)
            assert pair is not None
            assert add_mac(built, *pair).encode() == vector.octets, vector.name


def test_results_are_readable(pack: Pack) -> None:
    read = {vector.name: vector for vector in pack.vectors}

    def result(name: str) -> dict[str, object]:
        message = read[name].message
        pair = pack.pair(message)
        return dict(read_result(message, ReaderKeys(*pair) if pair else None))

    assert result("ECS52_11.2_SUCCESS_RESPONSE")["firmware_version"] == "0123ABCD"
    assert result("GCS38_11.2_SUCCESS_RESPONSE")["firmware_version"] == "0123ABCD"
    assert result("CS08_11.2_SUCCESS_RESPONSE")["firmware_version"] == "0123ABCD"
    failed = result("GCS38_11.2_ERROR_RESPONSE")
    assert failed["ok"] is False
    assert "firmware_version" not in failed
    activated = result("CS06_11.3_IMMEDIATE_ERROR_RESPONSE")
    assert (activated["activate_image_code"], activated["firmware_version"], activated["ok"]) == (1, "0123ABCF", False)
    assert "activate_image_code" not in result("CS06_11.3_FUTURE_DATED_SUCCESS_RESPONSE")
    dated = result("CS06_11.3_8F67_FUTURE_DATED_ERROR_ALERT")
    assert (dated["alert_code"], dated["originator_counter"], dated["activate_image_code"]) == (0x8F67, 0x3EC, 2)
    assert dated["time_ms"] == times.read_duis("2030-01-01T00:00:00Z")
    assert result("FDRA-ZigBee_NA_8F72_ALERT")["hash"] == "a1" * 32
    transfer = result("CCS08_NA_NA_ALERT")
    assert (transfer["device"], transfer["transfer_code"]) == (0x00DB1234567890A4, 0)
    assert result("CS09_NA_8F8B_ALERT")["activate_code"] == 0
    registers = result("ECS17b_4.1.1_TWIN_SUCCESS_RESPONSE")
    assert (registers["active_import"], registers["active_import_unit"], registers["secondary_active_import"]) == (10, 30, 10)
    assert "secondary_active_import" not in result("ECS17b_4.1.1_SINGLE_SUCCESS_RESPONSE")
    gas = result("GCS13a_4.1.1_SUCCESS_RELIABLE_GPF_RESPONSE")
    assert (gas["divisor"], gas["multiplier"], gas["unit"], gas["consumption"]) == (1000, 1, 1, 12_345)
    assert result("CCS01_8.11_ERROR_RESPONSE")["results"] == [0, 1, 250]
    assert result("GCS21e_6.2.4_ERROR_RESPONSE")["ok"] is False
    hub = result("CCS06_8.9_SUCCESS_RESPONSE")["devices"]
    assert isinstance(hub, list)
    assert hub[0]["device"] == 0x00DB1234567890A0
    assert read_result(read["ECS17b_4.1.1_TWIN_SUCCESS_RESPONSE"].message)["encrypted"] is True
    assert decode_data(bytes(1)).value is None
