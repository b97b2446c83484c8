"""Test SMKI: seeded authorities and certificates, key stores, import and export, repository search."""
