"""Simulated time and keyed chance. Nothing here reads a clock or draws from a global source."""
