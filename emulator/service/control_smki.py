"""Control operations of the SMKI: new certificates for parties, and for keys that devices made."""

from cryptography.hazmat.primitives.serialization import Encoding

from emulator.domain.identifiers import format_eui, parse_eui
from emulator.service.control_models import CertificateRequest
from emulator.service.routes import WORLD, Answer, Call, Route


def smki_routes() -> list[Route]:
    """The table."""
    users, certificates = f"{WORLD}/users/{{user}}/certificates", f"{WORLD}/certificates"
    return [
        Route("GET", f"{certificates}/authorities", _authorities, "Certificates of those who issue", "keys"),
        Route("POST", users, _renew, "Issue new certificates to a party", "keys"),
        Route("POST", certificates, _issue, "Issue a certificate for a device's own key", "keys", body=CertificateRequest),
    ]


async def _authorities(call: Call) -> Answer:
    smki = call.hosted.world.keys.smki
    assert smki is not None, "a world has an SMKI"
    issuing = {"root": smki.root, "organisations": smki.organisation_authority, "devices": smki.device_authority}
    return {name: authority.certificate.public_bytes(Encoding.PEM).decode() for name, authority in issuing.items()}


async def _renew(call: Call) -> Answer:
    return await call.carry_out("party.renew", party=format_eui(parse_eui(call.path["user"])))


async def _issue(call: Call) -> Answer:
    return await call.carry_out("certificate.issue", request=call.given(CertificateRequest).request)
