"""``python -m tests.fuzz TARGET SECONDS``: coverage-guided fuzzing of one target with atheris, or of all in turn.

What is new is kept in ``.fuzz/TARGET/``; ``tests/fuzz/corpus/TARGET`` is read and never written. A crash is left in ``.fuzz`` as
``TARGET-crash-…``: mend what is wrong, and put the octets into the corpus, so that ``make test`` runs them from then on.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOUND = HERE.parents[1] / ".fuzz"
LONGEST = {"duis": 6_000, "gbcs": 2_048, "ota": 1_024, "archive": 8_192}
"""Octets of an input; longer ones cost speed and reach no other code."""


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["emulator"]):
        from tests.fuzz.targets import TARGETS
    corpus = FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST[name]}",
        "-timeout=20",
        "-rss_limit_mb=3000",
        "-print_final_stats=1",
    ]
    words = HERE / f"{name}.dict"
    if words.is_file():
        options.append(f"-dict={words}")
    options.append(f"-artifact_prefix={FOUND / name}-")
    atheris.Setup([sys.argv[0], *options, str(corpus), str(HERE / "corpus" / name)], TARGETS[name])
    atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """Fuzz the targets named, each for so many seconds; 1 when one crashed."""
    chosen, seconds = arguments[0] if arguments else "", arguments[1] if len(arguments) > 1 else "60"
    if len(arguments) == 3:  # the process for one target
        fuzz(chosen, int(seconds))
    names = [chosen] if chosen else sorted(LONGEST)
    unknown = [name for name in names if name not in LONGEST]
    if unknown or not seconds.isdigit():
        sys.stderr.write(f"usage: python -m tests.fuzz [{'|'.join(sorted(LONGEST))}] [SECONDS]\n")
        return 2
    failed = False
    for name in names:
        command = [sys.executable, "-m", "tests.fuzz", name, seconds, "alone"]
        failed |= subprocess.run(command, env={**os.environ}, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
