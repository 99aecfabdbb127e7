"""``python -m tests``: run all tests, in two processes beside each other.

Tests wait more than they calculate, so that two processes end much earlier than one. The
first shows its progress; what the second says is shown when both have ended.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIRST = ("integration", "browser")
"""Folders of the first process, which take about half of the time."""


def main(options: Sequence[str]) -> int:
    """Run both halves with further options for each; return 0 if all tests passed."""
    folders = sorted(path.parent for path in (ROOT / "tests").glob("*/__init__.py"))
    first = [str(folder) for folder in folders if folder.name in FIRST]
    others = [str(folder) for folder in folders if folder.name not in FIRST]
    command = [sys.executable, "-m", "pytest", *options]
    with subprocess.Popen(
        [*command, *others], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as beside:
        here = subprocess.Popen([*command, *first], cwd=ROOT)
        said, _ = beside.communicate()
        here.wait()
    sys.stdout.buffer.write(said)
    sys.stdout.buffer.flush()
    return here.returncode or beside.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
