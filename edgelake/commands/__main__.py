"""``python -m edgelake.commands`` prints the page ``docs/commands.md``."""

from __future__ import annotations

import sys

from edgelake.commands import build_registry
from edgelake.language import markdown_page

if __name__ == "__main__":
    sys.stdout.write(markdown_page(build_registry()))
