"""Control operations on what is in a world: devices, users, certificates, products, jobs, transactions."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.formats import to_crypto_zip, to_keystore_json
from emulator.service.control_models import (
    AnnouncedVersion,
    Capacity,
    CertificatesQuery,
    CplRow,
    Credit,
    DevicesQuery,
    Fit,
    HubUpdate,
    JobsQuery,
    KeyStoreQuery,
    LocalCommand,
    MakersUpdate,
    Model,
    NewCredentials,
    NewEndpoint,
    NewRegistration,
    Outage,
    Power,
    RegistrationCsv,
    RegistrationsQuery,
    SchedulesQuery,
    TransactionsQuery,
    UserStatus,
)
from emulator.service.hosted import HostedWorld
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route
from emulator.views import Page


class HappeningAtDevice(Model):
    """What happens at a device, by its alert code in 4 hexadecimal digits."""

    code: str


class Boost(Model):
    """How long the boost button of a meter is pressed."""

    minutes: int


def estate_routes() -> list[Route]:
    """The table."""
    device, user = f"{WORLD}/devices/{{device}}", f"{WORLD}/users/{{user}}"
    return [
        Route("GET", f"{WORLD}/estate", _estate, "The estate as it was declared", "estate"),
        Route("GET", f"{WORLD}/inventory", _inventory, "Devices as the inventory has them", "estate", query=DevicesQuery),
        Route("GET", f"{WORLD}/devices", _devices, "Devices: inventory, real state, job", "estate", query=DevicesQuery),
        Route("GET", device, _device, "One device: inventory, real state, job", "estate"),
        Route("PUT", f"{device}/power", _power, "Switch a device on or off", "estate", body=Power),
        Route("POST", f"{device}/deliver", _deliver, "Hand a device a Command on the spot", "estate", body=LocalCommand),
        Route(
            *("POST", f"{device}/events", _event, "Let something happen at a device that has an alert code", "estate"),
            body=HappeningAtDevice,
        ),
        Route("POST", f"{device}/boost", _boost, "Press the boost button of a meter", "estate", body=Boost),
        Route("POST", f"{device}/credit", _credit, "Add credit at a meter, or take emergency credit", "estate", body=Credit),
        Route(
            "PUT", f"{device}/version", _side_channel, "Change what a device runs without the DCC", "estate", body=MakersUpdate
        ),
        Route(
            *("PUT", f"{device}/announced-version", _announce, "Tell the DCC, as its maker, what a device runs", "estate"),
            body=AnnouncedVersion,
        ),
        Route("POST", f"{device}/hub-update", _hub_update, "Send a hub firmware of its own", "estate", body=HubUpdate),
        Route("PUT", f"{WORLD}/network/capacity", _capacity, "Change how many images a pool sends", "estate", body=Capacity),
        Route("PUT", f"{WORLD}/network/outage", _outage, "Let no image through for a while", "estate", body=Outage),
        Route("POST", f"{device}/fit", _fit, "Fit a pre-notified device in a home", "estate", body=Fit),
        Route("PUT", f"{device}/credentials", _credentials, "Put a party in its supplier's place", "estate", body=NewCredentials),
        Route(
            *("GET", f"{WORLD}/registrations", _registrations, "Who is registered for what", "estate"), query=RegistrationsQuery
        ),
        Route("POST", f"{WORLD}/registrations", _register, "Register a party", "estate", body=NewRegistration),
        Route("POST", f"{WORLD}/registrations/load", _load, "Load registration data", "estate", body=RegistrationCsv),
        Route("GET", f"{WORLD}/users", _users, "Users and their endpoints", "users"),
        Route("GET", f"{user}/endpoint", _endpoint, "Where a user's pushes go", "users"),
        Route("PUT", f"{user}/endpoint", _set_endpoint, "Set where a user's pushes go", "users", body=NewEndpoint),
        Route("PUT", f"{user}/status", _user_status, "Suspend or restore a user", "users", body=UserStatus),
        Route("GET", f"{WORLD}/certificates", _certificates, "Certificates", "keys", query=CertificatesQuery),
        Route("GET", f"{WORLD}/keys/keystore.json", _keystore, "Certificates and private keys", "keys", query=KeyStoreQuery),
        Route(
            *("GET", f"{WORLD}/keys/org-crypto.zip", _archive, "The archive of organisation certificates", "keys"),
            media_type="application/zip",
        ),
        Route("GET", f"{WORLD}/firmware-list", _firmware_list, "The Central Products List", "firmware"),
        Route("PUT", f"{WORLD}/firmware-list", _put_firmware, "Add or change a product", "firmware", body=CplRow),
        Route("GET", f"{WORLD}/jobs", _jobs, "Firmware requests and their jobs", "firmware", query=JobsQuery),
        Route("DELETE", f"{WORLD}/jobs/{{device}}", _cancel_job, "Give up a device's firmware job", "firmware"),
        Route(
            *("GET", f"{WORLD}/transactions", _transactions, "Requests to devices and how far they are", "firmware"),
            query=TransactionsQuery,
        ),
        Route("GET", f"{WORLD}/schedules", _schedules, "Reads that the DSP repeats", "firmware", query=SchedulesQuery),
    ]


def _eui_of(call: Call, name: str) -> Eui64:
    try:
        return parse_eui(call.path[name])
    except Malformed as error:
        raise ControlRefused(400, error.detail, where=name, expected=error.expected) from None


def _device_of(call: Call) -> Eui64:
    eui = _eui_of(call, "device")
    if not call.hosted.world.views.device_exists(eui):
        raise ControlRefused(404, f"there is no device {format_eui(eui)}", where="device")
    return eui


def _user_of(call: Call) -> dict[str, Any]:
    wanted = format_eui(_eui_of(call, "user"))
    users = call.hosted.world.views.users()
    found = next((user for user in users if user["user"] == wanted), None)
    if found is None:
        known = ", ".join(user["user"] for user in users)
        raise ControlRefused(404, f"there is no user {wanted}", where="user", expected=f"one of {known}")
    return found


# Devices


async def _estate(call: Call) -> Answer:
    estate = call.hosted.world.estate
    described = asdict(estate)
    for party in described["parties"]:
        party["eui"] = format_eui(party["eui"])
    for home in described["homes"]:
        home["hub"] = format_eui(home["hub"])
        home["devices"] = [format_eui(device["eui"]) for device in home["devices"]]
    return {name: described[name] for name in ("name", "seed", "start_ms", "parties", "homes", "settings")}


def _listed(call: Call) -> Page:
    query, views = call.given(DevicesQuery), call.hosted.world.views
    return views.devices(device_type=query.type, status=query.status, hub=query.hub, offset=query.offset, limit=query.limit)


async def _inventory(call: Call) -> Answer:
    listed = _listed(call)
    return {"count": listed.count, "devices": listed.items}


async def _devices(call: Call) -> Answer:
    listed, views = _listed(call), call.hosted.world.views
    return {"count": listed.count, "devices": [views.device(parse_eui(entry["device"])) for entry in listed.items]}


async def _device(call: Call) -> Answer:
    return call.hosted.world.views.device(_device_of(call)) or {}


async def _power(call: Call) -> Answer:
    return await call.carry_out("device.power", device=format_eui(_device_of(call)), on=call.given(Power).on)


async def _deliver(call: Call) -> Answer:
    return await call.carry_out("device.deliver", device=format_eui(_device_of(call)), gbcs=call.given(LocalCommand).gbcs)


async def _event(call: Call) -> Answer:
    return await call.carry_out("device.event", device=format_eui(_device_of(call)), code=call.given(HappeningAtDevice).code)


async def _boost(call: Call) -> Answer:
    return await call.carry_out("device.boost", device=format_eui(_device_of(call)), minutes=call.given(Boost).minutes)


async def _credit(call: Call) -> Answer:
    return await call.carry_out("device.credit", device=format_eui(_device_of(call)), **call.given(Credit).model_dump())


async def _side_channel(call: Call) -> Answer:
    device = format_eui(_device_of(call))
    return await call.carry_out("device.side_channel", device=device, **call.given(MakersUpdate).model_dump())


async def _announce(call: Call) -> Answer:
    device = format_eui(_device_of(call))
    return await call.carry_out("device.announce_version", device=device, version=call.given(AnnouncedVersion).version)


async def _hub_update(call: Call) -> Answer:
    return await call.carry_out("hub.update", hub=format_eui(_device_of(call)), **call.given(HubUpdate).model_dump())


async def _capacity(call: Call) -> Answer:
    return await call.carry_out("network.capacity", **call.given(Capacity).model_dump())


async def _outage(call: Call) -> Answer:
    return await call.carry_out("network.outage", **call.given(Outage).model_dump())


async def _fit(call: Call) -> Answer:
    wanted = call.given(Fit)
    parties = {name: getattr(wanted, name) for name in ("hub", "supplier", "network_operator")}
    home = None if wanted.home is None else wanted.home.model_dump()
    given = {name: None if eui is None else format_eui(eui) for name, eui in parties.items()}
    return await call.carry_out("device.fit", device=format_eui(_device_of(call)), home=home, **given)


async def _credentials(call: Call) -> Answer:
    device = format_eui(_device_of(call))
    return await call.carry_out("device.credentials", device=device, party=format_eui(call.given(NewCredentials).party))


async def _registrations(call: Call) -> Answer:
    return {"registrations": call.hosted.world.views.registrations(call.given(RegistrationsQuery).mpxn)}


async def _register(call: Call) -> Answer:
    return await call.carry_out("registration.put", **call.given(NewRegistration).model_dump())


async def _load(call: Call) -> Answer:
    return await call.carry_out("registration.load", csv=call.given(RegistrationCsv).csv)


# Users


def _with_floor(world: HostedWorld, user: Mapping[str, Any]) -> dict[str, Any]:
    return {**user, "floor_ms": world.floor_ms(parse_eui(user["user"]))}


async def _users(call: Call) -> Answer:
    return {"users": [_with_floor(call.hosted, user) for user in call.hosted.world.views.users()]}


async def _endpoint(call: Call) -> Answer:
    user = _with_floor(call.hosted, _user_of(call))
    return {"user": user["user"], "url": user["endpoint"], "floor_ms": user["floor_ms"]}


async def _set_endpoint(call: Call) -> Answer:
    user, wanted, world = _user_of(call)["user"], call.given(NewEndpoint), call.hosted
    if wanted.url:
        world.check_endpoint(wanted.url)
    if wanted.floor_ms != world.floor_ms(parse_eui(user)):
        await world.command("endpoint.floor", {"user": user, "floor_ms": wanted.floor_ms})
    result = await call.carry_out("user.endpoint", user=user, url=wanted.url)
    return {**result, "floor_ms": wanted.floor_ms}


async def _user_status(call: Call) -> Answer:
    return await call.carry_out("user.status", user=_user_of(call)["user"], active=call.given(UserStatus).active)


# Keys


def _certificate(record: CertificateRecord) -> dict[str, Any]:
    return {
        "eui": format_eui(record.eui),
        "usage": record.usage.value,
        "role": record.role,
        "name": record.name,
        "prepayment": record.prepayment,
        "serial": f"{record.serial:x}",
        "issuer": record.issuer,
        "status": record.status.value,
        "not_before": datetime.fromtimestamp(record.not_before_ms / 1000, UTC).isoformat(),
        "not_after_ms": record.not_after_ms,
        "private_key": record.private_key is not None,
        "certificate": record.pem,
    }


async def _certificates(call: Call) -> Answer:
    query, world = call.given(CertificatesQuery), call.hosted.world
    usage = None if query.usage is None else Usage(query.usage)
    found = world.keys.records(None if query.eui is None else Eui64(query.eui), usage)
    if query.eui is not None and world.views.device_exists(query.eui):
        usages = list(Usage) if usage is None else [usage]
        found += [record for kind in usages if (record := world.keys.device(Eui64(query.eui), kind)) and record not in found]
    return {"count": len(found), "certificates": [_certificate(record) for record in found[: query.limit]]}


async def _keystore(call: Call) -> Answer:
    world = call.hosted.world
    records = world.keys.records()
    if call.given(KeyStoreQuery).devices:
        known = {record.key for record in records}
        devices = (parse_eui(entry["device"]) for entry in world.views.devices().items)
        made = (world.keys.device(eui, usage) for eui in devices for usage in Usage)
        records += [record for record in made if record is not None and record.key not in known]
    return web.Response(body=to_keystore_json(records), content_type="application/json")


async def _archive(call: Call) -> Answer:
    return web.Response(body=to_crypto_zip(call.hosted.world.keys.records()), content_type="application/zip")


# Products, jobs, transactions


async def _firmware_list(call: Call) -> Answer:
    return {"products": call.hosted.world.views.firmware_list()}


async def _put_firmware(call: Call) -> Answer:
    return await call.carry_out("cpl.put", **call.given(CplRow).model_dump())


async def _jobs(call: Call) -> Answer:
    found = call.hosted.world.views.jobs(**call.given(JobsQuery).model_dump())
    return {"count": found.count, "requests": found.items}


async def _cancel_job(call: Call) -> Answer:
    return await call.carry_out("job.cancel", device=format_eui(_device_of(call)))


async def _schedules(call: Call) -> Answer:
    found = call.hosted.world.views.schedules(**call.given(SchedulesQuery).model_dump())
    return {"count": len(found), "schedules": found}


async def _transactions(call: Call) -> Answer:
    found = call.hosted.world.views.transactions(**call.given(TransactionsQuery).model_dump())
    return {"count": found.count, "transactions": found.items}
