"""Verbs about hubs and meters outside homes: stock, installation, returns, re-flashing, triage and what is made of a unit."""

import base64
from typing import Any

import numpy as np

from emulator.controls.params import Params, eui_of, hexadecimal, instant, only, take, text, word
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.domain.settings import DAY_MS, HOUR_MS
from emulator.domain.vocabulary import CplStatus, CspRegion, DeviceType
from emulator.engine import Engine
from emulator.logistics import installing, reflash, refurbishing, returning, stock, triage
from emulator.logistics.books import Books, unpacked
from emulator.logistics.columns import DAMAGED, UNREGISTERED, Rows
from emulator.logistics.state import CSP, Defect, Lot, Policy
from emulator.logistics.tables import truths, variants
from emulator.ota.image import OtaImage, parse_image

MAX_LOT = 2_000_000
"""Units of a lot; ours."""
MAX_NAMED = 100_000
"""Units that one verb may name; ours."""
MAX_STANDING = 10_000
"""Hubs that one verb puts up in emulated homes; ours."""


def _company(engine: Engine, params: Params, name: str, default: Any = ...) -> str:
    """A company of the estate."""
    given: str = text(params, name, default)
    known = sorted({party.party for party in engine.state.estate.parties if party.roles})
    if given and given not in known:
        raise Malformed(f"{given!r} is not a company", where=name, expected=f"one of {', '.join(known)}")
    return given


def _whole(params: Params, name: str, default: Any, low: int, high: int) -> Any:
    value = take(params, name, int, default)
    if value is not None and not low <= value <= high:
        raise Malformed(f"{name} is {value}", where=name, expected=f"{low} to {high}")
    return value


def _items(params: Params, name: str = "units") -> list[str]:
    value = take(params, name, list)
    if not value or len(value) > MAX_NAMED or not all(isinstance(each, str) and len(each) <= 40 for each in value):
        raise Malformed(f"{name} is no list of names", where=name, expected=f"1 to {MAX_NAMED} EUIs, cartons or pallets")
    return list(value)


def _units(books: Books, params: Params) -> Rows:
    return books.named("unit", _items(params))


def _by_name(params: Params) -> bool:
    """Whether units are named; raise :class:`Malformed` unless either they are, or it is said how many."""
    named, counted = params.get("units") is not None, params.get("count") is not None
    if named == counted:
        detail = "units are named and counted" if named else "it is not said which units"
        raise Malformed(detail, where="units", expected="one of units and count")
    return named


def _version(params: Params, name: str) -> str:
    value: str = hexadecimal(params, name, 8).upper()
    return value


def stock_book(engine: Engine, params: Params) -> dict[str, Any]:
    """Book a lot of new units in: in the CSP's warehouse, or at a supplier that has had it for a while."""
    only(
        params,
        "variant",
        "count",
        "versions",
        "owner",
        "manufacturer",
        "model",
        "first",
        "age_days",
        "mixed",
        "notified",
        "tsat_end_ms",
    )
    kind = variants().get(text(params, "variant"))
    given = take(params, "versions", dict)
    shares: dict[int, int] = {}
    for version, part in given.items():
        number = hexadecimal({"versions": version}, "versions", 8)
        if isinstance(part, bool) or not isinstance(part, int) or not 0 < part <= 1_000_000:
            raise Malformed(f"the part of {version} is {str(part)[:20]!r}", where="versions", expected="a whole number from 1 on")
        shares[int(number, 16)] = part
    manufacturer, model = hexadecimal(params, "manufacturer", 4).upper(), hexadecimal(params, "model", 8).upper()
    for number in shares:
        product = (kind.device_type if kind else DeviceType.CHF, manufacturer, model, f"{number:08X}")
        if kind is not None and product not in engine.state.dsp.cpl:
            detail = f"{kind.device_type} {manufacturer}/{model} with {number:08X} is not on the Central Products List"
            raise Malformed(detail, where="versions", expected="versions that are")
    first = eui_of(params, "first", None)
    lot = Lot(
        0, _whole(params, "count", ..., 1, MAX_LOT), first or 0, 1, manufacturer, model,
        "CHTS V1.5" if kind is not None and kind.is_hub else "SMETS V5.1", notified=take(params, "notified", bool, True),
        tsat_end_ms=instant(params, "tsat_end_ms", 0),
    )  # fmt: skip
    span = range(lot.first_eui, lot.first_eui + 2 * lot.count)
    taken = next((eui for eui in engine.state.dsp.inventory if eui in span), None) if first else None
    if taken is not None:
        raise Malformed(f"{format_eui(taken)} is in the inventory already", where="first", expected="EUIs of their own")
    rows = stock.book_in(
        engine.logistics.books, engine.now_ms, lot, text(params, "variant"), shares,
        owner=_company(engine, params, "owner", "") or CSP,
        age_days=_whole(params, "age_days", 0, 0, 5_000), mixed=take(params, "mixed", bool, False),
    )  # fmt: skip
    books = engine.logistics.books
    engine.logistics.note_lot(lot)
    engine.logistics.journal(f"{len(rows)} {lot.manufacturer}/{lot.model} are booked in at {books.owner(int(rows[0]))}")
    return {"units": len(rows), "first": format_eui(books.eui(int(rows[0]))), **_packages(books, rows)}


