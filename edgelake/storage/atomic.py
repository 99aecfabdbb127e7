"""Files written safely: after any crash a file is wholly the old or wholly the new one."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from edgelake.errors import FileMissing, FileWriteFailed, StorageError

__all__ = [
    "is_temporary",
    "make_folder",
    "read_file",
    "remove_stale_temporaries",
    "replace_file",
    "replacing",
]

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.edgelake-tmp", re.DOTALL)


def replace_file(path: str | os.PathLike[str], data: bytes, *, mode: int = 0o644) -> None:
    """Put ``data`` in the place of a file, durably and in one step.

    The bytes go to a temporary file of the same folder, to the disk, and
    then over the old name; the folder goes to the disk last. A symbolic link
    keeps pointing where it did, its target is replaced.

    Parameters
    ----------
    path : path
        The file; its folder exists.
    data : bytes
        Whole new content.
    mode : int
        Permissions of the file.

    Raises
    ------
    FileWriteFailed
        The old content is still there and no temporary is left. Only when the
        message says that the folder was not synchronised the new content is in
        place, and may be lost by a power cut.

    Notes
    -----
    From any thread; the last of several writers wins.
    """
    with replacing(os.path.realpath(path), shown=path, mode=mode) as descriptor:
        write_all(descriptor, data)


@contextlib.contextmanager
def replacing(
    target: str,
    *,
    shown: str | os.PathLike[str],
    mode: int = 0o644,
    folder: int | None = None,
) -> Iterator[int]:
    """Put what is written to the descriptor in the place of a file, as `replace_file` does.

    Parameters
    ----------
    target : str
        The file's path; with ``folder`` its name in that folder. A symbolic link
        is itself replaced.
    shown : path
        How messages name it.
    mode : int
        Permissions of the file.
    folder : int or None
        Descriptor of the folder, for who must not be led elsewhere by a path.

    Raises
    ------
    FileWriteFailed
        As `replace_file`. A `StorageError` of the body is left as it is, and the
        old content stays.
    """
    place = {} if folder is None else {"dir_fd": folder}
    places = {} if folder is None else {"src_dir_fd": folder, "dst_dir_fd": folder}
    parent, name = os.path.split(target)
    temporary = os.path.join(parent, f".{name[:40]}.{secrets.token_hex(8)}.edgelake-tmp")
    try:
        with contextlib.ExitStack() as undo:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, **place)
            undo.callback(_remove, temporary, folder)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                # The lock tells remove_stale_temporaries that somebody is writing here.
                fcntl.flock(file, fcntl.LOCK_EX)
                yield file.fileno()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
                os.replace(temporary, target, **places)
            undo.pop_all()
    except StorageError:
        raise
    except OSError as exc:
        raise FileWriteFailed(f"cannot write '{shown}': {reason(exc)}") from exc
    try:
        if folder is None:
            sync_folder(parent)
        else:
            os.fsync(folder)
    except OSError as exc:
        raise FileWriteFailed(
            f"'{shown}' is written, but its folder was not synchronised: {reason(exc)}"
        ) from exc


def read_file(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """Return the whole content of a file.

    Parameters
    ----------
    path : path
    max_bytes : int
        Most bytes that are taken.

    Raises
    ------
    FileMissing
        There is no such file.
    StorageError
        It is longer than ``max_bytes``, no regular file, or cannot be read.
    """
    try:
        # A pipe would block for ever on open; a folder or a device is no content.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not os.path.isfile(file.fileno()):
                raise StorageError(f"'{path}' is not a file")
            data = file.read(max_bytes + 1)
    except FileNotFoundError as exc:
        raise FileMissing(f"file '{path}' does not exist") from exc
    except StorageError:
        raise
    except OSError as exc:
        raise StorageError(f"cannot read '{path}': {reason(exc)}") from exc
    if len(data) > max_bytes:
        raise StorageError(f"file '{path}' is longer than {max_bytes} bytes")
    return data


def remove_stale_temporaries(folder: str | os.PathLike[str]) -> int:
    """Remove what writers that died left in a folder; return how many files.

    Temporaries of living writers stay. A folder that does not exist has none.

    Raises
    ------
    StorageError
        The folder cannot be read or changed.
    """
    removed = 0
    try:
        with os.scandir(folder) as entries:
            names = [entry.path for entry in entries if is_temporary(entry.name)]
        for name in names:
            removed += _remove_if_stale(name)
    except FileNotFoundError:
        return removed
    except OSError as exc:
        raise StorageError(f"cannot clean '{folder}': {reason(exc)}") from exc
    return removed


def is_temporary(name: str) -> bool:
    """Return whether a file of that name is one that a writer here has not finished."""
    return _TEMPORARY.fullmatch(name) is not None


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and its parents, durably; one that exists is kept. Raises `OSError`."""
    folder = Path(path)
    made = [place for place in (*reversed(folder.parents), folder) if not place.is_dir()]
    for place in made:
        place.mkdir(exist_ok=True)
    for place in made:
        # Who may make something in a folder may still not read it.
        with contextlib.suppress(PermissionError):
            sync_folder(place.parent)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Put a folder's entries on the disk; raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ------------------------------------------------------------------- parts


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of the data, however often that is interrupted; raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _remove(path: str, folder: int | None) -> None:
    # The failure that led here is the one to report.
    with contextlib.suppress(OSError):
        os.unlink(path, dir_fd=folder)


def _remove_if_stale(path: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return False
    finally:
        os.close(descriptor)
    return True


def reason(exc: OSError) -> str:
    """Return what the system says of a failure, as messages quote it."""
    return (exc.strerror or str(exc)).lower()
