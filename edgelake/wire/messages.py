"""Messages as nodes exchange them: requests, replies, files, and their blocks.

Source: ``docs/protocol.md``, "Messages".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

from edgelake import limits
from edgelake._native import Message, encode_message, encode_reply
from edgelake.errors import LocalProtocolError, RemoteProtocolError
from edgelake.wire.addresses import Endpoint
from edgelake.wire.codes import short_text

__all__ = [
    "FileFlag",
    "InfoType",
    "Job",
    "Reply",
    "TextFlag",
    "command_text",
    "data_text",
    "encoded_command",
    "file_blocks",
    "fixed_reply_blocks",
    "reply_blocks",
    "reply_destination",
    "request_blocks",
    "travels_as_file",
]


class InfoType(IntEnum):
    """Header field "info type"."""

    NOT_SET = 0
    ROWS = 1
    STRUCTURE = 2
    TEXT = 4
    REQUEST = 6


class TextFlag(IntEnum):
    """Generic flag of ``print`` and ``echo``."""

    NONE = 0
    TEXT = 1
    JSON = 2


class FileFlag(IntEnum):
    """Generic flag of ``file write``."""

    PATH = 0
    WATCH = 1
    LEDGER = 2
    COMMAND = 3


@dataclass(frozen=True, slots=True)
class Job:
    """Header fields by which a reply finds who waits for it.

    Attributes
    ----------
    location : int
        Slot at the requester, 0..499.
    number : int
        Job id, 0 when nobody waits.
    receivers, index : int
        How many nodes got the request, and which of them this one is.
    """

    location: int = 0
    number: int = 0
    receivers: int = 1
    index: int = 0


class Reply(NamedTuple):
    """A text answer to a message.

    Attributes
    ----------
    command : str
        Command segment, ``print`` or ``echo …``.
    text : str
        Data segment.
    error : int
        0, or an error number.
    flag : TextFlag
    info_type : InfoType
    body : bytes
        UTF-8 that follows the text; not for `fixed_reply_blocks`.
    """

    command: str
    text: str = ""
    error: int = 0
    flag: TextFlag = TextFlag.TEXT
    info_type: InfoType = InfoType.TEXT
    body: bytes = b""

    @classmethod
    def ok(cls, text: str, *, json: bool = False, body: bytes = b"") -> Reply:
        """Return the successful answer ``print``."""
        return cls("print", text, flag=TextFlag.JSON if json else TextFlag.TEXT, body=body)

    @classmethod
    def failed(cls, error: int, text: str = "") -> Reply:
        """Return the error answer ``echo`` with the text, or the number's own."""
        return cls("echo", text or short_text(error), error=error)


_MAX_COMMAND_BYTES: Final = limits.BODY_BYTES - 1


def encoded_command(command: str) -> bytes:
    """Return a command as bytes.

    Raises
    ------
    LocalProtocolError
        It holds half of a character, which UTF-8 cannot carry.
    """
    try:
        return command.encode()
    except UnicodeEncodeError as exc:
        raise LocalProtocolError(
            f"character {exc.start + 1} of the command is no text", hint="write UTF-8"
        ) from exc


def travels_as_file(encoded: bytes) -> bool:
    """Return whether a command is too long for a block, so that it cannot be answered."""
    return len(encoded) > _MAX_COMMAND_BYTES


def request_blocks(command: str, source_ip: str, source_port: int, job: Job | None = None) -> bytes:
    """Return the blocks of a request.

    Raises
    ------
    LocalProtocolError
        The command needs more than 1,840 bytes; send it by `file_blocks`
        with :attr:`FileFlag.COMMAND`.
    """
    encoded = encoded_command(command)
    if travels_as_file(encoded):
        raise LocalProtocolError(
            f"command of {len(encoded)} bytes exceeds {_MAX_COMMAND_BYTES} of one block"
        )
    job = job or Job()
    return encode_message(
        encoded,
        info_type=InfoType.REQUEST,
        job_location=job.location,
        job_id=job.number,
        receivers=job.receivers,
        receiver_index=job.index,
        source_ip=source_ip.encode(),
        source_port=source_port,
    )


def reply_blocks(message: Message, reply: Reply, source_ip: str, source_port: int) -> bytes:
    """Return the blocks that answer a message; its job fields go back unchanged."""
    text = reply.text.encode(errors="replace")
    return encode_reply(
        message,
        _cut_command(reply),
        text + reply.body if reply.body else text,
        info_type=reply.info_type,
        error=reply.error,
        generic_flag=reply.flag,
        source_ip=source_ip.encode(),
        source_port=source_port,
    )


def fixed_reply_blocks(reply: Reply, source_ip: str, source_port: int) -> bytes:
    """Return the blocks of an answer whose job fields the native server fills in."""
    return encode_message(
        _cut_command(reply),
        reply.text.encode(errors="replace"),
        info_type=reply.info_type,
        error=reply.error,
        generic_flag=reply.flag,
        source_ip=source_ip.encode(),
        source_port=source_port,
    )


def _cut_command(reply: Reply) -> bytes:
    command = reply.command.encode()
    if len(command) > _MAX_COMMAND_BYTES:
        command = command[:_MAX_COMMAND_BYTES].decode(errors="ignore").encode()
    return command


def file_blocks(
    name: str,
    content: bytes,
    flag: FileFlag,
    source_ip: str,
    source_port: int,
    job: Job | None = None,
) -> bytes:
    """Return the blocks of ``file write``; blanks of the name travel as TABs.

    A job is given for what peers that keep connections answer: a long command, or a
    file that nobody asked for.
    """
    job = job or Job(receivers=0)
    return encode_message(
        f"file write {name.replace(' ', chr(9))}".encode(),
        content,
        text=False,
        closing_block=True,
        generic_flag=flag,
        job_location=job.location,
        job_id=job.number,
        receivers=job.receivers,
        receiver_index=job.index,
        partitions_used=0,
        source_ip=source_ip.encode(),
        source_port=source_port,
    )


def reply_destination(message: Message) -> Endpoint | None:
    """Return where the answer to a message goes, ``None`` when nowhere.

    ``0.0.0.0`` and an empty address stand for the address the connection
    came from; a port outside 1..65535 means that no answer is wanted.
    Source: ``docs/protocol.md``, "Replies".
    """
    if not 1 <= message.source_port <= 65_535:
        return None
    host = message.source_ip.decode("ascii", errors="replace")
    if host in ("", "0.0.0.0"):
        host = message.peer_ip
    return Endpoint(host, message.source_port)


def command_text(message: Message) -> str:
    """Return the command segment; the server has checked that it is UTF-8."""
    return message.command.decode()


def data_text(message: Message) -> str:
    """Return the joined data as text.

    Raises
    ------
    RemoteProtocolError
        The bytes are not UTF-8.
    """
    try:
        return message.data.decode()
    except UnicodeDecodeError as exc:
        raise RemoteProtocolError(
            f"byte {exc.start} of the data is not UTF-8", hint="send text as UTF-8"
        ) from exc