def _packages(books: Books, rows: Rows) -> dict[str, Any]:
    return {
        "cartons": [books.package("carton", int(rows[0])), books.package("carton", int(rows[-1]))],
        "pallets": [books.package("pallet", int(rows[0])), books.package("pallet", int(rows[-1]))],
    }


def stock_mark(engine: Engine, params: Params) -> dict[str, Any]:
    """Say of units what the books do not know by themselves: damaged packaging, another owner, a mistake of the order system, and
    what really is the matter with them."""
    only(params, "units", "damaged", "registered", "owner", "truth")
    books = engine.logistics.books
    rows = _units(books, params)
    damaged, registered = take(params, "damaged", bool, None), take(params, "registered", bool, None)
    owner, truth = _company(engine, params, "owner", ""), text(params, "truth", "")
    if damaged is None and registered is None and not owner and not truth:
        raise Malformed("nothing is said of the units", where="units", expected="one of damaged, registered, owner and truth")
    if truth and truth not in truths():
        raise Malformed(f"there is no truth {truth!r}", where="truth", expected=", ".join(truths()))
    for row in map(int, rows) if truth else ():
        if books.variant_of(row).device_type not in truths()[truth].device_types:
            detail = f"{format_eui(books.eui(row))} cannot have {truth}"
            raise Malformed(detail, where="truth", expected="what such a unit can have")
    for flag, on in ((DAMAGED, damaged), (UNREGISTERED, None if registered is None else not registered)):
        if on is not None:
            books.units.flags[rows] = books.units.flags[rows] | flag if on else books.units.flags[rows] & ~np.uint8(flag)
    if owner:
        books.units.owner[rows] = books.company(owner)
    if truth:
        books.units.truth[rows] = truths()[truth].number
        engine.logistics.homes.feel(rows)
    engine.logistics.entries.follow(rows)
    return {"units": len(rows)}


def stock_policy(engine: Engine, params: Params) -> dict[str, Any]:
    """Say which firmware a supplier installs: the newest, one so many versions before it, or a certain one."""
    only(params, "company", "rule", "minus", "version")
    company = _company(engine, params, "company")
    version = hexadecimal(params, "version", 8, "").upper()
    stock.put_policy(engine.logistics.books, company, Policy(text(params, "rule"), _whole(params, "minus", 0, 0, 100), version))
    return {"company": company, "rule": text(params, "rule")}


def stock_defect(engine: Engine, params: Params) -> dict[str, Any]:
    """Say that a firmware version of hubs is bad: installations fail, or it shows after a while in service."""
    only(params, "version", "kind", "percent", "onset_days")
    percent, onset_days = _whole(params, "percent", ..., 1, 100), _whole(params, "onset_days", 0, 0, 10_000)
    defect = Defect(_version(params, "version"), text(params, "kind"), percent, onset_days, engine.now_ms)
    stock.put_defect(engine.logistics.books, defect)
    return {"version": defect.version, "kind": defect.kind}


def stock_deliver(engine: Engine, params: Params) -> dict[str, Any]:
    """Deliver units, cartons or pallets from the CSP's warehouse to a supplier; they are under way for some days.

    With the setting ``reflash_before_delivery`` what is not at the newest version is re-flashed first.
    """
    only(params, "to", "level", "count", "variant")
    logistics, books = engine.logistics, engine.logistics.books
    company, level = _company(engine, params, "to"), text(params, "level", "unit")
    rows = stock.take(books, CSP, level, _whole(params, "count", ..., 1, MAX_LOT), "csp_warehouse", text(params, "variant", ""))
    books.check("deliver", rows)
    old = _to_flash_first(engine, rows) if books.settings.reflash_before_delivery else {}
    flashed = 0
    for (manufacturer, model, newest), chosen in old.items():
        order = reflash.before_delivery(books, chosen, (manufacturer, model, newest), company, engine.now_ms)
        logistics.note_order(order)
        rows = np.setdiff1d(rows, chosen)
        flashed += len(chosen)
    if len(rows):
        books.move("deliver", rows)
        logistics.send("arrive", rows, owner=company)
    return {"units": len(rows) + flashed, "re_flashed_first": flashed}


