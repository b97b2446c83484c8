"""Switches and timings of the DSP, each with its source. Each meaning that is uncertain is here, never a constant in logic."""

from dataclasses import dataclass

from emulator.domain.limits import MAX_FIRMWARE_IMAGE_BYTES
from emulator.domain.settings import DAY_MS, HOUR_MS, MINUTE_MS, setting
from emulator.dsp.interface_versions import check_since, check_users


@dataclass(frozen=True, slots=True)
class DspSettings:
    """``[settings.dsp]`` of an estate overrides these by name."""

    strict_counter: bool = setting(False, "wire_contract.md 0.6", "high")
    """Refuse a RequestID counter that is not above the last; off because stock clients overtake one another."""
    non_device_success_code: str = setting("I99", "duis.md 1.6", "medium", choices=("I99", "I0"))
    """Code of a Non-Device request that succeeds without data: I99 or I0."""
    check_responsibility: bool = setting(True, "ota.md 3.2", "high")
    """Whether a device may only be reached by who is registered for it. Off: the device is the only gate left."""
    check_products_list: bool = setting(True, "ota.md 3.2", "high")
    """Whether an image must be on the Central Products List, in use, and for the model of the device."""
    check_image_hash: bool = setting(True, "ota.md 3.2", "high")
    """Whether the Manufacturer Image must hash to what the Central Products List says."""
    max_image_bytes: int = setting(MAX_FIRMWARE_IMAGE_BYTES, "L004; ota.md 3.2", "low")
    """Largest OTA file that the DSP takes. Hubs take less."""
    hw_version_mandatory: bool = setting(False, "ota.md 3.1; scenarios.md S-09", "medium")
    """Whether the DSP refuses an image whose header has no hardware versions. Hubs have a switch of their own."""
    version_agreement: str = setting("warn", "ota.md 3.1", "medium", choices=("off", "warn", "refuse"))
    """``off``, ``warn`` or ``refuse`` when FirmwareVersion and the OTA header differ; the published sample does."""
    same_version_applicable: bool = setting(True, "ota.md 5.2", "low")
    """Whether an image of the version the inventory shows may be sent again."""
    in_progress_guard: bool = setting(True, "ota.md 11.2", "medium")
    """One distribution per device at a time."""
    in_progress_until: str = setting("device", "ota.md 11.2", "low", choices=("csp", "ch", "device"))
    """What ends a distribution for that guard: the CSP's leg (``csp``), the hub's (``ch``), or what the device made of it."""
    ppmid_hub_gbcs_version: str = setting("4.0", "ota.md fact 10; the number is ours", "low")
    """Lowest GBCS version of a hub that can distribute to PPMIDs and HCALCSs."""
    dsp_release: bool = setting(True, "ota.md 1 item 10; Q7-55", "medium")
    """Whether a world begins with the DSP's release of firmware for PPMIDs and HCALCSs."""
    csp_release: bool = setting(True, "ota.md 1 item 10; Q7-55", "medium")
    """The same for the CSPs'. Hubs follow by firmware version: ``ppmid_hub_gbcs_version``, and what an operator switches."""
    sr_11_4: bool = setting(True, "Q7-19", "low")
    """Whether a world begins with 11.4."""
    on_back_out: str = setting("cancel", "Q7-71", "low", choices=("cancel", "let_run"))
    """What becomes of jobs whose image is not at its hub yet when their feature is backed out."""
    upgrade_order: str = setting("refuse", "ota.md F45 citing MP231", "low", choices=("off", "warn", "refuse"))
    """What follows where a device does not run a version from which the image's may be reached: it is not applicable
    (``refuse``), the journal has it (``warn``), or nothing. Without ``[[settings.upgrade_paths.rows]]`` there is no order."""
    pending_supplier_firmware: str = setting(
        "refuse", "access.md 3 from a remark of the matrix; duis.md 3.3 E4 for at_date", "medium", choices=("refuse", "at_date")
    )
    """Whether who is responsible at the date of a dated firmware service (11.x), and not yet, may ask for it ahead
    (``at_date``) or must be responsible now as well (``refuse``). Other dated services always go by their date."""
    hcalcs_responsible: str = setting("esme", "access.md 3 and 6", "medium", choices=("esme", "meters"))
    """Through which meters an HCALCS belongs to a supplier: its ESME, or as a PPMID through any."""
    gpf_log_by_import_supplier: bool = setting(True, "access.md 3", "low")
    """Whether the import supplier of a home may send 8.12.2, as its gas supplier may. All else of a GPF is the gas supplier's."""
    on_demand_validity_ms: int = setting(DAY_MS + HOUR_MS, "L023 and an hour for the way", "low")
    """How long the DSP waits for a device's answer; longer than the csp tries to deliver, so that E20 and E21 stay apart."""
    late_responses: str = setting("drop", "EMU: the sources are silent", "low", choices=("drop", "deliver"))
    """What becomes of a Response after its request was reported as failed."""
    command_failure_on_demand: bool = setting(True, "ota.md 5.3 and F35; duis.md 1.6 names held requests only", "low")
    """Whether a CommandFailure alert goes with E20 and E21 of a request that was not dated either."""
    future_date_limit_ms: int = setting(30 * DAY_MS, "duis.md 1.8", "medium")
    """How far ahead a date may lie."""
    cos_lead_ms: int = setting(DAY_MS, "EMU: duis.md 1.8 says that the DSP holds and the device executes, and no figure", "low")
    """How long before its date a change of supplier (6.23) goes to the device, after its checks were made again."""
    future_dated_grace_ms: int = setting(DAY_MS + HOUR_MS, "EMU: as for an answer", "low")
    """How long after its date the outcome of a command that the device holds is waited for."""
    sequence_wait_ms: int = setting(DAY_MS + 2 * HOUR_MS, "duis.md 1.9: time-limited, without a figure", "low", minimum=1)
    """How long a request waits for the one before it in its sequence; longer than that one may wait for its answer."""
    sequence_success: str = setting("ok", "duis.md 1.9: after the predecessor succeeded", "low", choices=("ok", "response"))
    """When that one has succeeded: its device answered that all went well, or answered at all."""
    local_delivery_roles: str = setting("IS GS", "duis.md 3.3 E17; 8.13 is for these roles", "low")
    """Roles, with spaces between them, in which a command may be asked for that is delivered locally."""
    local_delivery_statuses: str = setting("InstalledNotCommissioned Commissioned Suspended Recovered", "duis.md 3.3 E17", "low")
    """Statuses of a device, with spaces between them, in which it may be."""
    local_copy: str = setting("pushed", "duis.md 1.4: not settled for variants 3 and 7", "low", choices=("pushed", "answered"))
    """Where the copy of a command goes that is sent over the WAN too: to the user's endpoint after I99, or into the answer."""
    forward_local_response: bool = setting(False, "duis.md 1.6: 8.13 has no asynchronous message", "low")
    """Whether a device's answer that comes in by 8.13 is pushed to the user as well, as one that came over the WAN."""
    schedules_per_device: int = setting(99, "duis.md 1.9: 5.2 can tell of 99", "low", minimum=1)
    """How many schedules a device may have, whosoever they are."""
    schedule_past_start: str = setting("refuse", "duis.md 3.4 names a check of the dates", "low", choices=("refuse", "accept"))
    """Whether a schedule may name a day that is over as its first; its runs count from that day all the same."""
    schedule_start_time_ms: int = setting(0, "EMU: the schema lets it be left out", "low")
    """When a schedule without ScheduleExecutionStartTime runs, in milliseconds after midnight UTC."""
    scheduled_request_id: str = setting(
        "none", "duis.md 1.9 and section 9 item 7: not settled", "low", choices=("none", "created", "run")
    )
    """RequestID of the Response of a scheduled run: none, that of the 5.1, or one of the run's own. CommandFailure has to name
    one and names the 5.1's where this says none."""
    schedules_on_change_of_supplier: str = setting("remove", "N6: its cause is low", "low", choices=("remove", "keep"))
    """What becomes of the schedules of who is no longer responsible; those that are kept fail at each run (N11)."""
    held_on_change_of_supplier: str = setting("check", "N10: its cause is low", "low", choices=("check", "drop"))
    """What becomes of a request that the DSP holds for who will not be responsible at its date: it fails at the gate then (E4 and
    N11), or is dropped as soon as the registration says so (N10)."""
    schedules_on_suspension: str = setting("remove", "N17: its cause is low", "low", choices=("remove", "keep"))
    """What becomes of the schedules of a device that is suspended; those that are kept fail until it is restored (N11)."""
    pre_command_validity_ms: int = setting(DAY_MS, "EMU", "low")
    """How long after Transform a Pre-Command may come back signed."""
    hand_over_jobs: int = setting(100, "EMU", "low", minimum=1)
    """Firmware jobs given to the csp in one step, so that a large request does not hold up everybody else."""
    distribution_failure_collect_ms: int = setting(MINUTE_MS, "EMU", "low")
    """Failures of one request within this time are told in one FirmwareDistributionFailure."""
    devices_per_alert: int = setting(3_500, "wire_contract.md 0.10: the stock client takes 100 kB", "high", minimum=1)
    """Most device identities in one DCC Alert."""
    distribution_deadline_ms: int = setting(5 * DAY_MS, "L013", "medium")
    """Service time of a distribution to the hub; later it counts as overdue."""
    distribution_limit_ms: int = setting(10 * DAY_MS, "ota.md 11.2 has such an end, and no figure", "low")
    """When the DSP gives up what is not at its hub."""
    silence_ms: int = setting(15 * DAY_MS, "EMU: a day more than L036", "low")
    """How long a job may hear nothing after its image reached the hub before it counts as UNKNOWN."""
    receipt_silence_ms: int = setting(DAY_MS + HOUR_MS, "EMU: as for an answer", "low")
    """The same for a meter or HCALCS that took its image and has not reported on it (ota.md F30)."""
    ppmid_silence_ms: int = setting(60 * MINUTE_MS, "L038", "low")
    """The same for a PPMID that took its image and has not reported its activation. Neither its hub nor the DCC reads its version
    then: 11.2 does (ota.md C8)."""
    update_inventory_on_read: bool = setting(True, "duis.md 3.1 citing SR112", "medium")
    """An 11.2 Response corrects the inventory when the version is on the CPL."""
    mismatch_alert: str = setting("any", "ota.md 5.3, F38", "low-medium", choices=("off", "unexplained", "any"))
    """When a read shows another version than the inventory: no FirmwareVersionMismatch, one only when no firmware request
    explains it, or always."""
    smi_update_on: str = setting("response", "Q7-07", "low", choices=("response", "alert", "112_only"))
    """What lets the inventory follow an activation: any report of it that arrives, alerts alone (8F66, CS09), or nothing but the
    answer to 11.2."""
    local_upgrade: str = setting("allowed", "Q7-02, Q7-31", "low", choices=("allowed", "internet_only", "banned"))
    """What makers may do to the firmware of their combined displays beside the DCC: anything, over the internet alone, or
    nothing. It binds makers; no device is changed by it."""
    maker_announcements: bool = setting(True, "Q7-62", "low")
    """Whether a maker may tell the DCC which version a device of its runs now, so that the inventory follows without 11.2."""
    allow_112_suspended: bool = setting(True, "ota.md 5.1 citing MP105", "medium")
    """Whether the version of a Suspended device may be read."""
    alert_throttling: bool = setting(False, "L028", "low")
    """Whether alerts with the same code about the same device are held back from a user beyond ``throttle_alerts``."""
    throttle_alerts: int = setting(5, "L028", "low", minimum=1)
    """How many of them go within ``throttle_window_ms``."""
    throttle_window_ms: int = setting(DAY_MS, "L028", "low", minimum=1)
    """The window, which begins with the first of them; the first after it has ThrottledAlertCount for those held back."""
    throttle_exempt: str = setting("", "duis.md 1.10: there is such a list; what is on it is not known", "low")
    """Codes that are never held back, with spaces between them."""
    duis_versions: str = setting("", "duis.md 6.4 N999; Q7-34", "low", check=check_users)
    """Users on an older version of DUIS: EUIs with their versions, such as `90-B3-D5-1F-30-01-00-00=5.1`, with spaces between
    them."""
    duis_since: str = setting("", "no public source; Q7-34", "low", check=check_since)
    """What came with which version: numbers or bodies of DCC Alerts, such as `PPMIDAlert=5.2`, with spaces between them. In place
    of one that is newer than its own version a user gets DUISVersionMismatch."""
    load_control_alert: str = setting("joined", "duis.md 4, N58", "low", choices=("off", "joined", "any"))
    """Which ESMEs ALCSHCALCSConfigurationChange (N58) tells of when their variant or GBCS version is another: none, those that
    an HCALCS is joined with, or all."""
    comms_hub_alert_to_requester: bool = setting(True, "access.md 9", "low")
    """The requester of a distribution gets the hub's transfer alerts too."""
    credentials_alert_to_requester: bool = setting(False, "duis.md 4: N42 to the party whose credentials were placed", "low")
    """Whether SecurityCredentialsUpdated (N42) goes to who asked for the replacement too, which has the answer of the device."""
    rsa_policy: str = setting("today", "access.md 4", "medium", choices=("today", "mp207_controlled"))
    """What a Registered Supplier Agent may do: today's rights, or 11.1 as well under grants of the responsible supplier."""
    agents_may_activate: bool = setting(False, "M7-16", "low")
    """What if agents could ask for 11.3 for meters that they are registered for: the DSP lets them then. The meter has the
    supplier's certificates and not theirs."""
    rsa_alert_copy: bool = setting(False, "access.md 4 and 9", "low")
    """Whether an agent gets copies of the receipts 8F72 and 8F1C for what it sent; the device addresses the supplier."""
    activation_hash_guard: str = setting("off", "access.md 4", "low", choices=("off", "warn", "block"))
    """What the DSP does with an 11.3 whose hash is not that of the image last sent to the device."""
    on_change_of_supplier: str = setting("let_run", "access.md 5", "low", choices=("cancel", "let_run"))
    """What becomes of a supplier's own distribution that is not at its hub when it loses the device; grants say it for agents."""
    ppmids_per_hub: int = setting(2, "L046", "low", minimum=1)
    """How many PPMIDs a hub may list: 8.11 adds no further one. An estate may begin with more."""
    hcalcs_per_hub: int = setting(5, "L047", "medium", minimum=1)
    """The same for HCALCSs."""
    hub_log_window_grace_ms: int = setting(60_000, "EMU", "low")
    """Added to JoinTimePeriod before N25 is raised."""
    wan_matrix_likelihood: str = setting("High", "EMU: 12.1 asks for one", "low", choices=("High", "Medium", "Low"))
    """ConnectivityLikelihood of the answers to 12.1."""
    hub_status_reports: str = setting("apply", "duis.md 7.5: effect not established", "low", choices=("apply", "record"))
    """Whether 8.14 changes the status of the hub in the inventory, or is a record alone."""
    customer_identification_number: str = setting("1234", "test messages ECS50 and GCS36", "high")
    """The four digits that 9.1 has a meter show; empty: others for each request."""
    keep_request_ids: int = setting(200_000, "EMU; retention is duis.md 9.5", "low", minimum=1)
    """RequestIDs remembered as used; a repetition of an older one is not recognised any more."""
    keep_counters: int = setting(200_000, "EMU", "low", minimum=1)
    """Pairs of user and target whose highest counter is remembered for ``strict_counter``."""
    keep_pre_commands: int = setting(20_000, "EMU", "low", minimum=1)
    """Pre-Commands that may still come back signed; older ones are unknown then."""
    keep_transactions: int = setting(20_000, "EMU", "low", minimum=1)
    """Finished requests to devices that can be looked at; those under way are always kept."""
    keep_throttled: int = setting(200_000, "EMU", "low", minimum=1)
    """Windows of ``alert_throttling`` that are remembered; of older ones nothing is counted any more."""
    keep_jobs: int = setting(200_000, "EMU", "low", minimum=1)
    """Firmware jobs of finished requests that are remembered; the newest request is always kept."""
    keep_quarantined: int = setting(200, "EMU: some hold an image", "low", minimum=1)
    """Requests in quarantine; where there are more, the oldest is deleted, which the audit trail says."""
