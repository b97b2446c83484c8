"""The keys of a world as the engine asks for them, over one key store."""

from collections.abc import Collection

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from emulator.domain.errors import Broken
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.engine import Keys
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.keystore import KeyStore


class KeyRing(Keys):
    """Parties have the live certificates of the key store, every other EUI is a device."""

    def __init__(self, store: KeyStore, parties: Collection[int]) -> None:
        self.store = store
        self._parties = frozenset(parties)

    def private_key(self, eui: int, usage: str) -> EllipticCurvePrivateKey | None:
        """The private key of a device."""
        record = self.store.device(Eui64(eui), Usage(usage))
        return record.private_key if record is not None else None

    def public_key(self, eui: int, usage: str) -> EllipticCurvePublicKey | None:
        """The public key of a device's or party's certificate in use."""
        record = self._record(eui, usage)
        return record.public_key if record is not None else None

    def party_certificate(self, party: int, usage: str) -> bytes | None:
        """DER of the certificate in use of a party or device, ``DS`` or ``KA``."""
        record = self._record(party, usage)
        return record.der if record is not None else None

    def acb_key_agreement(self) -> EllipticCurvePrivateKey:
        """The Access Control Broker's key agreement key, for Command MACs."""
        return self._own(Usage.KEY_AGREEMENT)

    def acb_digital_signature(self) -> EllipticCurvePrivateKey:
        """The Access Control Broker's signing key, for critical Commands it originates."""
        return self._own(Usage.DIGITAL_SIGNATURE)

    def device_key_agreement(self, device: int) -> EllipticCurvePublicKey | None:
        """A device's public key agreement key, from its certificate; None when it has none."""
        record = self.store.device(Eui64(device), Usage.KEY_AGREEMENT)
        return None if record is None else record.public_key

    def user_digital_signature(self, user: int) -> EllipticCurvePublicKey | None:
        """The public key of the certificate with which a user signs GBCS."""
        record = self.store.live(Eui64(user), Usage.DIGITAL_SIGNATURE)
        return record.public_key if record is not None else None

    def _record(self, eui: int, usage: str) -> CertificateRecord | None:
        kind = Usage(usage)
        return self.store.live(Eui64(eui), kind) if eui in self._parties else self.store.device(Eui64(eui), kind)

    def _own(self, usage: Usage) -> EllipticCurvePrivateKey:
        record = self.store.live(ACCESS_CONTROL_BROKER, usage)
        if record is None or record.private_key is None:
            reason = self.store.explain_live(ACCESS_CONTROL_BROKER, usage).reason
            raise Broken(f"the Access Control Broker has no {usage} key: {reason}")
        return record.private_key
