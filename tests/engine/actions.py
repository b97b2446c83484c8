"""Anything a world can be asked to do, drawn at random: requests near the schema, signed commands, control verbs, and time."""

import base64
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from emulator.controls import VERBS
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, RequestId, format_eui
from emulator.domain.tables import SIGNED_PRE_COMMAND_VARIANTS, WEB_SERVICE, service_reference_variants
from emulator.domain.vocabulary import CplStatus, DeviceType, UserRole, WebService
from emulator.dsp.effects import ControlAnswer, Delivery, Effect
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import Element, Request, ServiceResponse, Signer, element
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image, load_estate
from emulator.gbcs.message import decode_message
from emulator.gbcs.protect import sign
from emulator.ota.image import build
from emulator.pki.certificates import Usage
from emulator.pki.smki import TestSmki
from emulator.simulation.faults import KINDS
from emulator.world import World, create_world, restore_world

ESTATE = load_estate(default_estate_toml())
DEVICES = [device.eui for home in ESTATE.homes for device in home.devices]
TYPE_OF = {device.eui: device.device_type for home in ESTATE.homes for device in home.devices}
OF_TYPE = {kind: [eui for eui in DEVICES if TYPE_OF[eui] is kind] for kind in DeviceType}
USERS = [party.eui for party in ESTATE.parties if party.roles]
STRANGERS = [Eui64(0x90B3D51F30990000), Eui64(0), Eui64(2**64 - 1), Eui64(0x00DB1234567890AF)]
HOUR_MS = 3_600_000


# Texts


def eui_texts() -> st.SearchStrategy[str]:
    return (
        st.sampled_from([*DEVICES, *DEVICES, *STRANGERS, *USERS, ACCESS_CONTROL_BROKER])
        .map(format_eui)
        .flatmap(lambda text: st.sampled_from([text, text.lower()]))
    )


DATES = st.sampled_from(
    [
        "2026-01-05T08:00:01Z", "2026-01-06T08:00:00Z", "2026-01-20T12:00:00.5+01:00", "2026-01-05T07:00:00Z",
        "3000-12-31T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "-0001-01-01T00:00:00Z",
        "12026-01-01T00:00:00Z", "2026-02-28T24:00:00", "2026-01-05T08:00:00-14:00",
    ]
)  # fmt: skip
MPXNS = st.sampled_from(["1200000000001", "1300000000001", "7400000001", "1200000009001", "0", "é" * 13, "9" * 13])
VERSIONS = st.sampled_from(["00010000", "00010100", "0001ffff", "00000000", "v1", "ZZZZZZZZ", "É"])
NUMBERS = st.sampled_from(["0", "1", "60", "+5", "0007", "3600", "86400", "-1", "99999999999999999999"])
JUNK = st.one_of(st.text(max_size=12), NUMBERS, DATES, eui_texts(), st.sampled_from(["", "true", "Ā", "\x00", "00" * 32]))


SIGNING_KEYS = TestSmki(ESTATE.seed)


def _image(kind: str) -> str:
    row = next(e for e in ESTATE.cpl if e.device_type == kind and e.firmware_version == "00010100")
    return base64.b64encode(
        build(
            generated_manufacturer_image(row.manufacturer, row.model, row.firmware_version, row.image_bytes),
            manufacturer_code=int(row.manufacturer, 16),
            image_type=0,
            file_version=int(row.firmware_version, 16),
            private_key=None if kind == "PPMID" else SIGNING_KEYS.private_key(USERS[0], Usage.DIGITAL_SIGNATURE),
        )
    ).decode()


IMAGES = {kind: _image(kind) for kind in ("ESME", "GSME", "HCALCS", "PPMID")}


def _optional(strategy: st.SearchStrategy[Element | None]) -> st.SearchStrategy[Element | None]:
    return st.none() | strategy


def leaf(name: str, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Element]:
    return texts.map(lambda text: element(name, text))


def parent(name: str, *children: st.SearchStrategy[Any]) -> st.SearchStrategy[Element]:
    return st.tuples(*children).map(lambda drawn: element(name, *drawn))


