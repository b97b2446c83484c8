"""What the columns ask of others: where hubs are reached, and which keys parties have."""

from typing import Protocol

from emulator.estate.model import Home
from emulator.fanout.specs import PoolSpec
from emulator.pki.certificates import CertificateRecord


class HubPlaces(Protocol):
    """Where hubs are reached: what the WAN knows of them."""

    def pool(self, home: Home) -> str:
        """The pool whose capacity the hub of a home shares."""
        ...

    def spec(self, home: Home) -> PoolSpec:
        """The same as the columns have it, for the first hub there."""
        ...

    def cell(self, home: Home) -> int:
        """Its cell in the pool."""
        ...

    def rate_bit_s(self, home: Home) -> int:
        """The rate at which an image reaches it."""
        ...


class SupplierKeys(Protocol):
    """The certificates of parties that devices hold."""

    def anchor(self, party: int, usage: str, *, prepayment: bool = False) -> CertificateRecord | None:
        """The certificate that devices hold until another is put in its place, or None; ``usage`` is ``DS`` or ``KA``."""
        ...
