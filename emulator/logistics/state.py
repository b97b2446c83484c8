"""Everything that logistics remember, as plain state (see :mod:`emulator.estate.snapshot`)."""

from dataclasses import dataclass, field

from emulator.domain.identifiers import Eui64

CSP = "csp"
"""Who owns what was not delivered yet."""


@dataclass(slots=True)
class Lot:
    """Units that were booked in together: neighbours in the columns, with EUIs that follow each other."""

    first_row: int
    count: int
    first_eui: int
    step: int
    """Between the EUIs of two units; hubs have that of their GPF between."""
    manufacturer: str
    model: str
    smets_version: str
    notified: bool
    """Whether the inventory has them from the beginning, as its CSP notified them (duis.md 7.2); else 12.2 comes from a user."""
    tsat_end_ms: int = 0
    """TSAT end date: what is not installed by then must go back (ota.md 10, DP238); 0 where none is known."""
    gpf: int = 0
    """EUI of the Gas Proxy Function of a single hub whose GPF has not the EUI after its own; 0 where it has."""


@dataclass(slots=True)
class Shipment:
    """Goods under way."""

    number: int
    event: str
    """What happens to them when they arrive."""
    rows: bytes
    """Their places in the columns, as packed by :func:`emulator.logistics.books.packed`."""
    owner: str
    """Whose they are then; empty: whose they were."""
    due_ms: int


@dataclass(slots=True)
class Order:
    """An order to re-flash."""

    number: int
    by: str
    """The company."""
    level: str
    items: tuple[str, ...]
    version: str
    state: str
    """``rejected``, ``under way``, ``at the facility``, ``redelivery``, ``closed``."""
    placed_ms: int
    reason: str = ""
    """Why it was rejected."""
    evidence: str = ""
    """What shows that."""
    rows: bytes = b""
    results: bytes = b""
    """One octet for each of its units: an index of :data:`emulator.logistics.reflash.RESULTS`."""
    changed_ms: int = 0
    first_delivery: bool = False
    """Whether it is the CSP's own, before goods are delivered for the first time."""
    deliver_to: str = ""
    """To whom those go."""
    manufacturer: str = ""
    model: str = ""
    """Of the hubs that the image is for."""


@dataclass(slots=True)
class Policy:
    """Which firmware a supplier installs."""

    rule: str
    """``newest``, ``newest-minus`` or ``pinned``."""
    minus: int = 0
    version: str = ""


@dataclass(slots=True)
class Defect:
    """What is wrong with a firmware version of hubs."""

    version: str
    kind: str
    """``install``: installations fail; ``service``: it shows after a while in service."""
    percent: int
    onset_days: int
    known_ms: int


@dataclass(slots=True)
class InstallRun:
    """Installations that a company had done together."""

    number: int
    by: str
    rule: str
    at_ms: int
    units: int = 0
    minutes: int = 0
    """Of all visits together."""
    updated: int = 0
    """Hubs that got their firmware during the visit."""
    too_long: int = 0
    """Hubs that did not, because the visit would have been too long."""
    failed: int = 0


@dataclass(slots=True)
class ReturnRecord:
    """One unit that went back."""

    row: int
    at_ms: int
    by: str
    """Who sent it back: its supplier then."""
    installer: str
    """Who had installed it; empty if nobody."""
    variant: str
    """8.14.3 or 8.14.4; empty for what no message tells of."""
    reason: str
    method: str = ""
    """CHFConnectionMethod."""
    age_days: int = 0
    """Since it was installed, or booked in where it never was."""
    version: str = ""
    stock_days: int = 0
    """How long its supplier had had it in stock, for which it is charged (L107)."""


@dataclass(slots=True)
class TriageRecord:
    """One look at a unit."""

    row: int
    at_ms: int
    by: str
    actor: str
    way: str
    swapped: bool
    found: bool
    """Whether it found a fault."""
    minutes: int
    version: str = ""
    cpl_status: str = ""
    failing: bool | None = None
    """Whether something was wrong with the unit itself then; None where nobody noted it (snapshots of before)."""


@dataclass(slots=True)
class LogisticsState:
    """The memory of logistics."""

    companies: list[str] = field(default_factory=lambda: [CSP])
    versions: list[int] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    columns: dict[str, bytes] = field(default_factory=dict)
    """The units, while this is in a snapshot."""
    policies: dict[str, Policy] = field(default_factory=dict)
    defects: list[Defect] = field(default_factory=list)
    shipments: dict[int, Shipment] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    runs: list[InstallRun] = field(default_factory=list)
    returns: list[ReturnRecord] = field(default_factory=list)
    triages: list[TriageRecord] = field(default_factory=list)
    standing: dict[Eui64, int] = field(default_factory=dict)
    """Units that stand in an emulated home or the triage facility, by EUI, with their places."""
    next_number: int = 1
    next_eui: int = 0x00DB_5000_0000_0000
    """Of the next lot that names none; ours."""
    cartons: int = 0
    pallets: int = 0