DATE = _optional(leaf("ExecutionDateTime", DATES))
MPXN_FIELDS = tuple(_optional(leaf(name, MPXNS)) for name in ("ImportMPxN", "SecondaryImportMPAN", "ExportMPAN"))
TYPES = st.sampled_from([*DeviceType, "TOASTER"])
ADDRESS = parent(
    "PropertyFilter",
    leaf("PostCode", st.sampled_from(["MK1 1AA", "mk11aa", "ZZ9 9ZZ"])),
    leaf("AddressIdentifier", st.sampled_from(["1 Test Lane", " 1 test lane ", "7"])),
)


def distribution(name: str, kinds: tuple[str, ...]) -> st.SearchStrategy[Element]:
    """A request for devices of one type, and one with anything in it."""

    def proper(kind: str) -> st.SearchStrategy[Element]:
        lists = st.lists(st.sampled_from(OF_TYPE[DeviceType(kind)]) | st.sampled_from(DEVICES), min_size=1, max_size=5)
        texts = lists.map(lambda euis: ",".join(map(format_eui, euis)))
        image, version = leaf("FirmwareImage", st.just(IMAGES[kind])), leaf("FirmwareVersion", st.just("00010100"))
        return parent(name, image, version, leaf("DeviceIDList", texts))

    lists = st.lists(eui_texts(), min_size=1, max_size=8).map(",".join)
    images = st.sampled_from([*IMAGES.values(), IMAGES["ESME"][:400], "", "AAAA", "é", "A A\nA="])
    wild = parent(name, leaf("FirmwareImage", images), leaf("FirmwareVersion", VERSIONS), leaf("DeviceIDList", lists))
    return st.sampled_from(kinds).flatmap(proper) | wild


WHICH_SCHEDULES = leaf("DSPScheduleID", st.sampled_from(["1", "2", "0"])) | leaf("DeviceID", eui_texts())


def schedule() -> st.SearchStrategy[Element]:
    """A read that the DSP is to repeat, most of them possible."""
    offsets, times = st.sampled_from(["-1", "0", "-400"]), st.sampled_from(["00:00:00Z", "24:00:00", "01:30:00+01:00"])
    days = ["2026-01-05", "2026-01-06", "2026-01-31Z", "2015-01-02", "9999-12-31", "soon"]
    period = tuple(
        leaf(f"{end}{what}", how) for end in ("Start", "End") for what, how in (("DateOffset", offsets), ("Time", times))
    )
    return parent(
        "CreateSchedule",
        leaf("ScheduleFrequency", st.sampled_from(["Daily", "Daily", "Weekly", "Monthly", "Yearly", "Hourly"])),
        leaf("ScheduleStartDate", st.sampled_from(days)),
        _optional(leaf("ScheduleEndDate", st.sampled_from(["2026-01-07", "2026-01-31", "2027-01-01"]))),
        _optional(leaf("ScheduleExecutionStartTime", times)),
        leaf("DSPScheduledServiceReference", st.sampled_from(["4.16", "4.16", "4.6"])),
        leaf("DSPScheduledServiceReferenceVariant", st.sampled_from(["4.16", "4.16", "4.6.1"])),
        leaf("DeviceID", eui_texts()),
        leaf("DSPReadActivePowerImport", st.just("")) | parent("DSPRetrieveImportDailyReadLog", *period),
    )


