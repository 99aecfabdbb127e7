"""Work on whole files: copy, move, remove, hash, take in and give out.

Every path goes through a `Reach`. What is written appears at once and whole, or not
at all; files of any length are worked on in pieces.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator

from edgelake import limits
from edgelake.errors import FileMissing, FileTooLarge, FileWriteFailed, StorageError
from edgelake.storage.atomic import is_temporary, reason, replacing, write_all
from edgelake.storage.reach import EVERYWHERE, Reach, Spot, Use, require_regular

__all__ = [
    "copy_file",
    "delete_file",
    "file_exists",
    "fetch_file",
    "hash_file",
    "landing",
    "matching_files",
    "move_file",
    "name_pattern",
    "pieces",
    "require_place",
    "store_file",
    "writing",
]


def landing(source: str, target: str, reach: Reach = EVERYWHERE) -> str:
    """Return where a file goes: into the target if that is a folder, else under its name.

    Raises
    ------
    FileNotPermitted, StorageError
    """
    if target.endswith("/") or reach.is_folder(target, Use.WRITE):
        return os.path.join(target, os.path.basename(source))
    return target


def copy_file(source: str, target: str, reach: Reach = EVERYWHERE) -> int:
    """Copy a file over another name; return its length in bytes.

    A file that is there is replaced in one step; permissions are those of the source.

    Raises
    ------
    FileMissing, FolderMissing, FileNotPermitted, FileWriteFailed, StorageError
    """
    with (
        reach.spot(source) as here,
        here.open() as descriptor,
        writing(target, descriptor, reach) as out,
    ):
        return pour(descriptor, out, source)


def move_file(source: str, target: str, reach: Reach = EVERYWHERE) -> None:
    """Give a file another name or folder; one that has that name is replaced.

    Between file systems it is copied first, and removed when the copy is on the disk.

    Raises
    ------
    FileMissing, FolderMissing, FileNotPermitted, FileWriteFailed, StorageError
    """
    with reach.spot(source, Use.REMOVE) as here, reach.spot(target, Use.WRITE) as there:
        found = here.status()
        if found is None:
            raise FileMissing(f"file '{source}' does not exist")
        require_regular(found, source)
        _require_other(there, found)
        try:
            os.rename(here.name, there.name, src_dir_fd=here.folder, dst_dir_fd=there.folder)
            os.fsync(there.folder)
            os.fsync(here.folder)
            return
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise FileWriteFailed(
                    f"cannot move '{source}' to '{target}': {reason(exc)}"
                ) from exc
        with here.open() as descriptor, writing(target, descriptor, reach) as out:
            pour(descriptor, out, source)
        _unlink(here)


def delete_file(path: str, reach: Reach = EVERYWHERE) -> None:
    """Remove a file; of a symbolic link the link.

    Raises
    ------
    FileMissing, FileNotPermitted
    StorageError
        It is a folder, a pipe, a device or a socket, or cannot be removed.
    """
    with reach.spot(path, Use.REMOVE) as spot:
        found = spot.status()
        if found is None:
            raise FileMissing(f"file '{path}' does not exist")
        if not stat.S_ISLNK(found.st_mode):
            require_regular(found, path)
        _unlink(spot)


def file_exists(path: str, reach: Reach = EVERYWHERE) -> bool:
    """Return whether a path names a file or a folder.

    Raises
    ------
    FileNotPermitted, StorageError
    """
    if reach.is_folder(path):
        return True
    if path.endswith("/"):
        return False
    try:
        with reach.spot(path) as spot:
            return spot.status() is not None
    except FileMissing:
        return False


def hash_file(path: str, reach: Reach = EVERYWHERE) -> str:
    """Return the MD5 of a file's bytes as 32 hexadecimal digits.

    Raises
    ------
    FileMissing, FileNotPermitted, StorageError
    """
    # The network names contents by it; nobody is kept out with it.
    digest = hashlib.md5(usedforsecurity=False)
    with reach.spot(path) as spot, spot.open() as descriptor:
        for piece in pieces(descriptor, path):
            digest.update(piece)
    return digest.hexdigest()


def fetch_file(path: str, max_bytes: int, reach: Reach = EVERYWHERE, *, why: str = "") -> bytes:
    """Return the whole content of a file of at most ``max_bytes`` bytes; ``why`` no more.

    Raises
    ------
    FileTooLarge
    FileMissing, FileNotPermitted, StorageError
    """
    with reach.spot(path) as spot, spot.open() as descriptor:
        content = bytearray()
        if os.fstat(descriptor).st_size <= max_bytes:
            for piece in pieces(descriptor, path):
                content += piece
                if len(content) > max_bytes:
                    break
            else:
                return bytes(content)
    raise FileTooLarge(f"file '{path}' is longer than {max_bytes:,} bytes{why and ', ' + why}")


def store_file(path: str, content: bytes, reach: Reach = EVERYWHERE) -> None:
    """Put content that came from elsewhere in the place of a file.

    Raises
    ------
    FolderMissing, FileNotPermitted, FileWriteFailed, StorageError
    """
    with writing(path, None, reach) as out:
        write_all(out, content)


def require_place(path: str, reach: Reach = EVERYWHERE) -> None:
    """Check that a file can be put there, as far as that is known before it is there.

    Raises
    ------
    FolderMissing, FileNotPermitted, StorageError
    """
    with reach.spot(path, Use.WRITE) as spot:
        _require_other(spot, None)


def matching_files(pattern: str, reach: Reach = EVERYWHERE) -> list[str]:
    """Return the paths of the files that a pattern names, in alphabetical order.

    ``*`` in the last part of the path stands for any characters, see `name_pattern`.
    Symbolic links are left out.

    Raises
    ------
    FileMissing
        No file has such a name.
    StorageError
        More than `limits.MAX_LISTED_FILES` names, or the folder cannot be read.
    """
    folder, name = os.path.split(pattern)
    wanted = name_pattern(name)
    with reach.folder(folder or ".") as descriptor:
        found = [
            entry.name
            for entry in entries_of(descriptor, folder)
            if wanted.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)
        ]
    if not found:
        raise FileMissing(f"no file matches '{pattern}'")
    return [os.path.join(folder, name) for name in sorted(found)]


def name_pattern(name: str) -> re.Pattern[str]:
    """Return what fits the names that a name with ``*`` stands for.

    A name that begins with a dot is only meant by one that does.

    Raises
    ------
    StorageError
        It is longer than a path can be.
    """
    if len(name) > limits.MAX_PATH_CHARS:
        raise StorageError(f"a path exceeds {limits.MAX_PATH_CHARS} characters")
    first, *more = map(re.escape, re.split(r"\*+", name))
    text = first
    if more:
        # Each part is taken where it comes first: no name makes the match try again.
        text += "".join(f"(?>.*?{part})" for part in more[:-1]) + f".*{more[-1]}"
    return re.compile(text if name.startswith(".") else rf"(?!\.){text}", re.DOTALL)


# ------------------------------------------------------------------- parts


@contextlib.contextmanager
def writing(target: str, source: int | None, reach: Reach) -> Iterator[int]:
    """Give a descriptor whose content takes the place of a file when all went well.

    Parameters
    ----------
    source : int or None
        Descriptor of the file it is made of, which gives its permissions and must
        not be the target itself.
    """
    with reach.spot(target, Use.WRITE) as there:
        origin = None if source is None else os.fstat(source)
        _require_other(there, origin)
        mode = 0o644 if origin is None else stat.S_IMODE(origin.st_mode) & 0o777
        with replacing(there.name, shown=target, mode=mode, folder=there.folder) as out:
            yield out


def pieces(descriptor: int, shown: str) -> Iterator[bytes]:
    """Yield what is left of a file in pieces of `limits.FILE_CHUNK_BYTES`.

    Raises
    ------
    StorageError
    """
    while True:
        try:
            piece = os.read(descriptor, limits.FILE_CHUNK_BYTES)
        except OSError as exc:
            raise StorageError(f"cannot read '{shown}': {reason(exc)}") from exc
        if not piece:
            return
        yield piece


def pour(source: int, out: int, shown: str) -> int:
    """Write all that is left of one file to another; return how many bytes."""
    total = 0
    for piece in pieces(source, shown):
        write_all(out, piece)
        total += len(piece)
    return total


def entries_of(folder: int, shown: str) -> list[os.DirEntry[str]]:
    """Return the entries of an open folder without files that are being written.

    Raises
    ------
    StorageError
        More than `limits.MAX_LISTED_FILES`, or it cannot be read.
    """
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_temporary(entry.name):
                    continue
                if len(found) >= limits.MAX_LISTED_FILES:
                    raise StorageError(
                        f"folder '{shown}' holds more than {limits.MAX_LISTED_FILES:,} names"
                    )
                found.append(entry)
    except StorageError:
        raise
    except OSError as exc:
        raise StorageError(f"cannot read folder '{shown}': {reason(exc)}") from exc
    return found


def _require_other(there: Spot, source: os.stat_result | None) -> None:
    """Check that a place is free, or that of a file other than the source."""
    found = there.status()
    if found is None:
        return
    require_regular(found, there.shown)
    if source is not None and (found.st_dev, found.st_ino) == (source.st_dev, source.st_ino):
        raise StorageError(f"'{there.shown}' is the source itself", hint="write another name")


def _unlink(spot: Spot) -> None:
    try:
        os.unlink(spot.name, dir_fd=spot.folder)
        os.fsync(spot.folder)
    except FileNotFoundError as exc:
        raise FileMissing(f"file '{spot.shown}' does not exist") from exc
    except OSError as exc:
        raise StorageError(f"cannot remove '{spot.shown}': {reason(exc)}") from exc