def _to_flash_first(engine: Engine, rows: Rows) -> dict[tuple[str, str, int], Rows]:
    """Hubs that are not at the newest version of their model, by manufacturer, model and that version."""
    books = engine.logistics.books
    found: dict[tuple[str, str, int], list[int]] = {}
    newest: dict[tuple[str, str], int] = {}
    for row in map(int, rows):
        lot = books.lot_of(row)
        product = (lot.manufacturer, lot.model)
        if product not in newest:
            newest[product] = max(engine.logistics.released(*product), default=0)
        if books.variant_of(row).is_hub and books.version_of(row) < newest[product]:
            found.setdefault((*product, newest[product]), []).append(row)
    return {key: np.array(each, np.int64) for key, each in found.items()}


def stock_issue(engine: Engine, params: Params) -> dict[str, Any]:
    """Hand hubs to an installer as the supplier's policy has it, or with ``back`` take units back into the store."""
    only(params, "company", "count", "variant", "units", "back")
    books, company = engine.logistics.books, _company(engine, params, "company")
    back = take(params, "back", bool, False)
    event = "hand back" if back else "issue"
    if _by_name(params):
        rows = _units(books, params)
    else:
        place, count = "installer" if back else "supplier_store", _whole(params, "count", ..., 1, MAX_LOT)
        variant = text(params, "variant", "")
        rows = (
            stock.take(books, company, "unit", count, place, variant)
            if back
            else stock.pick(books, company, count, (place,), engine.logistics.released_for(company), variant)
        )
    books.check(event, rows)
    books.check_owner(company, rows, "company")
    books.move(event, rows)
    engine.logistics.entries.follow(rows)
    return {"units": len(rows), "listed": [format_eui(books.eui(int(row))) for row in rows[:100]]}


def stock_install(engine: Engine, params: Params) -> dict[str, Any]:
    """Have a company install so many hubs, as its policy has it: in homes of the books alone, or with ``region`` in emulated
    homes that begin with them. With ``update`` an older hub gets its firmware during the visit."""
    only(params, "company", "count", "update", "variant", "region")
    logistics, company = engine.logistics, _company(engine, params, "company")
    region = None if params.get("region") is None else word(params, "region", CspRegion)
    count = _whole(params, "count", ..., 1, MAX_LOT if region is None else MAX_STANDING)
    run, rows = installing.have_installed(
        logistics.books, company, count, logistics.released_for(company), _rates(engine), engine.now_ms,
        update=take(params, "update", bool, False), variant=text(params, "variant", ""),
        ready=None if region is None else logistics.homes.check_begin,
    )  # fmt: skip
    if region is None:
        installing.put_in(logistics.books, rows, engine.now_ms)
    else:
        logistics.homes.begin_many(rows, company, region)
    logistics.entries.follow(rows)
    return {
        "run": run.number, "visits": run.units, "installed": len(rows), "failed": run.failed, "updated": run.updated,
        "minutes": run.minutes,
    }  # fmt: skip


def _rates(engine: Engine) -> dict[str, int]:
    return {name: each.image_rate_bits_per_s for name, each in engine.csp.technologies.items()}


def stock_visit(engine: Engine, params: Params) -> dict[str, Any]:
    """Put a visit that an installer carried out on record: how long it took, and whether it failed. What was put up during one
    that failed is with the installer again."""
    only(params, "company", "units", "minutes", "updated", "too_long", "failed")
    logistics, books = engine.logistics, engine.logistics.books
    company, rows = _company(engine, params, "company"), _units(engine.logistics.books, params)
    minutes = _whole(params, "minutes", ..., 1, 10_000)
    said = {name: take(params, name, bool, False) for name in ("updated", "too_long", "failed")}
    books.check_owner(company, rows, "company")
    books.check("take down", rows)
    if not any(books.variant_of(int(row)).is_hub for row in rows):
        raise Malformed("no hub is among the units", where="units", expected="the hub of the visit, and its devices")
    if said["failed"]:
        logistics.homes.take_down(rows)
    run = installing.note_visit(books, company, rows, minutes, engine.now_ms, **said)
    return {"run": run.number, "minutes": minutes, **said}


