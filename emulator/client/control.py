"""The control API from Python: clock, devices, users, faults, journal, outbox.

Values are the JSON of the API; ``/control/v1/openapi.json`` describes them. Every call may raise
:class:`~emulator.client.errors.Unreachable`, or :class:`~emulator.client.errors.Rejected` with the API's words.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import aiohttp

from emulator.client.control_calls import ControlCalls, Json, segment
from emulator.client.errors import Rejected
from emulator.client.keys import key_store_of
from emulator.domain.identifiers import Eui64, format_eui
from emulator.pki.formats import read_keystore_json
from emulator.pki.keystore import KeyStore

NOT_NOW = 503
BEGINS_ANEW_S, LOOK_S = 10.0, 0.1
"""How long those who follow a world that is not ready wait for it, and how often they look."""


class ControlClient(ControlCalls):
    """One world of one server."""

    # The server

    async def ready(self) -> bool:
        """Whether every world answers."""
        try:
            await self.call("GET", "/_dcc/ready")
        except Rejected as error:
            if error.status == NOT_NOW:
                return False
            raise
        return True

    async def version(self) -> Json:
        """Name and version of the server."""
        return await self._json("GET", "/_dcc/version")

    async def diagnose(self) -> Json:
        """Versions, settings, ports, worlds, and what is amiss."""
        return await self._json("GET", "/_dcc/diagnose")

    async def settings(self) -> Json:
        """Every setting with its value and origin."""
        return await self._json("GET", "/control/v1/settings")

    async def worlds(self) -> list[Json]:
        """All worlds."""
        return _list(await self._json("GET", "/control/v1/worlds"), "worlds")

    # The world

    async def describe(self) -> Json:
        """Where the world stands."""
        return await self._json("GET", self._path(""))

    async def reset(self, *, estate: str | None = None, seed: int | None = None, start_ms: int | None = None) -> Json:
        """Forget everything and begin again."""
        return await self._json("POST", self._path("reset"), body=_given(estate=estate, seed=seed, start_ms=start_ms))

    async def make_world(
        self, name: str, *, estate: str | None = None, seed: int | None = None, start_ms: int | None = None
    ) -> Json:
        """A further world of this server."""
        body = _given(name=name, estate=estate, seed=seed, start_ms=start_ms)
        return await self._json("POST", "/control/v1/worlds", body=body)

    async def drop_world(self) -> None:
        """End this world and delete what is kept of it."""
        await self.call("DELETE", self._path(""))

    async def snapshot(self, name: str = "") -> Json:
        """Write a snapshot now, or keep one in memory under a name."""
        return await self._json("POST", self._path("snapshot"), body={"name": name})

    async def snapshots(self) -> list[Json]:
        """The snapshots that are kept under names."""
        return _list(await self._json("GET", self._path("snapshots")), "snapshots")

    async def restore(self, snapshot: str) -> Json:
        """Go back to a kept snapshot."""
        return await self._json("POST", self._path("restore"), body={"snapshot": snapshot})

    async def fork(self, name: str, *, snapshot: str = "", endpoints: bool = False) -> Json:
        """Another world that begins where this one is, or at a kept snapshot."""
        body = {"name": name, "snapshot": snapshot, "endpoints": endpoints}
        return await self._json("POST", self._path("fork"), body=body)

    async def digest(self) -> str:
        """SHA-256 over the state."""
        return str((await self._json("GET", self._path("digest")))["digest"])

    async def key_store(self, *, devices: bool = False) -> KeyStore:
        """The world's certificates and private keys, with those of its devices if wanted."""
        content = await self.call("GET", self._path("keys/keystore.json"), query={"devices": str(devices).lower()})
        return key_store_of(read_keystore_json(content))

    # Time

    async def clock(self) -> Json:
        """Simulated time and how it moves."""
        return await self._json("GET", self._path("clock"))

    async def pause(self) -> Json:
        """Stand still."""
        return await self._json("POST", self._path("clock/pause"))

    async def resume(self) -> Json:
        """Go on as before the pause."""
        return await self._json("POST", self._path("clock/resume"))

    async def autojump(self) -> Json:
        """Jump whenever somebody waits."""
        return await self._json("POST", self._path("clock/autojump"))

    async def set_rate(self, rate: str) -> Json:
        """Follow wall time × rate: ``60``, ``0.5`` or ``3/2``."""
        return await self._json("POST", self._path("clock/rate"), body={"rate": rate})

    async def advance(self, *, by_ms: int | None = None, to_ms: int | None = None, timeout_ms: int = 600_000) -> Json:
        """Move time as fast as possible by or to; ``reached`` says whether it came there within the wall time given."""
        body = _given(by_ms=by_ms, to_ms=to_ms, timeout_ms=timeout_ms)
        return await self._json("POST", self._path("clock/advance"), body=body, waits_ms=timeout_ms)

    async def run_until_idle(self, *, timeout_ms: int = 600_000) -> bool:
        """Jump from event to event until nobody waits on simulated time."""
        body = {"timeout_ms": timeout_ms}
        return bool((await self._json("POST", self._path("clock/run-until-idle"), body=body, waits_ms=timeout_ms))["idle"])

    async def run_until(self, kind: str, *, timeout_ms: int = 600_000, within_ms: int | None = None, **condition: Any) -> Json:
        """Go from event to event until a condition of :meth:`wait` holds: ``met``, ``ended_by``, and what was ``seen`` of it."""
        body = {"condition": {"kind": kind, **condition}, **_given(timeout_ms=timeout_ms, within_ms=within_ms)}
        return await self._json("POST", self._path("clock/run-until"), body=body, waits_ms=timeout_ms)

    async def step(self, count: int = 1, *, timeout_ms: int = 600_000) -> Json:
        """Go on by so many events; ``events`` says how many there were."""
        body = {"count": count, "timeout_ms": timeout_ms}
        return await self._json("POST", self._path("clock/step"), body=body, waits_ms=timeout_ms)

    async def wait(self, kind: str, *, timeout_ms: int = 30_000, within_ms: int | None = None, **condition: Any) -> bool:
        """Wait for a condition by its kind, such as ``idle``, ``messages``, ``job`` or ``device``, with its fields."""
        body = {"condition": {"kind": kind, **condition}, **_given(timeout_ms=timeout_ms, within_ms=within_ms)}
        return bool((await self._json("POST", self._path("wait"), body=body, waits_ms=timeout_ms))["met"])

    # What is in it

    async def devices(self, **query: Any) -> list[Json]:
        """Devices with inventory, real state and job; ``type``, ``status``, ``hub``, ``limit``."""
        return _list(await self._json("GET", self._path("devices"), query=query), "devices")

    async def device(self, device: Eui64) -> Json:
        """One device."""
        return await self._json("GET", self._path(f"devices/{format_eui(device)}"))

    async def set_power(self, device: Eui64, on: bool) -> Json:
        """Switch a device on or off."""
        return await self._json("PUT", self._path(f"devices/{format_eui(device)}/power"), body={"on": on})

    async def fit_device(self, device: Eui64, **where: Any) -> Json:
        """Fit a pre-notified device as an installer does: ``hub``, in whose home, or ``home``, for a hub that begins one; and
        ``supplier`` and ``network_operator``, whose certificates it holds."""
        return await self._json("POST", self._path(f"devices/{format_eui(device)}/fit"), body=_given(**where))

    async def add_credit(self, meter: Eui64, pence: int = 0, utrn: str = "") -> bool:
        """What a customer does at a meter: type in a UTRN, or one bought for some pence; with neither, take the emergency credit.
        Whether the meter takes it."""
        found = await self._json("POST", self._path(f"devices/{format_eui(meter)}/credit"), body={"pence": pence, "utrn": utrn})
        return bool(found["taken"])

    async def deliver(self, device: Eui64, command: bytes) -> bytes | None:
        """Hand a device a Command on the spot; what it answers there and then, if it does."""
        body = {"gbcs": base64.b64encode(command).decode()}
        found = await self._json("POST", self._path(f"devices/{format_eui(device)}/deliver"), body=body)
        return None if found["response"] is None else base64.b64decode(found["response"])

    async def users(self) -> list[Json]:
        """Users and their endpoints."""
        return _list(await self._json("GET", self._path("users")), "users")

    async def endpoint(self, user: Eui64) -> Json:
        """Where a user's pushes go: ``url`` and ``floor_ms``."""
        return await self._json("GET", self._path(f"users/{format_eui(user)}/endpoint"))

    async def set_endpoint(self, user: Eui64, url: str, floor_ms: int | None = None) -> Json:
        """Where a user's pushes go, and the wall time between acknowledgement and push (None: the server's setting)."""
        body = {"url": url, **_given(floor_ms=floor_ms)}
        return await self._json("PUT", self._path(f"users/{format_eui(user)}/endpoint"), body=body)

    async def set_active(self, user: Eui64, active: bool) -> Json:
        """Suspend or restore a user."""
        return await self._json("PUT", self._path(f"users/{format_eui(user)}/status"), body={"active": active})

    async def firmware_list(self) -> list[Json]:
        """The Central Products List."""
        return _list(await self._json("GET", self._path("firmware-list")), "products")

    async def put_firmware(self, **row: Any) -> Json:
        """Add or change a product."""
        return await self._json("PUT", self._path("firmware-list"), body=row)

    async def jobs(self, **query: Any) -> list[Json]:
        """Firmware requests and their jobs; ``device``, ``request_id``, ``limit``."""
        return _list(await self._json("GET", self._path("jobs"), query=query), "requests")

    async def transactions(self, **query: Any) -> list[Json]:
        """Requests to devices; ``device``, ``request_id``, ``state``, ``limit``."""
        return _list(await self._json("GET", self._path("transactions"), query=query), "transactions")

    async def schedules(self, **query: Any) -> list[Json]:
        """Reads that the DSP repeats; ``device``, ``user``."""
        return _list(await self._json("GET", self._path("schedules"), query=query), "schedules")

    async def faults(self) -> list[Json]:
        """Planned faults."""
        return _list(await self._json("GET", self._path("faults")), "faults")

    async def fault_kinds(self) -> Json:
        """What can go wrong (``kinds``) and by what one selects whom (``who``)."""
        return await self._json("GET", "/control/v1/fault-kinds")

    async def add_fault(self, kind: str, device: Eui64 | None = None, **options: Any) -> int:
        """Plan a fault and return its number; ``options`` are the further keys of a fault (docs/reference/faults.md)."""
        return int(
            (await self.plan_fault({"kind": kind, **_given(device=None if device is None else format_eui(device), **options)}))[
                "fault"
            ]
        )

    async def plan_fault(self, fault: Mapping[str, Any]) -> Json:
        """Plan a fault as files have it: its number as ``fault``, and how many it can hit as ``matches``."""
        return await self._json("POST", self._path("faults"), body=dict(fault))

    async def remove_fault(self, number: int) -> None:
        """Take a fault back."""
        await self.call("DELETE", self._path(f"faults/{number}"))

    async def clear_faults(self) -> None:
        """Take all faults back."""
        await self.call("DELETE", self._path("faults"))

    # Campaigns

    async def campaigns(self) -> list[Json]:
        """Campaigns that run in the server, and those that did."""
        return _list(await self._json("GET", self._path("campaigns")), "campaigns")

    async def start_campaign(self, plan: str | Mapping[str, Any]) -> Json:
        """Start a campaign from a plan: the text of a file, or its tables."""
        body = {"plan": plan if isinstance(plan, str) else dict(plan)}
        return await self._json("POST", self._path("campaigns"), body=body)

    async def campaign(self, name: str) -> Json:
        """How a campaign stands."""
        return await self._json("GET", self._path(f"campaigns/{segment(name)}"))

    async def steer_campaign(self, name: str, act: str) -> Json:
        """``pause``, ``resume``, ``stop`` or ``retry`` a campaign; how it stands then."""
        return await self._json("POST", self._path(f"campaigns/{segment(name)}/{act}"))

    async def wait_for_campaign(self, name: str, *, timeout_ms: int = 30_000) -> Json:
        """Wait until it ends or rests (``met``), and how it stands then."""
        path = self._path(f"campaigns/{segment(name)}/wait")
        return await self._json("POST", path, body={"timeout_ms": timeout_ms}, waits_ms=timeout_ms)

    async def campaign_result(self, name: str) -> Json:
        """Everything about it, as ``campaign run --out`` writes it."""
        return await self._json("GET", self._path(f"campaigns/{segment(name)}/result"))

    async def drop_campaign(self, name: str) -> None:
        """Break it off, where it still runs, and forget it."""
        await self.call("DELETE", self._path(f"campaigns/{segment(name)}"))

    # What happened

    async def journal(self, **query: Any) -> list[Json]:
        """What happened: ``request_id``, ``device``, ``kind``, ``since_ms``, ``until_ms``, ``text``, ``after``, ``limit``,
        ``bodies``."""
        return _list(await self._json("GET", self._path("journal"), query=query), "entries")

    async def transcript_lines(self, **query: Any) -> bytes:
        """Everything that happened, with all XML and decoded GBCS: one JSON object a line."""
        return await self.call("GET", self._path("journal/transcript"), query=query)

    async def transcript(self, **query: Any) -> list[Json]:
        """The same as values."""
        return [json.loads(line) for line in (await self.transcript_lines(**query)).splitlines()]

    async def har(self, **query: Any) -> Json:
        """The same as an HTTP Archive (HAR 1.2)."""
        return await self._json("GET", self._path("journal/har"), query=query)

    async def exceptions(self, **query: Any) -> Json:
        """What does not go on by itself: ``jobs``, ``quarantine``, ``dead_letters``, ``warnings``, ``storage``, ``engine``."""
        return await self._json("GET", self._path("exceptions"), query=query)

    async def events(self, *, after: int = 0, count: int | None = None, **query: Any) -> AsyncIterator[Json]:
        """Journal entries as they come, from the one after ``after`` on, for as long as the caller wants, or so many.

        A connection that breaks is made anew where it left off; :class:`Unreachable` when that fails. When the world begins anew
        meanwhile (reset, restore), its entries follow, whose numbers begin with 1 again.
        """
        last_id, left, busy_s = "", count, 0.0
        while left != 0:
            try:
                wanted = {**query, "after": after, "count": left}
                async for id_, entry in self._stream(self._path("events"), wanted, last_id):
                    last_id = id_
                    left, busy_s = None if left is None else left - 1, 0.0
                    yield entry
            except aiohttp.ClientPayloadError:
                continue
            except Rejected as error:
                if error.status != NOT_NOW or busy_s > BEGINS_ANEW_S:
                    raise
                busy_s += LOOK_S  # the world begins anew
                await asyncio.sleep(LOOK_S)

    async def outbox(self, **query: Any) -> Json:
        """``counts`` and ``messages``: ``state``, ``recipient``, ``device``, ``request_id``, ``after``, ``limit``."""
        return await self._json("GET", self._path("outbox"), query=query)

    async def message(self, number: int) -> Json:
        """One message with its XML."""
        return await self._json("GET", self._path(f"outbox/{number}"))

    async def resend(self, number: int | None = None, recipient: Eui64 | None = None) -> Json:
        """Queue one finished message again, or all dead letters (of one recipient)."""
        if number is not None:
            return await self._json("POST", self._path(f"outbox/{number}/resend"))
        query = {} if recipient is None else {"recipient": format_eui(recipient)}
        return await self._json("POST", self._path("outbox/resend"), query=query)

    async def explain(self, request_id: str) -> Json:
        """Why a request was decided so, and what it waits for."""
        return await self._json("GET", self._path("explain"), query={"request_id": request_id})

    # Who may do what

    async def stock(self, part: str = "", **query: Any) -> Json:
        """Hubs and meters outside homes: all together, or ``units``, ``units/EUI``, ``orders``."""
        return await self._json("GET", self._path(f"stock/{part}".rstrip("/")), query=_given(**query))

    async def change_stock(self, method: str, part: str, **body: Any) -> Json:
        """Carry out an operation under ``stock`` of the control API."""
        return await self._json(method, self._path(f"stock/{part}"), body=_given(**body))

    async def grants(self) -> Json:
        """Grants and approvals."""
        return await self._json("GET", self._path("grants"))

    async def put_grant(self, supplier: str, agent: Eui64, to_ms: int, **limits: Any) -> Json:
        """Let an agent distribute firmware for a supplier: ``from_ms``, ``mpxns``, ``models``, ``regions``, ``versions``,
        ``max_devices``, ``approval``, ``on_change_of_supplier``, ``exclusive``."""
        body = {"supplier": supplier, "agent": format_eui(agent), "to_ms": to_ms, **_given(**limits)}
        return await self._json("PUT", self._path("grants"), body=body)

    async def revoke_grant(self, number: int) -> Json:
        """End a grant now."""
        return await self._json("DELETE", self._path(f"grants/{number}"))

    async def approve(self, grant: int, version: str, image_hash: str, devices: Iterable[Eui64] = ()) -> Json:
        """Approve an image under a grant; ``devices`` make it an approval of exactly that list."""
        body = {"grant": grant, "version": version, "image_hash": image_hash, "devices": [format_eui(eui) for eui in devices]}
        return await self._json("POST", self._path("approvals"), body=body)

    async def quarantine(self) -> list[Json]:
        """Requests that wait for an operator."""
        return _list(await self._json("GET", self._path("quarantine")), "requests")

    async def release(self, reference: int, *, operator: str = "") -> Json:
        """Let a quarantined request go on; ``operator`` is who does it, for the audit trail."""
        return await self._json("POST", self._path(f"quarantine/{reference}/release"), operator=operator)

    async def delete_quarantined(self, reference: int, *, operator: str = "") -> Json:
        """Delete a quarantined request."""
        return await self._json("DELETE", self._path(f"quarantine/{reference}"), operator=operator)

    async def anomaly(self) -> Json:
        """Thresholds, and what users have sent today."""
        return await self._json("GET", self._path("anomaly"))

    async def put_threshold(
        self, variant: str, user: str = "*", *, requests: int | None = None, devices: int | None = None
    ) -> Json:
        """Set the most that a user may send of a service in a day."""
        body = {"user": user, "variant": variant, **_given(requests=requests, devices=devices)}
        return await self._json("PUT", self._path("anomaly"), body=body)

    async def load_registrations(self, csv: str) -> Json:
        """Load registration data."""
        return await self._json("POST", self._path("registrations/load"), body={"csv": csv})

    async def set_credentials(self, device: Eui64, party: Eui64) -> Json:
        """Put a supplier's certificates into a device in the place of those of the one before, as a completed 6.23 would."""
        body = {"party": format_eui(party)}
        return await self._json("PUT", self._path(f"devices/{format_eui(device)}/credentials"), body=body)

    async def authorities(self) -> Json:
        """Certificates in PEM: of the ``root``, and of those who issue to ``organisations`` and to ``devices``."""
        return await self._json("GET", self._path("certificates/authorities"))

    async def renew_certificates(self, party: Eui64) -> Json:
        """Issue new GBCS certificates to a supplier or network operator: its ``certificates``, and the ``authority`` for the
        certification path of 6.15.1."""
        return await self._json("POST", self._path(f"users/{format_eui(party)}/certificates"))

    async def issue_certificate(self, request: bytes) -> Json:
        """Issue a ``certificate`` to a device for the signing request (DER) that it answered to 6.17."""
        body = {"request": base64.b64encode(request).decode()}
        return await self._json("POST", self._path("certificates"), body=body)

    async def reports(self) -> list[Json]:
        """The reports that there are."""
        return _list(await self._json("GET", self._path("reports")), "reports")

    async def report(self, name: str, **filters: Any) -> Json:
        """One report: ``columns`` and ``rows``."""
        return await self._json("GET", self._path(f"reports/{name}"), query=filters)

    # Who did it

    async def audit(self, **query: Any) -> list[Json]:
        """Records of the audit trail: ``device``, ``user``, ``request_id``, ``kind``, ``variant``, ``image_hash``, ``from_ms``,
        ``to_ms``, ``after``, ``before``, ``limit``, ``newest_first``."""
        return _list(await self._json("GET", self._path("audit"), query=query), "records")

    async def audit_devices(self, digest: str) -> list[str]:
        """The devices that a record names by this digest."""
        found: list[str] = (await self._json("GET", self._path(f"audit/lists/{digest}")))["devices"]
        return found

    async def verify_audit(self, *, timeout_ms: int = 600_000) -> Json:
        """Whether the audit trail is whole, and where it is broken first."""
        return await self._json("GET", self._path("audit/verify"), waits_ms=timeout_ms)

    async def export_audit(self, *, timeout_ms: int = 600_000) -> bytes:
        """The whole audit trail: one JSON object a line."""
        return await self.call("GET", self._path("audit/export"), waits_ms=timeout_ms)


def _given(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not None}


def _list(answer: Json, name: str) -> list[Json]:
    found: list[Json] = answer[name]
    return found
