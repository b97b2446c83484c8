"""An installer's visit, from the hub's pre-notification to the commissioned meters, with the messages that a supplier sends.

The hub and the devices are units of the books. What hands do (fitting) and what the CSP does (firmware while the installer waits)
goes through the control API; the length of the visit is what passed in simulated time, and not less than the work takes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.campaigns.site import Site
from emulator.client import requests
from emulator.client.session import SignedCommand
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, RequestId, format_eui, parse_eui
from emulator.domain.settings import MINUTE_MS
from emulator.domain.vocabulary import CspRegion, DeviceType, RemotePartyRole, UserRole
from emulator.dsp.notification import word
from emulator.duis.messages import Request, ServiceResponse, element
from emulator.scenarios.messages import Kind, Seen

INSTALL_CODE = bytes(16)
"""Install code of an emulated device; nobody compares it."""
JOIN_TIME_S = 600
"""For how long a device may join; ours."""
PATIENCE_MS = 60 * MINUTE_MS
"""How long the installer waits for an answer; a gas meter may sleep for half an hour. Ours."""
TOLERANCE_S = 3_600
"""By how much the time in a command may be late at a device that sleeps; ours."""
UPDATE_GRACE_MS = 30 * MINUTE_MS
"""How long a hub may take to restart after its firmware came; ours."""
METERS = (DeviceType.ESME, DeviceType.GSME)
OPERATORS = {DeviceType.ESME: UserRole.ED, DeviceType.GSME: UserRole.GT}
"""In which role the network operator of a meter is registered."""
NETWORK_OPERATOR = RemotePartyRole.NETWORK_OPERATOR.name


class Failed(Exception):
    """The visit cannot go on."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be put up, and where."""

    company: str
    home: Mapping[str, Any]
    """Region and address, as ``device.fit`` takes them."""
    devices: Mapping[Eui64, str]
    """Further units, with the MPxN of each that is a meter."""
    mpxn: str = ""
    """That 8.14.1 names; the first of a meter when not given."""
    hub: Eui64 | None = None
    """Which hub; as the policy of the company has it when not given."""
    update: bool = False
    """Whether an older hub gets its firmware before anything joins it."""


