"""Control operations on hubs and meters outside homes."""

from typing import Annotated, Literal

from pydantic import Field

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui
from emulator.service.control_models import Eui, Model, Page
from emulator.service.routes import WORLD, Answer, Call, ControlRefused, Route

Version = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}$", description="firmware version, eight hexadecimal digits")]
Count = Annotated[int, Field(ge=1)]
Level = Literal["unit", "carton", "pallet"]
Company = Annotated[str, Field(description="a company of the estate")]


class NewLot(Model):
    """A lot of new units."""

    variant: str = Field(description="a variant of the table of units")
    count: Count
    versions: dict[str, int] = Field(description="firmware versions and their parts of the whole")
    manufacturer: str
    model: str
    owner: str = Field("", description="a supplier that has it; empty: the CSP")
    first: Eui | None = Field(None, description="of the first unit; a Gas Proxy Function has the EUI after that of its hub")
    age_days: int = Field(0, ge=0)
    mixed: bool = Field(False, description="scatter the versions over cartons and pallets")
    tsat_end_ms: int = Field(0, ge=0, description="TSAT end date in milliseconds of UTC: hubs not installed by then must go back")
    notified: bool = Field(True, description="the CSP has notified them; else 12.2 comes from a user")


class Marks(Model):
    """What the books do not know of units by themselves."""

    units: list[Eui]
    damaged: bool | None = Field(None, description="whether their packaging is damaged")
    registered: bool | None = Field(None, description="whether the order system has them as their owner's")
    owner: str | None = Field(None, description="another company that has them")
    truth: str | None = Field(None, description="what really is the matter with them")


class StockPolicy(Model):
    """Which firmware a supplier installs."""

    company: Company
    rule: Literal["newest", "newest-minus", "pinned"]
    minus: int | None = Field(None, ge=1)
    version: Version | None = None


class VersionDefect(Model):
    """What is wrong with a firmware version of hubs."""

    version: Version
    kind: Literal["install", "service"] = Field(description="whether installations fail, or it shows in service")
    percent: int = Field(ge=1, le=100)
    onset_days: int = Field(0, ge=0, description="mean days until it shows")


class Delivery(Model):
    """Goods for a supplier."""

    to: Company
    level: Level = "unit"
    count: Count
    variant: str | None = None


class Issue(Model):
    """Hubs for an installer, or back from one."""

    company: Company
    count: Count | None = None
    units: list[Eui] | None = None
    variant: str | None = None
    back: bool = False


class Installations(Model):
    """Visits of a company's installers."""

    company: Company
    count: Count
    update: bool = Field(False, description="send older hubs their firmware during the visit")
    variant: str | None = None
    region: str | None = Field(None, description="CSP region: they begin emulated homes there; else they are in the books alone")


class Visit(Model):
    """A visit that an installer carried out."""

    company: Company
    units: list[Eui] = Field(description="the hub and the devices that were put up")
    minutes: int = Field(ge=1, le=10_000)
    updated: bool = Field(False, description="the hub got its firmware meanwhile")
    too_long: bool = Field(False, description="it did not, for that would have taken too long")
    failed: bool = Field(False, description="everything came down again and is with the installer")


class InstalledUpdate(Model):
    """Firmware for hubs in homes."""

    version: Version | None = None
    unit: Eui | None = Field(None, description="one hub, while its installer waits: as its owner's policy and its WAN have it")
    from_version: Version | None = Field(None, description="only to hubs that run this one; to all older ones when not given")
    duration_ms: int | None = Field(None, ge=1000)


class Returned(Model):
    """Units that go back without a message."""

    company: Company
    units: list[Eui]
    with_: Eui | None = Field(None, alias="with", description="the hub with which they came")


class ReturnBatch(Model):
    """A generated population of hubs that came back."""

    company: Company
    count: Count
    version: Version
    installers: list[str] = Field([], description="companies that had installed them, in turn")


class ReflashOrder(Model):
    """An order to re-flash stock."""

    company: Company
    level: Level
    items: list[str] = Field(description="EUIs, cartons such as C12, or pallets such as P3")
    image: str = Field(description="the signed OTA file in base64")
    address: str | None = Field(None, description="the company to whose address the goods go back; its own when not given")


class TestHub(Model):
    """A hub for a triage facility."""

    unit: Eui = Field(description="the hub, a unit of the books")
    company: Company
    region: str = Field(description="CSP region")