BODIES: dict[str, st.SearchStrategy[Element]] = {
    "4.1.1": parent("ReadInstantaneousImportRegisters", DATE),
    "5.1": schedule(),
    "5.2": parent("ReadSchedule", WHICH_SCHEDULES),
    "5.3": parent("DeleteSchedule", WHICH_SCHEDULES),
    "6.2.4": parent("ReadDeviceConfigurationIdentityExcMPxN"),
    "8.1.1": parent("CommissionDeviceSynchroniseClock", leaf("CurrentDateTime", DATES), leaf("TolerancePeriod", NUMBERS)),
    "8.2": st.one_of(
        parent("ReadInventory", leaf("DeviceID", eui_texts())),
        parent("ReadInventory", leaf("MPxN", MPXNS)),
        parent("ReadInventory", leaf("UPRN", NUMBERS | st.just("1001"))),
        parent("ReadInventory", ADDRESS),
    ),
    "8.3": parent("DecommissionDevice", leaf("DeviceID", eui_texts())),
    "8.4": parent(
        "UpdateInventory",
        leaf("DeviceID", eui_texts()),
        st.one_of(
            leaf("UpdateDeviceStatusExceptCH", st.sampled_from(["Pending", "InstalledNotCommissioned", "Lost"])),
            leaf("UpdateDeviceStatusCH", st.sampled_from(["Commissioned", "Withdrawn", "InstalledNotCommissioned"])),
            parent(
                "UpdateDeviceDetails",
                _optional(leaf("DeviceManufacturer", st.sampled_from(["11E5", "é", ""]))),
                _optional(leaf("DeviceModel", st.sampled_from(["00020101", ""]))),
                _optional(leaf("FirmwareVersion", VERSIONS)),
                _optional(leaf("ESMEVariant", st.just("B"))),
            ),
            leaf("DeleteDevice", st.just("")),
            parent("UpdateMPxN", st.one_of(*MPXN_FIELDS)),
        ),
    ),
    **{srv: parent(service_reference_variants()[srv].body_element, leaf("OtherDeviceID", eui_texts()))
       for srv in ("8.7.1", "8.7.2", "8.8.1", "8.8.2")},
    "8.9": parent("ReadDeviceLog", DATE, _optional(leaf("ReadSecurityDetails", st.just("")))),
    "8.11": parent(
        "UpdateHANDeviceLog",
        DATE,
        leaf("DeviceID", eui_texts()),
        leaf("RequestType", st.sampled_from(["Add", "Remove"])),
        _optional(
            parent(
                "AddDeviceToCHFWhitelist",
                leaf("JoinTimePeriod", NUMBERS),
                leaf("InstallCode", st.just("00112233445566778899AABBCCDDEEFF")),
                *MPXN_FIELDS,
            )
        ),
    ),
    "8.13": parent(
        "ReturnLocalCommandResponse",
        _optional(leaf("OriginalRequestID", JUNK)),
        leaf("DeviceGBCSResponse", st.sampled_from(["", "AA==", "3wkB", "é"])),
    ),
    "8.12.1": parent("RestoreHANDeviceLog", leaf("OldCHFID", eui_texts())),
    "8.12.2": parent("RestoreGPFDeviceLog", leaf("OldGPFID", eui_texts())),
    "11.1": distribution("UpdateFirmware", ("ESME", "GSME", "HCALCS")),
    "11.2": parent("ReadFirmwareVersion", DATE),
    "11.3": parent("ActivateFirmware", DATE, leaf("FirmwareHash", st.sampled_from(["00" * 32, "AB" * 32, "0"]))),
    "11.4": distribution("UpdatePPMIDFirmware", ("PPMID",)),
    "12.1": parent("RequestWANMatrix", leaf("UPRN", NUMBERS | st.just("1001")))
    | parent("RequestWANMatrix", parent("PartialAddress", *(leaf(name, JUNK) for name in ("PostCode", "AddressIdentifier")))),
    "12.2": parent(
        "DevicePrenotification",
        leaf("DeviceID", eui_texts()),
        leaf("DeviceManufacturer", st.sampled_from(["11E5", "10C0", "GEO", ""])),
        leaf("DeviceModel", st.sampled_from(["00020101", "00010101", "Trio"])),
        leaf("DeviceType", TYPES),
        _optional(leaf("FirmwareVersion", VERSIONS)),
        _optional(leaf("AssociatedGPFDeviceID", eui_texts())),
    ),
}  # fmt: skip


def maimed(body: Element) -> st.SearchStrategy[Element]:
    """The body with one child missing, renamed, emptied or with another text."""
    if not body.children:
        return st.just(body)
    position = st.integers(0, len(body.children) - 1)
    others = st.sampled_from([None, element("Unheard"), element("DeviceID")]) | JUNK

    def put(drawn: tuple[int, Element | str | None]) -> Element:
        at, other = drawn
        child = element(body.children[at].name, other) if isinstance(other, str) else other
        return element(body.name, *body.children[:at], child, *body.children[at + 1 :])

    return st.tuples(position, others).map(put)


PLACES = st.sampled_from(["", "", "", "first", "after"])


