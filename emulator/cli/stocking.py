"""``dcc-emulator stock``: hubs and meters outside homes, what is done with them, and figures of that."""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.campaigns.curves import Line, png, svg
from emulator.cli.output import ExitCode, console, print_json, print_rows
from emulator.cli.remote import Call, remote
from emulator.cli.visiting import fit, visit
from emulator.domain.errors import Malformed

application = typer.Typer(no_args_is_help=True, help="Hubs and meters outside homes: stock, returns, re-flashing, triage.")
application.command("visit")(visit)
application.command("fit")(fit)

Company = Annotated[str, typer.Option("--company", help="Company of the estate.")]
Units = Annotated[list[str] | None, typer.Option("--unit", help="EUI of a unit; may be repeated.")]
Count = Annotated[int | None, typer.Option("--count", min=1, help="How many.")]
Version = Annotated[str, typer.Option("--version", help="Firmware version, eight hexadecimal digits.")]
Variant = Annotated[str, typer.Option("--variant", help="Variant of the table of units.")]
Level = Annotated[str, typer.Option("--level", help="unit, carton or pallet.")]


def _change(call: Call, method: str, part: str, **body: Any) -> Any:
    """Carry out an operation and print what comes of it; what was not given is left out."""
    given = {name: value for name, value in body.items() if value not in (None, "", [])}
    found = call.ask(lambda client: client.change_stock(method, part, **given))
    call.show(found)
    return found


def _shares(texts: Sequence[str]) -> dict[str, int]:
    """Read ``00010000=60``; raise :class:`Malformed` for anything else."""
    found: dict[str, int] = {}
    for text in texts:
        version, _, part = text.partition("=")
        if not part.isascii() or not part.isdigit():
            raise Malformed(f"{text!r} is not a version and its part", where="--version", expected="such as 00010000=60")
        if version in found:
            raise Malformed(f"{version} is named twice", where="--version", expected="each version once")
        found[version] = int(part)
    return found


def _date_ms(text: str) -> int | None:
    """A date of UTC in milliseconds; raise :class:`Malformed` for anything else."""
    if not text:
        return None
    try:
        return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        raise Malformed(f"{text[:40]!r} is no date", where="--tsat-end", expected="such as 2026-06-30") from None


@application.command("show")
@remote
def show(call: Call) -> None:
    """Say how many units are where, and what is under way."""
    found = call.ask(lambda client: client.stock())
    call.show(found)


@application.command("units")
@remote
def units(
    call: Call,
    state: Annotated[str, typer.Option("--state", help="Only in this state.")] = "",
    company: Company = "",
    variant: Variant = "",
    version: Version = "",
    offset: Annotated[int, typer.Option("--offset", min=0, help="Rows to leave out.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many rows at most.")] = 100,
) -> None:
    """List units."""
    wanted = {"state": state, "company": company, "variant": variant, "version": version}
    query: dict[str, Any] = {name: value for name, value in wanted.items() if value} | {"offset": offset, "limit": limit}
    found = call.ask(lambda client: client.stock("units", **query))
    if call.as_json:
        print_json(found)
        return
    columns = ("unit", "variant", "state", "owner", "version", "carton", "pallet", "days", "seal")
    print_rows([each.capitalize() for each in columns], [[row[each] for each in columns] for row in found["units"]])
    console().print(f"{len(found['units'])} of {found['count']}")


@application.command("unit")
@remote
def unit(call: Call, eui: Annotated[str, typer.Argument(help="EUI of the unit.")]) -> None:
    """Show one unit with every return and triage of it."""
    found = call.ask(lambda client: client.stock(f"units/{eui}"))
    call.show(found)


@application.command("orders")
@remote
def orders(call: Call) -> None:
    """List orders to re-flash with what became of their units."""
    found = call.ask(lambda client: client.stock("orders"))
    if call.as_json:
        print_json(found)
        return
    rows = [
        (each["order"], each["company"], " ".join(each["items"][:5]), each["version"], each["state"], each["reason"],
         ", ".join(f"{name} {count}" for name, count in each["results"].items()))
        for each in found["orders"]
    ]  # fmt: skip
    print_rows(("Order", "Company", "Items", "Version", "State", "Reason", "Units"), rows)


@application.command("book")
@remote
def book(
    call: Call,
    variant: Variant,
    count: Annotated[int, typer.Option("--count", min=1, help="How many.")],
    version: Annotated[list[str], typer.Option("--version", help="Version and its part, such as 00010000=60; may be repeated.")],
    manufacturer: Annotated[str, typer.Option("--manufacturer", help="Four hexadecimal digits.")],
    model: Annotated[str, typer.Option("--model", help="Eight hexadecimal digits.")],
    owner: Annotated[str, typer.Option("--owner", help="A supplier that has them; else the CSP.")] = "",
    first: Annotated[str, typer.Option("--first", help="EUI of the first unit.")] = "",
    age_days: Annotated[int, typer.Option("--age-days", min=0, help="Since when they are in stock.")] = 0,
    mixed: Annotated[bool, typer.Option("--mixed", help="Scatter the versions over cartons and pallets.")] = False,
    tsat_end: Annotated[str, typer.Option("--tsat-end", help="Date by which hubs must be installed, or go back.")] = "",
    notified: Annotated[bool, typer.Option("--notified/--not-notified", help="Whether the CSP has notified them.")] = True,
) -> None:
    """Book a lot of new units in."""
    body = {"variant": variant, "count": count, "versions": _shares(version), "manufacturer": manufacturer, "model": model}
    more = {"owner": owner, "first": first, "age_days": age_days, "mixed": mixed, "notified": notified}
    more["tsat_end_ms"] = _date_ms(tsat_end)
    _change(call, "POST", "lots", **body, **more)


