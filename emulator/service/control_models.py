"""What the control API takes: bodies and query parameters, checked by pydantic and published in the OpenAPI document."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import parse_eui
from emulator.service.persistence.contract import DeliveryState
from emulator.service.service_state import MAX_FLOOR_MS
from emulator.simulation.clock import MAX_INSTANT_MS

DAY_MS = 86_400_000
MAX_PAGE = 10_000
"""Entries of one answer at most."""
MAX_NUMBER = 2**63 - 1
"""Largest number that an entry, message or record can have."""
MAX_WAIT_MS = 3_600_000
"""Longest wall time that one call waits."""


def _eui(given: Any) -> int:
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 2**64:
        return given
    try:
        return parse_eui(given if isinstance(given, str) else str(given)[:40])
    except Malformed as error:
        raise ValueError(str(error)) from None


Eui = Annotated[
    int,
    BeforeValidator(_eui),
    WithJsonSchema({"type": "string", "description": "EUI-64", "examples": ["90-B3-D5-1F-30-01-00-00"]}),
]
Instant = Annotated[int, Field(ge=0, le=MAX_INSTANT_MS, description="simulated time, milliseconds of UTC")]
WallMs = Annotated[int, Field(ge=0, le=MAX_WAIT_MS, description="wall time in milliseconds")]


_NAME = {
    "pattern": "^[a-z0-9][a-z0-9_-]{0,62}$",
    "description": "a-z 0-9 _ -, also the name of its folder",
    "examples": ["what-if"],
}
WorldName = Annotated[str, WithJsonSchema({"type": "string", **_NAME})]


class Model(BaseModel):
    """Unknown names are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# Bodies


class NewWorld(Model):
    """A world to make."""

    name: WorldName
    estate: str | None = Field(None, description="TOML; unset means the server's estate")
    seed: int | None = Field(None, ge=0, lt=2**63)
    start_ms: Instant | None = None


class Reset(Model):
    """How a world begins again."""

    estate: str | None = Field(None, description="TOML; unset means the server's estate")
    seed: int | None = Field(None, ge=0, lt=2**63)
    start_ms: Instant | None = None


class KeepSnapshot(Model):
    """Under which name to keep the world as it is."""

    name: str = Field("", max_length=60, description="kept in memory for a restore; empty: written to the data folder only")


class Restore(Model):
    """Where to go back to."""

    snapshot: str = Field(description="name of a kept snapshot")


class Fork(Model):
    """A world that begins where this one is."""

    name: WorldName
    snapshot: str = Field("", description="begin from this kept snapshot instead of from now")
    endpoints: bool = Field(False, description="whether messages go to the users' endpoints; otherwise they wait for one")


class NewEndpoint(Model):
    """Where a user's pushes go."""

    url: str = Field(description="http(s)://host:port/path; empty holds messages back")
    floor_ms: int | None = Field(
        None, ge=0, le=MAX_FLOOR_MS, description="wall time between acknowledgement and push; unset means the server's setting"
    )


class UserStatus(Model):
    """Whether a user may act."""

    active: bool


class Power(Model):
    """Whether a device has power."""

    on: bool


class LocalCommand(Model):
    """A Command that is delivered by hand."""

    gbcs: str
    """Base64, as in the LocalCommand of a response."""


class Credit(Model):
    """What a customer types in: a UTRN, or one bought for some pence; with neither the emergency credit is taken."""

    utrn: str = ""
    pence: int = 0


class MakersUpdate(Model):
    """What a maker does to a device beside the DCC."""

    version: str
    """What it is to run from now on."""
    way: Literal["internet", "local"] = "internet"
    against_policy: bool = False
    """Whether the maker goes on although the policy bans it."""


class AnnouncedVersion(Model):
    """What a device runs, by its maker's word."""

    version: str


class HubUpdate(Model):
    """Firmware of its own for a hub: what it runs then, its GBCS version, and how long it takes to come;
    without that as the technology of the hub has it."""

    version: str
    gbcs_version: str = ""
    duration_ms: int | None = None


class Capacity(Model):
    """How many images a pool sends at a time; of radio in one cell or in each."""

    pool: str
    channels: int
    cell: int | None = None