@dataclass(frozen=True)
class Ask:
    """One request, with a number of the run as its counter unless it repeats one."""

    user: int
    target: int
    variant: int
    service: WebService
    reference: str
    srv: str
    body: Element
    repeats: bool
    place: str = ""
    """``first`` in a sequence, or ``after`` the request before it."""


@st.composite
def sensible(draw: st.DrawFn) -> Ask:
    """A request that an eligible user sends to a device of the right type, the right way."""
    srv = draw(st.sampled_from([*BODIES, "11.1", "11.1", "11.4", "11.2", "8.11"]))
    row = service_reference_variants()[srv]
    eligible = [party.eui for party in ESTATE.parties if set(party.roles) & set(row.roles)]
    user = draw(st.sampled_from([each for each in USERS[:1] if each in eligible] * 3 + eligible))
    targets = [eui for eui in DEVICES if TYPE_OF[eui] in row.device_types]
    target = ACCESS_CONTROL_BROKER if row.non_device else draw(st.sampled_from(targets))
    variant = row.command_variants[0]
    return Ask(user, target, variant, WEB_SERVICE[variant], row.service_reference, srv, draw(BODIES[srv]), False, draw(PLACES))


@st.composite
def wild(draw: st.DrawFn) -> Ask:
    """A request with anything wrong in it that the schema lets pass, and more."""
    srv = draw(st.sampled_from([*BODIES, *service_reference_variants()]))
    row = service_reference_variants()[srv]
    body = draw(BODIES.get(srv, st.just(element(row.body_element))))
    variant = draw(st.sampled_from([*row.command_variants[:1] * 12, *range(1, 10)]))
    if variant in SIGNED_PRE_COMMAND_VARIANTS:
        body = element("SignedPreCommand", element("GBCSPayload", draw(st.sampled_from(["", "AA==", "3wkB", "é", "====", "3w"]))))
    return Ask(
        draw(st.sampled_from([*USERS * 4, STRANGERS[0]])),
        draw(st.sampled_from([ACCESS_CONTROL_BROKER, ACCESS_CONTROL_BROKER, *DEVICES, STRANGERS[0]])),
        variant,
        draw(st.sampled_from([WEB_SERVICE.get(variant, WebService.SEND_COMMAND)] * 9 + list(WebService))),
        draw(st.sampled_from([row.service_reference] * 9 + ["1.1"])),
        srv,
        draw(maimed(body)) if draw(st.booleans()) else body,
        draw(st.integers(0, 9)) == 0,
    )


@st.composite
def maimed_sensible(draw: st.DrawFn) -> Ask:
    """A sensible request with something wrong in its body."""
    ask = draw(sensible())
    return replace(ask, body=draw(maimed(ask.body)))


def asks() -> st.SearchStrategy[Ask]:
    """Requests, most of them sensible."""
    return st.one_of(sensible(), sensible(), sensible(), maimed_sensible(), wild())


