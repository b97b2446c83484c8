"""Descriptions of messages that are to come: who gets what, about which device, how often, and what is in it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId
from emulator.domain.tables import dcc_alerts
from emulator.scenarios.messages import Kind, Seen
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.values import AlertCode, Code, Duration, Reference, References

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage

NONE = "none"
"""How files write that there is no value, and no job."""
THROTTLED = "ThrottledAlertCount"
Count = Annotated[int, Field(ge=0, strict=True)]
Expected = Any
"""A value as it must be; ``{ hash_of = "image" }`` stands for the hash of a built image."""


def _dcc_alert(value: object) -> str:
    known = {*dcc_alerts(), *(row.body for row in dcc_alerts().values())}
    if isinstance(value, str) and value in known:
        return value
    raise Malformed(f"there is no DCC Alert {str(value)[:40]!r}", expected=suggest(str(value), known))


DccAlertName = Annotated[str, BeforeValidator(_dcc_alert)]


def check_values(names: Names, values: Iterable[Expected], where: str) -> None:
    """Raise :class:`Malformed` for a value that stands for an image which no step builds."""
    for value in values:
        if isinstance(value, Mapping):
            if set(value) != {"hash_of"}:
                raise Malformed(f"{dict(value)} is not a value", where=where, expected='{ hash_of = "image" }')
            names.known("image", str(value["hash_of"]), names.images, where)


def value_of(stage: "Stage", value: Expected) -> object:
    """The value that a file means."""
    return stage.images[value["hash_of"]].hash if isinstance(value, Mapping) else value


def plain(value: object) -> object:
    """A value that was seen, in the form in which files have it: octets as hexadecimal text, ``none`` for what is not there."""
    if value is None:
        return NONE
    return value.hex() if isinstance(value, bytes) else value


def value_at(value: Any, path: str, part: str) -> Any:
    """What stands at a path of names; None below something that is not there."""
    here = value
    for name in path.split("."):
        if here is None:
            return None
        if not isinstance(here, dict) or name not in here:
            remedy = suggest(name, here) if isinstance(here, dict) else "a shorter path"
            raise Malformed(f"there is no {path!r}", where=part, expected=remedy)
        here = here[name]
    return here


@dataclass(frozen=True, slots=True)
class Found:
    """What has come of a row for one user and one device."""

    user: Eui64
    device: Eui64 | None
    """None where the row names none."""
    messages: list[Seen]
    near: dict[str, object] | None
    """What the last message of this kind held that is not as described; None where there was none."""


class Wanted(BaseModel):
    """One row of expected messages: who gets what, about which device, how often, and what tells it from others of its kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    to: References
    """Users; each of them must get it."""
    device_alert: AlertCode | None = None
    """An alert of a device with this code."""
    dcc_alert: DccAlertName | None = None
    """A DCC Alert with this number (`N60`), or with this body (`PPMIDAlert`) where the number is not well established."""
    response: Code | None = None
    """A response with this code, pushed for an earlier request."""
    request: Reference = ""
    """The step whose request it answers, or names in its body."""
    device: References = []
    """Devices that it comes from or names; it must come for each of them."""
    count: Count = 1
    """How often, per user and device; `0` for not at all."""
    body: dict[str, str] = {}
    """Texts of the DCC Alert's body or of the payload, by path of elements below it: `"FirmwareTransferAlert/OtherDeviceID"`."""
    values: dict[str, Expected] = {}
    """Values of the GBCS message in it, such as `activate_image_code`; `{ hash_of = "image" }` is the hash of a built image."""
    throttled: Count | None = None
    """How many alerts it says were held back before it (ThrottledAlertCount); `0` where it says nothing of that."""
    protected: bool = True
    """Whether signature and MAC of the GBCS message in it hold."""
    after: Reference = ""
    """The step from which `within` and `not_before` count."""
    within: Duration | None = None
    """It comes at most so long after that step began."""
    not_before: Duration | None = None
    """It comes at least so long after that step began."""

    def check(self, names: Names, where: str) -> None:
        """Look up everything that the row names."""
        names.users_of(self.to, f"{where}.to")
        names.devices_of(self.device, f"{where}.device")
        if sum(each is not None for each in (self.device_alert, self.dcc_alert, self.response)) != 1:
            remedy = "a code, e.g. device_alert = '8F72'"
            raise Malformed("exactly one of device_alert, dcc_alert and response is needed", where=where, expected=remedy)
        if self.request:
            names.known("request", self.request, names.requests, f"{where}.request")
            if self.device_alert is not None:
                raise Malformed("an alert of a device names no request", where=f"{where}.request", expected="device")
        if self.after:
            names.known("step", self.after, names.steps, f"{where}.after")
        elif self.within is not None or self.not_before is not None:
            raise Malformed("within and not_before need a beginning", where=f"{where}.after", expected="the name of a step")
        check_values(names, self.values.values(), f"{where}.values")

    @property
    def kind(self) -> Kind:
        """Which kind of message it is."""
        if self.response is not None:
            return Kind.RESPONSE
        return Kind.DEVICE_ALERT if self.device_alert is not None else Kind.DCC_ALERT

    async def found(self, stage: "Stage") -> list["Found"]:
        """For each user and device of the row, the messages that nothing has accounted for yet and that the row describes."""
        names, wanted = stage.names, self.holds(stage)
        asked = frozenset(sent.request_id for sent in stage.sent.get(self.request, ()))
        devices: tuple[Eui64 | None, ...] = names.devices_of(self.device, "device") or (None,)
        found: list[Found] = []
        for user in names.users_of(self.to, "to"):
            of_kind: dict[Eui64 | None, list[Seen]] = defaultdict(list)
            for message in stage.pending:
                if message.to == user and self._is_kind_of(message, asked):
                    for about in (*message.about, None):
                        of_kind[about].append(message)
            for device in devices:
                held = [(message, await self._held(stage, message)) for message in of_kind[device]]
                others = [inside for _, inside in held if inside != wanted]
                found.append(
                    Found(user, device, [each for each, inside in held if inside == wanted], others[-1] if others else None)
                )
        return found

    def _is_kind_of(self, message: Seen, asked: frozenset[RequestId]) -> bool:
        if message.kind is not self.kind:
            return False
        if self.request and asked.isdisjoint(message.requests):
            return False
        if self.dcc_alert is not None and message.body is not None and message.body.name == self.dcc_alert:
            return True
        return message.code == (self.response or self.device_alert or self.dcc_alert)

    def holds(self, stage: "Stage") -> dict[str, object]:
        """What the row says of the inside of a message."""
        told = {} if self.throttled is None else {THROTTLED: self.throttled}
        return {**told, **self.body, **{name: value_of(stage, value) for name, value in self.values.items()}}

    async def _held(self, stage: "Stage", message: Seen) -> dict[str, object]:
        """The same of a message that came."""
        body = {path: plain(None if message.body is None else message.body.value(*path.split("/"))) for path in self.body}
        if self.throttled is not None:
            body[THROTTLED] = message.throttled
        if not self.values:
            return body
        decoded = await stage.decode(message)
        return {**body, **{name: plain(None if decoded is None else decoded.values.get(name)) for name in self.values}}

    def __str__(self) -> str:
        code = self.response or self.device_alert or self.dcc_alert
        return f"{self.kind} {code}" + (f" for {self.request!r}" if self.request else "")
