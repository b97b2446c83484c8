"""Every kind of mistake in an estate gets a message that names its place and says what would be right."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.domain.errors import Malformed
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.world import create_world

GOOD = default_estate_toml()
ESME = 'eui = "00-DB-12-34-56-78-90-A0"'
HOME = "home central"
METER = f"{HOME}, device 00-DB-12-34-56-78-90-A0"


def swap(old: str, new: str, count: int = 1) -> Callable[[], str]:
    def changed() -> str:
        assert old in GOOD, old
        return GOOD.replace(old, new, count)

    return changed


def near(anchor: str, old: str, new: str) -> Callable[[], str]:
    """Replace ``old`` where it next follows ``anchor``."""

    def changed() -> str:
        at = GOOD.index(old, GOOD.index(anchor))
        return GOOD[:at] + new + GOOD[at + len(old) :]

    return changed


def added(text: str) -> Callable[[], str]:
    return lambda: f"{GOOD}\n{text}\n"


PARTY = """
[[parties]]
eui = "{}"
name = "more"
party = "more"
remote_party_role = "{}"
"""
REGISTRATION = '[[registrations]]\nmpxn = "{}"\nrole = "{}"\nparty = "{}"\nstart = {}\n{}'
PRODUCT = '[[cpl]]\ntype = "ESME"\nmanufacturer = "11E5"\nmodel = "00020101"\nfirmware_version = "{}"\n{}'

EMPTY_HOME = '[[homes]]\nname = "empty"\nregion = "North"\nwan_technology = "radio"\ndevices = []'
SHORT_HASH, OTHER_HASH = (f'image_hash = "{"0" * digits}"' for digits in (63, 64))

MISTAKES: dict[str, tuple[Callable[[], str], str, str]] = {
    "not TOML": (lambda: "homes = [", "estate", "TOML 1.0"),
    "nothing": (lambda: "", "estate", "printable text"),
    "unknown key": (lambda: 'colour = "red"\n' + GOOD, "estate", "one of name, seed, start, parties"),
    "unknown key of a device": (near(ESME, "manufacturer", "maker"), METER, "at most 30 printable characters"),
    "surplus key of a device": (near(ESME, "status", 'colour = "red"\nstatus'), METER, "one of eui, type, manufacturer"),
    "start is missing": (swap("start = 2026-01-05T08:00:00Z", ""), "estate", "2026-01-05T08:00:00Z"),
    "start is text": (swap("start = 2026-01-05T08:00:00Z", 'start = "soon"'), "estate", "a date and time"),
    "start before there was time": (swap("start = 2026", "start = 1066"), "estate", "1970 to 8999"),
    "seed is negative": (swap("seed = 1", "seed = -1"), "estate", "a number from 0"),
    "seed is endless": (swap("seed = 1", "seed = 9223372036854775808"), "estate", "a number from 0"),
    "a name that cannot be printed": (swap('name = "central"', 'name = "cen\\u0000tral"'), "home", "printable text"),
    "no EUI": (swap(ESME, 'eui = "meter"'), "home central, device meter", "an EUI-64 such as"),
    "an EUI that is a number": (swap(ESME, "eui = 5"), "home central, device 5", "an EUI-64 such as"),
    "an EUI twice": (swap("00-DB-12-34-56-78-91-A0", "00-DB-12-34-56-78-90-A0"), "home 'north'", "every EUI once"),
    "an EUI of a party": (swap(ESME, 'eui = "90-B3-D5-1F-30-01-00-00"'), "home 'central'", "every EUI once"),
    "a party twice": (added(PARTY.format("90-B3-D5-1F-30-01-00-00", "supplier")), "party 'more'", "every EUI once"),
    "an unknown Remote Party Role": (
        added(PARTY.format("90-B3-D5-1F-30-07-00-00", "cook")),
        "party more",
        "one of root, recovery",
    ),
    "no Access Control Broker": (swap('"access-control-broker"', '"other"'), "parties", "access-control-broker"),
    "an unknown user role": (swap('roles = ["ED", "GT"]', 'roles = ["ED", "XX"]'), "party networkOperator", "one of IS, ES"),
    "an unknown device type": (swap('type = "ESME"', 'type = "TOASTER"'), METER, "one of ESME, GSME"),
    "an unknown status": (near(ESME, "Commissioned", "Lost"), METER, "one of Pending"),
    "an unknown region": (swap('region = "Central"', 'region = "Middle"'), HOME, "one of North"),
    "no status": (near(ESME, 'status = "Commissioned"', ""), "device 00-DB-12-34-56-78-90-A0", "save for IHD and CAD"),
    "a status of a CAD": (swap('type = "PPMID"', 'type = "CAD"'), "device 00-DB-12-34-56-78-90-A4", "save for IHD and CAD"),
    "no hub": (swap('type = "CHF"', 'type = "CAD"'), "home 'central'", "one device of type CHF"),
    "two hubs": (swap('type = "PPMID"', 'type = "CHF"'), "home 'central'", "one device of type CHF"),
    "two gas proxies": (swap('type = "PPMID"', 'type = "GPF"'), "home 'central'", "at most one device of type GPF"),
    "joined to nobody": (
        swap('["00-DB-12-34-56-78-90-A0", ', '["00-DB-12-34-56-78-90-AF", '),
        "device 00-DB-12-34-56-78-90-A4",
        "another device of the same home",
    ),
    "joined to another home": (
        swap('["00-DB-12-34-56-78-90-A0", ', '["00-DB-12-34-56-78-91-A0", '),
        "device 00-DB-12-34-56-78-90-A4",
        "another device of the same home",
    ),
    "an unknown supplier": (
        near(ESME, 'supplier = "90-B3-D5-1F-30-01-00-00"', 'supplier = "90-B3-D5-1F-30-08-00-00"'),
        "device 00-DB-12-34-56-78-90-A0",
        "remote_party_role supplier",
    ),
    "a supplier that is none": (
        near(ESME, 'supplier = "90-B3-D5-1F-30-01-00-00"', 'supplier = "90-B3-D5-1F-30-02-00-00"'),
        "device 00-DB-12-34-56-78-90-A0",
        "remote_party_role supplier",
    ),
    "a version of seven digits": (near(ESME, '"00010000"', '"0010000"'), METER, "eight hexadecimal digits"),
    "a manufacturer in words": (
        near(ESME, '"11E5"', '"Acme"'),
        "device 00-DB-12-34-56-78-90-A0",
        "4 hexadecimal digits in upper case",
    ),
    "an MPAN of 12 digits": (near(ESME, '"1300000000001"', '"130000000001"'), METER, "13 digits"),
    "an MPxN in words": (near(ESME, '"1200000000001"', '"my meter"'), METER, "an MPAN of 13 digits or an MPRN"),
    "export without import": (
        near(ESME, 'import_mpxn = "1200000000001"', ""),
        "device 00-DB-12-34-56-78-90-A0",
        "import_mpxn as well",
    ),
    "a variant that does not exist": (
        near(ESME, 'esme_variant = "A"', 'esme_variant = "Z"'),
        "device 00-DB-12-34-56-78-90-A0",
        "for an ESME one of A, AD",
    ),
    "a GBCS version in words": (near(ESME, "status", 'gbcs_version = "new"\nstatus'), METER, "such as 4.2"),
    "a short post code": (swap('post_code = "MK1 1AA"', 'post_code = "MK1"'), HOME, "6 to 8 characters"),
    "an address without post code": (swap('post_code = "MK1 1AA"', ""), "home 'central'", "both or none"),
    "a UPRN of 13 digits": (swap("uprn = 1001", "uprn = 1000000000000"), HOME, "up to 12 digits"),
    "a device without room": (near(ESME, "status", "image_capacity_bytes = 0\nstatus"), METER, "greater than 0"),
    "true as text": (near(ESME, "status", 'supports_cs09 = "perhaps"\nstatus'), METER, "true or false"),
    "no devices": (
        added('[[homes]]\nname = "empty"\nregion = "North"\nwan_technology = "radio"\ndevices = []'),
        "home empty",
        "1 to 17",
    ),
    "a registration of nobody": (
        added(REGISTRATION.format("1200000000001", "IS", "nobody", "2025-01-01T00:00:00Z", "")),
        "registration of 1200000000001 as IS",
        "one of dcc, meter-operator",
    ),
    "a registration that ends first": (
        added(REGISTRATION.format("1200000000001", "IS", "supplier-one", "2025-01-01T00:00:00Z", "end = 2024-01-01T00:00:00Z")),
        "registration of 1200000000001 as IS",
        "an end after its start",
    ),
    "a registration without number": (
        added(REGISTRATION.format("", "IS", "supplier-one", "2025-01-01T00:00:00Z", "")),
        "registration",
        "an MPAN of 13 digits or an MPRN",
    ),
    "a product twice": (added(PRODUCT.format("00010000", "")), "cpl ESME 11E5/00020101 00010000", "once"),
    "a hash of 63 digits": (
        added(PRODUCT.format("00990000", SHORT_HASH)),
        "cpl ESME 00020101",
        "64 hexadecimal",
    ),
    "a hash and another image": (
        added(PRODUCT.format("00990000", f"generated_image_bytes = 100\n{OTHER_HASH}")),
        "cpl ESME 11E5/00020101 00990000",
        "image_hash or generated_image_bytes",
    ),
    "an unknown technology": (swap('wan_technology = "cellular"', 'wan_technology = "pigeon"'), "home 'central'", "one of radio"),
    "unknown settings": (added("[settings.weather]\nrain = 1"), "settings", "one of dsp, csp, han"),
    "an unknown setting": (added("[settings.dsp]\nrain = 1"), "settings.dsp", "one of strict_counter"),
    "a setting of another kind": (added("[settings.dsp]\nkeep_jobs = true"), "settings.dsp.keep_jobs", "a int like"),
    "a setting that is no choice": (
        added('[settings.dsp]\nversion_agreement = "shout"'),
        "settings.dsp",
        "one of off, warn, refuse",
    ),
    "an unknown check": (added('[settings.check_codes]\nnobody = "E1"'), "check_codes", "a name of check_codes.toml"),
    "a code that does not exist": (added('[settings.check_codes]\ndone = "E9999"'), "check_codes.done", "such as E100"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_place_and_remedy(name: str) -> None:
    text, where, expected = MISTAKES[name]
    with pytest.raises(Malformed) as caught:
        create_world(estate_toml=text())
    error = caught.value
    assert where in error.where, error
    assert expected in error.expected, error
    assert error.detail


def test_the_document_is_named() -> None:
    with pytest.raises(Malformed, match=re.escape("my.toml: home central, region: region is 'Middle'; expected one of North")):
        load_estate(GOOD.replace('region = "Central"', 'region = "Middle"'), source="my.toml")


def test_hexadecimal_digits_may_be_small() -> None:
    small = load_estate(GOOD.replace('firmware_version = "00010000"', 'firmware_version = "0001abcd"'))
    assert small.homes[0].devices[0].firmware_version == "0001ABCD"


LINES = GOOD.splitlines()
SCRAPS = ["", "x", "[[homes]]", '"', "= 1", "a = 1", "[a]"]


@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.sampled_from(SCRAPS)), max_size=3))
def test_a_maimed_estate_is_read_or_refused_in_words(changes: list[tuple[int, str]]) -> None:
    lines = list(LINES)
    for at, text in changes:
        lines[at] = text
    try:
        create_world(estate_toml="\n".join(lines))
    except Malformed as error:
        refused = error
    else:
        return
    assert refused.where or refused.expected, refused


@pytest.mark.parametrize("text", ["[" * 3_000, "a = " + "[" * 3_000, "\ud800", "a.b" * 3_000 + " = 1"])
def test_absurd_documents(text: str) -> None:
    with pytest.raises(Malformed):
        load_estate(text)
