"""Every error edgelake raises, as one tree with stable codes.

::

    EdgeLakeError                     code 3
    ├ ConfigurationError (ValueError)       235
    ├ CommandError                          2
    │ ├ CommandSyntaxError                  2
    │ │ └ UnbalancedInput                   11
    │ ├ UnknownCommand                      141
    │ │ └ CommandNotAvailable               282
    │ ├ BadArgument (ValueError)            40
    │ │ ├ UnknownOption                     216
    │ │ ├ OptionNotAvailable                282
    │ │ ├ MissingOption                     263
    │ │ ├ DuplicateOption                   197
    │ │ ├ WrongValue                        175
    │ │ ├ BadJson                           6
    │ │ ├ BadDestination                    20
    │ │ │ └ NoDestination                   155
    │ │ └ ExpressionFailed                  34
    │ ├ UndefinedVariable (KeyError)        138
    │ ├ KeyMissing (KeyError)               184
    │ ├ NotPermitted (PermissionError)      212
    │ │ ├ FileNotPermitted                  294
    │ │ ├ NotAuthenticated                  97
    │ │ └ WrongHost                         212
    │ ├ WrongMethod                         156
    │ ├ NotInScript                         57
    │ └ ScriptError                         56
    │   ├ ScriptMissing                     112
    │   ├ EventMissing                      54
    │   ├ ArgumentMismatch                  55
    │   └ ScriptStopped                     168
    ├ ProtocolError                         238
    │ ├ LocalProtocolError                  238
    │ └ RemoteProtocolError                 238
    │   ├ BadHeader                         193
    │   ├ Truncated                         146
    │   └ MessageTooLarge                   9
    ├ PeerError (ConnectionError)           15
    │ ├ PeerTimeout (TimeoutError)          26
    │ ├ PeerRefused                         208
    │ ├ PeerClosed                          81
    │ ├ NoReply (TimeoutError)              8
    │ └ RemoteError                         as sent by the peer
    ├ LedgerError                           30
    │ ├ PolicyInvalid (ValueError)          87
    │ ├ PolicyConflict                      70
    │ ├ PolicyNotUnique                     180
    │ ├ PolicyMissing (LookupError)         113
    │ ├ PolicyRowMissing (LookupError)      101
    │ ├ LedgerInvalid                       69
    │ ├ LedgerCircle                        30
    │ ├ LedgerFull                          9
    │ └ PlatformError                       30
    │   ├ PlatformFailed                    30
    │   └ PlatformUncertain (TimeoutError)    26
    ├ StorageError (OSError)                4
    │ ├ FileMissing                         12
    │ ├ FileWriteFailed                     48
    │ ├ FileTooLarge                        9
    │ ├ FolderMissing                       35
    │ ├ FolderNotWritable                   63
    │ ├ DecompressionFailed                 100
    │ ├ DecodingFailed                      200
    │ ├ HomeLocked                          198
    │ └ DatabaseError                       24
    │   ├ DatabaseUnknown                   5
    │   ├ DatabaseUnreachable               50
    │   ├ DatabaseTypeWrong                 104
    │   └ TableMissing                      109
    ├ SystemCallFailed                      61
    │ └ SystemCallTimeout (TimeoutError)      26
    └ ServiceError                          3
      ├ NotRunning                          267
      │ ├ TcpNotRunning                     135
      │ ├ SynchronizerNotRunning            150
      │ └ PlatformNotConnected              81
      ├ AlreadyRunning                      136
      ├ LibraryMissing (ImportError)        99
      └ Overloaded                          108
        └ TooManyCalls                      108

The numbers are those that nodes of the network already use for the same
failure (``docs/protocol.md``, "Error codes"), so that ``error 136`` means one
thing at every console; :mod:`edgelake.wire.codes` holds their short texts and
puts errors from outside this tree onto the wire.

A message is lower case, has no full stop, and names the value and the limit.
``hint`` says what to write instead; ``column`` (1-based, in characters) says
where in the command the fault lies.

Whether a refusal is final is said here too, by the attribute ``temporary``: a failure of the
network, of a service, a file or a database says nothing of the request, and the same request is
sent again (`is_temporary`). All others are final until somebody changes something.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar

__all__ = [
    "AlreadyRunning",
    "ArgumentMismatch",
    "BadArgument",
    "BadDestination",
    "BadHeader",
    "BadJson",
    "CommandError",
    "CommandNotAvailable",
    "CommandSyntaxError",
    "ConfigurationError",
    "DatabaseError",
    "DatabaseTypeWrong",
    "DatabaseUnknown",
    "DatabaseUnreachable",
    "DecodingFailed",
    "DecompressionFailed",
    "DuplicateOption",
    "EdgeLakeError",
    "EventMissing",
    "ExpressionFailed",
    "FileMissing",
    "FileNotPermitted",
    "FileTooLarge",
    "FileWriteFailed",
    "FolderMissing",
    "FolderNotWritable",
    "HomeLocked",
    "KeyMissing",
    "LedgerCircle",
    "LedgerError",
    "LedgerFull",
    "LedgerInvalid",
    "LibraryMissing",
    "LocalProtocolError",
    "MessageTooLarge",
    "MissingOption",
    "NoDestination",
    "NoReply",
    "NotAuthenticated",
    "NotInScript",
    "NotPermitted",
    "NotRunning",
    "OptionNotAvailable",
    "Overloaded",
    "PeerClosed",
    "PeerError",
    "PeerRefused",
    "PeerTimeout",
    "PlatformError",
    "PlatformFailed",
    "PlatformNotConnected",
    "PlatformUncertain",
    "PolicyConflict",
    "PolicyInvalid",
    "PolicyMissing",
    "PolicyNotUnique",
    "PolicyRowMissing",
    "ProtocolError",
    "RemoteError",
    "RemoteProtocolError",
    "ScriptError",
    "ScriptMissing",
    "ScriptStopped",
    "ServiceError",
    "StorageError",
    "SynchronizerNotRunning",
    "SystemCallFailed",
    "SystemCallTimeout",
    "TableMissing",
    "TcpNotRunning",
    "TooManyCalls",
    "Truncated",
    "UnbalancedInput",
    "UndefinedVariable",
    "UnknownCommand",
    "UnknownOption",
    "WrongHost",
    "WrongMethod",
    "WrongValue",
    "is_temporary",
]


class EdgeLakeError(Exception):
    """Base of every error of this package.

    Parameters
    ----------
    message : str
        What was wrong, with the value and the limit.
    hint : str or None
        What to write or do instead.
    column : int or None
        1-based position of the fault in the command's text, in characters.

    Attributes
    ----------
    code : int
        Stable number of the failure, 1..999.
    exit_status : int
        Exit status of a command line that ends with this error: 1 failed,
        2 bad command, 3 peer, 4 storage.
    temporary : bool
        The same request may succeed later, although nobody changes it: of the class.
    line : int or None
        1-based line of a script or block in which ``column`` counts.
    offset : int or None
        Where the fault is in the parsed text, from 0, until somebody who has that text
        says in which column.
    excerpt : tuple of str and int or None, or None
        For a fault elsewhere than in the command itself, such as in a script it ran: the
        faulty line, and the 1-based column of the fault in it.
    log_entry : object or None
        The line of the node's error log that tells of it.
    """

    code: int = 3
    exit_status: int = 1
    temporary: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.column = column
        self.line: int | None = None
        self.offset: int | None = None
        self.excerpt: tuple[str, int | None] | None = None
        self.log_entry: object | None = None

    def __str__(self) -> str:
        """Return the message alone; a ``KeyError`` or ``OSError`` base must not reshape it."""
        return self.message


class ConfigurationError(EdgeLakeError, ValueError):
    """A setting of the node is wrong."""

    code = 235


# --------------------------------------------------------------- commands


class CommandError(EdgeLakeError):
    """A command cannot be executed as written."""

    code = 2
    exit_status = 2


class CommandSyntaxError(CommandError):
    """The text is not a command of the language."""


class UnbalancedInput(CommandSyntaxError):
    """A bracket, brace, parenthesis or quote is not closed."""

    code = 11


class UnknownCommand(CommandError):
    """No command of that name is declared."""

    code = 141


class CommandNotAvailable(UnknownCommand):
    """Nodes of the network have a command of that name, this version has not."""

    code = 282


class BadArgument(CommandError, ValueError):
    """A word or option of a known command is wrong."""

    code = 40


class UnknownOption(BadArgument):
    """The command has no option of that name."""

    code = 216


class OptionNotAvailable(BadArgument):
    """Other nodes of the network have this option or value of the command, this version has not."""

    code = 282


class MissingOption(BadArgument):
    """An option that the command requires is absent."""

    code = 263


class DuplicateOption(BadArgument):
    """An option is given twice and may not be, or twice with one value."""

    code = 197


class WrongValue(BadArgument):
    """A value does not fit the type of its option or argument."""

    code = 175


class BadJson(BadArgument):
    """A value that has to be JSON is not."""

    code = 6


class BadDestination(BadArgument):
    """A destination is not ``ip:port``."""

    code = 20


class ExpressionFailed(BadArgument):
    """A Python expression has no value, or is not permitted."""

    code = 34


class NoDestination(BadDestination):
    """No node fits what a command is to be sent to."""

    code = 155


class UndefinedVariable(CommandError, KeyError):
    """A reference names a variable that has no value."""

    code = 138


class KeyMissing(CommandError, KeyError):
    """A JSON object has no such key."""

    code = 184


class NotPermitted(CommandError, PermissionError):
    """The sender may not call this command."""

    code = 212


class FileNotPermitted(NotPermitted):
    """A peer may not touch this file or folder."""

    code = 294


class NotAuthenticated(NotPermitted):
    """A caller does not say who he is, or not in a way that this node accepts."""

    code = 97


class WrongHost(NotPermitted):
    """A caller asks for a host that this node does not know to be itself."""


class WrongMethod(CommandError):
    """A command does not go with the HTTP method that was used."""

    code = 156


class ScriptError(CommandError):
    """A command of a script failed; ``__cause__`` is its error."""

    code = 56


class ScriptMissing(ScriptError):
    """A script file does not exist or cannot be read."""

    code = 112


class EventMissing(ScriptError):
    """No variable names the script of an event."""

    code = 54


class ArgumentMismatch(ScriptError):
    """A script got more or fewer arguments than it declares."""

    code = 55


class ScriptStopped(ScriptError):
    """A script was told to stop."""

    code = 168


class NotInScript(CommandError):
    """A command that belongs into scripts stands elsewhere."""

    code = 57


# --------------------------------------------------------------- protocol


class ProtocolError(EdgeLakeError):
    """Bytes on the wire break the protocol."""

    code = 238
    exit_status = 3


class LocalProtocolError(ProtocolError):
    """The caller asked for something the protocol cannot carry."""


class RemoteProtocolError(ProtocolError):
    """A peer sent something the protocol does not allow."""


class BadHeader(RemoteProtocolError):
    """A header field contradicts the block or another field."""

    code = 193


class Truncated(RemoteProtocolError):
    """Fewer bytes than a block or segment needs."""

    code = 146


class MessageTooLarge(RemoteProtocolError):
    """A message is longer than the receiver takes."""

    code = 9


# ------------------------------------------------------------------ peers


class PeerError(EdgeLakeError, ConnectionError):
    """Another node could not be reached or did not answer."""

    code = 15
    exit_status = 3
    temporary = True


class PeerTimeout(PeerError, TimeoutError):
    """A peer did not take a connection or its bytes in time."""

    code = 26


class PeerRefused(PeerError):
    """Nothing listens at the peer's address."""

    code = 208


