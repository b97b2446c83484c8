"""The reference page of campaign plans, written from the models."""

from pydantic import BaseModel

from emulator.campaigns.funnel import FAILURES, STAGES
from emulator.campaigns.plan import (
    SHARE_FORM,
    WINDOW_FORM,
    About,
    Act,
    Activation,
    Document,
    Effect,
    Emergency,
    Gates,
    Group,
    Image,
    Intervention,
    Population,
    ReadAfter,
    Retry,
    Rollback,
    RollbackWhen,
)
from emulator.campaigns.runner import Phase, Verdict
from emulator.scenarios.reference import keys_table
from emulator.simulation.durations import DURATION_FORM, INSTANT_FORM

_INTRODUCTION = f"""# Campaign plans

A campaign plan is one TOML file: which image goes to whom, in which waves, behind which gates, and what follows
([how to run one](../how-to/campaigns.md)). `dcc-emulator campaign check FILE` looks at every key, unit and choice; an error names
the file, the key and the remedy.

* **Spans of time** are {DURATION_FORM}.
* **Instants** are {INSTANT_FORM}; `start` is simulated time when the campaign is taken up, and there is no `now`.
* **Shares** are {SHARE_FORM}, with at most four places.
* **Windows** are {WINDOW_FORM}, UTC.

A plan with `[estate]` (the table of a [scenario file](scenario.md)) runs in a world of its own, over HTTP. One with
`[population]` runs over a generated estate in this process. One with neither runs at a world of a running server.

"""

_TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[campaign]", About),
    ("[image]", Image),
    ("[[groups]]", Group),
    ("[gates]", Gates),
    ("[activation]", Activation),
    ("[retry]", Retry),
    ("[rollback]", Rollback),
    ("[emergency]", Emergency),
    ("[[operator]]", Intervention),
    ("[[effects]]", Effect),
    ("[population]", Population),
)
_CHOICES = (
    ("read_after", ReadAfter),
    ("rollback.when", RollbackWhen),
    ("operator.do", Act),
    ("Phases", Phase),
    ("Verdicts", Verdict),
)


def campaign_page() -> str:
    """The page in Markdown."""
    assert {name.strip("[]") for name, _ in _TABLES} | {"estate"} == set(Document.model_fields)
    parts = [_INTRODUCTION]
    for name, model in _TABLES:
        text = " ".join((model.__doc__ or "").split()).partition(": ")[2]
        parts.append(f"## `{name}`\n\n{text[:1].upper()}{text[1:]}\n\n{keys_table(model)}\n")
    parts.append("## Choices\n\n")
    for name, choices in _CHOICES:
        parts.append(f"`{name}`: " + ", ".join(f"`{choice}`" for choice in choices) + ".\n\n")
    parts.append("## What is counted\n\n")
    parts.append("Stages, cumulative: " + ", ".join(f"`{stage}`" for stage in STAGES) + ".\n\n")
    parts.append("Reasons of failures: \n\n" + "".join(f"* `{name}`: {text}\n" for name, text in FAILURES.items()))
    return "".join(parts)
