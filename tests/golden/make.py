"""Write ``commands.json``: the Command of every use case to which a sample request leads, with keys made from names.

``python -m tests.golden.make`` after a change of the use-case table that is meant; what changed is then in the difference.
"""

import json
import tempfile
from pathlib import Path

from tests.bench.gbcs import finished, keys_in, uses

COMMANDS = Path(__file__).resolve().parent / "commands.json"


def commands() -> dict[str, dict[str, str]]:
    """Use case → device, its GBCS version and variant, and the finished Command in hexadecimal."""
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_in(Path(folder))
    return {
        use.row.name: {
            "device_type": use.device_type.value,
            "gbcs_version": use.version,
            "esme_variant": str(use.parameters["esme_variant"]),
            "message": finished(use, keys).hex(),
        }
        for use in uses()
    }


def main() -> None:
    """Write the file."""
    rows = (f" {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(commands().items()))
    COMMANDS.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
