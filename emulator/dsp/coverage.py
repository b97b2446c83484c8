"""12.1: how the WAN reaches a place, told from the premises that are known there (source: reference duis/duis.md A.2)."""

from emulator.domain.errors import Refusal
from emulator.domain.vocabulary import CspRegion
from emulator.dsp.context import Context
from emulator.dsp.gate import Case
from emulator.dsp.inventory import whole_number
from emulator.dsp.state import Premises
from emulator.duis.messages import Element, element


def read_wan_matrix(context: Context, case: Case) -> Element | Refusal:
    """12.1 by UPRN or address: one entry for each region of the premises there; where there are none at the very address, those
    with its post code speak for it."""
    body, reference = case.request.body, case.row.service_reference
    uprn = body.value("UPRN")
    if uprn is not None:
        check, where = "wan_matrix_uprn_unknown", f"UPRN {uprn}"
        hubs = context.lookup.hubs_at_uprn(whole_number(uprn, "UPRN"))
    else:
        post_code = body.required("PartialAddress", "PostCode")
        check, where = "wan_matrix_address_unknown", f"post code {post_code}"
        hubs = context.lookup.hubs_at_address(post_code, body.required("PartialAddress", "AddressIdentifier"))
        hubs = hubs or context.lookup.hubs_at_post_code(post_code)
    known = [premises for premises in context.state.premises.values() if premises.hub in set(hubs)]
    if not known:
        return Refusal(context.codes.code(check, reference), f"no premises are known at {where}", where=check)
    regions: dict[CspRegion, Premises] = {}
    for premises in sorted(known, key=lambda each: each.hub):
        regions.setdefault(premises.region, premises)
    return element(
        "DSPWANMatrix",
        element("Request", *body.children),
        *(_entry(context, region, premises) for region, premises in regions.items()),
    )


def _entry(context: Context, region: CspRegion, premises: Premises) -> Element:
    """There is a hub on the WAN, so the WAN is there."""
    return element(
        "DSPWANMatrixResponse",
        element("CSPRegion", region),
        element("CSPRegionResponseCode", context.codes.code("done")),
        element("CoverageAvailability", "true"),
        element("WANTechnology", context.csp.state.hubs[premises.hub].technology[:30]),
        element("ConnectivityLikelihood", context.settings.wan_matrix_likelihood),
    )
