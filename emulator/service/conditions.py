"""Conditions that can be waited for, on messages, requests, firmware jobs, devices and the inventory, and how each stands."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from emulator.domain.identifiers import format_eui
from emulator.dsp import job_states
from emulator.dsp.state import TransactionState
from emulator.service.control_models import Eui, Instant, Model
from emulator.service.explained import EXPECTED
from emulator.service.hosted import HostedWorld
from emulator.service.persistence.contract import DeliveryState, OutboxQuery
from emulator.service.routes import ControlRefused
from emulator.simulation.faults.selectors import nearest

Value = str | int | bool | None


def _job_state(name: str) -> str:
    if name not in job_states.EVERY:
        raise ValueError(f"there is no state {name[:40]!r}{EXPECTED}{nearest(name.upper(), job_states.EVERY)}")
    return name


JobState = Annotated[str, AfterValidator(_job_state), Field(json_schema_extra={"enum": sorted(job_states.EVERY)})]
"""A state that a firmware job can be in: to wait for another one would be in vain."""


class IdleCondition(Model):
    """Nobody waits on simulated time and no push is under way."""

    kind: Literal["idle"]


class InstantCondition(Model):
    """Simulated time has come to an instant."""

    kind: Literal["instant"]
    at_ms: Instant


class MessagesCondition(Model):
    """So many messages are in a state."""

    kind: Literal["messages"]
    count: int = Field(1, ge=1)
    state: DeliveryState = DeliveryState.DELIVERED
    recipient: Eui | None = None
    device: Eui | None = None
    request_id: str | None = None


class AnsweredCondition(Model):
    """The result of a request has been delivered."""

    kind: Literal["answered"]
    request_id: str


class JobCondition(Model):
    """The firmware job of a device is in one of these states; without states, it has ended."""

    kind: Literal["job"]
    device: Eui
    states: tuple[JobState, ...] = ()


class TransactionCondition(Model):
    """A request to a device is in one of these states."""

    kind: Literal["transaction"]
    request_id: str
    states: tuple[TransactionState, ...] = Field(min_length=1)


class DeviceCondition(Model):
    """A device is so, in truth: values by path, as its description has them."""

    kind: Literal["device"]
    device: Eui
    values: dict[str, Value] = Field(min_length=1, description="such as running_version, on_han or held_image.version")


class InventoryCondition(Model):
    """The inventory has a device so: values by name."""

    kind: Literal["inventory"]
    device: Eui
    values: dict[str, Value] = Field(min_length=1, description="such as firmware_version or status")


class JobsCondition(Model):
    """So many firmware jobs are in these states; without states, have ended; without a count, all of them."""

    kind: Literal["jobs"]
    request_id: str | None = Field(None, description="of this 11.1 or 11.4 alone")
    states: tuple[JobState, ...] = ()
    count: int | None = Field(None, ge=1)


Condition = (
    IdleCondition
    | InstantCondition
    | MessagesCondition
    | AnsweredCondition
    | JobCondition
    | TransactionCondition
    | DeviceCondition
    | InventoryCondition
    | JobsCondition
)


@dataclass(frozen=True, slots=True)
class Look:
    """How a condition stands."""

    holds: bool
    seen: Any
    """What there is of it, as JSON values: a count, a state, values by path."""


async def look(world: HostedWorld, condition: Condition) -> Look:
    """Look at a condition once; raise :class:`ControlRefused` where it names what is not there."""
    return await _LOOKS[condition.kind](world, condition)


async def _idle(world: HostedWorld, condition: IdleCondition) -> Look:
    return Look(world.pump.idle(), {"awaited": world.world.engine.awaited(), "pushing": world.outbox.busy})


async def _instant(world: HostedWorld, condition: InstantCondition) -> Look:
    now_ms = world.instant_ms()
    return Look(now_ms >= condition.at_ms, now_ms)


async def _messages(world: HostedWorld, condition: MessagesCondition) -> Look:
    query = OutboxQuery(recipient=condition.recipient, device=condition.device, request_id=condition.request_id)
    count = (await world.log.tally(query)).of(condition.state)
    return Look(count >= condition.count, count)


async def _answered(world: HostedWorld, condition: AnsweredCondition) -> Look:
    count = (await world.log.tally(OutboxQuery(request_id=condition.request_id))).of(DeliveryState.DELIVERED)
    return Look(count > 0, count)


async def _job(world: HostedWorld, condition: JobCondition) -> Look:
    job = _described(world, condition.device)["job"]
    if job is None:
        return Look(False, None)
    return Look(job["state"] in condition.states if condition.states else not job["open"], job["state"])


async def _transaction(world: HostedWorld, condition: TransactionCondition) -> Look:
    states = [entry["state"] for entry in world.world.views.transactions(request_id=condition.request_id).items]
    return Look(any(state in condition.states for state in states), states)


async def _device(world: HostedWorld, condition: DeviceCondition) -> Look:
    return _values(_described(world, condition.device)["state"], condition.values)


async def _inventory(world: HostedWorld, condition: InventoryCondition) -> Look:
    return _values(_described(world, condition.device)["inventory"], condition.values)


async def _jobs(world: HostedWorld, condition: JobsCondition) -> Look:
    found = world.world.views.jobs(request_id=condition.request_id).items
    jobs = [job for request in found for job in request["jobs"]]
    states: dict[str, int] = {}
    for job in jobs:
        states[job["state"]] = states.get(job["state"], 0) + 1
    held = sum(job["state"] in condition.states if condition.states else not job["open"] for job in jobs)
    return Look(bool(jobs) and held >= (len(jobs) if condition.count is None else condition.count), states)


def _described(world: HostedWorld, device: int) -> dict[str, Any]:
    found = world.world.views.device(device)
    if found is None:
        raise ControlRefused(404, f"there is no device {format_eui(device)}", where="condition.device")
    return found


def _values(described: Mapping[str, Any] | None, wanted: Mapping[str, Value]) -> Look:
    seen = {path: None if described is None else _at(described, path.split("."), path) for path in wanted}
    return Look(seen == dict(wanted), seen)


def _at(here: Any, names: Sequence[str], path: str) -> Any:
    """What stands at a path; None below what is not there."""
    for name in names:
        if here is None:
            return None
        if not isinstance(here, dict) or name not in here:
            expected = ", ".join(here) if isinstance(here, dict) else "a shorter path"
            raise ControlRefused(422, f"there is no {path!r}", where="condition.values", expected=expected)
        here = here[name]
    return here


_LOOKS: Mapping[str, Callable[[HostedWorld, Any], Awaitable[Look]]] = {
    "idle": _idle,
    "instant": _instant,
    "messages": _messages,
    "answered": _answered,
    "job": _job,
    "transaction": _transaction,
    "device": _device,
    "inventory": _inventory,
    "jobs": _jobs,
}
"""How each kind of condition is looked at."""
