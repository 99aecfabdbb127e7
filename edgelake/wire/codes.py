"""Error numbers on the wire: the one place that maps errors to them and back.

Source: ``docs/protocol.md``, "Error codes".
"""

from __future__ import annotations

import json
from typing import Final

from edgelake import limits
from edgelake.errors import EdgeLakeError, PolicyConflict, RemoteError

__all__ = [
    "CONTROL_NO_DATA",
    "OPERATION_FAILED",
    "error_from_peer",
    "known_codes",
    "short_text",
    "wire_code",
]

OPERATION_FAILED: Final = 3
"""Failure without a number of its own."""

CONTROL_NO_DATA: Final = 1006
"""Control code: an empty result, not a failure."""

_TEXTS: Final[dict[int, str]] = {
    0: "success",
    1: "unrecognized command",
    2: "wrong command structure",
    3: "operation failed",
    4: "input or output error",
    5: "database not connected",
    6: "not valid JSON",
    7: "wrong data structure",
    8: "no reply",
    9: "message too large",
    10: "database not open",
    11: "missing bracket or quote",
    12: "file does not exist",
    14: "file copy failed",
    15: "network failure",
    16: "database rejected the statement",
    20: "wrong destination address",
    21: "no source address, TCP server not running",
    23: "no job with that number",
    24: "database failure",
    26: "time-out",
    28: "no table of that name",
    29: "no such metadata",
    30: "ledger operation failed",
    34: "Python expression failed",
    35: "directory does not exist",
    40: "wrong command parameters",
    45: "table not declared in the ledger",
    48: "file write failed",
    49: "database connection failed",
    50: "database not connected",
    51: "REST call failed",
    54: "no script for the event",
    55: "wrong number of arguments of a script",
    56: "error in script",
    57: "not in a script",
    59: "local ledger is empty",
    61: "system call failed",
    63: "directory is not writable",
    64: "file name or word missing in the request",
    66: "columns of the table not known",
    68: "ledger not readable from the database",
    69: "wrong ledger structure",
    70: "duplicate policy id",
    76: "query over its time limit",
    77: "query over its volume limit",
    81: "connection error",
    87: "wrong policy structure",
    89: "mail not sent",
    97: "message not authenticated",
    99: "library not installed",
    100: "decompression failed",
    101: "no row with that id",
    104: "wrong database type",
    105: "scheduler not running",
    108: "overloaded, try again later",
    109: "table not in the database",
    111: "database not dropped",
    112: "script does not exist",
    113: "policy not available",
    120: "empty result",
    122: "connection to message broker failed",
    123: "message not published",
    124: "wrong option of a message client",
    125: "wrong data in a subscribed message",
    126: "no database named in a message",
    127: "no table named in a message",
    128: "no message client with that number",
    130: "table excluded from processing",
    132: "local table not declared in the ledger",
    134: "wrong SQL statement",
    135: "TCP server not running",
    136: "process already active",
    138: "variable without a value",
    141: "unrecognized command",
    146: "message incomplete",
    147: "no tables of ingested files",
    150: "synchronizer not running",
    151: "policy not in the local ledger",
    153: "wrong folder name",
    155: "no destination found",
    156: "wrong HTTP method",
    159: "topic not subscribed",
    162: "no such task in the scheduler",
    164: "nothing is monitored",
    167: "no mapping for the data",
    168: "job ended by its caller",
    175: "wrong value for an option",
    177: "Kafka operation failed",
    180: "policy values not unique",
    181: "wrong condition",
    184: "no such key in the object",
    193: "malformed header",
    197: "duplicate option",
    198: "already in use",
    200: "decoding failed",
    203: "operator not available",
    208: "peer refused the connection",
    211: "no peers in the ledger",
    212: "command not permitted",
    214: "no cluster information",
    216: "unknown option",
    220: "operator not reachable",
    221: "wrong port",
    224: "not available from remote",
    227: "wrong gRPC connection",
    228: "gRPC operation failed",
    230: "command too large",
    233: "no rule of that name",
    235: "configuration error",
    238: "malformed message",
    261: "wrong words in the message",
    262: "local command only",
    263: "required option missing",
    267: "process not running",
    282: "command not available in this version",
    294: "file operation not permitted",
    302: "texts not joined",
}


def short_text(code: int) -> str:
    """Return a few words for an error number, for any number 0..65535."""
    return _TEXTS.get(code, f"error {code}")


def known_codes() -> tuple[int, ...]:
    """Return the numbers that have a text, in ascending order."""
    return tuple(_TEXTS)


def wire_code(error: BaseException) -> int:
    """Return the number 1..65535 that an error has on the wire.

    Errors of :mod:`edgelake.errors` carry their own; those of the system and
    of libraries, which have none, are put into the nearest class here.
    """
    if isinstance(error, RemoteError):
        code = error.remote_code
    elif isinstance(error, PolicyConflict):
        # A master's answer to a policy it has; its askers look for this number.
        code = 30
    elif isinstance(error, EdgeLakeError):
        code = error.code
    elif isinstance(error, TimeoutError):
        code = 26
    elif isinstance(error, ConnectionError):
        code = 81
    elif isinstance(error, FileNotFoundError):
        code = 12
    elif isinstance(error, OSError):
        code = 4
    elif isinstance(error, json.JSONDecodeError):
        code = 6
    else:
        code = OPERATION_FAILED
    return code if 0 < code <= limits.MAX_ERROR_CODE else OPERATION_FAILED


def error_from_peer(code: int, text: str) -> RemoteError:
    """Return the exception for an error reply.

    Parameters
    ----------
    code : int
        The header's error field, 0..65535.
    text : str
        The reply's text; may be empty.
    """
    return RemoteError(text.strip() or short_text(code), code)
