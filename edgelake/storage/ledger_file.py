"""The file of the local ledger, as the ledger wants it."""

from __future__ import annotations

import os
from pathlib import Path

from edgelake import limits
from edgelake.errors import FileMissing, StorageError
from edgelake.storage.atomic import make_folder, read_file, replace_file

__all__ = ["LedgerFile"]


class LedgerFile:
    """`edgelake.interfaces.LedgerFileAccess` over a real file.

    Parameters
    ----------
    path : Path
        The file; its folder is made when something is written.

    Notes
    -----
    Holds no descriptor between two calls.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._path

    def read(self) -> bytes | None:
        """Return the whole content, ``None`` if there is no file.

        Raises
        ------
        StorageError
            It cannot be read or is longer than `limits.MAX_LEDGER_BYTES`.
        """
        try:
            return read_file(self._path, limits.MAX_LEDGER_BYTES)
        except FileMissing:
            return None

    def replace(self, data: bytes) -> None:
        """Put new content in the file's place, durably and in one step.

        Raises
        ------
        FileWriteFailed
            The old content is still there.
        """
        if len(data) > limits.MAX_LEDGER_BYTES:
            raise StorageError(
                f"ledger of {len(data)} bytes exceeds {limits.MAX_LEDGER_BYTES}",
                hint="the master's ledger or the local policies are too many",
            )
        self._make_folder()
        replace_file(self._path, data)

    def set_aside(self, damaged: bytes) -> None:
        """Add damaged text to ``<name>.damaged``, its oldest part making room.

        Raises
        ------
        StorageError
        """
        path = self._path.with_suffix(".damaged")
        try:
            before = read_file(path, limits.MAX_DAMAGED_BYTES)
        except FileMissing:
            before = b""
        replace_file(path, (before + damaged)[-limits.MAX_DAMAGED_BYTES :])

    def stamp(self) -> object:
        """Return a token that differs after the file was replaced; ``None`` without a file."""
        try:
            found = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StorageError(
                f"cannot look at '{self._path}': {(exc.strerror or '').lower()}"
            ) from exc
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def _make_folder(self) -> None:
        try:
            make_folder(self._path.parent)
        except OSError as exc:
            raise StorageError(
                f"cannot make folder '{self._path.parent}': {(exc.strerror or '').lower()}"
            ) from exc
