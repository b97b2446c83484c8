"""One world full of chance, driven beside the oracle: registrations, grants, approvals, requests, all from one seed."""

import base64
import hashlib
import random
from dataclasses import asdict
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui
from emulator.domain.tables import WEB_SERVICE, service_reference_variants
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import Element, Request, ServiceResponse, Signer, element
from emulator.estate.declaration import default_estate_toml
from emulator.ota.image import build
from emulator.world import World, create_world
from tests.access.oracle import Approved, Asked, Given, Oracle, Person, Thing
from tests.dsp.bench_world import device

STEP_MS = 3_600_000
INSTANTS = 6
"""Boundaries of a world, an hour apart: everything begins and ends at one of them."""
VERSIONS = ("00010100", "00010200")
PRODUCTS = {
    "ESME": ("11E5", "00020101"),
    "GSME": ("12A5", "00030101"),
    "PPMID": ("13D0", "00040101"),
    "HCALCS": ("14C0", "00050101"),
}
REGIONS = ("Central", "North", "South")
TWIN = "1200000009001"
"""The second import MPAN of the meter in the north."""
UNKNOWN_USER, UNKNOWN_DEVICE = 0x90B3D51F30990000, 0x00DB123456789999
AGENTS = (0x00DB123456780004, 0x90B3D51F30050000, 0x90B3D51F30060000, 0x90B3D51F30070000)
PARTIES = """
[[parties]]
eui = "90-B3-D5-1F-30-06-00-00"
name = "integrated"
party = "integrated"
roles = ["IS", "GS", "RSA"]
remote_party_role = "supplier"

[[parties]]
eui = "90-B3-D5-1F-30-07-00-00"
name = "second agent"
party = "meter-operator"
roles = ["RSA", "OU"]
remote_party_role = "other"

[[parties]]
eui = "90-B3-D5-1F-30-08-00-00"
name = "export"
party = "supplier-two"
roles = ["ES", "OU", "ED", "GT"]
remote_party_role = "supplier"
"""
SUPPLIERS = ("supplier-one", "supplier-two", "integrated")
OPERATORS = ("meter-operator", "other-user", "integrated", "supplier-two")


@cache
def image_of(kind: str, version: str) -> tuple[str, str]:
    """An OTA file in base64 and the hash of its Manufacturer Image; small, because most of them go nowhere."""
    content = hashlib.sha512(f"{kind} {version}".encode()).digest()
    octets = build(
        content,
        manufacturer_code=int(PRODUCTS[kind][0], 16),
        image_type=0x0084 if kind == "PPMID" else 0,
        file_version=int(version, 16),
        header_string="test",
        hardware_versions=(0x0100, 0x0200),
        private_key=None if kind == "PPMID" else ec.derive_private_key(7, ec.SECP256R1()),
    )
    return base64.b64encode(octets).decode(), hashlib.sha256(content).hexdigest()


@cache
def estate_toml(controlled: bool) -> str:
    text = default_estate_toml().replace(
        'import_mpxn = "1200000001001"', f'import_mpxn = "1200000001001"\nsecondary_import_mpan = "{TWIN}"'
    )
    assert TWIN in text
    policy = "mp207_controlled" if controlled else "today"
    return f'{text}\n{PARTIES}\n[settings.dsp]\nrsa_policy = "{policy}"\n'


