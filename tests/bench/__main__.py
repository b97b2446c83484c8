"""Take the measurements whose name begins with the argument, or all, and print each as a line of JSON."""

import json
import sys

from tests.bench import access, edge, gbcs, intake, logistics, ota, process, pushes, throughput, worlds  # noqa: F401
from tests.bench.measure import MEASUREMENTS, Unmeasurable, take


def main() -> int:
    """Exit code 0, or 2 when nothing has the prefix."""
    prefix = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [found for name, found in MEASUREMENTS.items() if name.startswith(prefix)]
    if not chosen:
        print(f"no measurement begins with {prefix!r}; there are: {' '.join(MEASUREMENTS)}", file=sys.stderr)
        return 2
    for found in chosen:
        try:
            print(json.dumps(take(found)), flush=True)
        except Unmeasurable as error:
            print(json.dumps({"name": found.name, "value": None, "why": str(error)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
