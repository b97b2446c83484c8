"""Control operations on faults: what can go wrong, what is planned, what came of it."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from emulator.service.control_models import Instant, Model
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route
from emulator.simulation.faults import FACTS, KEYS, KINDS

Texts = str | list[str]
Share = Annotated[list[int] | str, Field(description="[n, d], or n/d as text", examples=[[1, 20], "1/20"])]

_conditions: dict[str, Any] = {
    name: (Texts | None, Field(None, description=fact.meaning, examples=list(fact.choices[:1]) or None))
    for name, fact in FACTS.items()
}
FaultSelector = create_model(
    "FaultSelector", __base__=Model, __doc__="Whom a fault hits: all that is given must hold.", **_conditions
)


class Who(FaultSelector):
    """Whom a fault hits: all that is given must hold; texts match with ``*`` and ``?``."""

    share: Share | None = Field(None, description="of all these so many on average")


class NewFault(Model):
    """A fault to plan."""

    kind: str = Field(description=KEYS["kind"], examples=["device.silent"])
    device: Texts | None = Field(None, description=KEYS["device"])
    who: Who | None = Field(None, description=KEYS["who"])
    since: str | None = Field(None, alias="from", description=KEYS["from"])
    until: str | None = Field(None, alias="to", description=KEYS["to"])
    from_ms: Instant | None = Field(None, description=KEYS["from_ms"])
    to_ms: Instant | None = Field(None, description=KEYS["to_ms"])
    chance: Share | None = Field(None, description=KEYS["chance"])
    times: int | None = Field(None, ge=1, description=KEYS["times"])
    after: int | None = Field(None, ge=0, description=KEYS["after"])
    counted: Literal["all", "each"] | None = Field(None, description=KEYS["counted"])
    daily: list[str] | str | None = Field(None, description=KEYS["daily"])
    params: dict[str, Any] | None = Field(None, description=KEYS["params"])
    name: str | None = Field(None, description=KEYS["name"])


def fault_routes() -> list[Route]:
    """The table."""
    faults, one, tag = f"{WORLD}/faults", f"{WORLD}/faults/{{fault}}", "faults"
    return [
        Route("GET", "/control/v1/fault-kinds", _kinds, "What can go wrong, and whom it can hit", tag),
        Route("GET", faults, _faults, "Planned faults and what came of them", tag),
        Route("POST", faults, _add, "Plan a fault", tag, body=NewFault, status=201),
        Route("DELETE", faults, _clear, "Take all faults back", tag),
        Route("GET", one, _fault, "One fault, and how many it can hit", tag),
        Route("DELETE", one, _remove, "Take a fault back", tag),
    ]


async def _kinds(call: Call) -> Answer:
    return {
        "kinds": [
            {**asdict(kind), "params": [{**asdict(each), "takes": each.takes} for each in kind.params]} for kind in KINDS.values()
        ],
        "who": [{"name": name, **asdict(fact)} for name, fact in FACTS.items()],
    }


async def _faults(call: Call) -> Answer:
    hosted = call.hosted
    return {"faults": [hosted.transport.described(fault) for fault in hosted.world.views.faults()]}


async def _add(call: Call) -> Answer:
    return await call.carry_out("fault.add", **call.given(NewFault).model_dump(by_alias=True, exclude_none=True))


async def _clear(call: Call) -> Answer:
    return await call.carry_out("fault.remove")


async def _fault(call: Call) -> Answer:
    return _described(call)


async def _remove(call: Call) -> Answer:
    return await call.carry_out("fault.remove", fault=_described(call)["number"])


def _described(call: Call) -> dict[str, Any]:
    number = call.number("fault", "the number of a planned fault")
    found = call.hosted.world.views.fault(number)
    if found is None:
        raise ControlRefused(404, f"there is no fault {number}", where="fault", expected="the number of a planned fault")
    return call.hosted.transport.described(found)
