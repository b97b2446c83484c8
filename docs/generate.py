"""Write the reference pages that follow from the package's tables: ``python docs/generate.py``.

A test fails when a page is not what this script would write.
"""

import ast
import dataclasses
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import typer.main
from lxml import etree
from pydantic import BaseModel
from pydantic.fields import FieldInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from docs.coverage import coverage_page  # noqa: E402
from emulator.campaigns.hosting import EXTENSIONS  # noqa: E402
from emulator.campaigns.reference import campaign_page  # noqa: E402
from emulator.cli.main import application  # noqa: E402
from emulator.csp.pools import CHANGEABLE, default_pools  # noqa: E402
from emulator.csp.regions import CspSettings, default_technologies  # noqa: E402
from emulator.domain import tables  # noqa: E402
from emulator.domain.vocabulary import DeviceType  # noqa: E402
from emulator.dsp import job_states  # noqa: E402
from emulator.dsp.releases import DELIVERY_REPORTS, FEATURES  # noqa: E402
from emulator.dsp.settings import DspSettings  # noqa: E402
from emulator.estate.declaration import _Estate as DeclaredEstate  # noqa: E402
from emulator.estate.mistakes import _expected as explained  # noqa: E402
from emulator.estate.model import CplEntry, DeviceDefinition, Estate, Home, Party, Registration, RegistrationRule  # noqa: E402
from emulator.fanout import phases  # noqa: E402
from emulator.gbcs.usecases import all_use_cases  # noqa: E402
from emulator.logistics import tables as logistics  # noqa: E402
from emulator.logistics.settings import LogisticsSettings  # noqa: E402
from emulator.premises.profiles import device_kinds, hub_variants  # noqa: E402
from emulator.premises.settings import HanSettings  # noqa: E402
from emulator.reports.registry import REPORTS  # noqa: E402
from emulator.scenarios.proofs import requirements  # noqa: E402
from emulator.scenarios.reference import scenario_page  # noqa: E402
from emulator.scenarios.schema import scenario_schema  # noqa: E402
from emulator.service.config import Settings, load_settings  # noqa: E402
from emulator.service.control_app import control_routes  # noqa: E402
from emulator.service.server import Server  # noqa: E402
from emulator.simulation.faults import FACTS, KEYS, KINDS  # noqa: E402