class Outage(Model):
    """Until when no image gets through in a pool or one of its cells."""

    pool: str
    until_ms: int
    cell: int | None = None


class NewHome(Model):
    """Where a hub begins a home."""

    region: str = Field(description="CSP region")
    technology: str = Field("", description="WAN technology; that of the hub where it is a unit of the books, else cellular")
    connectivity: str = Field("Cellular", description="as the inventory has it")
    uprn: int | None = Field(None, ge=1, lt=10**12)
    post_code: str = ""
    address_identifier: str = ""


class Fit(Model):
    """Where a pre-notified device is fitted: one of hub and home."""

    hub: Eui | None = Field(None, description="in the home of this hub; another hub takes its place")
    home: NewHome | None = Field(None, description="a hub in a home of its own, where none was")
    supplier: Eui | None = Field(None, description="whose certificates it holds")
    network_operator: Eui | None = Field(None, description="whose certificates it holds")


class NewRegistration(Model):
    """Who holds an MPxN in a role, from when; and until when, if nobody follows."""

    mpxn: str
    role: str
    party: str
    from_ms: Instant | None = None
    to_ms: Instant | None = None


class RegistrationsQuery(Model):
    """Whose registrations."""

    mpxn: str | None = None


class RegistrationCsv(Model):
    """Registration data to load."""

    csv: str = Field(description="a header and one registration a line: mpxn,role,party,from,to")


class NewCredentials(Model):
    """Whose certificates a device holds in the place of its supplier's."""

    party: Eui = Field(description="User ID of a supplier")


class CertificateRequest(Model):
    """What a device answered to 6.17."""

    request: str = Field(description="PKCS#10 in base64")


class NewGrant(Model):
    """Leave of a supplier for an agent; every list that is not empty limits it."""

    supplier: str = Field(description="the company that grants")
    agent: Eui
    from_ms: Instant | None = Field(None, description="unset means now")
    to_ms: Instant = Field(description="exclusive")
    mpxns: tuple[str, ...] = ()
    models: tuple[str, ...] = Field((), description="manufacturer and model as 11E5/00020101")
    regions: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    max_devices: int = Field(50_000, ge=0, description="devices of this supplier in one request")
    approval: Literal["none", "per_version", "per_batch"] = "none"
    on_change_of_supplier: Literal["cancel", "let_run"] = "cancel"
    exclusive: bool = Field(False, description="nobody else distributes to the devices that it covers")


class NewApproval(Model):
    """A supplier's approval of an image under a grant."""

    grant: int = Field(ge=1)
    version: str
    image_hash: str = Field(description="SHA-256 of the Manufacturer Image, hexadecimal")
    devices: tuple[Eui, ...] = Field((), description="for exactly this list, once; empty means for any list")


class NewThreshold(Model):
    """The most that a user may send of a service in a day."""

    user: str = Field("*", description="EUI, or * for every user, each for itself")
    variant: str = Field(description="Service Reference Variant")
    requests: int | None = Field(None, ge=0)
    devices: int | None = Field(None, ge=0)


class CplRow(Model):
    """A row of the Central Products List."""

    type: str
    manufacturer: str
    model: str
    firmware_version: str
    status: str = "Active"
    image_hash: str = ""
    gbcs_version: str = "4.2"


class ReleaseSwitch(Model):
    """A feature of firmware over the air, released or backed out."""

    feature: Literal["dsp_release", "csp_release", "sr_11_4", "ch"]
    on: bool
    firmware_version: str | None = Field(None, description="of the hubs, for ch: eight hexadecimal digits")
    jobs: Literal["cancel", "let_run"] | None = Field(
        None, description="what becomes of jobs whose image is not at its hub yet; unset means the setting on_back_out"
    )


class UpgradePathRow(Model):
    """From which versions one of a model may be reached."""

    type: str
    manufacturer: str
    model: str
    firmware_version: str
    from_versions: list[str] = Field(description="none at all takes the rule away")


# Query parameters


class Page(Model):
    """A portion of a list."""

    limit: int = Field(100, ge=1, le=MAX_PAGE)


