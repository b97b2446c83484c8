"""One request of the DCC's own signing tool against an emulator that knows its keys, where the tool is installed."""

import asyncio

from emulator.cli.demo.ledger import Ledger
from emulator.cli.demo.stage import emulator_server
from emulator.client.keys import load_key_store
from emulator.client.official import OfficialToolFailed, OfficialTools, Unavailable
from emulator.client.session import DuisClient
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.domain.vocabulary import WebService

SUPPLIER = parse_eui("90-B3-D5-1F-30-01-00-00")
TEMPLATE = "ECS52_11.2_SUCCESS_REQUEST_DUIS.XML"
"""Its answer is a plain acknowledgement: the tool has schema 5.1 and refuses what is newer, such as parts of the inventory."""


async def try_official_tool(ledger: Ledger, *, install: bool) -> str:
    """Let the DCC's tool sign 11.2 and validate the answer; what became of it in words, whatever that is."""
    try:
        tools = await asyncio.to_thread(OfficialTools.open, install=install)
    except Unavailable as missing:
        return f"not tried: {missing}"
    try:
        await _converse(ledger, tools, SUPPLIER)
    except OfficialToolFailed as error:
        ledger.verify("official tool", "runs", str(error))
    return "signed a request of its own and took the answer"


async def _converse(ledger: Ledger, tools: OfficialTools, user: Eui64) -> None:
    (signed,) = await asyncio.to_thread(tools.sign, [{"name": "11.2", "template": TEMPLATE}])
    if not ledger.verify("official tool", "signs", signed.get("error"), None):
        return
    keys = load_key_store(tools.keystore_json)
    async with emulator_server(None, tools.keystore_json) as server, DuisClient(server.url("duis"), user, keys) as client:
        status, _, answer = await client.post(WebService.SEND_COMMAND, signed["xml"].encode())
    ledger.verify("official tool", "its request is answered", status, 200)
    (validated,) = await asyncio.to_thread(tools.validate, [{"name": "answer", "xml": answer.decode()}])
    if ledger.verify("official tool", "takes our answer", validated.get("error"), None):
        header = validated["parsed"]["header"]
        ledger.verify("official tool", "reads the response code", header["responseCode"], "I99")
