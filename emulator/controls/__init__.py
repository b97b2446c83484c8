"""Commands of the control interface that change a world. Each is an input: logged, ordered, replayed.

A verb takes JSON values and gives JSON values; :class:`Malformed` refuses it and changes nothing.
"""

from collections.abc import Callable, Mapping
from typing import Any

from emulator.controls import estate, governance, makers, parties, smki, stock
from emulator.controls.params import Params, take
from emulator.domain.errors import Malformed
from emulator.domain.operators import check_operator
from emulator.dsp import firmware_controls
from emulator.dsp.effects import ControlAnswer
from emulator.dsp.inputs import ControlInput
from emulator.engine import Engine

Verb = Callable[[Engine, Params], dict[str, Any]]

VERBS: Mapping[str, Verb] = {
    "user.endpoint": parties.user_endpoint,
    "user.status": parties.user_status,
    "registration.put": parties.registration_put,
    "registration.load": parties.registration_load,
    "cpl.put": estate.cpl_put,
    "device.power": estate.device_power,
    "device.fit": estate.device_fit,
    "device.deliver": estate.device_deliver,
    "device.credit": estate.device_credit,
    "device.event": estate.device_event,
    "device.boost": estate.device_boost,
    "device.side_channel": makers.device_side_channel,
    "device.announce_version": makers.device_announce_version,
    "hub.update": estate.hub_update,
    "network.capacity": estate.network_capacity,
    "network.outage": estate.network_outage,
    "fault.add": estate.fault_add,
    "fault.remove": estate.fault_remove,
    "job.cancel": governance.job_cancel,
    "grant.put": governance.grant_put,
    "grant.revoke": governance.grant_revoke,
    "grant.approve": governance.grant_approve,
    "anomaly.threshold": governance.anomaly_threshold,
    "quarantine.release": governance.quarantine_release,
    "quarantine.delete": governance.quarantine_delete,
    "device.credentials": parties.device_credentials,
    "party.renew": smki.party_renew,
    "certificate.issue": smki.certificate_issue,
    "stock.book": stock.stock_book,
    "stock.mark": stock.stock_mark,
    "stock.policy": stock.stock_policy,
    "stock.defect": stock.stock_defect,
    "stock.deliver": stock.stock_deliver,
    "stock.issue": stock.stock_issue,
    "stock.install": stock.stock_install,
    "stock.update": stock.stock_update,
    "stock.visit": stock.stock_visit,
    "returns.take": stock.returns_take,
    "returns.batch": stock.returns_batch,
    "reflash.order": stock.reflash_order,
    "triage.hub": stock.triage_hub,
    "triage.run": stock.triage_run,
    "unit.step": stock.unit_take_step,
    "release.set": lambda engine, params: firmware_controls.switch(engine.context, params),
    "upgrade_path.put": lambda engine, params: firmware_controls.put_upgrade_path(engine.context, params),
}
"""Every verb by name."""


class ControlledEngine(Engine):
    """An engine that takes control inputs as well."""

    def control(self, item: ControlInput, at_ms: int) -> ControlAnswer:
        """Advance to ``at_ms`` and carry out one verb; a refused one changes nothing.

        Every verb takes ``operator`` too: the human who gives the command, for the audit trail.
        """
        self.advance(at_ms)
        verb, params = VERBS.get(item.verb), dict(item.params)
        try:
            if verb is None:
                raise Malformed(f"there is no verb {item.verb!r}", expected=f"one of {', '.join(sorted(VERBS))}")
            self.context.controller = check_operator(take(params, "operator", str, ""))
            params.pop("operator", None)
            return ControlAnswer(verb(self, params))
        except Malformed as error:
            return ControlAnswer({"detail": error.detail, "where": error.where, "expected": error.expected}, str(error))
        finally:
            self.context.controller = ""
