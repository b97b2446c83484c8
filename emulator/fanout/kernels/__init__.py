"""The behaviour itself: plain functions over a :class:`~emulator.fanout.columns.Pool` and integers, one subject a module.

Rules of this package: no objects, no numpy calls, no floats; every value and every intermediate fits 64 bits with sign, and
what is stored fits its column. The same source runs interpreted over lists and compiled over arrays.
"""
