"""The type of directories that commands write into."""

from __future__ import annotations

import os
from pathlib import Path

from edgelake.errors import FolderMissing, FolderNotWritable
from edgelake.language import PathType, shortened

__all__ = ["DirectoryType"]


class DirectoryType(PathType):
    """A directory that exists and can be written into."""

    metavar = "<directory>"
    by_text = False  # what was there may be gone

    def parse(self, text: str) -> Path:  # type: ignore[override]
        """Return the directory.

        Raises
        ------
        WrongValue
            The text is no path.
        FolderMissing, FolderNotWritable
        """
        path = Path(super().parse(text))
        if not os.path.isdir(path):
            raise FolderMissing(
                f"directory '{shortened(text)}' does not exist", hint="make it, or write another"
            )
        if not os.access(path, os.W_OK | os.X_OK):
            raise FolderNotWritable(
                f"directory '{shortened(text)}' is not writable", hint="let this node's user write"
            )
        return path

    def describe(self) -> str:
        """Return what is accepted."""
        return "a directory that exists and is writable"
