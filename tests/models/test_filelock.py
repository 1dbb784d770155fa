"""A lock that never outlives its holder."""

import subprocess
import sys
from pathlib import Path

import pytest

from rfsn_bridge.models.filelock import locked

HOLDER = """
import sys
from pathlib import Path
from rfsn_bridge.models.filelock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


class GaveUp(Exception):
    pass


def give_up() -> None:
    raise GaveUp


def test_lock_of_a_killed_process_is_free_again(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(GaveUp), locked(lock, give_up):
            pass
        holder.kill()
        holder.wait()
        with locked(lock, give_up):
            pass


def test_lock_holds_between_threads_of_one_process_too(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with locked(lock), pytest.raises(GaveUp), locked(lock, give_up):
        pass
    with locked(lock, give_up):
        pass
