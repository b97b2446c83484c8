"""Registration as slowly and plainly as it can be said: a list of records, searched from end to end."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from emulator.domain.mpxn import is_mpan, mpxn_key
from emulator.domain.vocabulary import UserRole
from emulator.estate.model import Registration
from emulator.estate.registration_columns import RegistrationColumns, Tenures, columns_of
from emulator.estate.registrations import FOREVER_MS, MPAN_ROLES, MPRN_ROLES, ROLE_CODES, Registrations, change_point

MPXNS = ("1200000000001", "1200000000002", "0000000000001", "7", "07", "7400000001")
COMPANIES = ("agent", "one", "three", "two")
ROLES = (*ROLE_CODES, UserRole.OU)
LAST_MS = 12
"""Instants are few, so that most examples have registrations that meet or overlap."""


@dataclass
class Model:
    """What every implementation is held against."""

    entries: list[Registration] = field(default_factory=list)

    def party_for(self, mpxn: str, role: UserRole, at_ms: int) -> str | None:
        begun = [e for e in self.entries if e.mpxn == mpxn and e.role is role and e.from_ms <= at_ms]
        if not begun:
            return None
        latest = max(begun, key=lambda entry: entry.from_ms)
        return latest.party if latest.to_ms is None or at_ms < latest.to_ms else None

    def put(self, given: list[Registration]) -> None:
        for mpxn, role in {(entry.mpxn, entry.role) for entry in given}:
            first = min(e.from_ms for e in given if (e.mpxn, e.role) == (mpxn, role))
            self.entries = [e for e in self.entries if (e.mpxn, e.role) != (mpxn, role) or e.from_ms < first]
        self.entries += given


@st.composite
def registrations(draw: st.DrawFn) -> Registration:
    """One registration of the small world."""
    mpxn = draw(st.sampled_from(MPXNS))
    role = draw(st.sampled_from(MPAN_ROLES if is_mpan(mpxn) else MPRN_ROLES))
    from_ms = draw(st.integers(0, LAST_MS - 1))
    to_ms = draw(st.none() | st.integers(from_ms + 1, LAST_MS))
    return Registration(mpxn, role, draw(st.sampled_from(COMPANIES)), from_ms, to_ms)


def histories(most: int = 25) -> st.SearchStrategy[list[Registration]]:
    """Registrations of which no two for one MPxN and role begin together."""
    return st.lists(registrations(), max_size=most, unique_by=lambda entry: (entry.mpxn, entry.role, entry.from_ms))


def columns(entries: list[Registration]) -> RegistrationColumns:
    """Columns of some registrations, whose parties are :data:`COMPANIES`."""
    return columns_of(
        Tenures(
            np.array([mpxn_key(entry.mpxn) for entry in entries], np.int64),
            np.array(
                [change_point(ROLE_CODES[e.role], e.from_ms, COMPANIES.index(e.party)) for e in entries],
                np.int64,
            ),
            np.array([FOREVER_MS if entry.to_ms is None else entry.to_ms for entry in entries], np.int64),
        ),
        lambda position: f"entry {position}",
    )


def over(base: RegistrationColumns) -> Registrations:
    """Both layers, with no changes yet."""
    store = Registrations(list(COMPANIES), base_digest=base.digest)
    store.attach(base)
    return store


def answers(store: Registrations) -> dict[tuple[str, UserRole, int], str | None]:
    """What the store says to every question of the small world."""
    return {key: None if (party := store.party_for(*key)) is None else store.parties[party] for key in QUESTIONS}


QUESTIONS = [(mpxn, role, at_ms) for mpxn in (*MPXNS, "8", "1200000000009") for role in ROLES for at_ms in range(-1, LAST_MS + 2)]
