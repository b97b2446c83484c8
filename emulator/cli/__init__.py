"""The ``dcc-emulator`` command line."""
