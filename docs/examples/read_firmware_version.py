"""Ask an electricity meter for its firmware version, as a supplier does: needs `make run` in another terminal."""

import asyncio
import json
import os
import urllib.request

from emulator.client.blocking import BlockingClient
from emulator.client.decode import decode_payload, payload_of
from emulator.client.keys import fetch_key_store
from emulator.client.requests import read_firmware_version
from emulator.domain.identifiers import parse_eui

DUIS = os.environ.get("DUIS", "http://127.0.0.1:8079")
SMKI = os.environ.get("SMKI", "http://127.0.0.1:8083")
CONTROL = os.environ.get("CONTROL", "http://127.0.0.1:8080")

SUPPLIER = "90-B3-D5-1F-30-01-00-00"
METER = "00-DB-12-34-56-78-90-A0"


def set_endpoint(user: str, url: str) -> None:
    """Tell the emulator where this user's responses and alerts go."""
    address = f"{CONTROL}/control/v1/worlds/default/users/{user}/endpoint"
    body = json.dumps({"url": url}).encode()
    urllib.request.urlopen(
        urllib.request.Request(address, body, {"Content-Type": "application/json"}, method="PUT"), timeout=5
    ).close()


keys = asyncio.run(fetch_key_store(SMKI))
with BlockingClient(DUIS, parse_eui(SUPPLIER), keys) as client:
    set_endpoint(SUPPLIER, client.endpoint)
    acknowledgement = client.send(read_firmware_version(parse_eui(SUPPLIER), parse_eui(METER)))
    print("acknowledged:", acknowledgement.code, acknowledgement.request_id)
    if acknowledgement.code != "I99":
        raise SystemExit(1)

    answer = client.answer_to(acknowledgement.request_id or "", timeout_s=60).message
    payload = payload_of(answer)
    assert payload is not None
    print("answered:    ", payload[:24].hex(), "…", len(payload), "octets of GBCS")
    print("which says:  ", dict(decode_payload(payload, keys).values))
