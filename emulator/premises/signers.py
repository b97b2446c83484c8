"""Whose signature devices accept on images, as numbers for the columns: a party's, or that of a certificate put into devices."""

from collections.abc import Mapping

from emulator.domain.vocabulary import RemotePartyRole
from emulator.pki.certificates import CertificateRecord, Usage, read_certificate
from emulator.premises.neighbours import SupplierKeys
from emulator.premises.state import DeviceState, RowsState

SUPPLIER_SIGNS = f"{int(RemotePartyRole.SUPPLIER)} {Usage.DIGITAL_SIGNATURE}"
"""The cell of a device with the certificate that images are checked with."""


class Signers:
    """The numbers, from 1; 0 is nobody's."""

    def __init__(self, state: RowsState, keys: SupplierKeys, certificates: Mapping[str, bytes]) -> None:
        """``certificates`` are those put into devices, by digest."""
        self.state = state
        self.keys = keys
        self._certificates = certificates

    def number(self, party: int | None) -> int:
        """That of a party."""
        if party is None:
            return 0
        if party not in self.state.parties:
            self.state.parties.append(party)
        return self.state.parties.index(party) + 1

    def of(self, device: DeviceState) -> int:
        """That of whose certificate a device holds as its supplier's."""
        changed, supplier = device.changed_credentials, device.credentials.get(RemotePartyRole.SUPPLIER)
        digest = "" if changed is None else changed.cells.get(SUPPLIER_SIGNS, "")
        if not digest or supplier is None:
            return self.number(supplier)
        number = next((number for number, known in self.state.renewed.items() if known == digest), 0)
        if not number:
            self.state.parties.append(0)  # the number is the certificate's, not the party's
            number = len(self.state.parties)
            self.state.renewed[number] = digest
        return number

    def certificate(self, number: int) -> CertificateRecord | None:
        """The certificate that a number stands for, or None where the party has none."""
        digest = self.state.renewed.get(number)
        if digest is None:
            return self.keys.anchor(self.state.parties[number - 1], Usage.DIGITAL_SIGNATURE)
        return read_certificate(self._certificates[digest])
