"""The files of the local ledger, as the ledger wants them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgelake import limits
from edgelake.errors import FileMissing, StorageError
from edgelake.interfaces import FileStamp, LogPosition
from edgelake.storage.atomic import (
    make_folder,
    read_file,
    reason,
    replace_file,
    replacing,
    write_all,
)
from edgelake.storage.journal import Journal
from edgelake.storage.position_file import read_position

__all__ = ["LedgerFile"]


class LedgerFile:
    """`edgelake.interfaces.LedgerFileAccess` over a real file.

    Parameters
    ----------
    path : Path
        The file; its folder is made when something is written. The journal lies beside it,
        with the suffix ``.log``.

    Attributes
    ----------
    journal : Journal

    Notes
    -----
    Holds no descriptor between two calls.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.journal = Journal(path.with_suffix(".log"))

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

    @contextmanager
    def draft(self, pieces: Iterable[bytes]) -> Iterator[FileStamp]:
        """Write new content beside the file; in its place it comes when the block ends.

        Returns
        -------
        context manager of FileStamp
            How the file will be known. A block that raises leaves the old content.

        Raises
        ------
        FileWriteFailed
            The old content is still there.
        """
        self._make_folder()
        with replacing(os.path.realpath(self._path), shown=self._path) as descriptor:
            for piece in pieces:
                write_all(descriptor, piece)
            # All that takes long is done before the block, which may hold a lock.
            os.fsync(descriptor)
            yield _stamp(os.fstat(descriptor))

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

    def stamp(self) -> FileStamp | None:
        """Return what differs after the file was replaced; ``None`` without a file."""
        try:
            found = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StorageError(f"cannot look at '{self._path}': {reason(exc)}") from exc
        return _stamp(found)

    def old_position(self) -> tuple[LogPosition, str] | None:
        """Return the place in the master's log that an earlier version kept in a file of its own.

        With the MD5 of the master's part that it belongs to.
        """
        return read_position(self._path.with_suffix(".position"))

    def forget_old_position(self) -> None:
        """Remove that file; the journal holds the place."""
        with contextlib.suppress(OSError):
            os.unlink(self._path.with_suffix(".position"))

    def _make_folder(self) -> None:
        try:
            make_folder(self._path.parent)
        except OSError as exc:
            raise StorageError(f"cannot make folder '{self._path.parent}': {reason(exc)}") from exc


def _stamp(found: os.stat_result) -> FileStamp:
    return FileStamp(found.st_ino, found.st_size, found.st_mtime_ns)
