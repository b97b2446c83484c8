"""Read-only descriptions of a world as JSON values, for the control interface and the console. Nothing here changes state."""

from dataclasses import asdict
from typing import Any

from emulator.domain.identifiers import Eui64, format_eui
from emulator.dsp import job_states
from emulator.dsp.anomaly import Quarantined
from emulator.dsp.jobs import job_of
from emulator.dsp.state import InventoryEntry, Job, Transaction
from emulator.engine import Engine


class Views:
    """Looks at one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def world(self) -> dict[str, Any]:
        """Where the world stands."""
        state = self._engine.state
        return {
            "estate": state.estate.name,
            "seed": state.estate.seed,
            "now_ms": state.now_ms,
            "homes": len(state.dsp.premises),
            "devices": len(state.dsp.inventory),
            "users": len(state.dsp.users),
            "awaited": self._engine.awaited(),
            "next_wakeup_ms": self._engine.next_wakeup(),
            "deliveries": state.numbers.get("delivery", 0),
        }

    def users(self) -> list[dict[str, Any]]:
        """The DUIS users and their endpoints."""
        return [
            {
                "user": format_eui(user.eui),
                "name": user.name,
                "party": user.party,
                "roles": [role.value for role in user.roles],
                "active": user.active,
                "endpoint": user.endpoint,
            }
            for user in self._engine.state.dsp.users.values()
        ]

    def endpoint(self, user: int) -> str:
        """Where a user's pushes go; empty while it has no endpoint."""
        found = self._engine.state.dsp.users.get(Eui64(user))
        return found.endpoint if found is not None else ""

    def device_exists(self, eui: int) -> bool:
        """Whether the inventory or a home holds this EUI."""
        engine = self._engine
        return eui in engine.state.dsp.inventory or engine.premises.describe(Eui64(eui), engine.now_ms) is not None

    def devices(self) -> list[dict[str, Any]]:
        """All devices, as the inventory has them."""
        return [self._inventory(entry) for entry in self._engine.state.dsp.inventory.values()]

    def device(self, eui: int) -> dict[str, Any] | None:
        """One device: what the inventory believes, what the device is, its firmware job; None when there is none."""
        entry = self._engine.state.dsp.inventory.get(Eui64(eui))
        real = self._engine.premises.describe(Eui64(eui), self._engine.now_ms)
        if entry is None and real is None:
            return None
        job = job_of(self._engine.context, eui)
        return {
            "device": format_eui(eui),
            "inventory": None if entry is None else self._inventory(entry),
            "state": real,
            "job": None if job is None else self._job(job),
        }

    def jobs(self) -> list[dict[str, Any]]:
        """Firmware requests with their jobs."""
        dsp = self._engine.state.dsp
        return [
            {
                "request_id": request.request_id,
                "variant": request.service_reference_variant,
                "user": format_eui(request.user),
                "firmware_version": request.firmware_version,
                "image_hash": request.image_hash,
                "accepted_ms": request.accepted_ms,
                "jobs": [self._job(dsp.jobs[key]) for key in request.jobs],
            }
            for request in dsp.firmware_requests.values()
        ]

    def transactions(self) -> list[dict[str, Any]]:
        """Requests to devices and how far they are."""
        return [self._transaction(transaction) for transaction in self._engine.state.dsp.transactions.values()]

    def registrations(self) -> list[dict[str, Any]]:
        """Who is registered for what."""
        return [asdict(entry) for entries in self._engine.state.dsp.registrations.values() for entry in entries]

    def firmware_list(self) -> list[dict[str, Any]]:
        """The Central Products List."""
        return [asdict(entry) for entry in self._engine.state.dsp.cpl.values()]

    def faults(self) -> list[dict[str, Any]]:
        """The fault plan."""
        return [
            {**asdict(entry), "entity": None if entry.entity is None else format_eui(entry.entity)}
            for entry in self._engine.faults.entries
        ]

    def explain(self, request_id: str) -> dict[str, Any] | None:
        """What the engine has of a request now; None when it has nothing."""
        dsp = self._engine.state.dsp
        wanted = request_id.lower()
        transactions = [t for t in dsp.transactions.values() if str(t.request.request_id).lower() == wanted]
        requests = [r for r in dsp.firmware_requests.values() if r.request_id.lower() == wanted]
        held = [q for q in dsp.anomaly.quarantine.values() if str(q.request.request_id).lower() == wanted]
        if not (transactions or requests or held):
            return None
        return {
            "transactions": [self._transaction(each) for each in transactions],
            "jobs": [self._job(dsp.jobs[key]) for each in requests for key in each.jobs[:100]],
            "quarantine": [self._held(each) for each in held],
        }

    def grants(self) -> dict[str, Any]:
        """What suppliers let agents do, and approvals."""
        state, now_ms = self._engine.state.dsp.grants, self._engine.now_ms
        return {
            "grants": [
                {
                    **asdict(grant),
                    "agent": format_eui(grant.agent),
                    "live": grant.live(now_ms),
                    **{name: sorted(getattr(grant, name)) for name in ("mpxns", "models", "regions", "versions")},
                }
                for grant in state.grants.values()
            ],
            "approvals": [asdict(token) for token in state.tokens.values()],
        }

    def quarantine(self) -> list[dict[str, Any]]:
        """Requests that wait for an operator."""
        return [self._held(each) for each in self._engine.state.dsp.anomaly.quarantine.values()]

    def anomaly(self) -> dict[str, Any]:
        """Thresholds, and what users have sent of the services that have one."""
        state = self._engine.state.dsp.anomaly
        return {
            "thresholds": [
                {**asdict(each), "user": "*" if each.user is None else format_eui(each.user)} for each in state.thresholds
            ],
            "usage": [
                {"user": format_eui(user), "variant": variant, **asdict(usage)} for (user, variant), usage in state.usage.items()
            ],
        }

    def _held(self, held: Quarantined) -> dict[str, Any]:
        return {
            "reference": held.reference,
            "request_id": str(held.request.request_id),
            "variant": held.request.service_reference_variant,
            "user": format_eui(held.user),
            "at_ms": held.at_ms,
            "reason": held.reason,
        }

    def _inventory(self, entry: InventoryEntry) -> dict[str, Any]:
        return {
            "device": format_eui(entry.eui),
            "type": entry.device_type.value,
            "status": None if entry.status is None else entry.status.value,
            "hub": None if entry.hub is None else format_eui(entry.hub),
            "manufacturer": entry.manufacturer,
            "model": entry.model,
            "firmware_version": entry.firmware_version,
            "gbcs_version": entry.gbcs_version,
            "import_mpxn": entry.import_mpxn,
            "export_mpan": entry.export_mpan,
            "joined_to": [format_eui(eui) for eui in entry.joined_to],
        }

    def _job(self, job: Job) -> dict[str, Any]:
        open_ = job.state not in job_states.TERMINAL
        return {
            "device": format_eui(job.device),
            "hub": format_eui(job.hub),
            "state": job.state,
            "reason": job.reason,
            "since_ms": job.since_ms,
            "open": open_,
            "waiting_for": self._engine.csp.describe_job(str(job.key), self._engine.now_ms) if open_ else None,
        }

    def _transaction(self, transaction: Transaction) -> dict[str, Any]:
        return {
            "request_id": str(transaction.request.request_id),
            "variant": transaction.request.service_reference_variant,
            "device": format_eui(transaction.device),
            "user": format_eui(transaction.user),
            "state": transaction.state.value,
            "due_ms": transaction.due_ms,
        }
