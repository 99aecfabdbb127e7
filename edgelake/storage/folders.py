"""What folders hold: names, sizes, access, and the archive with a folder for each day."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from edgelake import limits
from edgelake.errors import FileMissing, StorageError
from edgelake.storage.atomic import reason
from edgelake.storage.files import entries_of
from edgelake.storage.reach import EVERYWHERE, Reach, Use

__all__ = [
    "Access",
    "Listed",
    "access_of",
    "archived_files",
    "delete_archived",
    "folder_size",
    "list_files",
    "list_folders",
    "modified_s",
]

_TWO_DIGITS = re.compile(r"[0-9]{2}")
_CENTURY = 2000
_INNER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Listed:
    r"""A file or folder as it is listed.

    Attributes
    ----------
    name : str
        Bytes of it that are no text are shown as ``\xNN``.
    size : int
        Bytes.
    modified : float
        Seconds since 1970.
    """

    name: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class Access:
    """What this process may do with a file or folder."""

    read: bool
    write: bool
    execute: bool


def list_files(folder: str, reach: Reach = EVERYWHERE) -> list[Listed]:
    """Return the files of a folder in alphabetical order.

    Raises
    ------
    FolderMissing, FileNotPermitted
    StorageError
        More than `limits.MAX_LISTED_FILES`, or it cannot be read.
    """
    with reach.folder(folder) as descriptor:
        return _listed(descriptor, folder, stat.S_ISREG)


def list_folders(folder: str, reach: Reach = EVERYWHERE) -> list[Listed]:
    """Return the folders in a folder in alphabetical order; errors as of `list_files`."""
    with reach.folder(folder) as descriptor:
        return _listed(descriptor, folder, stat.S_ISDIR)


def folder_size(folder: str, reach: Reach = EVERYWHERE) -> tuple[int, int]:
    """Return bytes and number of the files in a folder and in those below; no link is followed.

    Raises
    ------
    FolderMissing, FileNotPermitted
    StorageError
        More than `limits.MAX_COUNTED_FILES` names or `limits.MAX_FOLDER_DEPTH` folders deep.
    """
    names = size = files = 0

    def add(descriptor: int, depth: int) -> None:
        nonlocal names, size, files
        if depth > limits.MAX_FOLDER_DEPTH:
            raise StorageError(f"folders in '{folder}' go more than {limits.MAX_FOLDER_DEPTH} deep")
        with os.scandir(descriptor) as entries:
            for entry in entries:
                names += 1
                if names > limits.MAX_COUNTED_FILES:
                    raise StorageError(
                        f"'{folder}' holds more than {limits.MAX_COUNTED_FILES:,} names"
                    )
                found = _status(entry)
                if found is not None and stat.S_ISREG(found.st_mode):
                    size += found.st_size
                    files += 1
                elif found is not None and stat.S_ISDIR(found.st_mode):
                    with _inner(descriptor, entry.name) as inner:
                        if inner is not None:
                            add(inner, depth + 1)

    with reach.folder(folder) as descriptor:
        try:
            add(descriptor, 1)
        except StorageError:
            raise
        except OSError as exc:
            raise StorageError(f"cannot read folder '{folder}': {reason(exc)}") from exc
    return size, files


def access_of(path: str, reach: Reach = EVERYWHERE) -> Access:
    """Return what this process may do with a file or folder.

    Raises
    ------
    FileMissing, FileNotPermitted, StorageError
    """
    rights = (os.R_OK, os.W_OK, os.X_OK)
    if reach is EVERYWHERE and os.path.isdir(path):
        # A folder that may not be read cannot be opened.
        return Access(*(os.access(path, right) for right in rights))
    with _place(path, reach) as (folder, name):
        return Access(*(os.access(name, right, dir_fd=folder) for right in rights))


def modified_s(path: str, reach: Reach = EVERYWHERE) -> float:
    """Return when a file or folder was changed last, in seconds since 1970.

    Raises
    ------
    FileMissing, FileNotPermitted, StorageError
    """
    with _place(path, reach) as (folder, name):
        try:
            return os.stat(name, dir_fd=folder).st_mtime
        except OSError as exc:
            raise StorageError(f"cannot look at '{path}': {reason(exc)}") from exc


# ------------------------------------------------------------------ archive


def archived_files(archive: str, day: date, reach: Reach = EVERYWHERE) -> list[Listed]:
    """Return the files that the archive keeps of a day, in ``YY/MM/DD``; none is no error.

    Raises
    ------
    FolderMissing
        There is no archive at all.
    FileNotPermitted, StorageError
    """
    with reach.folder(archive):
        pass
    folder = os.path.join(archive, f"{day:%y/%m/%d}")
    return list_files(folder, reach) if reach.is_folder(folder) else []


def delete_archived(archive: str, before: date, reach: Reach = EVERYWHERE) -> tuple[int, int]:
    """Remove the archived files of all days before a day; return bytes and number of files.

    Only what lies in folders ``YY/MM/DD`` is looked at; folders that become empty go too.

    Raises
    ------
    FolderMissing, FileNotPermitted
    StorageError
        A file could not be removed; those before it are.
    """
    size = files = 0
    with reach.folder(archive, Use.REMOVE) as root:
        try:
            for year, year_name in _dated(root, archive):
                for month, month_name in _dated(year, archive):
                    for day, day_name in _dated(month, archive):
                        if _is_before(before, year_name, month_name, day_name):
                            freed = _empty(day, archive)
                            size, files = size + freed[0], files + freed[1]
                            _remove_empty(month, day_name)
                    _remove_empty(year, month_name)
                _remove_empty(root, year_name)
        except StorageError:
            raise
        except OSError as exc:
            raise StorageError(f"cannot clean '{archive}': {reason(exc)}") from exc
    return size, files


def _dated(folder: int, shown: str) -> Iterator[tuple[int, str]]:
    """Yield the folders of two digits in a folder, open, with their names."""
    for entry in sorted(entries_of(folder, shown), key=lambda entry: entry.name):
        if _TWO_DIGITS.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            with _inner(folder, entry.name) as inner:
                if inner is not None:
                    yield inner, entry.name


def _is_before(limit: date, year: str, month: str, day: str) -> bool:
    try:
        return date(_CENTURY + int(year), int(month), int(day)) < limit
    except ValueError:
        return False


def _empty(folder: int, shown: str) -> tuple[int, int]:
    """Remove the files of a folder; return their bytes and number."""
    size = files = 0
    for entry in entries_of(folder, shown):
        found = _status(entry)
        if found is not None and stat.S_ISREG(found.st_mode):
            os.unlink(entry.name, dir_fd=folder)
            size, files = size + found.st_size, files + 1
    return size, files


def _remove_empty(folder: int, name: str) -> None:
    # What is not empty stays: it holds what is no archived file, or one of another day.
    with contextlib.suppress(OSError):
        os.rmdir(name, dir_fd=folder)


# ------------------------------------------------------------------- parts


@contextlib.contextmanager
def _place(path: str, reach: Reach) -> Iterator[tuple[int, str]]:
    """Give an open folder, and the name in it by which a file or folder is reached."""
    if reach.is_folder(path):
        with reach.folder(path) as descriptor:
            yield descriptor, "."
        return
    with reach.spot(path) as spot:
        found = spot.status()
        if found is None:
            raise FileMissing(f"'{path}' does not exist")
        if stat.S_ISLNK(found.st_mode):
            raise StorageError(f"'{path}' is a symbolic link, not a file")
        yield spot.folder, spot.name


def _listed(folder: int, shown: str, wanted: Callable[[int], bool]) -> list[Listed]:
    found = [(entry.name, _status(entry)) for entry in entries_of(folder, shown)]
    return [
        Listed(os.fsencode(name).decode(errors="backslashreplace"), of.st_size, of.st_mtime)
        for name, of in sorted(found, key=lambda pair: pair[0])
        if of is not None and wanted(of.st_mode)
    ]


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return what the system knows of an entry, ``None`` if it has gone meanwhile."""
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _inner(folder: int, name: str) -> Iterator[int | None]:
    """Give a descriptor of a folder in a folder, ``None`` if it has gone meanwhile."""
    try:
        descriptor = os.open(name, _INNER, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
