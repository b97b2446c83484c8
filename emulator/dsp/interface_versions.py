"""Users on an older version of DUIS: an alert that it has no words for becomes DUISVersionMismatch (reference duis/duis.md 6.4).

That such an alert exists, and what is in it, is in the schema (certain); which message came with which version is in no public
source, so that the estate says it. Messages keep the schemaVersion that all have, for what stands there for such a user is not
known either.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.domain.tables import alert_by_purpose, dcc_alerts
from emulator.duis.messages import DccAlert, Element, element

VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}")
USERS_FORM = "User IDs with versions, such as '90-B3-D5-1F-30-01-00-00=5.1', with spaces between them"
SINCE_FORM = "numbers or bodies of DCC Alerts with versions, such as 'N60=5.2 PPMIDAlert=5.3', with spaces between them"


def check_users(text: str, where: str) -> None:
    """Raise :class:`Malformed` for anything but User IDs and versions."""
    for name, _ in _pairs(text, where, USERS_FORM):
        try:
            parse_eui(name)
        except Malformed as error:
            raise Malformed(error.detail, where=where, expected=USERS_FORM) from None


def check_since(text: str, where: str) -> None:
    """Raise :class:`Malformed` for anything but DCC Alerts and versions."""
    known = {*dcc_alerts(), *(row.body for row in dcc_alerts().values())}
    for name, _ in _pairs(text, where, SINCE_FORM):
        if name not in known:
            raise Malformed(f"there is no DCC Alert {name[:40]!r}", where=where, expected=SINCE_FORM)


def version_of(users: str, user: int) -> str | None:
    """The version that a user is on, None for the newest."""
    return _users(users).get(user) if users else None


def expressed(alert: DccAlert, version: str | None, since: str, *, device: int | None, request_id: str | None) -> DccAlert:
    """The alert as a user on this version gets it: as it is, or a DUISVersionMismatch that names it."""
    needed = _table(since).get(alert.alert_code) or _table(since).get(alert.body.name)
    if version is None or needed is None or Decimal(needed) <= Decimal(version):
        return alert
    named: list[Element] = [element("DCCAlertCode", alert.alert_code)]
    if device is not None:
        named.append(element("DeviceID", format_eui(device)))
    if request_id is not None:
        named.append(element("RequestID", request_id))
    row = alert_by_purpose()["version_mismatch"]
    body = element("DUISVersionMismatch", element("DCCAlertVersionMismatch", *named), element("ServiceUserDUISVersion", version))
    return replace(alert, alert_code=row.code, body=body)


@cache
def _users(text: str) -> Mapping[int, str]:
    return {parse_eui(name): version for name, version in _table(text).items()}


@cache
def _table(text: str) -> Mapping[str, str]:
    return dict(part.split("=") for part in text.split())


def _pairs(text: str, where: str, expected: str) -> list[tuple[str, str]]:
    found = []
    for part in text.split():
        name, sign, version = part.partition("=")
        if not sign or not VERSION.fullmatch(version):
            raise Malformed(f"{part[:60]!r} names no version", where=where, expected=expected)
        found.append((name, version))
    return found
