"""Local delivery: a Command that was handed out is delivered by hand, and what the device answered is returned (8.13)."""

import base64
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.client import requests
from emulator.client.decode import decode_payload
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.duis.messages import Request, element
from emulator.scenarios.names import Names
from emulator.scenarios.steps.sending import RequestStep, local_command
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Sent, Stage


class Deliver(Step):
    """Stand before a device and hand it the Command that the DCC gave out for local delivery."""

    request: str
    """The step that asked for it, with Command Variant 2, 3, 6 or 7."""
    device: Reference = ""
    """Which device; that of the request when not given."""
    answers: bool = True
    """Whether the device answers there and then."""
    values: dict[str, Any] = {}
    """What its answer must say, by the names of the use case."""

    def check(self, names: Names) -> None:
        """The request and the device."""
        names.known("request", self.request, names.requests, "request")
        if self.device:
            names.device(self.device, "device")

    async def run(self, stage: "Stage") -> None:
        """Deliver it, and compare what comes back."""
        sent = stage.sent[self.request][-1]
        device = stage.names.device(self.device, "device") if self.device else sent.request_id.target
        gbcs = base64.b64encode(_handed_out(stage, self.request, sent)).decode()
        found = await stage.command("POST", f"devices/{format_eui(device)}/deliver", {"gbcs": gbcs})
        response = None if found["response"] is None else base64.b64decode(found["response"])
        stage.answers[self.request] = response
        stage.verify(f"whether {stage.names.shown(device)} answers", self.answers, response is not None)
        if response is not None and self.values:
            await stage.certify(device)
            said = decode_payload(response, stage.keys).values
            for name, expected in self.values.items():
                stage.verify(f"{name} in the answer", expected, said.get(name))


class ReturnResponse(RequestStep):
    """8.13: bring back what the device answered to a Command that was delivered by hand."""

    request: str
    """The step that asked for the Command."""
    original: bool = True
    """Whether OriginalRequestID names it."""

    def check(self, names: Names) -> None:
        """The user and the request."""
        super().check(names)
        names.known("request", self.request, names.requests, "request")

    def requests(self, stage: "Stage") -> list[Request]:
        """The request."""
        response = stage.answers.get(self.request)
        if response is None:
            raise Malformed(f"no device has answered to {self.request!r} on the spot", where="request", expected="device.deliver")
        named = element("OriginalRequestID", str(stage.sent[self.request][-1].request_id)) if self.original else None
        returned = element("DeviceGBCSResponse", base64.b64encode(response).decode())
        return [requests.service_request(stage.names.user(self.by, "by"), "8.13", named, returned)]


def _handed_out(stage: "Stage", name: str, sent: "Sent") -> bytes:
    """The Command in the answer to a request, or in a message that followed it."""
    if sent.local is not None:
        return sent.local
    for message in stage.messages:
        command = local_command(message.body) if sent.request_id in message.requests else None
        if command is not None:
            return command
    raise Malformed(f"{name!r} was given no Command for local delivery", where="request", expected="Command Variant 2, 3, 6 or 7")


STEPS: Mapping[str, type[Step]] = {"device.deliver": Deliver}
"""What is done on the spot."""
REQUESTS: Mapping[str, type[Step]] = {"8.13": ReturnResponse}
"""What follows."""
