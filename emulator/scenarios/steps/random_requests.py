"""Many requests that somebody makes at random: of which nothing may be taken but what is said to be allowed."""

import random
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from emulator.client import requests
from emulator.client.session import SignedCommand
from emulator.client.signing import stamp
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, parse_eui
from emulator.domain.vocabulary import DeviceType
from emulator.dsp.firmware import WARNING_LISTS
from emulator.duis.messages import Request, ServiceResponse
from emulator.scenarios.names import Names
from emulator.scenarios.stage import BuiltImage, Sent
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Code, Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Actor, Stage

MAX_REQUESTS = 10_000
"""Requests of one step."""
Distribution = Literal["11.1", "11.4"]


class RandomRequests(Step):
    """Send requests for firmware at random: which service, which image, which of the devices, in which order."""

    by: Reference
    """The user that sends them."""
    count: Annotated[int, Field(ge=1, le=MAX_REQUESTS, strict=True)]
    """How many."""
    images: References
    """Images that steps `image` built: those for PPMIDs go with 11.4, the others with 11.1, and the hash of any with 11.3."""
    devices: References
    """Devices that they name: a list of some of them, or one for 11.3."""
    services: list[Literal["11.1", "11.3", "11.4"]] = ["11.1", "11.3", "11.4"]
    """Service References, each as often as it is listed."""
    allowed: References = []
    """Of the devices, those that the sender may distribute to: exactly they are taken of each list, as far as the image is for
    them."""
    transform: Code = "E2"
    """What the Transform of 11.3 must be answered with, a refusal."""
    seed: int = 1
    """The same seed makes the same requests."""

    def check(self, names: Names) -> None:
        """User, images, devices."""
        names.user(self.by, "by")
        for image in self.images:
            names.known("image", image, names.images, "images")
        names.devices_of(self.devices, "devices")
        if foreign := set(names.devices_of(self.allowed, "allowed")) - set(names.devices_of(self.devices, "devices")):
            detail = f"{names.shown(min(foreign))} is not among the devices"
            raise Malformed(detail, where="allowed", expected="some of devices")
        if self.transform == "I0":
            raise Malformed("a Transform that is not refused is a step 11.3", where="transform", expected="a refusal")
        if not self.services:
            raise Malformed("there is nothing to choose from", where="services", expected="11.1, 11.3 or 11.4")
        if self.name:
            names.requests.add(self.name)

    def title(self, names: Names) -> str:
        """Who sends how many."""
        return f"{self.name or self.do}: {self.count} by {self.by}"

    async def run(self, stage: "Stage") -> None:
        """Send and judge one after the other; time stands still."""
        actor = stage.actors[stage.names.user(self.by, "by")]
        for number, (srv, image, devices) in enumerate(self._chosen(stage), 1):
            what = f"request {number} of seed {self.seed}, {srv}"
            request = stamp(self._request(stage, actor.eui, srv, image, devices), actor.client.counters)
            if self.name:
                stage.sent.setdefault(self.name, []).append(Sent(request.request_id, actor.eui, stage.now_ms))
            if srv == "11.3":
                await self._refused(stage, actor, request, f"{what} to {stage.names.shown(devices[0])}")
            else:
                answer = await actor.client.send(request)
                expected = [eui for eui in devices if self._allowed(stage, eui, image)]
                stage.verify(f"{what}: devices taken", self._shown(stage, expected), self._shown(stage, _taken(answer, devices)))
        await stage.settle()

    def _chosen(self, stage: "Stage") -> Iterator[tuple[str, BuiltImage, list[Eui64]]]:
        chance = random.Random(f"{self.do} {self.seed}")
        images = [stage.images[name] for name in self.images]
        fitting = {
            "11.1": [image for image in images if image.device_type is not DeviceType.PPMID],
            "11.3": images,
            "11.4": [image for image in images if image.device_type is DeviceType.PPMID],
        }
        services = [srv for srv in self.services if fitting[srv]]
        devices = stage.names.devices_of(self.devices, "devices")
        for _ in range(self.count if services else 0):
            srv = chance.choice(services)
            some = chance.sample(devices, 1 if srv == "11.3" else chance.randint(1, len(devices)))
            yield srv, chance.choice(fitting[srv]), some

    def _request(self, stage: "Stage", user: Eui64, srv: str, image: BuiltImage, devices: list[Eui64]) -> Request:
        if srv == "11.3":
            return requests.activate_firmware(user, devices[0], bytes.fromhex(image.hash))
        make = requests.update_ppmid_firmware if srv == "11.4" else requests.update_firmware
        return make(user, image.octets, image.image.firmware_version, devices)

    def _allowed(self, stage: "Stage", eui: Eui64, image: BuiltImage) -> bool:
        names = stage.names
        return eui in names.devices_of(self.allowed, "allowed") and (
            names.definition(names.shown(eui), "allowed").device_type is image.device_type
        )

    async def _refused(self, stage: "Stage", actor: "Actor", request: Request, what: str) -> None:
        found = await actor.client.transform_and_send(request)
        stage.verify(f"{what} (Transform)", self.transform, "I0" if isinstance(found, SignedCommand) else found.code)

    def _shown(self, stage: "Stage", devices: list[Eui64]) -> list[str]:
        return sorted(stage.names.shown(eui) for eui in devices)


def _taken(answer: ServiceResponse, devices: list[Eui64]) -> list[Eui64]:
    """The devices of the list that an answer says get the image: none where it is refused, else those on no warning list."""
    if answer.code.startswith("E"):
        return []
    lists = [child.text for child in answer.payload or () if child.name in WARNING_LISTS]
    refused = {parse_eui(text) for texts in lists for text in texts.split(",")}
    return [eui for eui in devices if eui not in refused]


STEPS: Mapping[str, type[Step]] = {"random-requests": RandomRequests}
"""Chance, from a seed."""
