"""What files between nodes have in common: which ones, how large, under which names."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future

from edgelake import limits
from edgelake.errors import BadArgument
from edgelake.services.jobs import PendingJob
from edgelake.storage import Reach, fetch_file, matching_files

__all__ = ["content_of", "failing", "files_named", "is_pattern", "name_in"]


def is_pattern(source: str) -> bool:
    """Return whether a path names files by ``*`` in its last part."""
    return "*" in os.path.basename(source)


def files_named(source: str, reach: Reach) -> list[str]:
    """Return the paths of the files that a path or pattern names.

    Raises
    ------
    FileMissing, FileNotPermitted, StorageError
    BadArgument
        The pattern names more than `limits.MAX_TRANSFER_FILES`.
    """
    if not is_pattern(source):
        return [source]
    paths = matching_files(source, reach)
    if len(paths) > limits.MAX_TRANSFER_FILES:
        raise BadArgument(
            f"the pattern names {len(paths):,} files, more than {limits.MAX_TRANSFER_FILES:,}",
            hint="write a pattern that names fewer",
        )
    return paths


def content_of(path: str, reach: Reach) -> bytes:
    """Return the bytes of a file that can travel.

    Raises
    ------
    FileTooLarge
        It is longer than `limits.MAX_TRANSFER_BYTES`.
    FileMissing, FileNotPermitted, StorageError
    """
    why = "the most that a message between nodes carries"
    return fetch_file(path, limits.MAX_TRANSFER_BYTES, reach, why=why)


def name_in(folder: str, path: str) -> str:
    """Return the name that a file gets in a folder of the other node."""
    return folder.rstrip("/") + "/" + os.path.basename(path)


def failing(job: PendingJob, index: int) -> Callable[[Future[bool]], None]:
    """Return what tells a job that its message to one receiver failed, when that is known."""

    def check(sent: Future[bool]) -> None:
        error = sent.exception()
        if error is not None:
            job.fail(index, error)

    return check
