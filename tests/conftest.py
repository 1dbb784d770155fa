"""Puts the tests' own helpers (scripted_server, lending) on the path, whichever folder pytest is run from."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
