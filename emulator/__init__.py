"""Reference emulator of the GB smart-metering DCC and its CSP networks."""

__version__ = "0.1.0"
