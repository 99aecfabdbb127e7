"""``python -m edgelake`` and the compiled ``edgelake`` both begin here."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    # The command line takes these when it is ready: a start is not torn apart.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    from edgelake.cli import main

    sys.exit(main(sys.argv[1:]))
