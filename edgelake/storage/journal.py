"""The journal of the local ledger: a file that is appended to, and now and then begun anew."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgelake import limits
from edgelake.errors import FileMissing, FileWriteFailed, StorageError
from edgelake.interfaces import JournalGap, JournalRecord
from edgelake.storage.atomic import make_folder, read_file, reason, replacing, write_all
from edgelake.storage.frames import HEADER, frame_head, read_frames

__all__ = ["Journal"]


class Journal:
    """`edgelake.interfaces.JournalAccess` over a real file.

    Parameters
    ----------
    path : Path

    Notes
    -----
    Holds no descriptor between two calls. A record is appended where the last known one
    ended: what a failed write left there is overwritten, and what another process put
    there is refused, since `stamp` tells of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = 0
        self._spoiled = False

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._path

    def stamp(self) -> object:
        """Return a token that differs after any change; ``None`` without a file."""
        try:
            found = os.stat(self._path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as exc:
            raise StorageError(f"cannot look at '{self._path}': {reason(exc)}") from exc
        return (found.st_dev, found.st_ino, found.st_size)

    def read(self) -> Sequence[JournalRecord | JournalGap] | None:
        """Return all records in order, and damage between them; ``None`` without a file.

        Raises
        ------
        StorageError
            It cannot be read, or a later version of this program wrote it.
        """
        try:
            data = read_file(self._path, limits.MAX_JOURNAL_BYTES)
        except FileMissing:
            return None
        found = list(read_frames(data))
        self._end = len(data)
        return found

    def append(self, kind: int, payload: bytes) -> None:
        """Add a record, durably.

        Raises
        ------
        FileWriteFailed
            Nothing was added.
        """
        if self._spoiled:
            raise FileWriteFailed(f"'{self._path}' has to be written anew after a failure")
        frame = frame_head(kind, payload) + payload
        try:
            descriptor = os.open(self._path, os.O_WRONLY)
        except OSError as exc:
            raise FileWriteFailed(f"cannot write '{self._path}': {reason(exc)}") from exc
        try:
            if os.fstat(descriptor).st_size != self._end:
                raise FileWriteFailed(f"'{self._path}' was changed by another program")
            os.lseek(descriptor, self._end, os.SEEK_SET)
            try:
                write_all(descriptor, frame)
                # What is on the disk after this failed nobody can tell.
                self._spoiled = True
                os.fdatasync(descriptor)
                self._spoiled = False
            except OSError as exc:
                self._take_back(descriptor)
                raise FileWriteFailed(f"cannot write '{self._path}': {reason(exc)}") from exc
        finally:
            os.close(descriptor)
        self._end += len(frame)

    def rewrite(self, records: Iterable[tuple[int, bytes]]) -> None:
        """Put a new journal in the file's place, durably and in one step.

        Raises
        ------
        FileWriteFailed
            The old one is still there.
        """
        try:
            make_folder(self._path.parent)
        except OSError as exc:
            raise StorageError(f"cannot make folder '{self._path.parent}': {reason(exc)}") from exc
        end, before = len(HEADER), self.stamp()
        try:
            with replacing(os.path.realpath(self._path), shown=self._path) as descriptor:
                write_all(descriptor, HEADER)
                for kind, payload in records:
                    head = frame_head(kind, payload)
                    write_all(descriptor, head)
                    write_all(descriptor, payload)
                    end += len(head) + len(payload)
        except FileWriteFailed:
            # The new one may be in place although its folder is not on the disk.
            self._spoiled = self._spoiled or self.stamp() != before
            raise
        self._end, self._spoiled = end, False

    def end_bytes(self) -> int:
        """Return how long the file is after the last `read`, `append` or `rewrite`."""
        return self._end

    @property
    def spoiled(self) -> bool:
        """Whether a write failed in a way that only `rewrite` mends."""
        return self._spoiled

    def _take_back(self, descriptor: int) -> None:
        """Cut off what a failed write left."""
        try:
            os.ftruncate(descriptor, self._end)
            os.fsync(descriptor)
        except OSError:
            self._spoiled = True
