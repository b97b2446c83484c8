"""Firmware campaigns of a supplier: a plan, a runner that follows it in waves behind gates, and what came of it."""
