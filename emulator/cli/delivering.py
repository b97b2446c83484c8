"""``dcc-emulator deliver``: a Command that was given out for local delivery, and a device that one stands before."""

import base64
from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import ExitCode, print_fields, print_json
from emulator.cli.remote import Call, remote
from emulator.client.decode import payload_of
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.duis.decode import decode_message
from emulator.duis.parse import parse_document

Device = Annotated[str, typer.Argument(help="EUI of the device.")]
Command = Annotated[str, typer.Argument(help="The Command: base64, hexadecimal, or a file with either or with the response XML.")]


@remote
def deliver(call: Call, device: Device, command: Command) -> None:
    """Hand a device a Command on the spot, as an installer does. Ends with 1 when it does not answer.

    The answer is for 8.13: `dcc-emulator send 8.13 -f DeviceGBCSResponse=BASE64`.
    """
    eui, octets = parse_eui(device), _octets(command)
    response = call.ask(lambda client: client.deliver(eui, octets))
    shown = None if response is None else base64.b64encode(response).decode()
    if call.as_json:
        print_json({"device": format_eui(eui), "response": shown})
    else:
        print_fields("", {"device": format_eui(eui), "response": shown or "none: the journal says why"})
    if response is None:
        raise typer.Exit(ExitCode.VERDICT)


def _octets(given: str) -> bytes:
    """The Command in a text or file."""
    text = given
    if len(given) < 4_096 and Path(given).is_file():
        content = Path(given).read_bytes()
        if content.lstrip().startswith(b"<"):
            found = payload_of(decode_message(parse_document(content)))
            if found is None:
                raise Malformed("there is no GBCS message in it", where=given)
            return found
        text = content.decode("ascii", "replace")
    text = "".join(text.split())
    try:
        return bytes.fromhex(text) if set(text) <= set("0123456789abcdefABCDEF") else base64.b64decode(text, validate=True)
    except ValueError:
        raise Malformed("it is not a Command", where="COMMAND", expected="base64, hexadecimal or the name of a file") from None
