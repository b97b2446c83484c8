"""A campaign plan as a TOML file has it. :mod:`emulator.campaigns.reading` makes one and says what is wrong with it.

Wave sizes, gates and read-back follow reference ota/limits.csv L099, seeds_requirements.md Q7-08, Q7-25, Q7-64, Q7-70 and M7-06,
and scenarios S-05, S-06 and S-18 (design choices, low); the service level is L013 (medium).
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from emulator.campaigns.funnel import ACTIVATION_FAILED, FAILURES, NOT_DELIVERED, TRANSFER_FAILED
from emulator.campaigns.waves import REST
from emulator.domain.errors import Malformed
from emulator.domain.settings import DAY_MS, HOUR_MS, MINUTE_MS
from emulator.domain.vocabulary import DeviceType
from emulator.scenarios.estates import EstateSection
from emulator.scenarios.values import Duration, Moment, Name, RequirementId, ScenarioId, Size

PPM = 1_000_000
"""Shares are parts per million."""
WHOLE = PPM
SHARE_FORM = "a share such as '0.5 %'"
WINDOW_FORM = "a time of day such as '22:00-06:00'"
MAX_DEVICES = 100_000_000
"""Devices of one wave."""


def _share(value: object) -> int:
    """Parts per million of ``0.5 %``; raise :class:`Malformed` for anything else, a bare number above all."""
    match = re.fullmatch(r"(\d{1,3})(?:\.(\d{1,4}))?\s*%", value.strip()) if isinstance(value, str) else None
    if match is None:
        detail = f"{value} has no per cent sign" if isinstance(value, int | float) else f"{str(value)[:40]!r} is not a share"
        raise Malformed(detail, expected=SHARE_FORM)
    found = int(match[1]) * 10_000 + int((match[2] or "").ljust(4, "0"))
    if found > WHOLE:
        raise Malformed(f"{value} is more than all", expected=SHARE_FORM)
    return found


def _window(value: object) -> tuple[int, int]:
    """Milliseconds of the day of begin and end."""
    match = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", value) if isinstance(value, str) else None
    if match is None:
        raise Malformed(f"{str(value)[:40]!r} is not a window", expected=WINDOW_FORM)
    hours_minutes = [int(number) for number in match.groups()]
    begin, end = (hours * HOUR_MS + minutes * MINUTE_MS for hours, minutes in (hours_minutes[:2], hours_minutes[2:]))
    if begin >= DAY_MS or end > DAY_MS or max(hours_minutes[1], hours_minutes[3]) > 59:
        raise Malformed(f"{value} is not of one day", expected=WINDOW_FORM)
    return begin, end % DAY_MS


def _waves(value: object) -> list[int | str]:
    remedy = f"sizes in order, such as [1, 10, 100, 1000, 10000, '{REST}']"
    if not isinstance(value, list) or not value:
        raise Malformed(f"{str(value)[:40]!r} is not a list of waves", expected=remedy)
    for place, wave in enumerate(value, 1):
        if wave == REST and place == len(value):
            continue
        if not isinstance(wave, int) or isinstance(wave, bool) or not 1 <= wave <= MAX_DEVICES:
            detail = f"{REST!r} comes before the last wave" if wave == REST else f"{str(wave)[:40]!r} is not the size of a wave"
            raise Malformed(detail, expected=remedy)
    return value


def _reasons(value: object) -> object:
    for reason in value if isinstance(value, list) else ():
        if reason not in FAILURES:
            raise Malformed(f"there is no failure {str(reason)[:40]!r}", expected=f"one of {', '.join(FAILURES)}")
    return value


def _version(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{8}", value):
        return value.upper()
    raise Malformed(f"{str(value)[:40]!r} is not a firmware version", expected="eight hexadecimal digits in quotes")


def _written(description: str, *examples: object, **more: Any) -> Any:
    return WithJsonSchema({"type": "string", "description": description, "examples": list(examples), **more})


Share = Annotated[int, BeforeValidator(_share), _written(SHARE_FORM, "0.5 %", format="share")]
"""Parts per million, written in per cent."""
Window = Annotated[tuple[int, int], BeforeValidator(_window), _written(WINDOW_FORM, "22:00-06:00")]
"""Part of a day, UTC; one that ends before it begins goes over midnight."""
Version = Annotated[str, BeforeValidator(_version), _written("a firmware version", "00010100")]
Count = Annotated[int, Field(ge=1, le=MAX_DEVICES, strict=True)]

_TABLE = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Order(StrEnum):
    """How a wave is drawn from groups."""

    EVENLY = "evenly"
    """From all groups alike while they last."""
    IN_TURN = "in turn"
    """From the first group that has any left."""


class Priority(StrEnum):
    """How urgent the images are on the WAN."""

    URGENT = "urgent"
    """Before everything else."""
    NORMAL = "normal"
    """In turn."""
    BACKGROUND = "background"
    """When nothing else waits."""


class ReadAfter(StrEnum):
    """Which devices are read (11.2) when they are through."""

    ALWAYS = "always"
    """All."""
    NEVER = "never"
    """None; contact loss is not seen then."""
    ON_DOUBT = "on_doubt"
    """Those whose outcome is not known or not as it was meant."""


class About(BaseModel):
    """`[campaign]`: who does it, in which waves, when."""

    model_config = _TABLE

    name: ScenarioId
    """Its name."""
    title: Annotated[str, Field(min_length=1, max_length=120)]
    """One line."""
    requirements: list[RequirementId] = []
    """Scenarios and requirements of the reference that it shows."""
    by: str = "supplier"
    """The supplier: name of a user, or its EUI."""
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = 1
    """Keys, chance, and who comes in which wave follow from it."""
    waves: Annotated[
        list[int | str],
        BeforeValidator(_waves),
        WithJsonSchema({"type": "array", "items": {}, "examples": [[1, 10, 100, 1000, 10000, "rest"]]}),
    ] = [1, 10, 100, 1_000, 10_000, REST]
    """Devices of each wave; `rest` takes all that are left. One wave `["rest"]` is a big bang."""
    order: Order = Order.EVENLY
    """From which groups a wave takes its devices."""
    wait: Duration = DAY_MS
    """From the start of one wave to that of the next at least."""
    poll: Duration = 15 * MINUTE_MS
    """Simulated time between two looks at what has come."""
    patience: Duration = 21 * DAY_MS
    """How long after its start a wave may have devices of which nothing is heard; then it is taken as it is."""
    start: Moment | None = None
    """When the first wave may begin; at once when not given."""
    windows: list[Window] = []
    """Parts of the day (UTC) in which a wave may begin; any time when not given."""
    deadline: Duration | None = None
    """From the start to when every device is to run the image (or to hold it, where nothing is activated)."""
    service_level: Duration = 5 * DAY_MS
    """From acceptance to the hub; an image that takes longer is overdue (L013)."""
    priority: Priority = Priority.NORMAL
    """How urgent the images are on the WAN. DUIS has no field for it: plans for a server leave it at `normal`."""
    read_after: ReadAfter = ReadAfter.ALWAYS
    """Which devices are read when they are through."""
    read_delay: Duration = 10 * MINUTE_MS
    """From a device's last outcome to its read."""


