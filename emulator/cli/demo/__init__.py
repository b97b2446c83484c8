"""The demo: the product's main job end to end, against an emulator of its own, with every step verified."""
