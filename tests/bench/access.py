"""What it costs to ask who may do what, with the registration data of a country in memory.

Meters and the order in which they are asked for are scattered over all MPxNs, so that nothing is in a processor's cache by luck.
"""

import gc
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from emulator.controls import ControlledEngine
from emulator.domain.identifiers import Eui64, RequestId
from emulator.domain.mpxn import mpxn_of_key
from emulator.domain.vocabulary import DeviceStatus, DeviceType, UserRole, WebService
from emulator.dsp.gate import Case, pass_gate
from emulator.dsp.registration import responsible
from emulator.dsp.state import InventoryEntry
from emulator.duis.messages import Request, element
from emulator.engine import new_state
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.registration_base import parties_of
from emulator.estate.registration_columns import RegistrationColumns, Tenures, columns_of
from emulator.estate.registrations import FOREVER_MS, FROM_SHIFT, ROLE_CODES, ROLE_SHIFT
from emulator.keyring import KeyRing
from emulator.world import key_store
from tests.bench.edge import SUPPLIER
from tests.bench.measure import Run, Sample, measurement, per_operation

MPXNS = 10_000_000
METERS = 100_000
REQUESTS = 20_000
DAY_MS = 86_400_000
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
def engine() -> ControlledEngine:
    """The default world with meters of many other homes in its inventory and the registration of a country."""
    estate = replace(load_estate(default_estate_toml()), registration_file="national.csv")
    state = new_state(estate, None, columns())
    known = next(entry for entry in state.dsp.inventory.values() if entry.device_type is DeviceType.ESME)
    mpans = keys()[: MPXNS // 2]
    for number, key in enumerate(np.random.default_rng(2).choice(mpans, METERS, replace=False).tolist()):
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
