"""What it costs to ask who may do what, with the registration data of a country in memory.

Meters and the order in which they are asked for are scattered over all MPxNs, so that nothing is in a processor's cache by luck.
"""

import base64
import gc
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec

from emulator.controls import ControlledEngine
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui, parse_eui
from emulator.domain.mpxn import mpxn_of_key
from emulator.domain.vocabulary import DeviceStatus, DeviceType, UserRole, WebService
from emulator.dsp.gate import Case, pass_gate
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.dsp.registration import responsible
from emulator.dsp.state import InventoryEntry
from emulator.duis.messages import Request, Signer, element
from emulator.engine import new_state
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image, load_estate
from emulator.estate.registration_base import parties_of
from emulator.estate.registration_columns import RegistrationColumns, Tenures, columns_of
from emulator.estate.registrations import FOREVER_MS, FROM_SHIFT, ROLE_CODES, ROLE_SHIFT
from emulator.keyring import KeyRing
from emulator.ota.image import build
from emulator.world import key_store
from tests.bench.edge import SUPPLIER
from tests.bench.measure import Run, Sample, measurement, per_operation

AGENT = parse_eui("90-B3-D5-1F-30-05-00-00")
MPXNS = 10_000_000
METERS = 100_000
REQUESTS = 20_000
MINUTE_MS, DAY_MS = 60_000, 86_400_000
ROLES = ((UserRole.GS, UserRole.RSA, UserRole.GT), (UserRole.IS, UserRole.RSA, UserRole.ED))
"""Of MPRNs and of MPANs."""