class Image(BaseModel):
    """`[image]`: what is distributed."""

    model_config = _TABLE

    type: DeviceType
    """Which devices it is for."""
    version: Version
    """Firmware version."""
    manufacturer: str = ""
    """Manufacturer as the firmware list has it; where not given, all that the population has. A server needs it."""
    model: str = ""
    """Model as the firmware list has it; where not given, all that the population has. A server needs it."""
    file: str = ""
    """An OTA file, relative to the plan. Without it one is built and signed by the supplier."""
    size: Size | None = None
    """Size of the Manufacturer Image that is built; that of the firmware list when not given."""
    hardware: Annotated[str, Field(pattern=r"^[0-9A-F]{4}-[0-9A-F]{4}$")] | None = None
    """Hardware versions of the header of the image that is built, such as `0101-0102`; none when not given."""
    signed_by: str = ""
    """A user whose key signs the image that is built, in place of the supplier's."""


class Group(BaseModel):
    """`[[groups]]`: devices that the campaign is for; what is not given does not matter. Without one, all of the image's."""

    model_config = _TABLE

    name: Name
    """Its name."""
    regions: list[str] = []
    """CSP regions."""
    technologies: list[str] = []
    """WAN technologies of the hub."""
    versions: list[Version] = []
    """Firmware versions that the inventory has for them."""
    homes: list[str] = []
    """Names of homes of the plan's estate, with `*` and `?` as in file names."""
    payment: Literal["prepayment", "credit", ""] = ""
    """Meters of homes that pay so, as their supplier knows; of displays and load controllers the electricity meter counts."""
    devices: list[str] = []
    """Exactly these EUIs."""
    limit: Count | None = None
    """At most so many."""


class Gates(BaseModel):
    """`[gates]`: what a wave must show before the next begins. A gate that does not hold halts the campaign."""

    model_config = _TABLE

    max_failed: Share = WHOLE
    """Devices that failed, of those that the wave's request named; devices that are to be tried again are not counted."""
    max_contact_lost: Share = WHOLE
    """Devices that a read did not reach, of those that were accepted."""
    max_signature_bad: Share = WHOLE
    """Devices that found the signature wrong (8F1C), of those that were accepted."""
    max_awaited: Share = 50_000
    """Devices of which an outcome is still awaited (image, activation, read, another try), of those that the wave's request
    named; while there are more, the next wave waits."""
    min_verified: Share = 0
    """Devices that verified the image, or run it, of those that were accepted. While some are still on their way the next wave
    waits; once none is, too few halt the campaign."""


