"""What holds for hubs and meters outside homes: lots, times, fees and who may do what."""

from dataclasses import dataclass

from emulator.domain.settings import setting

LEVELS = ("unit", "carton", "pallet")
"""In what goods are counted, the smallest first."""


@dataclass(frozen=True, slots=True)
class LogisticsSettings:
    """Settings of logistics; money is in pence."""

    carton_units: int = setting(20, "L102", "low", minimum=1)
    """Units of a carton."""
    pallet_cartons: int = setting(40, "L102", "low", minimum=1)
    """Cartons of a pallet: 800 units."""
    transit_days: int = setting(2, "EMU", "low")
    """How long goods are under way, to a supplier or to the re-flash facility and back."""
    return_transit_days: int = setting(3, "EMU", "low")
    """How long a returned unit is under way."""
    mp155: bool = setting(True, "ota.md 10, C-06", "medium")
    """Whether a supplier can have its stock re-flashed at all."""
    min_lot: str = setting("pallet", "ota.md 10, C-12", "low", LEVELS)
    """The smallest that an order to re-flash may be of; the DCC leaned to pallets."""
    reflash_minutes: int = setting(10, "L103", "low")
    """Time at one place of the facility to re-flash a unit."""
    reflash_places: int = setting(20, "EMU", "low", minimum=1)
    """Units that the facility re-flashes at a time."""
    reflash_failures_per_10000: int = setting(10, "EMU", "low")
    """Of so many units, how many do not start any more."""
    reflash_before_delivery: bool = setting(False, "C-04, C-05", "high")
    """Whether the CSP re-flashes what is not at the newest version before it delivers it."""
    signed_images_only: bool = setting(True, "C-10", "medium")
    """Whether the facility takes no image that the CSP did not sign."""
    visit_minutes: int = setting(60, "EMU", "low", minimum=1)
    """Length of a visit to install a hub."""
    hub_image_kib: int = setting(6_591, "L104", "low", minimum=1)
    """Size of the hub firmware that is sent during a visit: over cellular it takes the 45 minutes of L104."""
    max_visit_minutes: int = setting(180, "EMU", "low", minimum=1)
    """An installer does not begin an update that would make the visit longer."""
    reseal_required: bool = setting(True, "T-07", "high")
    """Whether a unit whose seal is broken may not be used again before it is sealed anew."""
    triage_actor: str = setting("manufacturer", "T-09", "high", ("manufacturer", "anyone"))
    """Who may triage SMETS2 meters by the maker's own way: their manufacturers, or anyone."""
    triage_dcc_minutes: int = setting(30, "EMU", "low")
    """Time that it takes to join a unit on the bench, read it and swap the hub."""
    triage_local_minutes: int = setting(15, "EMU", "low")
    """Time of a triage by the maker's own way."""
    triage_dcc_finds_percent: int = setting(95, "EMU", "low")
    """Of faults that make themselves felt in a triage, or are plain to see, how many the DCC's way finds."""
    triage_local_finds_percent: int = setting(80, "EMU", "low")
    """The same of a maker's own way."""
    triage_dcc_tries: int = setting(3, "T-08", "low", minimum=1)
    """Occasions on which a unit on the DCC's bench can make itself felt: it joins, its log is read, and its version."""
    triage_local_tries: int = setting(1, "EMU", "low", minimum=1)
    """The same of a maker's own way."""
    triage_false_alarms_percent: int = setting(2, "EMU", "low")
    """Of units without fault, how many a triage finds faulty."""
    no_fault_found_percent: int = setting(70, "L105", "high")
    """Of generated returns, how many have no fault."""
    no_fault_fee_pence: int = setting(743, "L106", "high")
    """For a hub that is returned without a fault."""
    redeployable_fee_pence: int = setting(827, "L107", "high")
    """For a returned hub that can be used again."""
    single_band_fee_pence: int = setting(3_087, "L107", "high")
    """For a returned single-band hub that cannot."""
    dual_band_fee_pence: int = setting(5_875, "L107", "high")
    """For a returned dual-band hub that cannot."""
    ppmid_pence: int = setting(2_000, "L108", "high")
    """For a new PPMID."""
    triage_pence: int = setting(400, "EMU", "low")
    """For the triage of one unit."""
    triage_fixed_pence: int = setting(500_000, "EMU", "low")
    """For a triage line in a year, whatever goes over it."""
    reflash_pence: int = setting(150, "EMU", "low")
    """For re-flashing one unit."""
    reflash_lot_pence: int = setting(20_000, "EMU", "low")
    """For handling and carriage of one order to re-flash."""
    visit_minute_pence: int = setting(70, "EMU", "low")
    """For one minute of a visit."""
    stock_day_pence: int = setting(1, "EMU", "low")
    """For one hub in stock for a day; that it goes on until the hub is returned is L107."""
