"""Records as a journal holds them: framed, with checksums, and found again after damage.

A journal file is `HEADER` and then frames::

    4 bytes   sync      the same in every frame
    1 byte    kind      what the payload is
    4 bytes   length    of the payload, little-endian
    4 bytes   check     CRC-32 of kind and length
    4 bytes   checksum  CRC-32 of kind and payload
    payload

Kind and length have a check of their own, so that a damaged payload can be stepped over.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from edgelake import limits
from edgelake.errors import StorageError
from edgelake.interfaces import JournalGap, JournalRecord

__all__ = ["HEADER", "frame_head", "read_frames"]

_NAME = b"edgelake ledger "
_VERSION = 1
HEADER = _NAME + b"%3d\n" % _VERSION
_SYNC = b"\xabLJ\xba"
_FRAME = struct.Struct("<4sBIII")


def frame_head(kind: int, payload: bytes | memoryview) -> bytes:
    """Return what stands before a payload."""
    check = zlib.crc32(struct.pack("<BI", kind, len(payload)))
    checksum = zlib.crc32(payload, zlib.crc32(bytes((kind,))))
    return _FRAME.pack(_SYNC, kind, len(payload), check, checksum)


def read_frames(data: bytes) -> Iterator[JournalRecord | JournalGap]:
    """Return the records of a journal file in order, and what lies between them.

    Parameters
    ----------
    data : bytes
        The whole file. Payloads are views of it.

    Raises
    ------
    StorageError
        A later version of this program wrote it.
    """
    view = memoryview(data)
    at = 0
    if data.startswith(HEADER):
        at = len(HEADER)
    elif data.startswith(_NAME) and data[len(_NAME) : len(HEADER)].strip().isdigit():
        raise StorageError(
            f"the ledger's journal has version {int(data[len(_NAME) : len(HEADER)])},"
            f" and this program reads version {_VERSION}",
            hint="run the program that wrote it, or a later one",
        )
    while at < len(data):
        found = _frame_at(view, at)
        if found is not None:
            yield found
            at += _FRAME.size + len(found.payload)
            continue
        start, at = at, _next_frame(data, view, at)
        yield JournalGap(start, bytes(view[start:at]), tail=at == len(data))


# ------------------------------------------------------------------- parts


def _frame_at(view: memoryview, at: int) -> JournalRecord | None:
    """Return the record that begins at a place, ``None`` if there is no whole one."""
    if at + _FRAME.size > len(view):
        return None
    sync, kind, length, check, checksum = _FRAME.unpack_from(view, at)
    if sync != _SYNC or check != zlib.crc32(struct.pack("<BI", kind, length)):
        return None
    start = at + _FRAME.size
    if length > limits.MAX_LEDGER_BYTES or start + length > len(view):
        return None
    payload = view[start : start + length]
    if checksum != zlib.crc32(payload, zlib.crc32(bytes((kind,)))):
        return None
    return JournalRecord(kind, payload)


def _next_frame(data: bytes, view: memoryview, at: int) -> int:
    """Return where the next whole record begins, the end if there is none."""
    while True:
        at = data.find(_SYNC, at + 1)
        if at < 0:
            return len(data)
        if _frame_at(view, at) is not None:
            return at