class PeerClosed(PeerError):
    """The peer ended the connection early."""

    code = 81


class NoReply(PeerError, TimeoutError):
    """A peer took the message and sent no answer in time."""

    code = 8


class RemoteError(PeerError):
    """A peer answered with an error; ``remote_code`` is its number.

    Parameters
    ----------
    message : str
        The peer's text.
    remote_code : int
        The number in the reply's header, 0..65535.
    """

    def __init__(self, message: str, remote_code: int, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.remote_code = remote_code
        self.code = remote_code


# ----------------------------------------------------------------- ledger


class LedgerError(EdgeLakeError):
    """A ledger operation failed."""

    code = 30


class PolicyInvalid(LedgerError, ValueError):
    """A policy has the wrong shape."""

    code = 87


class PolicyConflict(LedgerError):
    """A policy of that id exists already."""

    code = 70


class PolicyNotUnique(LedgerError):
    """Another policy has values that no two policies may have."""

    code = 180


class PolicyMissing(LedgerError, LookupError):
    """No policy of that id exists in the ledger, or none that another one names."""

    code = 113
    temporary = True


class PolicyRowMissing(LedgerError, LookupError):
    """No row of that id exists in the ledger table."""

    code = 101


class LedgerInvalid(LedgerError):
    """A received or stored ledger is not usable."""

    code = 69


class LedgerCircle(LedgerError):
    """A node would follow itself, directly or by way of others."""


class LedgerFull(LedgerError):
    """A ledger would be, or is, longer than what travels as one message."""

    code = 9


class PlatformError(LedgerError):
    """A blockchain platform, or its provider, did not do what was asked."""


class PlatformFailed(PlatformError):
    """A transaction is in a block and failed; its changes were undone."""


class PlatformUncertain(PlatformError, TimeoutError):
    """A transaction was sent, and its receipt did not come in time."""

    code = 26


# ---------------------------------------------------------------- storage


class StorageError(EdgeLakeError, OSError):
    """A file or database operation failed."""

    code = 4
    exit_status = 4
    temporary = True


class FileMissing(StorageError):
    """A file does not exist."""

    code = 12


class FileWriteFailed(StorageError):
    """A file could not be written; the former content is still there."""

    code = 48


class FileTooLarge(StorageError):
    """A file is longer than what is to be done with it allows."""

    code = 9
    temporary = False


class FolderMissing(StorageError):
    """A folder does not exist."""

    code = 35


class FolderNotWritable(StorageError):
    """Nothing can be written into a folder."""

    code = 63


class DecompressionFailed(StorageError):
    """A file is not what compression makes, or is damaged."""

    code = 100
    temporary = False


class DecodingFailed(StorageError):
    """A file is not base64 text."""

    code = 200
    temporary = False


class HomeLocked(StorageError):
    """Another process uses the home folder."""

    code = 198


class DatabaseError(StorageError):
    """A database refused a statement or is not reachable."""

    code = 24


class DatabaseUnknown(DatabaseError):
    """No database of that name is connected."""

    code = 5


class DatabaseUnreachable(DatabaseError):
    """The server of a database does not answer, refuses, or is gone."""

    code = 50


class DatabaseTypeWrong(DatabaseError):
    """No driver of that name exists, or the name is connected to another one."""

    code = 104


class TableMissing(DatabaseError):
    """A table does not exist in the database."""

    code = 109


# ----------------------------------------------------------- the system


class SystemCallFailed(EdgeLakeError):
    """A command of the shell failed, or was ended."""

    code = 61


class SystemCallTimeout(SystemCallFailed, TimeoutError):
    """A command of the shell took longer than it may; it was ended."""

    code = 26


# --------------------------------------------------------------- services


class ServiceError(EdgeLakeError):
    """A background service could not do what was asked."""

    temporary = True


class NotRunning(ServiceError):
    """A service is needed that does not run."""

    code = 267


class TcpNotRunning(NotRunning):
    """The TCP server is needed and does not run."""

    code = 135


class SynchronizerNotRunning(NotRunning):
    """The blockchain synchronizer is needed and does not run."""

    code = 150


class PlatformNotConnected(NotRunning):
    """A blockchain platform is needed and not connected."""

    code = 81


class AlreadyRunning(ServiceError):
    """The service runs already."""

    code = 136


class LibraryMissing(ServiceError, ImportError):
    """A library of an optional part of this package is not installed."""

    code = 99


class Overloaded(ServiceError):
    """A high mark was passed: try again later."""

    code = 108


class TooManyCalls(Overloaded):
    """One caller asks more than its share, or guesses passwords.

    Parameters
    ----------
    retry_after_s : float
        When it is worth the while to try again, in seconds from now.
    """

    def __init__(self, message: str, *, retry_after_s: float, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


@cache
def is_temporary(code: int) -> bool:
    """Return whether a peer that answered with a number may accept the same request later.

    Where several errors have the number, one that is temporary is enough: what is sent once
    too often does no harm, what is given up may be lost. An operation that failed without a
    number of its own (3) is no judgement of the request either.
    """
    kinds: list[type[EdgeLakeError]] = [EdgeLakeError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return any(kind.code == code and kind.temporary for kind in kinds)
