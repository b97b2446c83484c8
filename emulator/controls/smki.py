"""Verbs about certificates: what the SMKI does for parties and devices outside the DCC's services."""

import base64
from typing import Any

from emulator.controls.params import Params, audit, eui_of, only, take
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.dsp import smki
from emulator.dsp.audit import Entry
from emulator.engine import Engine
from emulator.pki.certificates import MAX_CERTIFICATE_BYTES

MAX_BASE64 = MAX_CERTIFICATE_BYTES * 2
"""Characters of a signing request in base64, with room for white space."""


def party_renew(engine: Engine, params: Params) -> dict[str, Any]:
    """Issue new GBCS certificates to a supplier or network operator; those before stay on its devices until 6.15.1."""
    only(params, "party")
    party = eui_of(params, "party")
    renewed = smki.renew(engine.context, party)
    audit(engine, "control", "certificates renewed", "", user=format_eui(party))
    return {
        "party": format_eui(party),
        "certificates": [
            {
                "usage": str(record.usage),
                "prepayment": record.prepayment,
                "serial": f"{record.serial:x}",
                "certificate": base64.b64encode(record.der).decode(),
            }
            for record in renewed
        ],
        "authority": base64.b64encode(engine.context.keys.authority(of_devices=False)).decode(),
    }


def certificate_issue(engine: Engine, params: Params) -> dict[str, Any]:
    """Issue a certificate to a device, for the signing request that it answered to 6.17."""
    only(params, "request")
    text = take(params, "request", str)
    try:
        request = base64.b64decode("".join(text[: MAX_BASE64 + 1].split()), validate=True)
    except ValueError:
        raise Malformed("request is not base64", where="request", expected="a PKCS#10 signing request in base64") from None
    issued = smki.issue(engine.context, request)
    device = format_eui(issued.request.eui)
    engine.context.audit(Entry("control", "certificate issued", str(issued.request.usage), device=device))
    return {
        "device": device,
        "usage": str(issued.request.usage),
        "certificate": base64.b64encode(issued.certificate).decode(),
        "authority": base64.b64encode(engine.context.keys.authority(of_devices=True)).decode(),
    }
