"""The history of the console: a file in the home folder that several consoles add to."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prompt_toolkit.history import History

from edgelake import limits
from edgelake.errors import EdgeLakeError, StorageError
from edgelake.storage import read_file, replace_file

__all__ = ["CommandHistory"]

_log = logging.getLogger(__name__)

_MODE = 0o600


class CommandHistory(History):
    """Entries of this console, and of all consoles before it.

    The file has for each entry a comment with its time, and its lines led by
    ``+``. Above `limits.MAX_HISTORY_BYTES` the older half goes. If the file
    cannot be used, the history lasts as long as the console.

    Parameters
    ----------
    path : Path
    redacted : callable
        Returns an entry as it may be kept: without secrets.
    """

    def __init__(self, path: Path, redacted: Callable[[str], str]) -> None:
        super().__init__()
        self._path = path
        self._redacted = redacted
        self._usable = True

    def append_string(self, string: str) -> None:
        """Add an entry, unless it is empty, too long, or the same as the last one."""
        entry = self._redacted(string).strip()
        if not entry or len(entry) > limits.MAX_HISTORY_ENTRY_CHARS:
            return
        if entry not in self._loaded_strings[:1]:
            super().append_string(entry)

    def load_history_strings(self) -> Iterable[str]:
        """Return the entries of the file, the newest first."""
        try:
            data = read_file(self._path, 2 * limits.MAX_HISTORY_BYTES)
        except EdgeLakeError:
            return []
        entries = list(_entries(data.decode(errors="replace")))
        return [
            entry
            for n, entry in enumerate(entries)
            if n + 1 == len(entries) or entry != entries[n + 1]
        ][::-1]

    def store_string(self, string: str) -> None:
        """Add an entry to the file; a file that cannot be written is told once."""
        if not self._usable:
            return
        try:
            with self._locked() as descriptor:
                size = os.fstat(descriptor).st_size
                data = _written(string)
                if size + len(data) > limits.MAX_HISTORY_BYTES:
                    self._shorten()
                    descriptor = self._open()
                    try:
                        _append(descriptor, data)
                    finally:
                        os.close(descriptor)
                else:
                    _append(descriptor, data)
        except (OSError, EdgeLakeError) as exc:
            self._usable = False
            _log.warning("the history is not kept in '%s': %s", self._path, exc)

    # ----------------------------------------------------------------- file

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the file and keep other consoles from it."""
        while True:
            descriptor = self._open()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                # Another console may have put a shorter file in its place meanwhile.
                if _is_at(descriptor, self._path):
                    yield descriptor
                    return
            finally:
                os.close(descriptor)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(self._path, flags, _MODE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise StorageError("not a plain file")
            os.fchmod(descriptor, _MODE)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _shorten(self) -> None:
        """Keep the newer half of the entries; under the lock."""
        try:
            text = read_file(self._path, 2 * limits.MAX_HISTORY_BYTES).decode(errors="replace")
        except EdgeLakeError:
            text = ""  # grown beyond all bounds by something else
        kept: list[bytes] = []
        size = 0
        for entry in reversed(list(_entries(text))):
            data = _written(entry)
            size += len(data)
            if size > limits.MAX_HISTORY_BYTES // 2:
                break
            kept.append(data)
        replace_file(self._path, b"".join(reversed(kept)), mode=_MODE)


# ------------------------------------------------------------------- parts


def _written(entry: str) -> bytes:
    lines = "".join(f"+{line}\n" for line in entry.split("\n"))
    return f"\n# {time.strftime('%Y-%m-%d %H:%M:%S')}\n{lines}".encode(errors="replace")


def _entries(text: str) -> Iterator[str]:
    """Yield the entries of a file's text, the oldest first."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith("+"):
            lines.append(line[1:])
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _append(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
