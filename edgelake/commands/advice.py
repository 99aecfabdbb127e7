"""What to do about each error, for ``get error`` and the page ``docs/errors.md``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

from edgelake import errors
from edgelake.wire import known_codes, short_text

__all__ = ["advice_for", "error_classes", "errors_page"]

_ADVICE: Final[dict[type[errors.EdgeLakeError], str]] = {
    errors.EdgeLakeError: (
        "read the text behind the number; `get error log` has what came before it"
    ),
    errors.ConfigurationError: "correct the setting that the text names",
    errors.CommandError: "compare the command with `help <command>`",
    errors.CommandSyntaxError: "look at the column named; `help <command>` shows the form",
    errors.UnbalancedInput: "close the bracket or quote at the column named, or quote the text",
    errors.UnknownCommand: "take one of the names suggested, or look it up with `help`",
    errors.CommandNotAvailable: "do without it, or send it to a node that has it: `run client …`",
    errors.ExpressionFailed: "correct the expression; `help python` says what it may use",
    errors.KeyMissing: "look at the keys that the text lists, or set the key first",
    errors.BadArgument: "look at the column named; `help <command>` shows what belongs there",
    errors.UnknownOption: "take one of the options listed; case counts",
    errors.OptionNotAvailable: "leave it out, or send the command to a node that has it",
    errors.MissingOption: "add the option that the text names",
    errors.DuplicateOption: "leave one of the two out",
    errors.WrongValue: "write a value of the kind that the text names",
    errors.BadJson: 'correct the JSON at the place named; quote keys and texts with `"`',
    errors.BadDestination: "write `ip:port`, or `(ip:port, ip:port)`, each once",
    errors.NoDestination: "look for the policies with `blockchain get …`; the list may name none",
    errors.EventMissing: "write the path of a script into the variable: `set <event> = <path>`",
    errors.ArgumentMismatch: "give the arguments that the script declares with `variables (…)`",
    errors.ScriptStopped: "start it again with `process` or `thread` if it shall go on",
    errors.NotInScript: "write the command into a script",
    errors.UndefinedVariable: (
        "give the variable a value first; `get dictionary` lists those that have one"
    ),
    errors.NotPermitted: (
        "run it at the node itself, or have its administrator allow it: `set remote permission`"
    ),
    errors.NotAuthenticated: (
        "send the header `Authorization`; the node's administrator adds users: `set user`"
    ),
    errors.WrongHost: (
        "call the node by its address, or start its server with the name: `host = …`"
    ),
    errors.WrongMethod: "GET asks for information, POST is for all other commands, PUT for data",
    errors.ScriptError: (
        "correct the line of the script that the text names, or handle it with `on error`"
    ),
    errors.ScriptMissing: "check the path; `!local_scripts` is the folder of the node's scripts",
    errors.ProtocolError: "look at the version of the node at the other end",
    errors.LocalProtocolError: "shorten what is sent; the text names the limit",
    errors.RemoteProtocolError: "look at the version of the node that sent it, or who it is",
    errors.BadHeader: "look at the version of the node that sent it, or who it is",
    errors.Truncated: "ask again; if it stays, look at the network between the nodes",
    errors.MessageTooLarge: "send less at a time",
    errors.PeerError: "look at the network between the nodes, and whether the peer runs",
    errors.PeerTimeout: "look whether the peer is overloaded or a firewall drops packets",
    errors.PeerRefused: "check address and port, and start the peer's TCP server",
    errors.PeerClosed: "ask again; look at the peer's error log if it stays",
    errors.NoReply: "give it more time: `run client (ip:port, timeout = N) …`",
    errors.RemoteError: "act on the peer's text and number; the error happened there",
    errors.LedgerError: (
        "read the text behind the number; `get synchronizer` shows where the ledger comes from"
    ),
    errors.PolicyInvalid: "correct the policy: one root key, and an object under it",
    errors.PolicyConflict: "use the policy that exists, or delete it first",
    errors.PolicyNotUnique: "change the values, or use the policy that has them",
    errors.PolicyMissing: (
        "check the id with `blockchain get *`, or wait for the next synchronisation"
    ),
    errors.PolicyRowMissing: "check the id at the master; nothing was deleted",
    errors.PlatformError: (
        "look at provider, contract and account with `get platforms`; reading is tried again"
    ),
    errors.PlatformFailed: "nothing was changed; look whether another node wrote the same policy",
    errors.PlatformUncertain: "look for the transaction at the platform before you repeat it",
    errors.PlatformNotConnected: "connect it: `blockchain connect to … where provider = …`",
    errors.LibraryMissing: "install the optional part that the text names",
    errors.LedgerCircle: "follow a node nearer to the master; see: get relay",
    errors.LedgerFull: "remove policies, or divide the network into two",
    errors.LedgerInvalid: "look at its source: it was not taken, the former ledger stays in use",
    errors.StorageError: (
        "look at the file or folder named, its permissions and the space on the disk"
    ),
    errors.FileNotPermitted: "name a file in the folders that `docs/security.md` lists",
    errors.FileTooLarge: "work on it in parts, or outside of the node",
    errors.FolderMissing: "check the path; `create work directories` makes those of the node",
    errors.FolderNotWritable: "look at the permissions of the folder",
    errors.DecompressionFailed: "check that the file is the one you mean, and whole",
    errors.DecodingFailed: "check that the file is the one you mean, and whole",
    errors.SystemCallFailed: "act on what the command of the shell said",
    errors.SystemCallTimeout: "give it more time: `system timeout = N …`",
    errors.FileMissing: "check the path",
    errors.FileWriteFailed: (
        "look at the permissions and the space on the disk; the old file is still there"
    ),
    errors.HomeLocked: "end the other process of this home, or take another with `--home`",
    errors.DatabaseError: "act on the text of the database behind the number",
    errors.DatabaseUnknown: (
        "connect it: `connect dbms <name> where type = …`; `get databases` lists those that are"
    ),
    errors.DatabaseUnreachable: (
        "look whether the server runs, and at address, user and password; the node tries again"
    ),
    errors.DatabaseTypeWrong: "take one of the types that `help connect dbms` lists",
    errors.TableMissing: "create it: `create table <name> where dbms = …`",
    errors.ServiceError: "read the text behind the number; `get processes` shows the services",
    errors.NotRunning: "start the service; `get processes` shows which run",
    errors.TcpNotRunning: "start it: `run tcp server where external_ip = … and external_port = …`",
    errors.SynchronizerNotRunning: "start it: `run blockchain sync where …`",
    errors.AlreadyRunning: "use the one that runs, or end it first: `exit <process>`",
    errors.Overloaded: "try again later; less at a time if it stays",
    errors.TooManyCalls: (
        "wait as long as the header `Retry-After` says; `rate = …` of the server is the rate"
    ),
}


def error_classes() -> list[type[errors.EdgeLakeError]]:
    """Return every class of the tree of errors, in the order of its module."""
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.EdgeLakeError)
    ]


def advice_for(code: int) -> str:
    """Return what to do about an error of that number, empty if nothing is known."""
    own = (kind for kind in error_classes() if kind is not errors.RemoteError)
    found = (_ADVICE[kind] for kind in own if kind.code == code and kind in _ADVICE)
    return next(found, "").replace("`", "'")


def errors_page() -> str:
    """Return the page ``docs/errors.md``; the same tree always gives the same text."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from (
        "# Errors",
        "",
        "This page is made by `make docs` from `edgelake/errors.py`, `edgelake/wire/codes.py` and",
        "`edgelake/commands/advice.py`.",
        "",
        "An error has one form wherever it is shown:",
        "",
        "```",
        "error <number>: <what was wrong>: <where, and what to write instead>",
        "```",
        "",
        "`get error <number>` shows the line of a number below at the console.",
        "",
        "## Errors of this node",
        "",
        "| number | text | class | meaning | what to do |",
        "|---|---|---|---|---|",
    )
    for kind in sorted(error_classes(), key=lambda kind: kind.code):
        remote = kind is errors.RemoteError
        number, text = ("the peer's",) * 2 if remote else (kind.code, short_text(kind.code))
        advice = _ADVICE.get(kind, "")
        yield f"| {number} | {text} | `{kind.__name__}` | {_meaning(kind)} | {advice} |"
    own = {kind.code for kind in error_classes()}
    yield from (
        "",
        "## Numbers of other nodes",
        "",
        "Other nodes of the network answer with these too; this node only tells what they mean.",
        "",
        "| number | text |",
        "|---|---|",
        *(f"| {code} | {short_text(code)} |" for code in known_codes() if code not in own),
    )


def _meaning(kind: type[errors.EdgeLakeError]) -> str:
    """Return the first paragraph of a class's documentation."""
    told = inspect.getdoc(kind) if "__doc__" in vars(kind) else ""
    return " ".join((told or "").split("\n\n")[0].replace("``", "`").split()).removesuffix(".")
