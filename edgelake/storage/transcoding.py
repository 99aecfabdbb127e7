"""Files in other clothes: compressed with gzip, or as base64 text."""

from __future__ import annotations

import base64
import binascii
import os
import zlib
from collections.abc import Callable, Iterator

from edgelake import limits
from edgelake.errors import DecodingFailed, DecompressionFailed
from edgelake.storage.atomic import write_all
from edgelake.storage.files import pieces, writing
from edgelake.storage.reach import EVERYWHERE, Reach

__all__ = ["compress_file", "decode_file", "decompress_file", "encode_file"]

Change = Callable[[Iterator[bytes], str], Iterator[bytes]]

_GZIP = 16 + zlib.MAX_WBITS
_BASE64_GROUP = 3
_BASE64_CHARS = 4
_BLANKS = b" \t\r\n"


def compress_file(source: str, target: str, reach: Reach = EVERYWHERE) -> int:
    """Write a file compressed by gzip under another name; return the bytes written.

    Raises
    ------
    FileMissing, FolderMissing, FileNotPermitted, FileWriteFailed, StorageError
    """
    return _change(source, target, reach, _compressed)


def decompress_file(source: str, target: str, reach: Reach = EVERYWHERE) -> int:
    """Write what a gzip file holds under another name; return the bytes written.

    Raises
    ------
    DecompressionFailed
        It is no gzip file, damaged, cut short, or holds more than
        `limits.MAX_DECOMPRESSED_BYTES`. Nothing is written.
    FileMissing, FolderMissing, FileNotPermitted, FileWriteFailed, StorageError
    """
    return _change(source, target, reach, _decompressed)


def encode_file(source: str, target: str, reach: Reach = EVERYWHERE) -> int:
    """Write a file as base64 text, one line, under another name; return the bytes written.

    Raises
    ------
    FileMissing, FolderMissing, FileNotPermitted, FileWriteFailed, StorageError
    """
    return _change(source, target, reach, _encoded)


def decode_file(source: str, target: str, reach: Reach = EVERYWHERE) -> int:
    """Write the bytes of base64 text under another name; return the bytes written.

    Raises
    ------
    DecodingFailed
        It is no base64 text, line ends and blanks aside. Nothing is written.
    FileMissing, FolderMissing, FileNotPermitted, FileWriteFailed, StorageError
    """
    return _change(source, target, reach, _decoded)


# ------------------------------------------------------------------- parts


def _change(source: str, target: str, reach: Reach, change: Change) -> int:
    total = 0
    with (
        reach.spot(source) as here,
        here.open() as descriptor,
        writing(target, descriptor, reach) as out,
    ):
        for piece in change(pieces(descriptor, source), source):
            write_all(out, piece)
            total += len(piece)
    return total


def _compressed(content: Iterator[bytes], shown: str) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=_GZIP)
    for piece in content:
        yield packer.compress(piece)
    yield packer.flush()


def _decompressed(content: Iterator[bytes], shown: str) -> Iterator[bytes]:
    """Yield what one gzip file or several behind each other hold, in bounded pieces."""
    unpacker = zlib.decompressobj(_GZIP)
    begun = False
    total = 0
    for piece in content:
        rest = piece
        while rest:
            if unpacker.eof:
                rest = rest.lstrip(b"\0")  # padding, as gzip itself takes it
                if not rest:
                    break
                unpacker = zlib.decompressobj(_GZIP)
            begun = True
            try:
                found = unpacker.decompress(rest, limits.FILE_CHUNK_BYTES)
            except zlib.error as exc:
                raise DecompressionFailed(
                    f"'{shown}' is no gzip file, or damaged",
                    hint="compressed files are made by: file compress",
                ) from exc
            total += len(found)
            if total > limits.MAX_DECOMPRESSED_BYTES:
                raise DecompressionFailed(
                    f"'{shown}' holds more than {limits.MAX_DECOMPRESSED_BYTES:,} bytes"
                )
            yield found
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if not begun or not unpacker.eof:
        raise DecompressionFailed(f"'{shown}' ends before its compressed data does")


def _encoded(content: Iterator[bytes], shown: str) -> Iterator[bytes]:
    rest = b""
    for piece in content:
        rest += piece
        whole = len(rest) - len(rest) % _BASE64_GROUP
        yield base64.b64encode(rest[:whole])
        rest = rest[whole:]
    yield base64.b64encode(rest)


def _decoded(content: Iterator[bytes], shown: str) -> Iterator[bytes]:
    rest = b""
    ended = False
    for piece in content:
        rest += piece.translate(None, _BLANKS)
        whole = len(rest) - len(rest) % _BASE64_CHARS
        if ended and rest:
            raise _no_base64(shown)
        ended = b"=" in rest[:whole]
        yield _bytes_of(rest[:whole], shown)
        rest = rest[whole:]
    if rest:
        raise _no_base64(shown)


def _bytes_of(text: bytes, shown: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise _no_base64(shown) from exc


def _no_base64(shown: str) -> DecodingFailed:
    return DecodingFailed(
        f"'{os.path.basename(shown)}' is not base64 text",
        hint="encoded files are made by: file encode",
    )
