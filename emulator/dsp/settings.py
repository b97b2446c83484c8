"""Switches and timings of the DSP, each with its source. Each meaning that is uncertain is here, never a constant in logic."""

from dataclasses import dataclass

from emulator.domain.settings import DAY_MS, HOUR_MS, MINUTE_MS, setting


@dataclass(frozen=True, slots=True)
class DspSettings:
    """``[settings.dsp]`` of an estate overrides these by name."""

    strict_counter: bool = setting(False, "wire_contract.md 0.6", "high")
    """Refuse a RequestID counter that is not above the last; off because stock clients overtake one another."""
    non_device_success_code: str = setting("I99", "duis.md 1.6", "medium")
    """Code of a Non-Device request that succeeds without data: I99 or I0."""
    version_agreement: str = setting("warn", "ota.md 3.1", "medium")
    """``off``, ``warn`` or ``refuse`` when FirmwareVersion and the OTA header differ; the published sample does."""
    same_version_applicable: bool = setting(True, "ota.md 5.2", "low")
    """Whether an image of the version the inventory shows may be sent again."""
    in_progress_guard: bool = setting(True, "ota.md 11.2", "medium")
    """One distribution per device at a time."""
    ppmid_hub_gbcs_version: str = setting("4.0", "ota.md fact 10; the number is ours", "low")
    """Lowest GBCS version of a hub that can distribute to PPMIDs and HCALCSs."""
    on_demand_validity_ms: int = setting(DAY_MS + HOUR_MS, "L023 and an hour for the way", "low")
    """How long the DSP waits for a device's answer; longer than the csp tries to deliver, so that E20 and E21 stay apart."""
    future_date_limit_ms: int = setting(30 * DAY_MS, "duis.md 1.8", "medium")
    """How far ahead a date may lie."""
    pre_command_validity_ms: int = setting(DAY_MS, "EMU", "low")
    """How long after Transform a Pre-Command may come back signed."""
    distribution_deadline_ms: int = setting(5 * DAY_MS, "L013", "medium")
    """Service time of a distribution to the hub; later it counts as overdue."""
    silence_ms: int = setting(15 * DAY_MS, "EMU: a day more than L036", "low")
    """How long a job may hear nothing after its image reached the hub before it counts as UNKNOWN."""
    ppmid_silence_ms: int = setting(60 * MINUTE_MS, "L038", "low")
    """The same for a PPMID that took its image and has not reported its activation."""
    update_inventory_on_read: bool = setting(True, "duis.md 3.1 citing SR112", "medium")
    """An 11.2 Response corrects the inventory when the version is on the CPL."""
    mismatch_alert: bool = setting(True, "ota.md F38", "low-medium")
    """FirmwareVersionMismatch when a read shows a version that no request explains."""
    comms_hub_alert_to_requester: bool = setting(True, "access.md 9", "low")
    """The requester of a distribution gets the hub's transfer alerts too."""
    hub_log_window_grace_ms: int = setting(60_000, "EMU", "low")
    """Added to JoinTimePeriod before N25 is raised."""
