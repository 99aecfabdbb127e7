"""Which files a command may touch, and how it gets at them without being led elsewhere.

A path is used once: to open the folder it names. From then on a file is a name in
that open folder, so that nobody who renames folders or puts links in their place
can lead the command to another file.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edgelake import limits
from edgelake.errors import FileMissing, FileNotPermitted, FolderMissing, StorageError
from edgelake.storage.atomic import reason

__all__ = ["EVERYWHERE", "Reach", "Spot", "Use"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Use(Enum):
    """What a path is needed for."""

    READ = "read"
    WRITE = "written"
    REMOVE = "removed"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place for a file: a name in an open folder.

    Attributes
    ----------
    folder : int
        Descriptor, open as long as the context that gave the spot.
    name : str
    shown : str
        The path as messages name it.
    follow : bool
        Whether a symbolic link of that name stands for its target.
    """

    folder: int
    name: str
    shown: str
    follow: bool

    def status(self) -> os.stat_result | None:
        """Return what the system knows of the file, ``None`` if there is none.

        Raises
        ------
        StorageError
        """
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=self.follow)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StorageError(f"cannot look at '{self.shown}': {reason(exc)}") from exc

    @contextlib.contextmanager
    def open(self) -> Iterator[int]:
        """Give a descriptor to read the file by.

        Raises
        ------
        FileMissing
        StorageError
            It is a folder, a pipe, a device or a socket, or cannot be read.
        """
        # Looked at first: to open a device or a pipe can do something by itself.
        found = self.status()
        if found is None:
            raise FileMissing(f"file '{self.shown}' does not exist")
        require_regular(found, self.shown)
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            descriptor = os.open(
                self.name, flags | (0 if self.follow else os.O_NOFOLLOW), dir_fd=self.folder
            )
        except FileNotFoundError as exc:
            raise FileMissing(f"file '{self.shown}' does not exist") from exc
        except OSError as exc:
            raise StorageError(f"cannot read '{self.shown}': {reason(exc)}") from exc
        try:
            require_regular(os.fstat(descriptor), self.shown)
            yield descriptor
        finally:
            os.close(descriptor)


class Reach:
    """The folders in which a command may read and write.

    Parameters
    ----------
    readable, writable : sequence of Path or None
        Absolute paths of folders; ``None`` for everywhere. Below them no symbolic
        link is followed, so that nothing outside can be reached; the folders
        themselves may be links, which only the node's owner can make.
    files : sequence of Path
        Single files that may be read besides.

    Notes
    -----
    Immutable; any thread may use it.
    """

    def __init__(
        self,
        readable: Sequence[Path] | None = None,
        writable: Sequence[Path] | None = None,
        files: Sequence[Path] = (),
    ) -> None:
        self._readable = readable
        self._writable = writable
        self._files = files

    @contextlib.contextmanager
    def spot(self, path: str, use: Use = Use.READ) -> Iterator[Spot]:
        """Open the folder that a file is in, or is to be in.

        Raises
        ------
        FileMissing
            The folder does not exist, and with it no file to read or remove.
        FolderMissing
            The folder to write to does not exist.
        FileNotPermitted
            The path leads out of the permitted folders.
        StorageError
            The path names no file, or the folder cannot be opened.
        """
        checked = _checked(path)
        if not os.path.basename(checked):
            raise StorageError(f"'{path}' names a folder, not a file")
        roots = self._roots(use)
        if roots is None:
            if use is Use.WRITE:
                checked = os.path.realpath(checked)  # what a link stands for is replaced
            parent, name = os.path.split(checked)
            folder = _open_folder(parent or ".", path, use)
        else:
            checked = os.path.normpath(checked)
            parent, name = os.path.split(checked)
            if Path(checked) in roots:
                raise StorageError(f"'{path}' names a folder, not a file")
            if use is Use.READ and Path(checked) in self._files:
                roots = (Path(parent),)
            folder = _walk(roots, parent, path, use)
        try:
            if name in ("", ".", ".."):
                raise StorageError(f"'{path}' names a folder, not a file")
            yield Spot(folder, name, path, roots is None and use is Use.READ)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def folder(self, path: str, use: Use = Use.READ) -> Iterator[int]:
        """Give a descriptor of a folder.

        Raises
        ------
        FolderMissing
            There is no such folder.
        FileNotPermitted
        StorageError
        """
        checked = _checked(path)
        roots = self._roots(use)
        try:
            if roots is None:
                descriptor = _open_folder(checked, path, use)
            else:
                descriptor = _walk(roots, os.path.normpath(checked), path, use)
        except FileMissing as exc:
            raise FolderMissing(f"folder '{path}' does not exist") from exc
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def is_folder(self, path: str, use: Use = Use.READ) -> bool:
        """Return whether a path names a folder that may be used.

        Raises
        ------
        FileNotPermitted
        StorageError
        """
        try:
            with self.folder(path, use):
                return True
        except FolderMissing:
            return False

    def _roots(self, use: Use) -> Sequence[Path] | None:
        return self._readable if use is Use.READ else self._writable


EVERYWHERE = Reach()
"""The reach of the node's own console and scripts: what its process may touch."""


def require_regular(found: os.stat_result, shown: str) -> None:
    """Check that something is a file and nothing else.

    Raises
    ------
    StorageError
    """
    if stat.S_ISREG(found.st_mode):
        return
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
    }
    kind = kinds.get(stat.S_IFMT(found.st_mode), "a device")
    raise StorageError(f"'{shown}' is {kind}, not a file")


def _checked(path: str) -> str:
    """Return a path that the system can take.

    Raises
    ------
    StorageError
    """
    if not path or "\0" in path:
        raise StorageError("the path is empty or holds a NUL character", hint="write a path")
    if len(path) > limits.MAX_PATH_CHARS:
        raise StorageError(f"a path exceeds {limits.MAX_PATH_CHARS} characters")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as exc:
        raise StorageError(
            f"character {exc.start + 1} of the path is no text", hint="write UTF-8"
        ) from exc
    return path


def _open_folder(folder: str, shown: str, use: Use) -> int:
    try:
        return os.open(folder, _FOLDER)
    except OSError as exc:
        raise _folder_fault(exc, folder, shown, use) from exc


def _walk(roots: Sequence[Path], folder: str, shown: str, use: Use) -> int:
    """Return a descriptor of a folder below one of the roots, following no link on the way.

    Raises
    ------
    FileNotPermitted, FileMissing, FolderMissing, StorageError
    """
    path = Path(folder)
    root = next((root for root in roots if path.is_relative_to(root)), None)
    if root is None or not path.is_absolute():
        raise FileNotPermitted(
            f"'{shown}' may not be {use.value} from remote",
            hint="only the node's work folders may, by their full path or for example !!tmp_dir",
        )
    descriptor = _open_folder(str(root), shown, use)
    try:
        for part in path.relative_to(root).parts:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
    except OSError as exc:
        os.close(descriptor)
        raise _folder_fault(exc, folder, shown, use) from exc
    return descriptor


def _folder_fault(exc: OSError, folder: str, shown: str, use: Use) -> StorageError:
    if isinstance(exc, FileNotFoundError | NotADirectoryError):
        if use is Use.WRITE:
            return FolderMissing(
                f"folder '{folder}' does not exist", hint="make it first, or correct the path"
            )
        return FileMissing(f"file '{shown}' does not exist")
    return StorageError(f"cannot open the folder of '{shown}': {reason(exc)}")
