"""Behaviour inside a home: hub, HAN and devices, their object stores and their firmware."""
