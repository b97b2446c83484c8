"""The reference page of scenario files, written from the models and the table of steps."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from emulator.scenarios.estates import Copies, EstateSection
from emulator.scenarios.model import About
from emulator.scenarios.steps import GROUPS
from emulator.scenarios.steps.step import Step
from emulator.scenarios.steps.trail import AuditRow, JournalRow
from emulator.scenarios.steps.wanted import Wanted
from emulator.scenarios.values import SIZE_FORM
from emulator.simulation.durations import DURATION_FORM, INSTANT_FORM, format_duration

_INTRODUCTION = f"""# Scenario files

A scenario is one TOML file: what the world starts with, who does what, and what must come of it
([how to write one](../how-to/write-a-scenario.md)). `dcc-emulator scenario check FILE` looks at every key, unit, name and
reference without running it; an error names the file, the step and the remedy.

* **Spans of time** are {DURATION_FORM}.
* **Instants** are {INSTANT_FORM}. `now` is the moment at which the step is carried out.
* **Sizes** are {SIZE_FORM}.
* **Users** are named by `[users]`, by their name in the estate, or by EUI.
* **Devices** are named by `[devices]`, by EUI, or by a selector `TYPE@home` with `*` and `?` as in file names: `ESME@*`,
  `*@central`. A device that is to be unknown to the estate is declared under `[devices]`.
* Where several devices are possible, a name may stand for many of them.

"""

_TOP = """## The file

| Table | What |
| --- | --- |
| `[scenario]` | what it is and where it begins |
| `[estate]` | what the world starts with |
| `[users]` | `short-name = "name or EUI"` |
| `[devices]` | `short-name = "selector, EUI or short name"`, or a list of them |
| `[[faults]]` | faults that are planned before the first step, with the keys of `fault.add` |
| `[[steps]]` | what is done and what must come of it, in order; `do` names the kind of step |

"""

_COMMON = """## Steps

Every step has `do`, its kind, and may have

| Key | Form | Meaning |
| --- | --- | --- |
| `name` | text | by which later steps refer to it, and reports name it |
| `requirements` | list | what this very step shows |

A step that finds something wrong does not end the run. One that cannot be carried out as it is written does, as an error.

"""

_ROWS: Mapping[str, tuple[str, type[BaseModel]]] = {
    "expect-messages": ("messages", Wanted),
    "expect-audit": ("records", AuditRow),
    "expect-journal": ("entries", JournalRow),
}
"""Kinds of step with rows of their own: the key that holds them and what they are."""


def scenario_page() -> str:
    """The page in Markdown."""
    parts = [_INTRODUCTION, _TOP]
    for heading, model in (("`[scenario]`", About), ("`[estate]`", EstateSection), ("`[[estate.copies]]`", Copies)):
        parts.append(f"### {heading}\n\n{keys_table(model)}\n")
    parts.append(_COMMON)
    for group, kinds in GROUPS.items():
        parts.append(f"### {group}\n\n")
        for names, kind in _by_class(kinds):
            parts.append(f"#### {', '.join(f'`{name}`' for name in names)}\n\n{_text(kind.__doc__)}\n\n{keys_table(kind)}\n")
            if names[0] in _ROWS:
                key, row = _ROWS[names[0]]
                text = _text(row.__doc__)
                parts.append(f"Each row of `{key}`: {text[:1].lower()}{text[1:]}\n\n{keys_table(row)}\n")
    return "".join(parts)


def _by_class(kinds: Mapping[str, type[Step]]) -> Iterable[tuple[list[str], type[Step]]]:
    """Kinds that share their keys under one heading."""
    return [([name for name, each in kinds.items() if each is kind], kind) for kind in dict.fromkeys(kinds.values())]


def keys_table(model: type[BaseModel]) -> str:
    """The keys of a table in TOML, without those that every step has."""
    schema = model.model_json_schema()
    common = set(Step.model_fields) if issubclass(model, Step) else set()
    rows = []
    for name, field in schema.get("properties", {}).items():
        if name not in common:
            default = "needed" if name in schema.get("required", ()) else _default(field)
            rows.append(f"| `{name}` | {_form(field, schema)} | {default} | {_text(field.get('description'))} |\n")
    if not rows:
        return "It has no further keys.\n"
    return "| Key | Form | Default | Meaning |\n| --- | --- | --- | --- |\n" + "".join(rows)


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", [], {}):
        return ""
    if field.get("format") == "duration":
        return f"`{format_duration(value)}`"
    if field.get("format") == "share":
        return f"`{value / 10_000:g} %`"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def _form(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """How a value is written."""
    if field.get("format") in ("name", "names"):
        return "name" if field["format"] == "name" else "name or list of names"
    if "$ref" in field:
        return _form(schema["$defs"][str(field["$ref"]).rpartition("/")[2]], schema)
    if "allOf" in field:
        return _form(field["allOf"][0], schema)
    if "anyOf" in field:
        forms = [_form(each, schema) for each in field["anyOf"] if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(forms))
    if "examples" in field:
        return "such as " + ", ".join(f"`{example}`" for example in field["examples"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    kind = {"string": "text", "integer": "number", "boolean": "`true` or `false`", "array": "list", "object": "table"}
    if field.get("type") == "array" and "$ref" in field.get("items", {}):
        return "list of tables"
    return kind.get(str(field.get("type")), "any value")


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
