"""What has been released of firmware for PPMIDs and HCALCSs: at the DSP, at the CSPs, and in hubs, version by version.

Such a service goes live in stages, and each can be backed out again (reference ota/ota.md section 1 item 10; Q7-19, Q7-55,
Q7-71). A world begins with what its settings say; an operator switches while it runs (:mod:`emulator.dsp.firmware_controls`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from emulator.domain.vocabulary import DeviceType
from emulator.dsp.settings import DspSettings

RELEASED_TYPES = (DeviceType.PPMID, DeviceType.HCALCS)
"""Device types that get firmware over the air by these releases (ota.md section 1 items 9 and 10)."""


class Feature(StrEnum):
    """What can be released, under the name of the setting with which a world begins."""

    DSP = "dsp_release"
    CSP = "csp_release"
    SERVICE = "sr_11_4"
    HUB = "ch"
    """For each firmware version of hubs by itself; without word of it the version of GBCS that it speaks decides."""


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """What a feature is, for people."""

    meaning: str
    source: str
    confidence: str


FEATURES: Mapping[Feature, FeatureRow] = {
    Feature.DSP: FeatureRow(
        "The DSP serves 11.4 and HCALCSs, and tells how an image gets along (see below)", "ota.md 1; S-20", "medium"
    ),
    Feature.CSP: FeatureRow("The CSPs take images for PPMIDs and HCALCSs; until then none may have one", "ota.md 1", "medium"),
    Feature.SERVICE: FeatureRow("Users may send 11.4", "Q7-19", "low"),
    Feature.HUB: FeatureRow("Hubs with this firmware version pass images on to PPMIDs and HCALCSs", "ota.md 1; Q7-55", "medium"),
}
"""Every feature."""

DELIVERY_REPORTS: Mapping[str, str] = {
    "firmware_delivered": "medium-high",
    "firmware_not_delivered": "medium-high",
    "firmware_upgrade_requested": "low",
    "comms_hub_firmware_transfer": "low",
    "ppmid_alert": "low",
}
"""DCC Alerts that came with the DSP's release, by purpose, with the confidence in that: N60 and N61 are named with it (ota.md 5.3
citing secas0007), the others have numbers next to theirs."""


@dataclass(slots=True)
class ReleaseState:
    """What an operator has switched; everything else is as the settings have it."""

    switched: dict[str, bool] = field(default_factory=dict)
    """By feature, other than that of hubs."""
    hub_versions: dict[str, bool] = field(default_factory=dict)
    """By firmware version of hubs."""


def is_on(state: ReleaseState, settings: DspSettings, feature: Feature) -> bool:
    """Whether a feature other than that of hubs is released."""
    begun: bool = getattr(settings, feature.value)
    return state.switched.get(feature.value, begun)


def reports(state: ReleaseState, settings: DspSettings, purpose: str) -> bool:
    """Whether a DCC Alert with this purpose exists yet."""
    return purpose not in DELIVERY_REPORTS or is_on(state, settings, Feature.DSP)


def missing_for_service(state: ReleaseState, settings: DspSettings, srv: str) -> Feature | None:
    """The feature without which a service does not exist yet; None when it does."""
    needed = (Feature.DSP, Feature.SERVICE) if srv == "11.4" else ()
    return next((feature for feature in needed if not is_on(state, settings, feature)), None)