class RandomWorld:
    """A world and an oracle that are told the same."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = chance = random.Random(f"unauthorised {seed}")
        controlled = chance.random() < 0.85
        self.world: World = create_world(estate_toml=estate_toml(controlled))
        self.engine = self.world.engine
        self.start_ms = self.engine.now_ms
        self.instants = [self.start_ms + (number + 1) * STEP_MS for number in range(INSTANTS)]
        self.oracle = Oracle(controlled)
        self.counter = 0
        self.asked = 0
        self._describe()
        for kind, (manufacturer, model) in PRODUCTS.items():
            for version in VERSIONS:
                self.control(
                    "cpl.put", type=kind, manufacturer=manufacturer, model=model, firmware_version=version,
                    image_hash=image_of(kind, version)[1],
                )  # fmt: skip
        self._register()
        self.lists = [self._list() for _ in range(12)]
        for _ in range(chance.choice((0, 4, 8, 16, 24))):
            self._grant()
        for _ in range(chance.choice((0, 10, 40))):
            self._approve()

    # What there is

    def _describe(self) -> None:
        oracle, chance, users = self.oracle, self.chance, self.engine.state.dsp.users
        for eui, user in users.items():
            user.security_assurance = chance.choice((1,) * 10 + (2, 0))
            oracle.people[eui] = Person(user.name, user.party, tuple(user.roles), user.security_assurance)
        for home, region in enumerate(REGIONS):
            meters = []
            for kind, last, mpxn in (("ESME", "A0", "120000000"), ("GSME", "A1", "740000")):
                mpxns = (f"{mpxn}{home}001" if home else f"{mpxn}0001",)
                if (kind, home) == ("ESME", 1):
                    mpxns += (TWIN,)
                meter = Thing(kind, "/".join(PRODUCTS[kind]), region, mpxns)
                meters.append(meter)
                oracle.things[device(home, last)] = meter
            oracle.things[device(home, "A4")] = Thing("PPMID", "/".join(PRODUCTS["PPMID"]), region, meters=tuple(meters))
        hcalcs = Thing("HCALCS", "/".join(PRODUCTS["HCALCS"]), REGIONS[0], meters=(oracle.things[device(0, "A0")],))
        oracle.things[device(0, "A5")] = hcalcs

    def _register(self) -> None:
        meters = [thing for thing in self.oracle.things.values() if thing.mpxns]
        for meter in meters:
            for mpxn in meter.mpxns:
                self._tenures(mpxn, "IS" if meter.kind == "ESME" else "GS", SUPPLIERS)
                self._tenures(mpxn, "RSA", OPERATORS)

    def _tenures(self, mpxn: str, role: str, parties: tuple[str, ...]) -> None:
        """Who holds a role for an MPxN, from the beginning of the world on, with changes and gaps."""
        chance = self.chance
        begins = [self.start_ms, *sorted(chance.sample(self.instants, chance.choice((0, 0, 0, 1, 2, 3))))]
        first = self.chance.choice(parties)
        self.control("registration.put", mpxn=mpxn, role=role, party=first, from_ms=self.start_ms - 2, to_ms=self.start_ms - 1)
        known = self.oracle.tenures[mpxn, role] = [(self.start_ms - 2, self.start_ms - 1, first)]
        for from_ms, to_ms in zip(begins, [*begins[1:], None], strict=True):
            if chance.random() < 0.1:
                continue
            party = chance.choice((parties[0], parties[0], *parties))
            self.control("registration.put", mpxn=mpxn, role=role, party=party, from_ms=from_ms, to_ms=to_ms)
            known.append((from_ms, to_ms or 1 << 50, party))

    def _list(self) -> tuple[int, ...]:
        every = [*self.oracle.things, UNKNOWN_DEVICE]
        kinds = {"meters": [eui for eui in every if eui in self.oracle.things and self.oracle.things[eui].kind == "ESME"]}
        chosen = self.chance.choice((every, every, kinds["meters"]))
        return tuple(self.chance.sample(chosen, self.chance.randint(1, min(len(chosen), 6))))

    def _some(self, values: tuple[str, ...]) -> list[str]:
        return self.chance.sample(values, self.chance.randint(1, len(values))) if self.chance.random() < 0.2 else []

    def _grant(self) -> None:
        chance, now_ms = self.chance, self.engine.now_ms
        bounds = sorted(chance.sample([self.start_ms, *self.instants, self.instants[-1] + STEP_MS], 2))
        from_ms, to_ms = (now_ms, now_ms + chance.randint(1, INSTANTS) * STEP_MS) if chance.random() < 0.6 else bounds
        mpxns = tuple(mpxn for mpxn, role in self.oracle.tenures if role == "RSA")
        values = {
            "supplier": chance.choice((*SUPPLIERS, *[SUPPLIERS[0]] * 3, "nobody")),
            "from_ms": from_ms,
            "to_ms": to_ms,
            "mpxns": self._some(mpxns),
            "models": self._some(tuple("/".join(product) for product in PRODUCTS.values())),
            "regions": self._some(REGIONS),
            "versions": self._some(VERSIONS),
            "max_devices": chance.choice((50_000, 50_000, 50_000, 2, 1, 0)),
            "approval": chance.choice(("none", "none", "none", "per_version", "per_batch")),
            "exclusive": chance.random() < 0.04,
        }
        agent = chance.choice((*AGENTS, *[AGENTS[1]] * 3, UNKNOWN_USER))
        number = self.control("grant.put", agent=format_eui(agent), **values)["grant"]
        for name in ("mpxns", "models", "regions", "versions"):
            values[name] = frozenset(values[name])  # type: ignore[arg-type]
        self.oracle.grants.append(Given(number=int(str(number)), agent=agent, made_ms=now_ms, **values))  # type: ignore[arg-type]

    def _approve(self) -> None:
        asking = [grant for grant in self.oracle.grants if grant.approval != "none"]
        if not asking:
            return
        grant, version = self.chance.choice(asking), self.chance.choice(VERSIONS)
        kind = self.chance.choice(("ESME", "ESME", "ESME", *PRODUCTS))
        batch = self.chance.choice(self.lists) if grant.approval == "per_batch" else ()
        other = self.chance.random() < 0.2  # for another image than is sent
        image_hash = image_of(kind, VERSIONS[version == VERSIONS[0]] if other else version)[1]
        self.control(
            "grant.approve", grant=grant.number, version=version, image_hash=image_hash,
            devices=[format_eui(eui) for eui in batch],
        )  # fmt: skip
        self.oracle.approvals.append(Approved(grant.number, version, image_hash, frozenset(batch)))

    # What happens

    def control(self, verb: str, **params: object) -> dict[str, object]:
        answer = self.engine.control(ControlInput(verb, params), self.engine.now_ms)
        assert answer.error is None, answer.error
        return answer.result

    def change(self) -> None:
        """Something that decides becomes otherwise."""
        chance = self.chance
        what = chance.choice(("grant", "approve", "approve", "approve", "revoke", "status", "threshold"))
        if what == "grant":
            self._grant()
        elif what == "approve":
            self._approve()
        elif what == "revoke" and self.oracle.grants:
            grant = chance.choice(self.oracle.grants)
            self.control("grant.revoke", grant=grant.number)
            grant.revoked_ms = self.engine.now_ms if grant.revoked_ms is None else grant.revoked_ms
        elif what == "status":
            eui = chance.choice(list(self.oracle.people))
            active = chance.random() < 0.7
            self.control("user.status", user=format_eui(eui), active=active)
            self.oracle.people[eui].active = active
        elif what == "threshold":
            eui = chance.choice(list(self.oracle.people))
            held_back = chance.random() < 0.3
            self.control("anomaly.threshold", variant="11.1", user=format_eui(eui), requests=0 if held_back else 10**6)
            self.oracle.people[eui].held_back = held_back

    def request(self) -> Asked:
        """Anybody asks for anything."""
        chance, oracle = self.chance, self.oracle
        user = chance.choice((*oracle.people, *AGENTS, *AGENTS, AGENTS[1], AGENTS[1], UNKNOWN_USER))
        variant = chance.choice(("11.1",) * 6 + ("11.4", "11.3"))
        listed = chance.choice(self.lists) if chance.random() < 0.8 else self._list()
        batches = [each for each in oracle.approvals if each.batch and not each.used]
        if variant == "11.1" and batches and chance.random() < 0.2:  # as it was approved, by whom it was approved for
            batch = chance.choice(batches)
            user = next(grant.agent for grant in oracle.grants if grant.number == batch.grant)
            listed = tuple(sorted(batch.batch, key=lambda _: chance.random()))
            if chance.random() < 0.7:
                return Asked(user, variant, listed, "ESME", batch.version, image_of("ESME", batch.version)[1])
        if variant == "11.3":
            return Asked(user, variant, listed[:1])
        kinds = [oracle.things[eui].kind for eui in listed if eui in oracle.things]
        kind = chance.choice(kinds) if kinds and chance.random() < 0.9 else chance.choice(tuple(PRODUCTS))
        if variant == "11.4" or kind == "PPMID":
            variant, kind = "11.4", "PPMID"
        version = chance.choice(VERSIONS)
        return Asked(user, variant, listed, kind, version, image_of(kind, version)[1])

    def send(self, asked: Asked) -> ServiceResponse:
        """Submit it now."""
        self.counter += 1
        row = service_reference_variants()[asked.variant]
        if asked.variant == "11.3":
            target, command_variant = asked.devices[0], 4
            body = element("ActivateFirmware", element("FirmwareHash", "AB" * 32))
        else:
            target, command_variant, body = int(ACCESS_CONTROL_BROKER), 8, self._distribution(row.body_element, asked)
        request_id = RequestId(Eui64(asked.user), Eui64(target), self.counter)
        request = Request(request_id, command_variant, row.service_reference, row.srv, body)
        signer = Signer(Eui64(asked.user), 135, 1, "CN=Z1,OU=07")
        return self.engine.submit(DuisInput(WEB_SERVICE[command_variant], request, signer), self.engine.now_ms).response

    def _distribution(self, name: str, asked: Asked) -> Element:
        return element(
            name,
            element("FirmwareImage", image_of(asked.kind, asked.version)[0]),
            element("FirmwareVersion", asked.version),
            element("DeviceIDList", ",".join(format_eui(eui) for eui in asked.devices)),
        )

    def started(self) -> set[int]:
        """Devices for which a job started since the last look; the jobs end here, so that the next request meets none."""
        found = {job.device for job in self.engine.state.dsp.jobs.values() if job.state == "QUEUED"}
        for eui in found:
            self.control("job.cancel", device=format_eui(eui))
        self.engine.take_effects()
        return {int(eui) for eui in found}

    def times(self, count: int) -> list[int]:
        """Instants of requests: a millisecond before, at and after everything that begins or ends, and between."""
        near = [instant + offset for instant in self.instants for offset in (-1, 0, 1)]
        between = [instant + STEP_MS // 2 for instant in (self.start_ms, *self.instants)]
        return sorted(self.chance.choice((*near, *between)) for _ in range(count))

    def told(self, asked: Asked) -> str:
        """Everything that it takes to do it again."""
        person = self.oracle.people.get(asked.user)
        return (
            f"world {self.seed}, request {self.asked} at start + {self.engine.now_ms - self.start_ms} ms: "
            f"{person.name if person else 'somebody unknown'} sends {asdict(asked)}"
        )

    def image_hash(self, kind: str, version: str) -> str:
        return image_of(kind, version)[1]

    def images_of(self, kind: str) -> list[str]:
        return [image_of(kind, version)[0] for version in VERSIONS]