@application.command("mark")
@remote
def mark(
    call: Call,
    unit: Units = None,
    damaged: Annotated[bool | None, typer.Option("--damaged/--whole", help="Whether their packaging is damaged.")] = None,
    registered: Annotated[bool | None, typer.Option("--registered/--unregistered", help="In the order system.")] = None,
    owner: Annotated[str, typer.Option("--owner", help="Another company that has them.")] = "",
    truth: Annotated[str, typer.Option("--truth", help="What really is the matter with them.")] = "",
) -> None:
    """Say of units what the books do not know by themselves."""
    body = {"damaged": damaged, "registered": registered, "owner": owner, "truth": truth}
    _change(call, "PUT", "units", units=unit or [], **body)


@application.command("policy")
@remote
def policy(
    call: Call,
    company: Company,
    rule: Annotated[str, typer.Argument(help="newest, newest-minus or pinned.")],
    minus: Annotated[int | None, typer.Option("--minus", min=1, help="Versions before the newest.")] = None,
    version: Version = "",
) -> None:
    """Say which firmware a supplier installs."""
    _change(call, "PUT", "policies", company=company, rule=rule, minus=minus, version=version)


@application.command("defect")
@remote
def defect(
    call: Call,
    version: Version,
    kind: Annotated[str, typer.Argument(help="install or service.")],
    percent: Annotated[int, typer.Option("--percent", min=1, max=100, help="Of how many hubs.")],
    onset_days: Annotated[int, typer.Option("--onset-days", min=0, help="Mean days until it shows.")] = 0,
) -> None:
    """Say that a firmware version of hubs is bad."""
    body = {"version": version, "kind": kind, "percent": percent, "onset_days": onset_days}
    _change(call, "PUT", "defects", **body)


@application.command("deliver")
@remote
def deliver(
    call: Call,
    company: Company,
    count: Annotated[int, typer.Option("--count", min=1, help="How many.")],
    level: Level = "unit",
    variant: Variant = "",
) -> None:
    """Deliver goods from the CSP's warehouse."""
    _change(call, "POST", "deliveries", to=company, level=level, count=count, variant=variant)


@application.command("issue")
@remote
def issue(
    call: Call,
    company: Company,
    count: Count = None,
    unit: Units = None,
    variant: Variant = "",
    back: Annotated[bool, typer.Option("--back", help="Take them back into the store.")] = False,
) -> None:
    """Hand hubs to an installer as the supplier's policy has it, or take them back."""
    body = {"company": company, "count": count, "units": unit, "variant": variant, "back": back}
    _change(call, "POST", "issues", **body)


@application.command("install")
@remote
def install(
    call: Call,
    company: Company,
    count: Annotated[int, typer.Option("--count", min=1, help="How many visits.")],
    update: Annotated[bool, typer.Option("--update", help="Send older hubs their firmware during the visit.")] = False,
    region: Annotated[str, typer.Option("--region", help="CSP region of the emulated homes.")] = "",
    variant: Variant = "",
) -> None:
    """Have hubs installed: in homes of the books alone, or with --region in emulated homes that begin with them."""
    body = {"company": company, "count": count, "update": update, "variant": variant, "region": region}
    _change(call, "POST", "installations", **body)


@application.command("update")
@remote
def update_installed(
    call: Call,
    version: Version = "",
    unit: Annotated[str, typer.Option("--unit", help="One hub, while its installer waits.")] = "",
    from_version: Annotated[str, typer.Option("--from-version", help="Only to hubs that run this one.")] = "",
) -> None:
    """Send firmware to hubs in homes, as the CSP does."""
    _change(call, "POST", "updates", version=version, unit=unit, from_version=from_version)


@application.command("return")
@remote
def take_back(
    call: Call,
    company: Company,
    unit: Units = None,
    came_with: Annotated[str, typer.Option("--with", help="The hub with which they came.")] = "",
) -> None:
    """Take units back of which no message tells."""
    _change(call, "POST", "returns", **{"company": company, "units": unit or [], "with": came_with})


@application.command("generate-returns")
@remote
def generate_returns(
    call: Call,
    company: Company,
    version: Version,
    count: Annotated[int, typer.Option("--count", min=1, help="How many hubs.")],
    installer: Annotated[list[str] | None, typer.Option("--installer", help="Who had installed them; may be repeated.")] = None,
) -> None:
    """Make a population of hubs that came back, with hidden truths."""
    body = {"company": company, "count": count, "version": version, "installers": installer}
    _change(call, "POST", "returns/generated", **body)