def keys() -> np.ndarray:
    """As many MPANs of fourteen distributors as MPRNs."""
    number = np.arange(MPXNS // 2, dtype=np.int64)
    mpans = 10**13 + (10 + number % 14) * 10**11 + number * 7_919 % 10**11
    mprns = 10**10 + number * 104_729 % 10**10
    return np.concatenate([mpans, mprns])


@cache
def columns() -> RegistrationColumns:
    """For every MPxN a supplier, an agent and a network operator, since various days."""
    estate = load_estate(default_estate_toml())
    parties = parties_of(estate)
    found, chance = keys(), np.random.default_rng(1)
    is_mpan = (found >= 10**13).astype(np.int64)
    points = []
    for position, companies in enumerate((["supplier-one", "supplier-two"], ["meter-operator"], ["network-operator"])):
        codes = np.array([ROLE_CODES[roles[position]] for roles in ROLES], np.int64)[is_mpan]
        from_ms = chance.integers(0, 20_000, len(found)) * DAY_MS
        numbers = np.array([parties.index(company) for company in companies], np.int64)
        # The first five million keys are MPANs; their meters are the supplier's that asks.
        party = numbers[np.where(is_mpan == 1, 0, np.arange(len(found)) % len(numbers))]
        points.append(codes << ROLE_SHIFT | from_ms << FROM_SHIFT | party)
    ends_ms = np.full(len(points) * len(found), FOREVER_MS)
    return columns_of(Tenures(np.tile(found, len(points)), np.concatenate(points), ends_ms), str)


@cache
def engine(meters: int = METERS, settings: str = "") -> ControlledEngine:
    """The default world with meters of many other homes in its inventory and the registration of a country."""
    estate = replace(load_estate(default_estate_toml() + settings), registration_file="national.csv")
    state = new_state(estate, None, columns())
    known = next(entry for entry in state.dsp.inventory.values() if entry.device_type is DeviceType.ESME)
    mpans = keys()[: MPXNS // 2]
    for number, key in enumerate(np.random.default_rng(2).choice(mpans, meters, replace=False).tolist()):
        meter = InventoryEntry(
            eui=Eui64(0x00DB200000000000 + number),
            device_type=DeviceType.ESME,
            hub=Eui64(0x00DB300000000000 + number),
            manufacturer=known.manufacturer,
            model=known.model,
            smets_version=known.smets_version,
            firmware_version=known.firmware_version,
            gbcs_version=known.gbcs_version,
            status=DeviceStatus.COMMISSIONED,
            import_mpxn=mpxn_of_key(key),
        )
        state.dsp.inventory[meter.eui] = meter
    gc.freeze()
    return ControlledEngine(state, KeyRing(key_store(estate), [party.eui for party in estate.parties]))


def meters() -> list[InventoryEntry]:
    """The meters that are asked for."""
    chosen = np.random.default_rng(3).integers(0, METERS, REQUESTS).tolist()
    return [engine().state.dsp.inventory[Eui64(0x00DB200000000000 + number)] for number in chosen]


@measurement("access.gate_us", "us", runs=7)
def gate() -> Iterator[Run]:
    """The whole gate for an 11.2 of the responsible supplier, every verdict kept and journalled."""
    context = engine().context
    requests = [
        Request(RequestId(SUPPLIER, meter.eui, number), 1, "11.2", "11.2", element("ReadFirmwareVersion"))
        for number, meter in enumerate(meters())
    ]
    granted = 0

    def operation(number: int) -> bytes:
        nonlocal granted
        granted += pass_gate(context, Case(WebService.SEND_COMMAND, requests[number], context.now_ms)) is None
        (entry,) = engine().take_effects()
        return getattr(entry, "summary", "").encode()

    timed = per_operation(operation, REQUESTS)

    def run() -> Sample:
        nonlocal granted
        granted = 0
        sample = timed()
        context.state.request_ids.clear()
        return Sample(sample.value, sample.checked | {"granted": granted, "mpxns": len(columns())})

    yield run


@measurement("access.device_us", "us", runs=7)
def per_device() -> Iterator[Run]:
    """Who is responsible for one meter of the list of an 11.1, as the supplier that sends it or as the other one."""
    context, asked = engine().context, meters()
    users = [user for user in context.state.users.values() if UserRole.IS in user.roles]

    def operation(number: int) -> bytes:
        user = users[number % len(users)]
        return b"%d" % responsible(context, user, UserRole.IS, asked[number], context.now_ms)

    yield per_operation(operation, REQUESTS)


LARGE, SMALL = 50_000, 5_000
"""Devices of the largest request, and of one that shows how the time grows with their number."""
AGENT_RUNS = 3
CONTROLLED = """
[settings.dsp]
rsa_policy = "mp207_controlled"
"""


@cache
def controlled() -> ControlledEngine:
    """Under the controlled policy, with a grant that names every meter, each for one request."""
    found = engine(AGENT_RUNS * (LARGE + SMALL), CONTROLLED)
    mpxns = [meter.import_mpxn for meter in added(found)]
    terms = {"supplier": "supplier-one", "agent": format_eui(AGENT), "to_ms": FOREVER_MS, "mpxns": mpxns}
    answer = found.control(ControlInput("grant.put", terms), found.now_ms)
    assert answer.error is None, answer.error
    found.take_effects()
    return found


def added(world: ControlledEngine) -> list[InventoryEntry]:
    """The meters of other homes than those of the default world."""
    return [entry for eui, entry in world.state.dsp.inventory.items() if eui >> 40 == 0x00DB20]


def agent_request(meters: list[InventoryEntry], counter: int) -> DuisInput:
    """An agent's 11.1 for meters of one model."""
    version, model = "00010100", meters[0].model
    rows = controlled().state.estate.cpl
    row = next(row for row in rows if (row.model, row.firmware_version) == (model, version) and row.image_bytes)
    image = build(
        generated_manufacturer_image(row.manufacturer, model, version, row.image_bytes),
        manufacturer_code=int(row.manufacturer, 16),
        image_type=0,
        file_version=int(version, 16),
        header_string="measured",
        hardware_versions=(0x0100, 0x0200),
        private_key=ec.derive_private_key(1, ec.SECP256R1()),  # the device checks it, not the gate
    )
    body = element(
        "UpdateFirmware",
        element("FirmwareImage", base64.b64encode(image).decode()),
        element("FirmwareVersion", version),
        element("DeviceIDList", ",".join(format_eui(meter.eui) for meter in meters)),
    )
    request = Request(RequestId(AGENT, ACCESS_CONTROL_BROKER, counter), 8, "11.1", "11.1", body)
    return DuisInput(WebService.NON_DEVICE, request, Signer(AGENT, 135, 1, "CN=Z1,OU=07"))


def agents_request(size: int, begin: int) -> Run:
    """An 11.1 for ``size`` meters, others in every run, from position ``begin`` of the meters on."""
    world = controlled()
    parts = [added(world)[begin + run * size : begin + (run + 1) * size] for run in range(AGENT_RUNS)]
    requests = iter([agent_request(part, begin + number + 1) for number, part in enumerate(parts)])

    def run() -> Sample:
        item = next(requests)
        started = time.perf_counter()
        code = world.submit(item, world.now_ms).response.code
        effects = world.take_effects()
        elapsed_ms = (time.perf_counter() - started) * 1e3
        kinds = Counter(type(effect).__name__ for effect in effects)
        jobs = len(next(reversed(world.state.dsp.firmware_requests.values())).jobs)
        # What follows at the same instant belongs to the distribution: no hub of these homes exists, so that it is soon over.
        world.advance(world.now_ms + 10 * MINUTE_MS)
        world.take_effects()
        return Sample(elapsed_ms, {"code": code, "jobs": jobs, "effects": dict(kinds), "mpxns": len(columns())})

    return run


@measurement("access.agent_50k_ms", "ms", runs=AGENT_RUNS)
def agent_large() -> Iterator[Run]:
    """An agent's 11.1 for 50,000 meters under a grant that names each: image, gate, grants, jobs, journal and audit trail."""
    yield agents_request(LARGE, 0)


@measurement("access.agent_5k_ms", "ms", runs=AGENT_RUNS)
def agent_small() -> Iterator[Run]:
    """The same for 5,000."""
    yield agents_request(SMALL, AGENT_RUNS * LARGE)


_GROWTH = """
import gc, sys
from emulator.domain.mpxn import mpxn_of_key
from emulator.domain.vocabulary import UserRole
from emulator.estate.registration_columns import load_columns
from emulator.estate.registrations import Registrations
def memory():
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
before = memory()
with open(sys.argv[1], "rb") as file:
    base = load_columns(file, source="columns")
store = Registrations(["a", "b", "c", "d", "e", "f", "g"], base_digest=base.digest)
store.attach(base)
found = sum(store.party_for(f"{10 + n % 14}{n * 7919 % 10**11:011d}", UserRole.IS, 10**13) is not None for n in range(1000))
assert found == 1000, found
print((memory() - before) / len(base), base.size_bytes / len(base))
"""


@measurement("access.registration_bytes_per_mpxn", "bytes", runs=3)
def memory() -> Iterator[Run]:
    """How much a process grows when it takes up columns that were saved, for each MPxN with three roles."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "national.columns"
        with path.open("wb") as file:
            file.writelines(columns().save())

        def run() -> Sample:
            done = subprocess.run([sys.executable, "-c", _GROWTH, path], check=True, capture_output=True, text=True)
            growth, size = map(float, done.stdout.split())
            return Sample(growth, {"mpxns": len(columns()), "columns_bytes_per_mpxn": round(size, 2)})

        yield run
