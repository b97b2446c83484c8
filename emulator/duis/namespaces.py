"""The XML namespaces of DUIS (source: reference duis/duis.md section 1.1, schema V5.4, certain)."""

from typing import Final

SERVICE_USER_GATEWAY: Final = "http://www.dccinterface.co.uk/ServiceUserGateway"
"""Requests, responses and all their elements; prefix ``sr``."""

XMLDSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
"""The signature; prefix ``ds``."""

DUIS: Final = f"{{{SERVICE_USER_GATEWAY}}}"
"""What precedes the local name in the tag of a DUIS element."""

DS: Final = f"{{{XMLDSIG}}}"
"""What precedes the local name in the tag of an element of the signature."""
