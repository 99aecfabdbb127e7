"""Prints the page ``docs/commands.md``; with the argument ``errors``, ``docs/errors.md``."""

from __future__ import annotations

import sys

from edgelake.commands import build_registry
from edgelake.commands.advice import errors_page
from edgelake.language import markdown_page

if __name__ == "__main__":
    errors = sys.argv[1:] == ["errors"]
    sys.stdout.write(errors_page() if errors else markdown_page(build_registry()))
