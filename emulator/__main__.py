"""``python -m emulator`` is the ``dcc-emulator`` command line."""

from emulator.cli import main

if __name__ == "__main__":
    main()
