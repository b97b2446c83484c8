"""Reports: tables over the state of a world and over its audit trail (reference ota/access.md section 8)."""