class Triage(Model):
    """A look at returned units."""

    company: Company
    units: list[Eui] | None = None
    count: Count | None = None
    actor: Literal["supplier", "manufacturer", "dcc"]
    way: Literal["dcc", "local", "self"]
    swap: bool = Field(False, description="try the hub with another device, and the device at another hub")
    access: Literal["standard", "engineering"] = "standard"


class UnitStep(Model):
    """What is made of returned units."""

    company: Company
    units: list[Eui]
    step: Literal["open", "wipe", "reset", "reseal", "restock", "scrap"]


class UnitsQuery(Page):
    """Which units."""

    state: str | None = None
    company: str | None = None
    variant: str | None = None
    version: Version | None = None
    offset: int = Field(0, ge=0)


def stock_routes() -> list[Route]:
    """The table."""
    place = f"{WORLD}/stock"
    return [
        Route("GET", place, _stock, "Units by state, policies, defects, goods under way", "stock"),
        Route("GET", f"{place}/units", _units, "Units of the books", "stock", query=UnitsQuery),
        Route("GET", f"{place}/units/{{unit}}", _unit, "One unit with its history", "stock"),
        Route("GET", f"{place}/orders", _orders, "Orders to re-flash", "stock"),
        _change("POST", f"{place}/lots", "stock.book", "Book a lot in", NewLot),
        _change("PUT", f"{place}/units", "stock.mark", "Say what the books do not know of units", Marks),
        _change("PUT", f"{place}/policies", "stock.policy", "Say which firmware a supplier installs", StockPolicy),
        _change("PUT", f"{place}/defects", "stock.defect", "Say that a firmware version is bad", VersionDefect),
        _change("POST", f"{place}/deliveries", "stock.deliver", "Deliver goods to a supplier", Delivery),
        _change("POST", f"{place}/issues", "stock.issue", "Hand hubs to an installer, or take them back", Issue),
        _change("POST", f"{place}/installations", "stock.install", "Have hubs installed", Installations),
        _change("POST", f"{place}/updates", "stock.update", "Send firmware to hubs in homes", InstalledUpdate),
        _change("POST", f"{place}/visits", "stock.visit", "Put a visit on record", Visit),
        _change("POST", f"{place}/returns", "returns.take", "Take units back of which no message tells", Returned),
        _change("POST", f"{place}/returns/generated", "returns.batch", "Make a population of returned hubs", ReturnBatch),
        _change("POST", f"{place}/orders", "reflash.order", "Order units, cartons or pallets to be re-flashed", ReflashOrder),
        _change("POST", f"{place}/test-hubs", "triage.hub", "Put a hub up in a triage facility", TestHub),
        _change("POST", f"{place}/triages", "triage.run", "Triage returned units", Triage),
        _change("POST", f"{place}/steps", "unit.step", "Open, wipe, reset, seal, restock or scrap returned units", UnitStep),
    ]


def _change(method: str, path: str, verb: str, summary: str, body: type[Model]) -> Route:
    async def carry_out(call: Call) -> Answer:
        given = call.given(body)
        values = given.model_dump(exclude_none=True, by_alias=True)
        for name, field in type(given).model_fields.items():
            key = field.alias or name
            if key in values and key in ("first", "unit", "with", "units"):
                value = values[key]
                values[key] = [format_eui(each) for each in value] if isinstance(value, list) else format_eui(value)
        return await call.carry_out(verb, **values)

    return Route(method, path, carry_out, summary, "stock", body=body)


async def _stock(call: Call) -> Answer:
    return call.hosted.world.views.stock.overview()


async def _units(call: Call) -> Answer:
    views, wanted = call.hosted.world.views, call.given(UnitsQuery)
    if wanted.company is not None and wanted.company not in views.companies():
        expected = f"one of {', '.join(views.companies())}"
        raise ControlRefused(400, f"{wanted.company[:40]!r} is not a company", where="company", expected=expected)
    try:
        count, units = views.stock.units(**wanted.model_dump())
    except Malformed as error:
        raise ControlRefused(400, error.detail, where=error.where, expected=error.expected) from None
    return {"count": count, "units": units}


async def _unit(call: Call) -> Answer:
    found = call.hosted.world.views.stock.unit(call.path["unit"])
    if found is None:
        raise ControlRefused(404, f"there is no unit {call.path['unit'][:40]}", where="unit", expected="one of the books")
    return found


async def _orders(call: Call) -> Answer:
    return {"orders": call.hosted.world.views.stock.orders()}