@dataclass(slots=True)
class Visit:
    """One visit, and what came of it."""

    site: Site
    order: Order
    hub: Eui64 = Eui64(0)
    steps: list[dict[str, Any]] = field(default_factory=list)
    updated: bool = False
    too_long: bool = False
    update_minutes: int = 0
    _put_up: list[Eui64] = field(default_factory=list)
    _in_service: bool = False
    """Whether a meter was commissioned: then nothing comes down any more."""

    async def carry_out(self) -> dict[str, Any]:
        """Do it; what came of it as JSON values. Raise :class:`Malformed` for an order that cannot be carried out at all."""
        await self.site.settle()
        order = self.order
        word(CspRegion, order.home["region"], "region")
        units = {eui: await self._unit(eui) for eui in ([order.hub] if order.hub else []) + list(order.devices)}
        self._check(units)
        self.hub = order.hub or await self._issued()
        units[self.hub] = await self._unit(self.hub)
        began_ms, problem = self.site.now_ms, ""
        try:
            await self._put_hub_up(units[self.hub])
            for eui, mpxn in self.order.devices.items():
                await self._put_device_up(eui, units[eui], mpxn)
        except Failed as failure:
            problem = str(failure)
        waited = -(-(self.site.now_ms - began_ms) // MINUTE_MS)
        settings = await self.site.ask("GET", "stock")
        minutes = max(waited - self.update_minutes, settings["visit_minutes"]) + self.update_minutes
        await self.site.advance_to(began_ms + minutes * MINUTE_MS)
        found = {
            "hub": format_eui(self.hub),
            "installed": not problem,
            "problem": problem,
            "minutes": minutes,
            "updated": self.updated,
            "too_long": self.too_long,
            "firmware_version": await self._inventory("firmware_version"),
            "steps": self.steps,
        }
        body = {"company": self.order.company, "units": [format_eui(eui) for eui in self._put_up], "minutes": minutes}
        came_down = bool(problem) and not self._in_service
        found["came_down"] = came_down
        outcome = {"updated": self.updated, "too_long": self.too_long, "failed": came_down}
        if self._put_up:
            await self.site.ask("POST", "stock/visits", body={**body, **outcome})
        return found

    async def _issued(self) -> Eui64:
        issued = await self.site.ask("POST", "stock/issues", body={"company": self.order.company, "count": 1})
        return parse_eui(issued["listed"][0])

    async def _unit(self, eui: Eui64) -> dict[str, Any]:
        return await self.site.ask("GET", f"stock/units/{format_eui(eui)}")

    def _check(self, units: Mapping[Eui64, Mapping[str, Any]]) -> None:
        for eui, unit in units.items():
            where, expected = ("hub", "a hub") if eui == self.order.hub else ("devices", "meters and displays")
            if (unit["type"] == DeviceType.CHF) is not (eui == self.order.hub):
                raise Malformed(f"{unit['unit']} is a {unit['type']}", where=where, expected=expected)
            if unit["owner"] != self.order.company:
                raise Malformed(f"{unit['unit']} is of {unit['owner']}", where=where, expected=f"units of {self.order.company}")
            if unit["state"] not in ("supplier_store", "installer"):
                raise Malformed(f"{unit['unit']} is {unit['state']}", where=where, expected="units in the store, or issued")
            if unit["type"] in METERS and not self.order.devices.get(eui):
                raise Malformed(f"{unit['unit']} has no MPxN", where="devices", expected="one for each meter")

    # The hub

    async def _put_hub_up(self, unit: Mapping[str, Any]) -> None:
        site, gpf = self.site, parse_eui(unit["gpf"])
        await self._notify(unit, gpf)
        body = {"home": dict(self.order.home), "supplier": format_eui(site.user)}
        gas = [mpxn for eui, mpxn in self.order.devices.items() if await self._type_of(eui) == DeviceType.GSME]
        if gas and (operator := await self._network_operator(gas[0], DeviceType.GSME)):  # the GPF holds what the gas meter does
            body["network_operator"] = operator
        await site.ask("POST", f"devices/{format_eui(self.hub)}/fit", body=body)
        self._put_up.append(self.hub)
        self._note("hub fitted", unit["version"])
        await site.settle()
        on_wan = await self._inventory("status") == "Commissioned"
        if self.order.update and on_wan:
            await self._update()
        mpxn = self.order.mpxn or next((mpxn for mpxn in self.order.devices.values() if mpxn), "")
        if mpxn:
            await self._report(mpxn, on_wan=on_wan)
        if not on_wan and self.order.devices:
            raise Failed("the hub is not on the SM WAN")

    async def _update(self) -> None:
        site = self.site
        found = await site.ask("POST", "stock/updates", body={"unit": format_eui(self.hub)})
        self.too_long = found["too_long"]
        if not found["hubs"]:
            self._note("firmware", "too long" if self.too_long else "is the wanted one")
            return
        began_ms, due_ms = site.now_ms, site.now_ms + found["minutes"] * MINUTE_MS
        await site.advance_to(due_ms)
        while await self._inventory("firmware_version") != found["version"] and site.now_ms < due_ms + UPDATE_GRACE_MS:
            await site.advance_to(site.now_ms + MINUTE_MS)
        self.update_minutes = -(-(site.now_ms - began_ms) // MINUTE_MS)
        self.updated = await self._inventory("firmware_version") == found["version"]
        self._note("firmware", found["version"] if self.updated else "does not come")

    async def _report(self, mpxn: str, *, on_wan: bool) -> None:
        fields = [
            element("DeviceID", format_eui(self.hub)),
            element("CHFInstallType", "New CHF Install" if on_wan else "CHF Install - no SM WAN"),
            element("MPxN", mpxn),
            element("AerialInstall", "false"),
            element("CHFLocation", "Indoors on external wall"),
        ]
        if not on_wan:
            fields += [element("PremiseType", "Terraced")]
            fields += [element(f"{what}ObstructionCheck", "true") for what in ("Metal", "Connectivity", "Shared")]
        srv = "8.14.1" if on_wan else "8.14.2"
        await self._ask(requests.service_request(self.site.user, srv, *fields), f"{srv} hub installed")

    # Devices

    async def _put_device_up(self, eui: Eui64, unit: Mapping[str, Any], mpxn: str) -> None:
        site, kind = self.site, DeviceType(unit["type"])
        await self._notify(unit, None)
        body = {"hub": format_eui(self.hub)}
        if kind in METERS:  # a display trusts the Access Control Broker alone
            body["supplier"] = format_eui(site.user)
            if operator := await self._network_operator(mpxn, kind):
                body["network_operator"] = operator
        await site.ask("POST", f"devices/{format_eui(eui)}/fit", body=body)
        self._put_up.append(eui)
        self._note(f"{kind} fitted", unit["version"])
        log = requests.add_to_device_log(
            site.user, self.hub, eui, INSTALL_CODE, join_time_s=JOIN_TIME_S, import_mpxn=mpxn or None
        )
        asked = await self._ask(log, f"8.11 {kind} on the device log")
        until_ms = site.now_ms + JOIN_TIME_S * 1000 + PATIENCE_MS
        told = await self._wait(lambda each: each.kind is Kind.DCC_ALERT and asked in each.requests, until_ms)
        self._note(f"{kind} joins", "nothing heard" if told is None else told.code)
        if told is None or told.code != "N24":
            raise Failed(f"{kind} {format_eui(eui)} does not join the hub")
        if kind in METERS:
            request = requests.commission_device(site.user, eui, site.now_ms, TOLERANCE_S)
            await self._command(request, f"8.1.1 {kind} commissioned", eui)
            self._in_service = True
        await self._join(eui, kind)

    async def _network_operator(self, mpxn: str, kind: DeviceType) -> str:
        """Whose certificates a meter comes with beside the supplier's: who is registered as network operator of its MPxN now.

        Empty where nobody is; then the supplier's 6.21 hands its place over later."""
        found = await self.site.ask("GET", "registrations", query={"mpxn": mpxn})
        wanted, now_ms = OPERATORS[kind], self.site.now_ms
        parties = [
            row["party"]
            for row in found["registrations"]
            if row["role"] == wanted and row["from_ms"] <= now_ms and (row["to_ms"] is None or now_ms < row["to_ms"])
        ]
        for user in await self.site.control.users():
            if user["party"] in parties and wanted in user["roles"] and user["remote_party_role"] == NETWORK_OPERATOR:
                return str(user["user"])
        return ""

    async def _join(self, eui: Eui64, kind: DeviceType) -> None:
        """Joins: a gas meter with the Gas Proxy Function, a display with the meters that were put up before it."""
        if kind is DeviceType.GSME:
            gpf = parse_eui((await self._unit(self.hub))["gpf"])
            await self._command(requests.join(self.site.user, eui, gpf, critical=False), "8.7.2 GSME with GPF", eui)
        elif kind is DeviceType.PPMID:
            for other in self._put_up:
                if await self._type_of(other) == DeviceType.ESME:
                    await self._command(requests.join(self.site.user, other, eui, critical=True), "8.7.1 ESME with PPMID", other)
                    await self._command(requests.join(self.site.user, eui, other, critical=False), "8.7.2 PPMID with ESME", eui)

    async def _type_of(self, eui: Eui64) -> str:
        return str((await self._unit(eui))["type"])

    # Messages

    async def _notify(self, unit: Mapping[str, Any], gpf: Eui64 | None) -> None:
        try:
            await self.site.ask("GET", f"devices/{unit['unit']}")
        except Malformed:  # the inventory does not have it yet
            pass
        else:
            return
        request = requests.device_prenotification(
            self.site.user,
            parse_eui(unit["unit"]),
            DeviceType(unit["type"]),
            manufacturer=unit["manufacturer"],
            model=unit["model"],
            smets_version=unit["smets_version"],
            firmware_version=unit["version"],
            gpf=gpf,
        )
        await self._ask(request, f"12.2 {unit['type']} pre-notified")

    async def _ask(self, request: Request, step: str) -> RequestId:
        """Send a request; raise :class:`Failed` unless it is taken."""
        answer = await self.site.client.send(request)
        return await self._taken(answer, step)

    async def _taken(self, answer: ServiceResponse, step: str) -> RequestId:
        self._note(step, answer.code)
        await self.site.settle()
        if answer.code.startswith("E") or not answer.request_id:
            raise Failed(f"{step}: {answer.code}")
        return RequestId.parse(answer.request_id)

    async def _command(self, request: Request, step: str, device: Eui64) -> None:
        """Send a Command, and wait until the device carried it out; raise :class:`Failed` unless it does."""
        site = self.site
        critical = request.command_variant == 4
        found = await (site.client.transform_and_send(request) if critical else site.client.send(request))
        asked = await self._taken(found.acknowledgement if isinstance(found, SignedCommand) else found, step)
        came = await self._wait(lambda each: each.kind is Kind.RESPONSE and asked in each.requests, site.now_ms + PATIENCE_MS)
        done = came is not None and came.code == "I0" and (await site.values(came)).get("ok") is True
        self._note(
            f"{step}, answered", "nothing heard" if came is None else came.code if done or came.code != "I0" else "refused"
        )
        if not done:
            raise Failed(f"{step}: {format_eui(device)} does not do it")

    async def _wait(self, wanted: Callable[[Seen], bool], until_ms: int) -> Seen | None:
        site = self.site
        while True:
            found = next((message for message in site.take() if wanted(message)), None)
            if found is not None or site.now_ms >= until_ms:
                return found
            await site.advance_to(min(site.next_event_ms or until_ms, until_ms))

    async def _inventory(self, name: str) -> Any:
        return (await self.site.ask("GET", f"devices/{format_eui(self.hub)}"))["inventory"][name]

    def _note(self, step: str, outcome: str) -> None:
        self.steps.append({"at_ms": self.site.now_ms, "step": step, "outcome": outcome})


def devices_of(pairs: Sequence[tuple[str, str]]) -> dict[Eui64, str]:
    """Units with their MPxNs from texts; raise :class:`Malformed` for what is no EUI, and for one that is named twice."""
    found: dict[Eui64, str] = {}
    for text, mpxn in pairs:
        eui = parse_eui(text)
        if eui in found:
            raise Malformed(f"{format_eui(eui)} is named twice", where="devices", expected="each once")
        found[eui] = mpxn
    return found
