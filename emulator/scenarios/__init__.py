"""Scenarios: one TOML file says who does what and what must come of it; the runner does it over HTTP and judges."""
