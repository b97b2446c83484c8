"""Hubs and meters outside homes: stock, installation, returns, re-flashing, triage, and what is made of a unit before it is used
again. Units are columns; what may happen to one is a table; nothing here knows wall time or makes chance of its own."""
