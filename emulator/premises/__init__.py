"""Homes: hubs, their image stores, the HAN and the devices on it."""
