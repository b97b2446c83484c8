"""Hubs and meters outside homes."""