ESTATE_COLUMNS = ("Key", "What it takes", "Default", "Meaning")
PAGES = ROOT / "docs" / "reference"
NOTICE = "<!-- Written by docs/generate.py; change the table it comes from, then run `make docs`. -->\n"


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    columns = list(header)
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (str(cell).replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def sources_of(file: str) -> str:
    """The explanation of the source keys of a fact table, from the file itself."""
    document = tomllib.loads((ROOT / "emulator" / "domain" / "data" / f"{file}.toml").read_text(encoding="utf-8"))
    return "".join(f"* `{key}`: {text}\n" for key, text in document["sources"].items())


def request_elements() -> set[str]:
    """Names of the request bodies that the schema takes: the elements of the groups that the Body of a Request may hold."""
    xs = "{http://www.w3.org/2001/XMLSchema}"
    trees = [etree.parse(file) for file in sorted((ROOT / "xsd").glob("*.xsd"))]
    groups = {group.get("name"): group for tree in trees for group in tree.getroot().iterfind(f"{xs}group")}
    (body,) = (
        body for tree in trees for body in tree.getroot().iterfind(f"{xs}element[@name='Request']//{xs}element[@name='Body']")
    )
    chosen = [groups[reference.get("ref", "").removeprefix("sr:")] for reference in body.iter(f"{xs}group")]
    return {element.get("name", "") for group in chosen for element in group.iterfind(f"{xs}choice/{xs}element")}


def coverage() -> str:
    """Which Service Reference Variants are carried out, and for which devices and use cases."""
    return coverage_page(request_elements(), table)


def response_codes() -> str:
    """All response codes."""
    rows = [
        (code.code, code.severity, code.service_reference, code.meaning, code.confidence, " ".join(code.source))
        for code in tables.response_codes().values()
    ]
    text = f"""# Response codes

The {len(rows)} codes of DUIS V5.4, in our words. The published documents that define them are not public; what no source tells
says so. Which code the emulator answers with is in [check codes](check-codes.md).

"""
    return (
        text
        + table(("Code", "Severity", "Service", "Meaning", "Confidence", "Source"), rows)
        + "\n"
        + sources_of("response_codes")
    )


def check_codes() -> str:
    """The code of each check."""
    rows = [
        (f"`{row.name}`", row.service_reference or "any", row.code, row.meaning, row.confidence, " ".join(row.source))
        for row in tables.CheckCodes()
    ]
    text = """# Check codes

Which response code each check of the emulator answers with. All of them are settings: who holds the DUIS text can correct a code
in the estate, for every service or for one:

```toml
[settings.check_codes]
request_id_used = "E71"
"image_malformed@11.4" = "E110402"
```

"""
    return (
        text + table(("Check", "Service", "Code", "Fails when", "Confidence", "Source"), rows) + "\n" + sources_of("check_codes")
    )


def _purposes_of_logic() -> set[str]:
    """Purposes of DCC Alerts that the DSP's logic names: no other is ever sent."""
    words = {
        node.value
        for path in (ROOT / "emulator" / "dsp").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return words & tables.alert_by_purpose().keys()


def dcc_alerts() -> str:
    """All DCC Alert codes."""
    sent = _purposes_of_logic()
    rows = [
        (
            row.code,
            f"`{row.body}`" + (f" ({row.variant})" if row.variant else ""),
            "yes" if row.purpose in sent else "",
            f"`{row.purpose}`" if row.purpose else "",
            row.meaning,
            row.recipients.value.replace("_", " "),
            row.confidence,
            " ".join(row.source),
        )
        for row in tables.dcc_alerts().values()
    ]
    text = f"""# DCC Alerts

The {len(rows)} codes of DUIS V5.4. The schema does not bind codes to bodies; *confidence* says how well code, body and cause are
known to belong together. The emulator's logic names the purpose and finds the code here.

*Sent* are {len(sent)}. Of the others either the cause is not known, or nothing here brings it about: recovery, SMETS1, the
enduring change of supplier party, limits of attributes, the report 8F84 of a hub. An adapter may meet them at the DCC; `inspect`
and the client read them.

"""
    header = ("Code", "Body", "Sent", "Purpose", "Meaning", "Goes to", "Confidence", "Source")
    return text + table(header, rows) + "\n" + sources_of("dcc_alerts")


def use_cases() -> str:
    """All GBCS use cases that the emulator speaks."""
    rows = [
        (
            row.name,
            f"{row.code:04X}",
            row.title,
            row.format.value,
            row.category.value,
            " ".join(kind for kind in DeviceType if kind in row.device_types),
            row.confidence,
            row.source,
        )
        for row in sorted(all_use_cases(), key=lambda row: (row.code, row.name))
    ]
    text = "# GBCS use cases\n\nThe messages that devices and the DCC of the emulator write and read.\n\n"
    return text + table(("Use case", "Message code", "What", "Form", "Category", "Devices", "Confidence", "Source"), rows)


def field_texts(kind: type) -> Mapping[str, str]:
    """The doc line under each field of a class."""
    (body,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            texts[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return {field: text.replace("``", "`") for field, text in texts.items()}


def shown(value: object) -> str:
    """A default as it is written in TOML, or as near as that goes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        return "`[" + ", ".join(f'"{item}"' for item in value) + "]`"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


def server_settings() -> str:
    """Settings of a server, section by section."""
    text = """# Server settings

One TOML file (`dcc-emulator serve --config FILE`), then the environment (`DCC_<SECTION>__<KEY>`, e.g. `DCC_DUIS__PORT`), then
flags; later ones win. An unknown key is an error.

"""
    texts = field_texts(Settings)
    top = []
    for name, info in Settings.model_fields.items():
        section = info.annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            top.append((f"`{name}`", shown(info.get_default()), texts.get(name, "")))
            continue
        explained = {
            key: text
            for kind in reversed(section.__mro__)
            if BaseModel in kind.__mro__[1:]
            for key, text in field_texts(kind).items()
        }
        rows = [(f"`{key}`", shown(field.get_default()), explained.get(key, "")) for key, field in section.model_fields.items()]
        text += (
            f"## `[{name}]`\n\n{' '.join((section.__doc__ or '').split())}\n\n"
            + table(("Key", "Default", "Meaning"), rows)
            + "\n"
        )
    return text + "## Without a section\n\n" + table(("Key", "Default", "Meaning"), top)


def world_settings() -> str:
    """Settings of a world, as an estate may give them."""
    text = """# World settings

Switches and timings of an emulated world, given in its estate (`[settings.dsp]` and so on). `L…` in *source* names a row of the
reference's table of limits, `EMU` is a choice of ours. None of them is a fact about the real system unless its confidence is
`exact`.

"""
    for section, kind in (("dsp", DspSettings), ("csp", CspSettings), ("han", HanSettings), ("stock", LogisticsSettings)):
        texts = field_texts(kind)
        rows = [
            (
                f"`{field.name}`",
                shown(field.default),
                texts.get(field.name, ""),
                field.metadata["source"],
                field.metadata["confidence"],
            )
            for field in dataclasses.fields(kind)
            if "source" in field.metadata
        ]
        text += f"## `[settings.{section}]`\n\n" + table(("Key", "Default", "Meaning", "Source", "Confidence"), rows) + "\n"
    text += releases() + pools()
    return text + "`[settings.check_codes]` is explained in [check codes](check-codes.md).\n"


def pools() -> str:
    """What an estate may say of pools."""
    return f"""## `[settings.pools.…]`

What the hubs of a region share, by kind of pool ([network](network.md)): with `channels = 1` in `[settings.pools.radio]` one
image is sent at a time in a cell. Keys: {", ".join(f"`{key}`" for key in CHANGEABLE)}.

"""


def releases() -> str:
    """What can be released and backed out, and how the order of versions is declared."""
    rows = [(f"`{feature.value}`", row.meaning, row.source, row.confidence) for feature, row in FEATURES.items()]
    alerts = [(f"`{tables.alert_by_purpose()[purpose].body}`", confidence) for purpose, confidence in DELIVERY_REPORTS.items()]
    return (
        "## Releases\n\nFirmware for PPMIDs and HCALCSs went live in stages. A world begins with the settings of these names; "
        "`PUT …/releases` switches them while it runs.\n\n"
        + table(("Feature", "Meaning", "Source", "Confidence"), rows)
        + "\nDCC Alerts that came with the DSP's release:\n\n"
        + table(("DCC Alert", "Confidence in that"), alerts)
        + "\n## `[[settings.upgrade_paths.rows]]`\n\nFrom which versions one of a model may be reached (F45, MP231): `type`, "
        "`manufacturer`, `model`, `firmware_version` and the list `from_versions`. Without a row it may be reached from any. "
        "`upgrade_order` above says what follows.\n\n"
    )


def in_words(field: FieldInfo) -> str:
    """What a key of an estate takes."""
    words = explained(field)
    if not words:
        members = [part for part in get_args(field.annotation) if part is not type(None)]
        words = " or ".join(filter(None, (in_words(FieldInfo.from_annotation(part)) for part in members)))
    return f"a list: {words}" if get_origin(field.annotation) is list else words


def estate() -> str:
    """Every key of an estate."""
    text = """# Estate

What a world is made of, as TOML. `dcc-emulator estate template` prints the embedded default, `dcc-emulator estate validate FILE`
names what is wrong ([how to](../how-to/own-estate.md)). An unknown key is an error. Keys without a default must be given.

"""
    kinds = {
        "": Estate,
        "parties": Party,
        "homes": Home,
        "devices": DeviceDefinition,
        "registrations": Registration,
        "registration_rules": RegistrationRule,
        "cpl": CplEntry,
    }
    meanings = {name: field_texts(kind) for name, kind in kinds.items()}

    def describe(path: str, model: type[BaseModel]) -> str:
        rows, inner = [], ""
        for key, field in model.model_fields.items():
            place = f"{path}.{key}" if path else key
            nested = [part for part in get_args(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
            inner += "".join(describe(place, part) for part in nested)
            takes = f"tables `[[{place}]]`" if nested else in_words(field)
            default = "" if field.is_required() else shown(field.get_default()) or "none"
            meaning = re.sub(r":\w+:`[\w.]*?(\w+)`", r"`\1`", meanings.get(path.split(".")[-1], {}).get(key, ""))
            if key == "settings":
                takes, meaning = "tables `[settings.…]`", "[World settings](world-settings.md)."
            elif key.startswith("registration"):
                meaning = f"{meaning} [Registration data](registration.md).".strip()
            rows.append((f"`{key}`", takes, default, meaning))
        return f"## {f'`[[{path}]]`' if path else 'At the top'}\n\n{table(ESTATE_COLUMNS, rows)}\n{inner}"

    return text + describe("", DeclaredEstate)


def states() -> str:
    """State diagrams, drawn from the transition tables."""
    drawn = {(before, event): after for (before, event), after in job_states.TRANSITIONS.items()}
    image = sorted((phases.PHASES[before], phases.PHASES[after]) for before, after in phases.TRANSITIONS)
    firmware = sorted((phases.FIRMWARE[before], phases.FIRMWARE[after]) for before, after in phases.FIRMWARE_TRANSITIONS)
    machines: list[tuple[str, str, list[str]]] = [
        (
            "Firmware job at the DSP",
            "One device of one 11.1 or 11.4.",
            [f"{state} --> {after}: {event}" for (state, event), after in drawn.items()],
        ),
        ("Image for a device", "From the WAN to the check by the device.", [f"{before} --> {after}" for before, after in image]),
        ("Firmware of a device", "What it holds and runs.", [f"{before} --> {after}" for before, after in firmware]),
    ]
    text = "# States\n\nDrawn from the transition tables of the package. What is not drawn does not happen.\n"
    for title, about, lines in machines:
        text += f"\n## {title}\n\n{about}\n\n```mermaid\nstateDiagram-v2\n"
        text += "".join(f"    {line}\n" for line in lines) + "```\n"
    return text


def network() -> str:
    """What the WAN and the homes can be made of, with the source of every value."""
    text = """# Network

Technologies, pools, variants of hubs and kinds of devices. `L…` in *source* names a row of the reference's table of limits, `EMU`
is a choice of ours; an estimate is a figure that nobody could read anywhere. A home names its hub's variant by `hub_variant`, a
device its kind by `profile` ([estate](estate.md)); what is the same for all is in [world settings](world-settings.md).

"""
    groups: list[tuple[str, str, Mapping[str, Any]]] = [
        ("WAN technologies", "How a hub is reached.", default_technologies()),
        ("Pools", "What the hubs of one region share.", default_pools()),
        ("Variants of hubs", "What differs from the settings of the HAN.", hub_variants()),
        ("Kinds of devices", "How they hear of an image and take it.", device_kinds()),
    ]
    for title, about, rows in groups:
        text += f"## {title}\n\n{about}\n\n"
        for name, each in rows.items():
            listed = [(f"`{key}`", source.row, "yes" if source.estimate else "no") for key, source in each.sources.items()]
            text += f"### `{name}`\n\n{each.meaning}.\n\n" + table(("Value", "Source", "Estimate"), listed) + "\n"
    return text.rstrip() + "\n"


def faults() -> str:
    """Everything that a fault may say, and every kind."""
    text = """# Faults

A fault says what goes wrong, whom it hits and when ([how to](../how-to/faults.md)). The keys are the same in scenario files
(`[[faults]]` and the step `fault.add`), plan files (`serve --faults`, `fault add --file`), `POST …/faults`, `fault add`, tests.
The same seed, plan and events hit the same devices at the same moments.

"""
    text += table(("Key", "Meaning"), ((f"`{key}`", meaning) for key, meaning in KEYS.items()))
    text += """
## Whom

Conditions of `who`; all must hold. Each takes a text or a list of texts, of which one must fit; `*` and `?` match as in file
names, case makes no difference. A selector that can match nobody is refused; one on what changes while the world runs is not.

"""
    rows = [(f"`{name}`", fact.meaning, ", ".join(fact.choices), "yes" if fact.changes else "") for name, fact in FACTS.items()]
    rows.append(
        ("`share`", "of all these so many on average, `[n, d]`; who they are follows from seed and number of the fault", "", "")
    )
    text += table(("Condition", "What", "Values", "Changes"), rows)
    text += """
## Kinds

`F…` in *source* are rows of the failure catalogue in the reference (ota.md section 12), `EMU` is a choice of ours. `chance`,
`times` and `after` count *occasions*. Durations take milliseconds or text with a unit (`"90 s"`). Kinds that hit a user spoil
what passes over HTTP in wall time and change nothing in the world; what came of them is kept with snapshots.

"""
    kinds = [(f"`{kind.name}`", kind.subject, kind.meaning, kind.occasion, kind.source) for kind in KINDS.values()]
    text += table(("Kind", "Hits a", "What happens", "An occasion is", "Source"), kinds)
    text += "\n### Parameters\n\n"
    params = (
        (f"`{kind.name}`", f"`{param.name}`", param.meaning, param.takes, f"`{param.default}`" if param.default != "" else "")
        for kind in KINDS.values()
        for param in kind.params
    )
    return text + table(("Kind", "Parameter", "Meaning", "What it takes", "Default"), params)


def control_api() -> str:
    """The operations of the control API."""
    text = """# Control API

On port 8080, loopback by default. The OpenAPI 3.1 document with all fields is served at `/control/v1/openapi.json`,
as a page at `/control/v1/docs`.
`/_dcc/health`, `/_dcc/ready`, `/_dcc/version` and `/_dcc/metrics` (Prometheus) need no token. `/_dcc/diagnose` says how
everything is and what is amiss, with remedies.

What is wrong with a call is said as `{"error": …, "where": …, "expected": …}`.

"""
    rows = (
        (f"`{route.method}`", f"`{route.path}`", route.summary, f"`{route.body.__name__}`" if route.body else "")
        for route in control_routes(Server(load_settings(env={})), EXTENSIONS)
    )
    return text + table(("", "Path", "What", "Body"), rows)


def reports() -> str:
    """The reports with their columns and filters."""
    text = """# Reports

Tables over a world: `dcc-emulator report NAME`, `GET /control/v1/worlds/{world}/reports/{name}`, the step `expect-report`
([how to](../how-to/reports.md)). Instants are milliseconds of UTC and durations milliseconds of simulated time; an empty cell is
`null`. Every report takes `offset` and `limit`.
"""
    for report in REPORTS.values():
        columns = table(("Column", "Holds", "What"), ((f"`{each.name}`", each.unit, each.says) for each in report.columns))
        filters = table(("Filter", "Takes", "Only"), ((f"`{each.name}`", each.unit, each.says) for each in report.filters))
        text += f"\n## `{report.name}`\n\n{report.says}\n\n{columns}\n{filters}"
    return text


def command_line() -> str:
    """The verbs of ``dcc-emulator`` with their options."""
    text = """# Command line

`dcc-emulator VERB --help` says the same. Every verb takes `--json`; `NO_COLOR` is honoured. Exit codes: 0 in order, 1 a verdict
that is not, 2 wrong usage or input, 3 nobody answers.
"""

    def describe(name: str, command: Any) -> str:
        inner = ""
        if hasattr(command, "commands"):
            inner = "".join(describe(f"{name} {verb}", sub) for verb, sub in sorted(command.commands.items()))
            if not command.invoke_without_command or name == "dcc-emulator":
                return inner
        rows = []
        for parameter in command.params:
            help_text = getattr(parameter, "help", "") or ""
            if parameter.param_type_name == "argument":
                rows.append((f"`{parameter.name.upper()}`", help_text))
            elif "--help" not in parameter.opts:
                needed = " (required)" if parameter.required else ""
                rows.append(
                    (", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts]), help_text + needed)
                )
        about = " ".join((command.help or "").split())
        return f"\n## `{name}`\n\n{about}\n" + ("\n" + table(("Option", "Meaning"), rows) if rows else "") + inner

    return text + describe("dcc-emulator", typer.main.get_command(application))


def failures() -> str:
    """The failure catalogue and what shows each row."""
    text = """# What can fail in a firmware update, and who sees it

The failure catalogue of the reference (ota.md section 12), row by row: where it happens, who hears of it by which message, and
the [scenarios](scenario.md) and tests that show it. Whoever is not named hears nothing. [Faults](faults.md) say how to cause it.
"""
    rows = tomllib.loads((ROOT / "tests" / "failures" / "catalogue.toml").read_text("utf-8"))
    shown = []
    for number, row in rows.items():
        names = ", ".join(f"`{name}`" for name in row["scenarios"])
        tests = "<br>".join(f"`{name.rpartition('::')[2]}`" for name in row["tests"])
        shown.append((number, row["where"], row["failure"], row["seen"], names, tests))
    return text + "\n" + table(("Row", "Where", "What fails", "Who sees what", "Scenarios", "Tests"), shown)


def requirements_page() -> str:
    """Which requirement is shown by which scenario, and what takes it away."""
    rows = [
        (id_, row.priority, row.shows, " – ".join(filter(None, (row.scenario, row.missing))), row.expectation, row.switch.words())
        for id_, row in requirements().items()
    ]
    shown = {each: sum(bool(row.scenario) for row in requirements().values() if row.priority == each) for each in "AB"}
    return f"""# Requirements

Ids and priorities are those of the reference (`ota/seeds_requirements.md`). A row is *covered* when its scenario passes and the
named expectation fails as soon as the switch takes the behaviour away: `dcc-emulator scenario prove`. {shown["A"]} rows of
priority A and {shown["B"]} of priority B name a scenario; the long tests prove every one of them.

""" + table(("Id", "Priority", "What is shown", "Scenario", "Expectation", "Taken away by"), rows)


def stock() -> str:
    """States, moves and kinds of units outside homes."""
    names = logistics.state_names()
    moves = [
        (
            f"`{each.event}`",
            ", ".join(names[number] for number in sorted(each.come_from)),
            names[each.to],
            each.meaning,
            each.source,
            each.confidence,
        )
        for each in logistics.moves().values()
    ]
    kinds = [
        (
            *(f"`{each.name}`", each.device_type, each.generation, each.band, each.technology, each.local),
            *("yes" if each.factory_reset else "no", each.meaning, each.source, each.confidence),
        )
        for each in logistics.variants().values()
    ]
    places = [(f"`{each.name}`", each.place, each.meaning, each.source, each.confidence) for each in logistics.states().values()]
    wrong = [
        (
            *(f"`{each.name}`", each.part, " ".join(sorted(each.device_types)), each.reason),
            *(each.meaning, each.source, each.confidence),
        )
        for each in logistics.truths().values()
    ]
    felt = [
        (f"`{cause}`", f"`{each.fault}`", each.percent, each.meaning, each.source, each.confidence)
        for cause, listed in logistics.symptoms().items()
        for each in listed
    ]
    return (
        """# Stock

Where a hub or meter outside homes can be, what can happen to it, and what it can be. [How it goes](../explanation/logistics.md);
times, lots and fees are [settings](world-settings.md).

## States

"""
        + table(("State", "Place", "Meaning", "Source", "Confidence"), places)
        + "\n## Moves\n\n"
        + table(("What happens", "From", "To", "Meaning", "Source", "Confidence"), moves)
        + "\n## Variants\n\n"
        + table(
            (
                *("Variant", "Type", "Generation", "Band", "Technology", "Local way", "Can be reset"),
                *("Meaning", "Source", "Confidence"),
            ),
            kinds,
        )
        + "\n## What can be the matter\n\n"
        + "*Part* is that of the generated returns which are not free of faults.\n\n"
        + table(("Truth", "Part", "Types", "Right reason of 8.14.3", "Meaning", "Source", "Confidence"), wrong)
        + "\n## How it is felt\n\n"
        + "Where a unit stands, what is the matter with it brings about [faults](faults.md). What is not here only shows to "
        "who looks.\n\n" + table(("Cause", "Fault", "Per cent of occasions", "Meaning", "Source", "Confidence"), felt)
    )


WRITERS: Mapping[str, Callable[[], str]] = {
    "coverage.md": coverage,
    "response-codes.md": response_codes,
    "check-codes.md": check_codes,
    "dcc-alerts.md": dcc_alerts,
    "use-cases.md": use_cases,
    "server-settings.md": server_settings,
    "world-settings.md": world_settings,
    "estate.md": estate,
    "states.md": states,
    "network.md": network,
    "faults.md": faults,
    "failures.md": failures,
    "control-api.md": control_api,
    "reports.md": reports,
    "command-line.md": command_line,
    "scenario.md": scenario_page,
    "campaign.md": campaign_page,
    "requirements.md": requirements_page,
    "stock.md": stock,
}


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    written = {PAGES / name: NOTICE + write().rstrip() + "\n" for name, write in WRITERS.items()}
    written[PAGES / "scenario.schema.json"] = json.dumps(scenario_schema(), indent=1, ensure_ascii=False) + "\n"
    return written


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