@dataclass(frozen=True)
class Command:
    """A critical command by Transform, signature and Send."""

    user: int
    target: int
    srv: str
    body: Element
    signer: int


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Most of them by the supplier of the home and for what it distributed."""
    srv = draw(st.sampled_from(["8.1.1", "8.7.1", "8.8.1", "11.3", "11.3", "11.3"]))
    targets = [eui for eui in DEVICES if TYPE_OF[eui] in service_reference_variants()[srv].device_types]
    target = draw(st.sampled_from(targets))
    body = draw(BODIES[srv])
    if srv == "11.3" and draw(st.booleans()):
        row = next(e for e in ESTATE.cpl if e.device_type is TYPE_OF[target] and e.firmware_version == "00010100")
        body = element("ActivateFirmware", draw(DATE), element("FirmwareHash", row.image_hash))
    user = draw(st.sampled_from([*USERS[:1] * 4, *USERS[:3]]))
    return Command(user, target, srv, body, draw(st.sampled_from([*[user] * 6, *USERS[1:3]])))


@dataclass(frozen=True)
class Control:
    """One control verb."""

    verb: str
    params: dict[str, Any]


VALUES = st.one_of(
    JUNK,
    st.none(),
    st.booleans(),
    st.integers(-5, 2**70),
    st.floats(allow_nan=False),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3) | st.floats(allow_nan=False), max_size=2),
)
NAMES = [
    "user", "url", "active", "mpxn", "role", "party", "from_ms", "to_ms", "type", "manufacturer", "model", "firmware_version",
    "csv", "status", "image_hash", "gbcs_version", "device", "hub", "supplier", "on", "kind", "times", "params", "fault", "other",
    "who", "from", "to", "chance", "after", "counted", "daily", "name",
]  # fmt: skip
HUB_PRODUCT = {"manufacturer": "10C0", "model": "00010101"}
UNITS = [format_eui(Eui64(0x00DB_5000_0000_0000 + number)) for number in (0, 2, 4, 40, 41, 100)] + [format_eui(DEVICES[0])]
COMPANIES = st.sampled_from(["supplier-one", "supplier-one", "supplier-two", "nobody"])


def hub_image() -> str:
    """Firmware for hubs as the DCC signs it."""
    return base64.b64encode(
        build(
            generated_manufacturer_image("10C0", "00010101", "00010000", 2_000),
            manufacturer_code=0x10C0,
            image_type=0,
            file_version=0x00010000,
            private_key=SIGNING_KEYS.private_key(ACCESS_CONTROL_BROKER, Usage.DIGITAL_SIGNATURE),
        )
    ).decode()


def stock_verbs() -> dict[str, st.SearchStrategy[dict[str, Any]]]:
    """Verbs about hubs and meters outside homes."""
    units = st.lists(st.sampled_from(UNITS), min_size=1, max_size=3)
    counts = st.sampled_from([0, 1, 3, 20, 10**9])
    return {
        "stock.book": st.fixed_dictionaries(
            {
                **{name: st.just(value) for name, value in HUB_PRODUCT.items()},
                "variant": st.sampled_from(["cellular-single", "cellular-dual", "4g", "esme-optical", "nothing"]),
                "count": st.sampled_from([0, 1, 25, 60]),
                "versions": st.sampled_from([{"00010000": 1}, {"00010000": 3, "00010100": 1}, {}, {"x": 1}, {"00010000": 0}]),
                "owner": st.sampled_from([None, "supplier-one", "supplier-one", "supplier-two", "nobody"]),
                "mixed": st.booleans(),
                "first": st.sampled_from([None, None, *UNITS]),
                "tsat_end_ms": st.sampled_from([None, None, 1]),
                "notified": st.booleans(),
            }
        ),
        "stock.mark": st.fixed_dictionaries(
            {
                "units": units,
                "damaged": st.sampled_from([None, True, False]),
                "registered": st.sampled_from([None, True, False]),
                "owner": st.sampled_from([None, "supplier-two"]),
                "truth": st.sampled_from([None, "wan", "meter", "none", "what"]),
            }
        ),
        "stock.policy": st.fixed_dictionaries(
            {
                "company": COMPANIES,
                "rule": st.sampled_from(["newest", "newest-minus", "pinned", "oldest"]),
                "minus": st.sampled_from([None, 1, 9]),
                "version": st.sampled_from([None, "00010000"]),
            }
        ),
        "stock.defect": st.fixed_dictionaries(
            {
                "version": st.sampled_from(["00010000", "00010100", "no"]),
                "kind": st.sampled_from(["install", "service", "other"]),
                "percent": st.sampled_from([50, 100, 0]),
                "onset_days": st.sampled_from([0, 5]),
            }
        ),
        "stock.deliver": st.fixed_dictionaries(
            {"to": COMPANIES, "level": st.sampled_from(["unit", "carton", "pallet", "ship"]), "count": counts}
        ),
        "stock.issue": st.fixed_dictionaries({"company": COMPANIES, "count": counts, "back": st.booleans()})
        | st.fixed_dictionaries({"company": COMPANIES, "units": units, "back": st.booleans()}),
        "stock.install": st.fixed_dictionaries(
            {"company": COMPANIES, "count": counts, "update": st.booleans(), "region": st.sampled_from([None, None, "Central"])}
        ),
        "stock.visit": st.fixed_dictionaries(
            {"company": COMPANIES, "units": units, "minutes": st.sampled_from([0, 60]), "failed": st.booleans()}
        ),
        "stock.update": st.fixed_dictionaries({"version": st.sampled_from(["00010100", "00010200"])})
        | st.fixed_dictionaries({"unit": st.sampled_from(UNITS)}),
        "returns.take": st.fixed_dictionaries(
            {"company": COMPANIES, "units": units, "with": st.sampled_from([None, None, UNITS[0]])}
        ),
        "returns.batch": st.fixed_dictionaries(
            {"company": COMPANIES, "count": st.sampled_from([0, 1, 30]), "version": st.just("00010000")}
        ),
        "reflash.order": st.fixed_dictionaries(
            {
                "company": COMPANIES,
                "level": st.sampled_from(["unit", "carton", "pallet"]),
                "items": st.lists(st.sampled_from(["C1", "P1", "P2", "P99", "x", *UNITS[:2]]), min_size=1, max_size=2),
                "image": st.sampled_from([hub_image(), "AAAA", IMAGES["ESME"]]),
                "address": st.sampled_from([None, None, "supplier-two"]),
            }
        ),
        "triage.hub": st.fixed_dictionaries(
            {"unit": st.sampled_from(UNITS), "company": COMPANIES, "region": st.sampled_from(["Central", "North", "Moon"])}
        ),
        "triage.run": st.fixed_dictionaries(
            {
                "company": COMPANIES,
                "units": units,
                "actor": st.sampled_from(["supplier", "manufacturer", "dcc"]),
                "way": st.sampled_from(["dcc", "local", "self"]),
                "swap": st.booleans(),
                "access": st.sampled_from(["standard", "engineering"]),
            }
        ),
        "unit.step": st.fixed_dictionaries(
            {
                "company": COMPANIES,
                "units": units,
                "step": st.sampled_from(["open", "wipe", "reset", "reseal", "restock", "scrap", "eat"]),
            }
        ),
    }


GOOD: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "user.endpoint": st.fixed_dictionaries(
        {"user": st.sampled_from(USERS).map(format_eui), "url": st.just("http://127.0.0.1:9/")}
    ),
    "user.status": st.fixed_dictionaries({"user": st.sampled_from(USERS).map(format_eui), "active": st.booleans()}),
    "registration.put": st.fixed_dictionaries(
        {
            "mpxn": MPXNS,
            "role": st.sampled_from(list(UserRole)),
            "party": st.sampled_from(["supplier-one", "supplier-two", "network-operator"]),
            "from_ms": st.integers(ESTATE.start_ms - HOUR_MS, ESTATE.start_ms + 50 * HOUR_MS),
        }
    ),
    "registration.load": st.fixed_dictionaries(
        {
            "csv": st.lists(
                st.builds(
                    "{},{},{},2026-01-0{},{}".format,
                    MPXNS,
                    st.sampled_from(list(UserRole)),
                    st.sampled_from(["supplier-one", "supplier-two", "nobody"]),
                    st.integers(1, 9),
                    st.sampled_from(["", "2026-01-07", "2027-01-01T00:00:00.001Z", "never"]),
                ),
                max_size=3,
            ).map(lambda rows: "\n".join(["mpxn,role,party,from,to", *rows]))
        }
    ),
    "cpl.put": st.fixed_dictionaries(
        {
            "type": st.sampled_from(list(DeviceType)),
            "manufacturer": st.sampled_from(["11E5", "12a5", "13D0"]),
            "model": st.sampled_from(["00020101", "00030101", "00040101"]),
            "firmware_version": st.sampled_from(["00010000", "00010100", "00010200"]),
            "status": st.sampled_from(list(CplStatus)),
        }
    ),
    "device.power": st.fixed_dictionaries({"device": eui_texts(), "on": st.booleans()}),
    "device.deliver": st.fixed_dictionaries(
        {"device": eui_texts(), "gbcs": st.sampled_from(["", "AA==", "3wkB", "é", "3w" * 40])}
    ),
    "device.credit": st.fixed_dictionaries(
        {
            "device": eui_texts(),
            "utrn": st.sampled_from(["", "12345678901234567890", "x"]),
            "pence": st.sampled_from([0, 500, -1]),
        }
    ),
    "device.event": st.fixed_dictionaries(
        {"device": eui_texts(), "code": st.sampled_from(["8F74", "8f2c", "81A0", "8F66", "0"])}
    ),
    "device.boost": st.fixed_dictionaries({"device": eui_texts(), "minutes": st.sampled_from([30, 0, -5, 10_000])}),
    "device.side_channel": st.fixed_dictionaries(
        {"device": eui_texts(), "version": st.sampled_from(["00010100", "1"])},
        optional={"way": st.sampled_from(["internet", "local"]), "against_policy": st.booleans()},
    ),
    "device.announce_version": st.fixed_dictionaries({"device": eui_texts(), "version": st.sampled_from(["00010100", "1"])}),
    "hub.update": st.fixed_dictionaries(
        {"hub": eui_texts(), "version": st.just("00010100"), "duration_ms": st.sampled_from([0, 1_000, HOUR_MS])}
    ),
    "network.capacity": st.fixed_dictionaries(
        {"pool": st.sampled_from(["cellular/Central", "radio/North", "nowhere"]), "channels": st.integers(-1, 3)}
    ),
    "network.outage": st.fixed_dictionaries(
        {
            "pool": st.sampled_from(["cellular/Central", "radio/North"]),
            "until_ms": st.sampled_from([0, ESTATE.start_ms + 9 * HOUR_MS]),
            "cell": st.none() | st.integers(-2, 300),
        }
    ),
    "device.fit": st.fixed_dictionaries({"device": eui_texts(), "hub": eui_texts(), "supplier": eui_texts() | st.none()})
    | st.fixed_dictionaries(
        {"device": eui_texts(), "home": st.fixed_dictionaries({"region": st.sampled_from(["North", "Central", "Nowhere"])})}
    ),
    "fault.add": st.fixed_dictionaries(
        {
            "kind": st.sampled_from(list(KINDS)),
            "device": eui_texts() | st.none(),
            "times": st.sampled_from([None, 1, 2]),
            "chance": st.sampled_from([None, [1, 2], "1/3"]),
            "after": st.sampled_from([None, 1]),
            "counted": st.sampled_from([None, "all", "each"]),
            "from": st.sampled_from([None, "1 h", "now + 2 days"]),
            "daily": st.sampled_from([None, ["22:00", "06:00"]]),
        }
    )
    | st.fixed_dictionaries(
        {
            "kind": st.sampled_from(list(KINDS)),
            "who": st.sampled_from(
                [
                    {"region": "North"},
                    {"type": ["ESME", "GSME"]},
                    {"supplier": "supplier-one"},
                    {"eui": "00-DB-*", "share": [1, 2]},
                    {"model": "*", "firmware_version": "00010000"},
                    {"type": "CHF", "technology": "cellular"},
                ]
            ),
            "to": st.sampled_from([None, "5 days"]),
        }
    ),
    "fault.remove": st.fixed_dictionaries({"fault": st.none() | st.integers(0, 4)}),
    "job.cancel": st.fixed_dictionaries({"device": eui_texts()}),
    "grant.put": st.fixed_dictionaries(
        {
            "supplier": st.sampled_from(["supplier-one", "supplier-two", "nobody"]),
            "agent": eui_texts(),
            "to_ms": st.sampled_from([0, 4_000_000_000_000]),
            "approval": st.sampled_from(["none", "per_version", "per_batch"]),
            "exclusive": st.booleans(),
        }
    ),
    "grant.revoke": st.fixed_dictionaries({"grant": st.integers(0, 3)}),
    "grant.approve": st.fixed_dictionaries(
        {"grant": st.integers(0, 3), "version": st.just("00010100"), "image_hash": st.just("00" * 32)}
    ),
    "anomaly.threshold": st.fixed_dictionaries(
        {"variant": st.sampled_from(["11.1", "11.2", "8.2"]), "requests": st.none() | st.integers(0, 3), "devices": st.just(9)}
    ),
    "quarantine.release": st.fixed_dictionaries({"reference": st.integers(0, 3)}),
    "quarantine.delete": st.fixed_dictionaries({"reference": st.integers(0, 3)}),
    "party.renew": st.fixed_dictionaries({"party": st.sampled_from(USERS).map(format_eui)}),
    "certificate.issue": st.fixed_dictionaries({"request": st.sampled_from(["", "MAA=", "!"])}),
    "device.credentials": st.fixed_dictionaries({"device": eui_texts(), "party": eui_texts()}),
    "release.set": st.fixed_dictionaries(
        {
            "feature": st.sampled_from(["dsp_release", "csp_release", "sr_11_4"]),
            "on": st.booleans(),
            "jobs": st.sampled_from([None, "cancel", "let_run"]),
        }
    )
    | st.fixed_dictionaries(
        {"feature": st.just("ch"), "on": st.booleans(), "firmware_version": st.sampled_from(["00010000", "ZZ", None])}
    ),
    **stock_verbs(),
    "upgrade_path.put": st.fixed_dictionaries(
        {
            "type": st.sampled_from(["ESME", "PPMID"]),
            "manufacturer": st.sampled_from(["11E5", "12a5"]),
            "model": st.sampled_from(["00020101", "00030101"]),
            "firmware_version": st.sampled_from(["00010100", "00010200"]),
            "from_versions": st.lists(st.sampled_from(["00010000", "00010100", "no"]), max_size=2),
        }
    ),
}


@st.composite
def controls(draw: st.DrawFn) -> Control:
    verb = draw(st.sampled_from([*GOOD, "no.such.verb"]))
    params = draw(GOOD.get(verb, st.just({})))
    if draw(st.booleans()):
        params = {**params, **draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2))}
    return Control(verb, params)


@dataclass(frozen=True)
class Wait:
    """Simulated time passes."""

    by_ms: int


WAITS = st.sampled_from([0, 1, 400, 30_000, HOUR_MS, 7 * HOUR_MS, 30 * HOUR_MS, 400 * HOUR_MS]).map(Wait)
Action = Ask | Command | Control | Wait
ACTIONS = st.one_of(asks(), asks(), asks(), commands(), controls(), WAITS, WAITS, WAITS)


@dataclass
class Run:
    """A world, and everything that came out of it."""

    world: World = field(default_factory=create_world)
    effects: list[Effect] = field(default_factory=list)
    answers: list[ServiceResponse | ControlAnswer] = field(default_factory=list)
    counter: int = 1_000

    def collect(self) -> None:
        self.effects += self.world.engine.take_effects()

    def ask(self, ask: Ask) -> ServiceResponse:
        self.counter += 0 if ask.repeats else 1
        request_id = RequestId(Eui64(ask.user), Eui64(ask.target), self.counter)
        request = Request(
            *(request_id, ask.variant, ask.reference, ask.srv, ask.body),
            first_in_sequence=ask.place == "first" or None,
            preceding_request_id=replace(request_id, counter=self.counter - 1) if ask.place == "after" else None,
        )
        engine = self.world.engine
        item = DuisInput(ask.service, request, Signer(Eui64(ask.user), 135, 1, "CN=Z1,OU=07"))
        response = engine.submit(item, engine.now_ms).response
        self.answers.append(response)
        return response

    def command(self, command: Command) -> None:
        row = service_reference_variants()[command.srv]
        shape = (row.service_reference, command.srv)
        first = self.ask(Ask(command.user, command.target, 4, WebService.TRANSFORM, *shape, command.body, False))
        if first.payload is None:
            return
        message = decode_message(base64.b64decode(first.payload.required("GBCSPayload")))
        signed = sign(message, SIGNING_KEYS.private_key(Eui64(command.signer), Usage.DIGITAL_SIGNATURE)).encode()
        body = element("SignedPreCommand", element("GBCSPayload", base64.b64encode(signed).decode()))
        self.ask(Ask(command.user, command.target, 5, WebService.SEND_COMMAND, *shape, body, True))

    def do(self, action: Action) -> None:
        engine = self.world.engine
        match action:
            case Ask():
                self.ask(action)
            case Command():
                self.command(action)
            case Control():
                self.answers.append(engine.control(ControlInput(action.verb, dict(action.params)), engine.now_ms))
            case Wait():
                engine.advance(engine.now_ms + action.by_ms)
        self.collect()

    def restart(self) -> None:
        """As after a stop: the world goes on from its snapshot."""
        self.world = restore_world("default", self.world.engine.snapshot())

    @property
    def deliveries(self) -> list[Delivery]:
        return [effect for effect in self.effects if isinstance(effect, Delivery)]


assert set(GOOD) == set(VERBS)
