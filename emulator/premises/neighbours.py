"""What the columns ask of others: where hubs are reached, and which keys parties have."""

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.estate.model import Home


class HubPlaces(Protocol):
    """Where hubs are reached: what the WAN knows of them."""

    def pool(self, home: Home) -> str:
        """The pool whose capacity the hub of a home shares."""
        ...

    def cell(self, home: Home) -> int:
        """Its cell in the pool."""
        ...

    def rate_bit_s(self, home: Home) -> int:
        """The rate at which an image reaches it."""
        ...


class SupplierKeys(Protocol):
    """The live certificates of parties."""

    def public_key(self, eui: int, usage: str) -> ec.EllipticCurvePublicKey | None:
        """The public key of a party's live certificate, or None where there is none; ``usage`` is ``DS`` or ``KA``."""
        ...
