"""The folder where data files wait for who takes them, and how much waits there."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from edgelake import limits
from edgelake.errors import FileWriteFailed, Overloaded, StorageError
from edgelake.storage.atomic import is_temporary, reason, replacing, sync_folder, write_all

__all__ = ["WatchFolder"]

_INNER_PREP = ".prep"


class WatchFolder:
    """Where files are handed over: one appears under its name when it is whole and on the disk.

    Parameters
    ----------
    prep : Path
        Files gather there.
    watch : Path
        Files are taken from there.

    Attributes
    ----------
    max_bytes : int
        Most bytes that may wait.

    Notes
    -----
    Thread-safe; one process writes here. Both folders are made when they are needed.
    """

    def __init__(self, prep: Path, watch: Path) -> None:
        self._prep = prep
        self.watch = watch
        self.max_bytes: int = limits.MAX_WAITING_DATA_BYTES
        self._lock = threading.Lock()
        self._handing = threading.Lock()
        self._looked_s = float("-inf")
        self._bytes = 0
        self._files = 0

    def make(self) -> Path:
        """Make the folders; return the one from which a file can be renamed to here.

        That is the prep folder, or one inside this if it lies on another disk.

        Raises
        ------
        StorageError
        """
        folder = self._prep
        try:
            for folder in (self._prep, self.watch):
                folder.mkdir(parents=True, exist_ok=True)
            if self._prep.stat().st_dev == self.watch.stat().st_dev:
                return self._prep
            folder = self.watch / _INNER_PREP
            folder.mkdir(exist_ok=True)
        except OSError as exc:
            raise StorageError(f"cannot make folder '{folder}': {reason(exc)}") from exc
        return folder

    def left(self) -> bool:
        """Return whether rows were gathering when the process before this one ended."""
        folders = (self._prep, self.watch / _INNER_PREP)
        return any(True for folder in folders for _ in folder.glob("*.rows"))

    def waiting(self) -> tuple[int, int]:
        """Return how many bytes and files wait, as of at most a moment ago.

        Raises
        ------
        StorageError
        """
        with self._lock:
            if time.monotonic() - self._looked_s > limits.WATCH_FOLDER_LOOK_S:
                self._bytes, self._files = self._look()
                self._looked_s = time.monotonic()
            return self._bytes, self._files

    def reserve(self, size_bytes: int, *, buffered_bytes: int = 0, files: int = 1) -> None:
        """Count what is going to be put here.

        Parameters
        ----------
        buffered_bytes : int
            What gathers elsewhere, and will come here, too.

        Raises
        ------
        Overloaded
            Too much waits: nothing is counted.
        StorageError
        """
        self.waiting()
        with self._lock:
            total = self._bytes + buffered_bytes
            if total + size_bytes > self.max_bytes:
                raise Overloaded(
                    f"no room for {size_bytes} more bytes of data: {total} wait, and at most"
                    f" {self.max_bytes} may",
                    hint="start what takes files from the watch folder, or: set data limit",
                )
            if self._files + files > limits.MAX_WAITING_DATA_FILES:
                raise Overloaded(
                    f"{self._files} files of data wait, and no more may",
                    hint="start what takes files from the watch folder",
                )
            if files:
                self._bytes += size_bytes
                self._files += files

    def put(self, name: str, data: bytes) -> bool:
        """Put a file here, durably; return false if one of that name, so of that content, waits.

        Raises
        ------
        FileWriteFailed, StorageError
            Nothing was put here.
        """
        self.make()
        target = self.watch / name
        with self._handing:
            try:
                if target.exists():
                    # Whoever put it there may not have come so far.
                    sync_folder(self.watch)
                    return False
            except OSError as exc:
                raise StorageError(f"cannot read '{self.watch}': {reason(exc)}") from exc
            with replacing(str(target), shown=target) as descriptor:
                write_all(descriptor, data)
        return True

    def hand_over(self, made: Path, name: str) -> bool:
        """Move a file here that is on the disk; return false if one of that name waits.

        Raises
        ------
        StorageError
            It is where it was.
        """
        self.make()
        target = self.watch / name
        try:
            with self._handing:
                if target.exists():
                    return False
                size = made.stat().st_size
                os.rename(made, target)
        except OSError as exc:
            raise FileWriteFailed(f"cannot write '{target}': {reason(exc)}") from exc
        # A crash before this is done leaves the file in one of both folders.
        with contextlib.suppress(OSError):
            sync_folder(self.watch)
            sync_folder(made.parent)
        with self._lock:
            self._bytes += size
            self._files += 1
        return True

    def _look(self) -> tuple[int, int]:
        total = files = 0
        try:
            with os.scandir(self.watch) as entries:
                for entry in entries:
                    if is_temporary(entry.name) or entry.is_dir(follow_symlinks=False):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        total += entry.stat(follow_symlinks=False).st_size
                        files += 1
        except FileNotFoundError:
            return 0, 0
        except OSError as exc:
            raise StorageError(f"cannot read '{self.watch}': {reason(exc)}") from exc
        return total, files
