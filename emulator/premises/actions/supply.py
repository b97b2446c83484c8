"""The supply: the scripts of an electricity meter and the command of a gas meter that switch it off and arm it (7.1 to 7.3)."""

from collections.abc import Mapping

from emulator.gbcs.dlms import AccessResult, Operation
from emulator.gbcs.gbz import FAILURE, encode_zcl
from emulator.premises import supply
from emulator.premises.actions.dating import CLIENT_TO_SERVER, SERVER_TO_CLIENT, numbers
from emulator.premises.answers import OTHER_REASON, DlmsCall, DlmsHandlers, ZclAnswer, ZclCall, ZclHandlers, ZclReply

SCRIPTS = "9 0-0:10.0.106.255 1"
"""The method that runs a script (usecase_spec.json ECS42)."""

ENABLE, DISABLE, ARM = 51, 52, 54
"""Its scripts (test messages ECS42, ECS43, ECS44)."""

_CHANGE = (0x23, 0x23, 0x23, 0x23, 0x30, 0x18)
"""Fields of Change Supply: provider, event, date of the request, date to do it, proposed status, control (GCS32)."""

_GAS_STATES: Mapping[int, str] = {0: supply.OFF, 1: supply.ARMED}
_STATUS_RESPONSE = 0x0C


def _run_script(call: DlmsCall) -> AccessResult:
    if call.data.number == ENABLE:
        supply.switch(call.context, call.device, supply.ON, "the supplier enables it")
    elif call.data.number == DISABLE:
        supply.switch(call.context, call.device, supply.OFF, "the supplier disables it")
    elif call.data.number == ARM:
        supply.arm(call.context, call.device, call.now_ms)
    else:
        return call.result(OTHER_REASON)
    return call.result()


def _change_supply(call: ZclCall) -> ZclAnswer:
    (provider, event, _, _, proposed, _), _ = numbers(call.request.payload, *_CHANGE)
    wanted = _GAS_STATES.get(proposed)
    if wanted is None:
        return ZclAnswer(FAILURE)
    if wanted == supply.ARMED:
        supply.arm(call.context, call.device, call.now_ms)
    else:
        supply.switch(call.context, call.device, wanted, "the supplier disables it")
    fields = ((0x23, provider), (0x23, event), (0x23, 0), (0x30, supply.gas_status(call.device)))
    payload = b"".join(encode_zcl(type_, value) for type_, value in fields)
    return ZclAnswer(replies=(ZclReply(SERVER_TO_CLIENT, _STATUS_RESPONSE, payload),))


DLMS: DlmsHandlers = {(Operation.ACTION, SCRIPTS): _run_script}

ZCL: ZclHandlers = {(0x0702, CLIENT_TO_SERVER, 0x0B): _change_supply}
