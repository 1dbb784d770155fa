"""`python -m rfsn_bridge` is `rfsn-bridge`."""

import sys

from rfsn_bridge.cli import main

if __name__ == "__main__":
    sys.exit(main())