class Activation(BaseModel):
    """`[activation]`: what follows verification (11.3). PPMIDs activate by themselves."""

    model_config = _TABLE

    rule: Annotated[str, Field(pattern="^(after_verified|none)$")] = "after_verified"
    """`after_verified`: every device that verified the image is told to activate it; `none`: they hold it."""
    delay: Duration = 0
    """From verification to activation at least."""
    at: Moment | None = None
    """The date that every 11.3 carries: devices take it when they have verified the image, and activate then. Whoever is later is
    told to activate at once."""
    take_back: Share = 0
    """Of how many devices the date is cancelled again, drawn by the seed; they hold the image and do not run it."""
    take_back_at: Moment | None = None
    """When, before `at`."""
    unheard_after: Duration | None = None
    """How long after its request a device whose image is at the hub, and of which no receipt (8F72) came, is told to activate all
    the same; never when not given."""


class Retry(BaseModel):
    """`[retry]`: which failures are tried again."""

    model_config = _TABLE

    attempts: Annotated[int, Field(ge=0, le=100, strict=True)] = 0
    """How often, per device."""
    after: Duration = 6 * HOUR_MS
    """From when a wave has a failure that is to be tried again to the new request for all that there are by then."""
    of: Annotated[list[str], BeforeValidator(_reasons)] = [NOT_DELIVERED, TRANSFER_FAILED, ACTIVATION_FAILED]
    """Which failures."""


class RollbackWhen(StrEnum):
    """When devices are taken back."""

    NEVER = "never"
    """Not at all."""
    HALTED = "halted"
    """When a gate halted the campaign or an emergency stopped it."""
    STOPPED = "stopped"
    """When an emergency stopped it."""


class Rollback(BaseModel):
    """`[rollback]`: what is done for devices that run the image of a campaign that came to no good end."""

    model_config = _TABLE

    when: RollbackWhen = RollbackWhen.NEVER
    """When they are taken back."""
    version: Version | None = None
    """The old firmware under a version above the one it replaces, for devices refuse to go down."""
    size: Size | None = None
    """Size of its Manufacturer Image; that of the firmware list when not given."""


class Emergency(BaseModel):
    """`[emergency]`: what stops everything at once, over all waves: no more requests, no more activations, what is not yet at a
    device is cancelled where that can be done."""

    model_config = _TABLE

    max_failed: Share = WHOLE
    """Devices that failed, of those requested."""
    max_contact_lost: Share = WHOLE
    """Devices that a read did not reach, of those accepted."""
    max_signature_bad: Share = WHOLE
    """Devices that found the signature wrong, of those accepted."""
    min_devices: Count = 20
    """Shares say nothing before so many devices were requested."""


class Act(StrEnum):
    """What an operator does."""

    PAUSE = "pause"
    """Begin no wave, send no activation, try nothing again; what is on its way goes on."""
    RESUME = "resume"
    """Go on after a pause; after a gate halted the campaign, go on in spite of it."""
    STOP = "stop"
    """As in an emergency."""


class Intervention(BaseModel):
    """`[[operator]]`: what somebody does by hand."""

    model_config = _TABLE

    at: Moment
    """When."""
    do: Act
    """What."""


class Effect(BaseModel):
    """`[[effects]]`: what goes wrong, for a share of the devices drawn by the seed."""

    model_config = _TABLE

    kind: str
    """A fault by its name in the reference of faults."""
    share: Share = WHOLE
    """How many of the devices of the campaign, or of their hubs, it hits."""
    times: Count | None = None
    """How often, per device."""
    version: Version | None = None
    """Only with this firmware; the campaign's, and not that of its rollback, when not given."""


class Population(BaseModel):
    """`[population]`: a generated estate that the campaign runs over in this process, without messages."""

    model_config = _TABLE

    name: str
    """Its name, such as `national`, `region`, `million` or `town`."""
    hubs: Annotated[int, Field(ge=1, le=MAX_DEVICES, strict=True)] | None = None
    """Another number of hubs."""
    channels: Annotated[int, Field(ge=1, le=64, strict=True)] | None = None
    """Radio channels of each cell."""
    sessions: Count | None = None
    """Parallel sessions of each cellular region."""
    other_images: Annotated[int, Field(ge=0, le=16, strict=True)] = 0
    """Images for models of other types, in the order of the estate's tables, that are sent to all of them at the beginning and
    take their part of channels, sessions and hub stores."""


class Document(BaseModel):
    """A plan."""

    model_config = _TABLE

    campaign: About
    """What it is."""
    image: Image
    """What is distributed."""
    groups: Annotated[list[Group], Field(max_length=1_000)] = []
    """For whom."""
    gates: Gates = Gates()
    """What a wave must show."""
    activation: Activation = Activation()
    """What follows verification."""
    retry: Retry = Retry()
    """What is tried again."""
    rollback: Rollback = Rollback()
    """What is taken back."""
    emergency: Emergency = Emergency()
    """What stops everything."""
    operator: list[Intervention] = []
    """What somebody does by hand."""
    effects: list[Effect] = []
    """What goes wrong. Not for a running server: there faults are planned through its control API."""
    estate: EstateSection | None = None
    """A world of its own that the campaign runs in, over HTTP, as in a scenario file."""
    population: Population | None = None
    """A generated estate."""
