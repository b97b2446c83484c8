"""The answer of the gate depends on what bears on the request alone: not on what else is there, nor on the order of loading."""

import base64
import random
import tomllib
from collections.abc import Callable, Iterator

import pytest

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, RequestId, format_eui
from emulator.domain.tables import WEB_SERVICE, service_reference_variants
from emulator.dsp.effects import JournalEntry
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import Request, Signer, element
from emulator.estate.declaration import default_estate_toml
from emulator.scenarios.toml_text import to_toml
from emulator.world import World, create_world
from tests.access.random_world import VERSIONS, image_of
from tests.dsp.bench_world import AGENT, NETWORK_OPERATOR, OTHER_USER, SUPPLIER, SUPPLIER_TWO, device, firmware_body

HOUR_MS = 3_600_000
ESME, GSME, PPMID = device(0, "A0"), device(0, "A1"), device(0, "A4")
MPAN, MPRN = "1200000000001", "7400000001"
OTHERS = ("1200000001001", "7400001001", "1200000002001", "7400002001", "1200000777777")
USERS = (SUPPLIER, SUPPLIER_TWO, AGENT, OTHER_USER)

Action = Callable[["Loading"], None]


class Loading:
    """A world that is being filled."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.start_ms = world.engine.now_ms
        self.grants: dict[str, object] = {}

    def do(self, verb: str, **params: object) -> dict[str, object]:
        answer = self.world.engine.control(ControlInput(verb, params), self.start_ms)
        assert answer.error is None, answer.error
        return answer.result


def tenure(mpxn: str, role: str, party: str, hour: int) -> Action:
    return lambda to: to.do("registration.put", mpxn=mpxn, role=role, party=party, from_ms=to.start_ms + hour * HOUR_MS) and None


def grant(name: str, supplier: str, agent: int, hours: int, **more: object) -> Action:
    def put(to: Loading) -> None:
        to_ms = to.start_ms + hours * HOUR_MS
        to.grants[name] = to.do("grant.put", supplier=supplier, agent=format_eui(agent), to_ms=to_ms, **more)["grant"]

    return put


def approval(name: str) -> Action:
    image_hash = image_of("ESME", VERSIONS[0])[1]
    return lambda to: to.do("grant.approve", grant=to.grants[name], version=VERSIONS[0], image_hash=image_hash) and None


def command(verb: str, **params: object) -> Action:
    return lambda to: to.do(verb, **params) and None


def related() -> list[list[Action]]:
    """What decides about the first home, in groups of which each has an order of its own."""
    return [
        [tenure(MPAN, "IS", "supplier-one", 0), tenure(MPAN, "IS", "supplier-two", 3)],
        [tenure(MPRN, "GS", "supplier-two", 0), tenure(MPRN, "GS", "supplier-one", 4)],
        [tenure(MPAN, "RSA", "meter-operator", 0)],
        [tenure(MPRN, "RSA", "meter-operator", 0), tenure(MPRN, "RSA", "other-user", 2)],
        [grant("versions", "supplier-one", AGENT, 5, approval="per_version"), approval("versions")],
        [grant("one version", "supplier-two", AGENT, 4, versions=[VERSIONS[0]])],
        [grant("none at all", "supplier-two", AGENT, 5, max_devices=0)],
        [command("anomaly.threshold", variant="11.4", user=format_eui(SUPPLIER_TWO), devices=1)],
        [_product("ESME"), _product("PPMID")],
    ]


def _product(kind: str) -> Action:
    manufacturer, model = {"ESME": ("11E5", "00020101"), "PPMID": ("13D0", "00040101")}[kind]
    product = {"type": kind, "manufacturer": manufacturer, "model": model, "firmware_version": VERSIONS[0]}
    return command("cpl.put", **product, image_hash=image_of(kind, VERSIONS[0])[1])


def unrelated(chance: random.Random) -> list[list[Action]]:
    """What bears on other homes, other users and other products."""
    tenures = [
        [tenure(mpxn, "IS" if mpxn < "2" else "GS", chance.choice(("supplier-one", "supplier-two")), chance.randrange(6))]
        for mpxn in chance.choices(OTHERS, k=8)
    ]
    product = {"type": "ESME", "manufacturer": "AAAA", "model": "00000001", "firmware_version": VERSIONS[0]}
    return [
        *tenures,
        [grant("of another", "supplier-one", OTHER_USER, 5, approval="per_version"), approval("of another")],
        [grant("elsewhere", "supplier-one", OTHER_USER, 5, mpxns=list(OTHERS), exclusive=True)],
        [grant("of nobody", "somebody", AGENT, 5, exclusive=True)],
        [grant("in the north", "supplier-two", AGENT, 5, regions=["North"])],
        [command("anomaly.threshold", variant="4.1.1", requests=0)],
        [command("anomaly.threshold", variant="11.1", user=format_eui(NETWORK_OPERATOR), requests=0)],
        [command("user.status", user=format_eui(NETWORK_OPERATOR), active=False)],
        [command("cpl.put", **product, status="Withdrawn")],
        *([command("fault.add", kind="wan.unreachable", device=format_eui(device(home, "A2")))] for home in (1, 2)),
    ]


def merged(groups: list[list[Action]], chance: random.Random) -> Iterator[Action]:
    """What all groups do, in a random order that keeps the order within each."""
    waiting = [list(group) for group in groups]
    while waiting := [group for group in waiting if group]:
        yield chance.choice(waiting).pop(0)


def build(chance: random.Random, *, more: bool, shuffled: bool) -> World:
    """A world with what bears on the first home; ``more``: with everything else too; ``shuffled``: in another order."""
    estate = tomllib.loads(default_estate_toml())
    estate["settings"] = {"dsp": {"rsa_policy": "mp207_controlled"}}
    if shuffled:
        for rows in (*(estate[name] for name in ("parties", "homes", "registrations", "cpl")), *_devices(estate)):
            chance.shuffle(rows)
    to = Loading(create_world(estate_toml=to_toml(estate)))
    groups = related() + (unrelated(chance) if more else [])
    for act in merged(groups, chance) if shuffled else [act for group in groups for act in group]:
        act(to)
    to.world.engine.take_effects()
    return to.world


def _devices(estate: dict[str, list[dict[str, list[object]]]]) -> list[list[object]]:
    return [home["devices"] for home in estate["homes"]]


def requests() -> Iterator[tuple[int, int, str, object]]:
    """Every user asks for everything, around every boundary: hour and offset, user, variant, devices."""
    for hour in range(1, 6):
        for offset_ms in (-1, 0, 1):
            for user in USERS:
                yield from (
                    (hour * HOUR_MS + offset_ms, user, srv, wanted)
                    for srv, wanted in (
                        ("11.1", [ESME]),
                        ("11.1", [GSME, ESME]),
                        ("11.4", [PPMID]),
                        ("11.2", ESME),
                        ("11.3", ESME),
                        ("11.3", GSME),
                        ("8.2", ESME),
                    )
                )


def answers(world: World) -> list[object]:
    """Everything that can be seen of how the requests are decided."""
    engine, found = world.engine, []
    start_ms = engine.now_ms
    for counter, (after_ms, user, srv, wanted) in enumerate(requests(), 1):
        engine.advance(start_ms + after_ms)
        engine.take_effects()
        response = engine.submit(_input(user, srv, wanted, counter), engine.now_ms).response
        gate = [effect.data for effect in engine.take_effects() if isinstance(effect, JournalEntry) and effect.kind == "gate"]
        started = sorted(job.device for job in engine.state.dsp.jobs.values() if job.state == "QUEUED")
        for eui in started:
            engine.control(ControlInput("job.cancel", {"device": format_eui(eui)}), engine.now_ms)
        # What a Transform gives back is protected with keys; here it is enough that it does.
        payload = response.payload is not None if srv == "11.3" else response.payload
        found.append((after_ms, user, srv, response.code, payload, gate, started))
    return found


def _input(user: int, srv: str, wanted: object, counter: int) -> DuisInput:
    row = service_reference_variants()[srv]
    target, body = ACCESS_CONTROL_BROKER, element(row.body_element)
    if isinstance(wanted, list):
        kind = "PPMID" if srv == "11.4" else "ESME"
        body = firmware_body(srv, base64.b64decode(image_of(kind, VERSIONS[0])[0]), VERSIONS[0], wanted)
    elif srv == "8.2":
        body = element(row.body_element, element("DeviceID", format_eui(int(str(wanted)))))
    else:
        target = wanted  # type: ignore[assignment]
    if srv == "11.3":
        body = element(row.body_element, element("FirmwareHash", "00" * 32))
    variant = 8 if row.non_device else 4 if row.critical else 1
    request = Request(RequestId(user, target, counter), variant, row.service_reference, srv, body)  # type: ignore[arg-type]
    return DuisInput(WEB_SERVICE[variant], request, Signer(user, 135, 1, "CN=Z1,OU=07"))  # type: ignore[arg-type]


PLAIN: list[object] = []


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("more", "shuffled"), [(False, True), (True, False), (True, True)])
def test_unrelated_data_and_the_order_of_loading_change_nothing(seed: int, more: bool, shuffled: bool) -> None:
    chance = random.Random(f"unrelated {seed}")
    PLAIN[:] = PLAIN or answers(build(chance, more=False, shuffled=False))
    found = answers(build(chance, more=more, shuffled=shuffled))
    for plain, other in zip(PLAIN, found, strict=True):
        assert other == plain


def test_all_outcomes_are_among_them() -> None:
    found = answers(build(random.Random(0), more=False, shuffled=False))
    codes = {(srv, code) for _, _, srv, code, *_ in found}  # type: ignore[misc]
    assert {("11.1", "I99"), ("11.1", "W110101"), ("11.1", "E110101"), ("11.4", "I99"), ("11.4", "E2")} <= codes
    assert {("11.2", "E4"), ("11.2", "I99"), ("11.3", "I0"), ("11.3", "E4"), ("11.3", "E2"), ("8.2", "I0")} <= codes
    assert len({str(started) for *_, started in found}) > 2  # type: ignore[misc]