class OffsetPage(Page):
    """A portion of a list from somewhere on."""

    offset: int = Field(0, ge=0, description="entries to leave out: the first ones of devices, else the newest ones")


class DevicesQuery(OffsetPage):
    """Which devices."""

    type: str | None = None
    status: str | None = None
    hub: Eui | None = None
    limit: int = Field(1_000, ge=1, le=MAX_PAGE)


class CertificatesQuery(Page):
    """Which certificates."""

    eui: Eui | None = None
    usage: Literal["DS", "KA"] | None = None
    limit: int = Field(1_000, ge=1, le=MAX_PAGE)


class KeyStoreQuery(Model):
    """What a key store is to hold."""

    devices: bool = Field(False, description="with the certificates of the estate's devices")


class JobsQuery(OffsetPage):
    """Which firmware requests, and which of their jobs."""

    job_offset: int = Field(0, ge=0, description="jobs of a request to leave out")
    job_limit: int = Field(MAX_PAGE, ge=0, le=MAX_PAGE, description="most jobs of a request")

    device: Eui | None = None
    request_id: str | None = None


class TransactionsQuery(OffsetPage):
    """Which requests to devices."""

    device: Eui | None = None
    request_id: str | None = None
    state: str | None = None


class SchedulesQuery(Model):
    """Which DSP schedules."""

    device: Eui | None = None
    user: Eui | None = None


class JournalParameters(Page):
    """Which journal entries."""

    request_id: str | None = None
    device: Eui | None = None
    kind: str | None = Field(None, description="a kind, or its beginning up to a dot")
    since_ms: Instant | None = None
    until_ms: Instant | None = None
    after: int = Field(0, ge=0, le=MAX_NUMBER, description="entries with a greater number")
    text: str = Field("", max_length=200, description="what the summary contains, whatever the case of its letters")
    bodies: bool = Field(False, description="with the XML of requests, answers and pushes")
    decode: bool = Field(False, description="with GBCS messages taken apart")


class EventParameters(Model):
    """Which entries of the journal to stream."""

    request_id: str | None = None
    device: Eui | None = None
    kind: str | None = Field(None, description="a kind, or its beginning up to a dot")
    text: str = Field("", max_length=200, description="what the summary contains")
    after: int = Field(
        0,
        ge=0,
        le=MAX_NUMBER,
        description="entries with a greater number; the header Last-Event-ID, the id of an event, goes before it",
    )
    count: int | None = Field(None, ge=1, description="end after so many events")


class ExceptionParameters(Page):
    """How many of each kind."""


class TranscriptParameters(JournalParameters):
    """Which part of a transcript."""

    limit: int = Field(1_000_000, ge=1, le=MAX_NUMBER)
    decode: bool = True


class HarParameters(JournalParameters):
    """Which part of the journal to put into an archive."""

    limit: int = Field(1_000_000, ge=1, le=MAX_NUMBER, description="entries of the journal to look through")


class ExplainQuery(Model):
    """Which request."""

    request_id: str


class AuditParameters(Page):
    """Which records of the audit trail; every given condition must hold."""

    device: Eui | None = Field(None, description="records about it, or whose list of devices names it")
    user: Eui | None = None
    request_id: str | None = None
    kind: str | None = Field(
        None, description="decision, exclusion, message, inventory, grant, registration, quarantine or control"
    )
    variant: str | None = Field(None, description="Service Reference Variant")
    image_hash: str | None = Field(None, description="SHA-256 of the Manufacturer Image, hexadecimal")
    from_ms: Instant | None = None
    to_ms: Instant | None = Field(None, description="exclusive")
    after: int = Field(0, ge=0, le=MAX_NUMBER, description="records with a greater number")
    before: int | None = Field(None, ge=1, le=MAX_NUMBER, description="records with a smaller number")
    newest_first: bool = False


class OutboxParameters(Page):
    """Which messages."""

    state: DeliveryState | None = None
    recipient: Eui | None = None
    device: Eui | None = None
    request_id: str | None = None
    after: int = Field(0, ge=0, le=MAX_NUMBER, description="messages with a greater number")


class ResendQuery(Model):
    """Which dead letters to send again."""

    recipient: Eui | None = None