def stock_update(engine: Engine, params: Params) -> dict[str, Any]:
    """Let the CSP send hubs in homes firmware of their own, those that run one version or all that run an older one.

    With ``unit`` one hub is updated while its installer waits, to what its owner's policy asks for, as fast as its WAN allows.
    """
    only(params, "version", "from_version", "duration_ms", "unit")
    if params.get("unit") is not None:
        return _update_on_site(engine, params)
    if params.get("version") is None:
        raise Malformed("version is missing", where="version", expected="version, or unit for a hub of a visit")
    logistics, books, version = engine.logistics, engine.logistics.books, _version(params, "version")
    older = hexadecimal(params, "from_version", 8, "")
    duration_ms = _whole(params, "duration_ms", HOUR_MS, 1_000, 31 * DAY_MS)
    if int(version, 16) not in {int(each.firmware_version, 16) for each in engine.state.dsp.cpl.values() if _usable_hub(each)}:
        raise Malformed(f"{version} is not on the Central Products List for a hub", where="version", expected="one that is")
    numbers = [each.number for each in variants().values() if each.is_hub]
    rows = books.units.where((books.in_state("installed")) & np.isin(books.units.variant, numbers))
    versions = books.versions_of(rows)
    rows = rows[versions == int(older, 16) if older else versions < int(version, 16)]
    standing = logistics.homes.update_installed(rows, version, duration_ms)
    return {"hubs": len(rows), "over_the_air": standing}


def _update_on_site(engine: Engine, params: Params) -> dict[str, Any]:
    logistics, books = engine.logistics, engine.logistics.books
    row = books.unit(text(params, "unit"))
    variant, lot, settings = books.variant_of(row), books.lot_of(row), books.settings
    for name in ("version", "from_version", "duration_ms"):
        if params.get(name) is not None:
            raise Malformed(f"{name} does not go with unit", where=name, expected="what the policy and the WAN of the hub say")
    if not variant.is_hub or books.eui(row) not in books.state.standing:
        detail = f"{format_eui(books.eui(row))} is no hub in an emulated home"
        raise Malformed(detail, where="unit", expected="a hub that was put up before")
    wanted = stock.wanted_version(books, books.owner(row), logistics.released(lot.manufacturer, lot.model))
    minutes = installing.update_minutes(books, variant.technology, _rates(engine))
    if engine.premises.rows.running_version(books.eui(row)) >= wanted:
        return {"hubs": 0, "over_the_air": 0, "version": f"{wanted:08X}", "minutes": 0, "too_long": False}
    too_long = settings.visit_minutes + minutes > settings.max_visit_minutes
    if not too_long:
        logistics.homes.update_on_site(row, wanted, minutes)
    count = int(not too_long)
    return {"hubs": count, "over_the_air": count, "version": f"{wanted:08X}", "minutes": minutes, "too_long": too_long}


def _usable_hub(product: Any) -> bool:
    return product.device_type is DeviceType.CHF and product.status is CplStatus.ACTIVE


def returns_take(engine: Engine, params: Params) -> dict[str, Any]:
    """Take meters, and hubs of which no message tells, back: what was decommissioned before, or never installed. ``with`` names
    the hub with which they came."""
    only(params, "company", "units", "with")
    company = _company(engine, params, "company")
    euis = [parse_eui(each) for each in _items(params)]
    return {"units": engine.logistics.going_back.take_back(euis, company, eui_of(params, "with", None))}


def returns_batch(engine: Engine, params: Params) -> dict[str, Any]:
    """Make a population of hubs that came back, part of them with their meters, with hidden truths."""
    only(params, "company", "count", "installers", "version")
    company = _company(engine, params, "company")
    names = take(params, "installers", list, [])
    installers = [_company(engine, {"installers": each}, "installers") for each in names]
    count, version = _whole(params, "count", ..., 1, returning.MAX_BATCH), int(_version(params, "version"), 16)
    books = engine.logistics.books
    rows = returning.generate(books, count, engine.now_ms, by=company, installers=installers, version=version)
    return {"units": len(rows), "hubs": count, "first": format_eui(books.eui(int(rows[0])))}


