"""Which certificate is live: the rule of the DCC's clients, case by case."""

from dataclasses import replace

import pytest

from emulator.pki.certificates import CertificateRecord, CertificateStatus, Usage
from emulator.pki.selection import name_says_prepayment, select_live
from emulator.pki.smki import TestSmki
from tests.pki.parties import ESME, SUPPLIER

Spec = tuple[str, int | None, bool]
"""Name, role, known to be for prepayment."""


def records(*specs: Spec) -> list[CertificateRecord]:
    template = TestSmki(7).device_certificate(ESME, Usage.KEY_AGREEMENT)
    return [
        replace(template, eui=SUPPLIER, serial=number, name=name, role=role, prepayment=prepayment)
        for number, (name, role, prepayment) in enumerate(specs, 1)
    ]


OFFICIAL_KA: tuple[Spec, ...] = (
    ("Z1b-supplierPP-ka", 2, True),
    ("Z1b-supplier-ka", 2, False),
    ("Z1-supplier-ka", 2, False),
    ("Z1-supplierPP-ka", 2, True),
)
OFFICIAL_DS: tuple[Spec, ...] = (
    ("xml-sign-90B3D51F30010000-ds", 135, False),
    ("Z1-supplier-ds", 2, False),
    ("Z1b-supplier-ds", 2, False),
)


@pytest.mark.parametrize(
    ("specs", "prepayment", "chosen"),
    [
        pytest.param(OFFICIAL_KA, False, 3, id="supplier's key agreement"),
        pytest.param(OFFICIAL_KA, True, 4, id="supplier's top-up key"),
        pytest.param(OFFICIAL_DS, False, 2, id="supplier's signature"),
        pytest.param(OFFICIAL_DS, True, None, id="no signature for top-ups"),
        pytest.param((("otherUser-ds", 127, False), ("xml-sign-x-ds", 135, False)), False, 1, id="other user"),
        pytest.param((("otherUser-ka", 127, False),), True, None, id="other user has no top-up key"),
        pytest.param((("mdr-ds", 127, False),), False, None, id="other names never match"),
        pytest.param((("Z1b-supplier-ds", 2, False),), False, None, id="second generation alone"),
        pytest.param((("Z1-supplier", 2, False),), False, None, id="a name must go on after the party"),
        pytest.param((("", None, False),), False, 1, id="unnamed device"),
        pytest.param((("", 2, False),), False, 1, id="unnamed organisation"),
        pytest.param((("", 2, False),), True, 1, id="unnamed passes for top-ups as well"),
        pytest.param((("", 2, False), ("", 2, True)), False, 1, id="unnamed, one known to be for top-ups"),
        pytest.param((("", 2, False), ("", 2, True)), True, 2, id="unnamed, the one for top-ups"),
        pytest.param((("", 135, False), ("", 2, False)), False, 2, id="role 135 is dropped without a name too"),
        pytest.param(
            (("Z1-accessControlBroker-dSPXmlSign", 137, False), ("Z1-accessControlBroker-ds", 4, False)), False, 2, id="137"
        ),
        pytest.param((("Z1-supplier-ds", 2, False), ("", 2, False)), False, None, id="two pass"),
        pytest.param((), False, None, id="none there"),
    ],
)
def test_rule(specs: tuple[Spec, ...], prepayment: bool, chosen: int | None) -> None:
    selection = select_live(records(*specs), prepayment)
    assert (selection.record.serial if selection.record else None) == chosen, selection.reason


def test_reasons_name_what_was_looked_at() -> None:
    assert "mdr-ds (1, role 127)" in select_live(records(("mdr-ds", 127, False)), False).reason
    both = select_live(records(("Z1-a-ds", 2, False), ("Z1-b-ds", 2, False)), False).reason
    assert both == "2 certificates pass where one must: Z1-a-ds (1, role 2), Z1-b-ds (2, role 2)"


@pytest.mark.parametrize("status", [status for status in CertificateStatus if status != CertificateStatus.IN_USE])
def test_only_certificates_in_use_count(status: CertificateStatus) -> None:
    old, new = records(("Z1-supplier-ds", 2, False), ("Z1-supplier-ds", 2, False))
    selection = select_live([replace(old, status=status), new], False)
    assert selection.record == new
    assert f"status {status}" in select_live([replace(old, status=status)], False).reason


@pytest.mark.parametrize(
    ("name", "prepayment"),
    [
        ("Z1-supplierPP-ka", True),
        ("Z1b-supplierPP-ka", True),
        ("Z1-supplier2PP-ka", True),
        ("Z1-supplier-ka", False),
        ("", False),
    ],
)
def test_names_tell_keys_for_topups(name: str, prepayment: bool) -> None:
    assert name_says_prepayment(name) is prepayment