@application.command("reflash")
@remote
def reflash(
    call: Call,
    company: Company,
    level: Level,
    image: Annotated[Path, typer.Option("--image", help="The signed OTA file.", exists=True, dir_okay=False)],
    items: Annotated[list[str], typer.Argument(help="EUIs, cartons such as C12, or pallets such as P3.")],
    address: Annotated[str, typer.Option("--address", help="To whose address the goods go back.")] = "",
) -> None:
    """Order units, cartons or pallets to be re-flashed. Ends with 1 when the order is rejected."""
    octets = base64.b64encode(image.read_bytes()).decode()
    body = {"company": company, "level": level, "items": items, "image": octets, "address": address}
    found = _change(call, "POST", "orders", **body)
    if found["state"] == "rejected":
        raise typer.Exit(ExitCode.VERDICT)


@application.command("test-hub")
@remote
def stand_test_hub(
    call: Call,
    unit: Annotated[str, typer.Argument(help="EUI of the hub.")],
    company: Company,
    region: Annotated[str, typer.Option("--region", help="CSP region.")],
) -> None:
    """Put a hub up in a triage facility."""
    _change(call, "POST", "test-hubs", unit=unit, company=company, region=region)


@application.command("triage")
@remote
def triage(
    call: Call,
    company: Company,
    actor: Annotated[str, typer.Option("--actor", help="supplier, manufacturer or dcc.")],
    way: Annotated[str, typer.Option("--way", help="dcc, local or self.")],
    unit: Units = None,
    count: Count = None,
    swap: Annotated[bool, typer.Option("--swap", help="Try hub and device with others.")] = False,
    access: Annotated[str, typer.Option("--access", help="standard or engineering.")] = "standard",
) -> None:
    """Triage returned units."""
    body = {"company": company, "actor": actor, "way": way, "units": unit, "count": count, "swap": swap, "access": access}
    _change(call, "POST", "triages", **body)


@application.command("step")
@remote
def take_step(
    call: Call,
    step: Annotated[str, typer.Argument(help="open, wipe, reset, reseal, restock or scrap.")],
    company: Company,
    unit: Units = None,
) -> None:
    """Open, wipe, reset, seal, restock or scrap returned units."""
    _change(call, "POST", "steps", company=company, units=unit or [], step=step)


Rows = Sequence[Mapping[str, Any]]


def _curve(name: str, rows: Rows, x: str, y: str) -> Line:
    return Line(name, [(row[x], row[y]) for row in rows])


def _lots(rows: Rows) -> list[Line]:
    levels = dict.fromkeys(row["level"] for row in rows)
    return [_curve(f"stuck, {level}", [row for row in rows if row["level"] == level], "holding", "stuck") for level in levels]


def _versions(rows: Rows) -> list[Line]:
    return [Line(f"{row['supplier']} {row['version']}", [(0, row["units"]), (row["oldest_days"], row["units"])]) for row in rows]


FIGURES: Mapping[str, tuple[str, str, str, Callable[[Rows], list[Line]]]] = {
    "stock-defects": (
        *("Hubs in service and hubs with the defect", "day", "hubs"),
        lambda rows: [_curve("in service", rows, "day", "in_service"), _curve("affected", rows, "day", "affected")],
    ),
    "stock-break-even": (
        *("A year of returns with and without triage", "returns", "pence"),
        lambda rows: [_curve("without", rows, "returns", "without_pence"), _curve("with", rows, "returns", "with_pence")],
    ),
    "stock-lots": ("Hubs that no order can hold, by smallest lot", "old hubs in stock", "hubs", _lots),
    "stock-versions": ("Units by owner and version, over the days of the oldest", "days", "units", _versions),
}
"""Reports that have a figure: its title, its axes, and its lines from the rows."""


@application.command("plot")
@remote
def plot(
    call: Call,
    name: Annotated[str, typer.Argument(help="stock-defects, stock-break-even, stock-lots or stock-versions.")],
    out: Annotated[Path, typer.Option("--out", help="File to write, .svg or .png.")],
) -> None:
    """Draw a report as a figure; .png needs the extra `plots`."""
    if name not in FIGURES or out.suffix not in (".svg", ".png"):
        raise Malformed(f"no figure {name!r} as {out.suffix or 'that'}", expected=f"{', '.join(FIGURES)}; .svg or .png")
    found = call.ask(lambda client: client.report(name, limit=10_000))
    title, x_name, y_name, lines = FIGURES[name]
    drawn = [line for line in lines(found["rows"]) if line.points]
    if out.suffix == ".png":
        out.write_bytes(png(title, drawn, y_name=y_name, x_name=x_name))
    else:
        out.write_text(svg(title, drawn, y_name=y_name, x_name=x_name), "utf-8")
    print_json({"file": str(out), "lines": len(drawn)}) if call.as_json else console().print(f"{out}: {len(drawn)} lines")