def reflash_order(engine: Engine, params: Params) -> dict[str, Any]:
    """Order units, cartons or pallets to be re-flashed with an image that the CSP signed. An order that is rejected says why."""
    only(params, "company", "level", "items", "image", "address")
    books, company = engine.logistics.books, _company(engine, params, "company")
    image = _image(engine, params)
    product = (f"{image.manufacturer_code:04X}", image.firmware_version)
    listed = [each for each in engine.context.lookup.products(*product) if _usable_hub(each)]
    digest = image.manufacturer_image_hash.hex()
    found = next((each for each in listed if each.image_hash in ("", digest)), None)
    if found is None:
        detail = f"version {image.firmware_version} with this image is not on the Central Products List for a hub"
        raise Malformed(detail, where="image", expected="one that is")
    address = _company(engine, params, "address", "")
    order = reflash.place(
        books, company, text(params, "level"), _items(params, "items"),
        (found.manufacturer, found.model, image.file_version), engine.now_ms, address=address,
    )  # fmt: skip
    engine.logistics.note_order(order)
    engine.logistics.entries.follow(unpacked(order.rows))
    return {"order": order.number, "state": order.state, "reason": order.reason, "evidence": order.evidence}


def _image(engine: Engine, params: Params) -> OtaImage:
    """The image of an order, signed by the CSP: here the Access Control Broker stands for it, whose key the DCC has."""
    given = take(params, "image", str)
    try:
        image = parse_image(base64.b64decode("".join(given.split()), validate=True))
    except Malformed as error:
        raise Malformed(error.detail, where="image", expected=error.expected) from None
    except ValueError:
        raise Malformed("image is not base64", where="image", expected="an OTA file") from None
    key = engine.context.keys.acb_digital_signature().public_key()
    if engine.logistics.settings.signed_images_only and not image.verify_supplier_signature(key):
        raise Malformed("the image is not signed by the DCC", where="image", expected="a signed image")
    return image


def triage_hub(engine: Engine, params: Params) -> dict[str, Any]:
    """Put a hub up in a company's triage facility, online, for devices with dummy MPxNs to join."""
    only(params, "unit", "company", "region")
    company, row = _company(engine, params, "company"), engine.logistics.books.unit(text(params, "unit"))
    engine.logistics.homes.stand_test_hub(row, company, word(params, "region", CspRegion))
    return {"hub": format_eui(engine.logistics.books.eui(row)), "company": company}


def triage_run(engine: Engine, params: Params) -> dict[str, Any]:
    """Triage units: the DCC's way, the maker's local way, or a supplier's own way for SMETS1."""
    only(params, "units", "count", "company", "actor", "way", "swap", "access")
    books, company = engine.logistics.books, _company(engine, params, "company")
    look = triage.Look(
        company, text(params, "actor"), text(params, "way"), take(params, "swap", bool, False), text(params, "access", "standard")
    )
    if _by_name(params):
        rows = _units(books, params)
    else:
        rows = stock.hubs_of(books, company, ("returned",))
        count = _whole(params, "count", ..., 1, MAX_LOT)
        if len(rows) < count:
            raise Malformed(f"{company} has {len(rows)} returned hubs, not {count}", where="count", expected=f"1 to {len(rows)}")
        rows = rows[:count]
    books.check_owner(company, rows, "company")
    records = triage.run(books, rows, look, engine.now_ms)
    for each in records:
        lot, kind = books.lot_of(each.row), books.variant_of(each.row).device_type
        listed = engine.state.dsp.cpl.get((kind, lot.manufacturer, lot.model, each.version))
        each.cpl_status = "" if listed is None else listed.status.value
    engine.logistics.homes.leave_bench(rows)
    found = sum(each.found for each in records)
    return {"units": len(records), "fault_found": found, "no_fault_found": len(records) - found}


def unit_take_step(engine: Engine, params: Params) -> dict[str, Any]:
    """Open returned units, wipe their credentials, reset them, seal them anew, put them into stock again, or scrap them."""
    only(params, "units", "company", "step")
    logistics, books = engine.logistics, engine.logistics.books
    company, step = _company(engine, params, "company"), text(params, "step")
    rows = _units(books, params)
    books.check_owner(company, rows, "company")
    refurbishing.check(books, rows, step)
    refurbishing.take(books, rows, step, engine.now_ms)
    if step == "restock":
        logistics.entries.forget_home(rows)
    elif step == "open":
        logistics.homes.tell_opened(rows)
    logistics.entries.follow(rows)
    for row in map(int, rows):
        logistics.journal(f"{format_eui(books.eui(row))}: {step}", int(books.eui(row)))
    return {"units": len(rows), "step": step}
