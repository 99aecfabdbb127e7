"""Programs that read scripts and run nothing: ``edgelake check`` and ``edgelake fmt``.

What it is: files in, diagnostics or canonical scripts out. What it is not: it makes no node,
touches no home folder, and knows no rule of the language (`edgelake.language`).
"""

from __future__ import annotations

from typing import Final

__all__ = ["TOOLS"]

TOOLS: Final = {"check": "edgelake.tools.check", "fmt": "edgelake.tools.fmt"}
"""First words of the command line that are no command of the language, and their modules."""
