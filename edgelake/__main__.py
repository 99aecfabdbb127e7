"""``python -m edgelake`` and the compiled ``edgelake`` both begin here."""

from __future__ import annotations

import sys

from edgelake.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
