"""One isolated emulated GB: an estate, its keys, an engine, and views on them."""

from dataclasses import dataclass, replace
from pathlib import Path

from emulator.controls import ControlledEngine
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from emulator.domain.vocabulary import RemotePartyRole
from emulator.dsp.audit import AuditState
from emulator.engine import EngineState, FindColumns, new_state, no_columns, restore_state
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.estate.model import Estate
from emulator.estate.registration_base import columns_of_base, registration_columns
from emulator.estate.registration_columns import RegistrationColumns
from emulator.keyring import KeyRing
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.keystore import KeyStore, seeded_key_store
from emulator.pki.reports import ImportReport
from emulator.pki.smki import Organisation, TestSmki
from emulator.views import Views


@dataclass(frozen=True, slots=True)
class World:
    """Everything one world is made of."""

    name: str
    estate: Estate
    keys: KeyStore
    engine: ControlledEngine
    views: Views

    @property
    def columns(self) -> RegistrationColumns | None:
        """Columns that a snapshot names and does not hold, and that are to be kept beside it; None when it holds all."""
        return columns_of_base(self.engine.state.dsp.registrations.base) if self.estate.registration_file else None


def create_world(
    name: str = "default",
    estate_toml: str | None = None,
    *,
    seed: int | None = None,
    imported: ImportReport | None = None,
    start_ms: int | None = None,
    strict_counter: bool = False,
    source: str = "estate",
    folder: Path | None = None,
) -> World:
    """A new world from an estate (None: the embedded default).

    ``seed`` and ``start_ms`` override those of the estate; ``imported`` are keys to use in place of generated ones; the estate
    may name files in ``folder``. Raise :class:`Malformed` when the estate, its settings, its files or the keys do not fit.
    """
    estate = load_estate(estate_toml if estate_toml is not None else default_estate_toml(), source=source)
    if seed is not None:
        estate = replace(estate, seed=seed)
    if strict_counter:
        settings = {**estate.settings, "dsp": {**_table(estate.settings.get("dsp")), "strict_counter": True}}
        estate = replace(estate, settings=settings)
    columns = registration_columns(estate, folder, source=source)
    return _assemble(name, new_state(estate, start_ms, columns), imported)


def restore_world(
    name: str,
    snapshot: bytes,
    *,
    imported: ImportReport | None = None,
    columns: FindColumns = no_columns,
) -> World:
    """The world of a snapshot; the same keys must be given as when it was created. Raise :class:`Malformed` for no snapshot.

    ``columns`` finds what :attr:`World.columns` was when the snapshot was made, by its digest.
    """
    return _assemble(name, restore_state(snapshot, columns), imported)


def fork_world(name: str, world: World) -> World:
    """Another world that begins where ``world`` is now and goes its own way. Estate and registration base are shared.

    Its audit trail begins at the fork.
    """
    state = world.engine.copy_of_state()
    state.dsp.audit = AuditState()
    keys = world.keys.copy()
    engine = ControlledEngine(state, KeyRing(keys, [party.eui for party in state.estate.parties]))
    return World(name, state.estate, keys, engine, Views(engine))


def _table(value: object) -> dict[str, object]:
    return dict(value) if isinstance(value, dict) else {}


def _assemble(name: str, state: EngineState, imported: ImportReport | None) -> World:
    estate = state.estate
    keys = key_store(estate, imported)
    engine = ControlledEngine(state, KeyRing(keys, [party.eui for party in estate.parties]))
    return World(name, estate, keys, engine, Views(engine))


def key_store(estate: Estate, imported: ImportReport | None = None) -> KeyStore:
    """The key store of an estate: generated from its seed, with imported keys in place of generated ones."""
    smki = TestSmki(estate.seed)
    certificates: list[CertificateRecord] = []
    for party in estate.parties:
        organisation = Organisation(
            party.eui,
            party.remote_party_role,
            party.name,
            xml_signing=bool(party.roles) or party.eui == ACCESS_CONTROL_BROKER,
            prepayment=party.remote_party_role is RemotePartyRole.SUPPLIER,
        )
        certificates.extend(smki.organisation_certificates(organisation))
    keys = seeded_key_store(smki, certificates)
    if imported is not None:
        keys.adopt(imported)
    if keys.dsp_signing() is None:
        raise Malformed("no certificate for the DSP to sign with", where="parties", expected="the Access Control Broker")
    for usage in Usage:
        chosen = keys.explain_live(ACCESS_CONTROL_BROKER, usage)
        if chosen.record is None or chosen.record.private_key is None:
            expected = "a certificate in use of the Access Control Broker, with its private key"
            raise Malformed(f"commands cannot be protected: {chosen.reason}", where=f"keys, {usage}", expected=expected)
    return keys
