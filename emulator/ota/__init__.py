"""Firmware over the air: the image format."""
