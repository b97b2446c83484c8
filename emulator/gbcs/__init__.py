"""GBCS bytes to typed messages and back: headers, protection, DLMS, GBZ, ASN.1, the use-case table. Knows nothing of DUIS."""
