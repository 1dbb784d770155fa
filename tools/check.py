"""The one command for all checks of a checkout: format, lint, types, generated docs, tests.

`--no-tests` leaves the tests out (CI runs the README's own test command).
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECKS = {
    "format": ["-m", "ruff", "format", "--check", "."],
    "lint": ["-m", "ruff", "check", "."],
    "types": ["-m", "mypy"],
    "types of what is loaded by path": ["-m", "mypy", "plugins", "tools", "benchmarks"],
    "docs": ["tools/docs.py", "--check"],
    "tests": ["-m", "pytest"],
}


def main() -> int:
    failed = []
    for name, command in CHECKS.items():
        if name == "tests" and "--no-tests" in sys.argv:
            continue
        print(f"== {name}", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode:  # noqa: S603
            failed.append(name)
        print(f"   {time.monotonic() - began:.1f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all checks passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
