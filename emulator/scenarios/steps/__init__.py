"""Every kind of step by name. A further kind is a class in one of these modules, or in one of its own, and its row."""

from collections.abc import Mapping

from emulator.scenarios.steps import (
    any_request,
    books,
    campaigns,
    clock,
    controls,
    credentials,
    evidence,
    expectations,
    images,
    local,
    random_requests,
    reports,
    requests,
    trail,
)
from emulator.scenarios.steps.step import Step

GROUPS: Mapping[str, Mapping[str, type[Step]]] = {
    "Images": images.STEPS,
    "Requests in short form": {**requests.STEPS, **credentials.STEPS, **local.REQUESTS},
    "Any request": any_request.STEPS,
    "Random requests": random_requests.STEPS,
    "Campaigns": campaigns.STEPS,
    "Time": clock.STEPS,
    "Operator": controls.STEPS,
    "Expectations": expectations.STEPS,
    "Expectations on record": trail.STEPS,
    "Expectations of reports": reports.STEPS,
    "Runs": evidence.STEPS,
    "Expectations of stock": books.EXPECTATIONS,
}
"""The kinds under the headings of the reference page."""

STEPS: Mapping[str, type[Step]] = {name: kind for group in GROUPS.values() for name, kind in group.items()}
"""All of them."""
