"""What a relay passes on to its master for the nodes that follow it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import cast

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import BadArgument, LedgerCircle, PeerError
from edgelake.interfaces import Result
from edgelake.language import Call
from edgelake.ledger import complete, parse_policy
from edgelake.services.courier import drop_command, forward_drop_command, forward_push_command
from edgelake.services.forwarding import Forwarded
from edgelake.services.master_source import MasterSource
from edgelake.services.synchronizer import Synchronizer

__all__ = ["delete_of", "forwarded_drop", "forwarded_push"]

_PLACE = {"epoch", "sequence"}


def delete_of(call: Call, form: str) -> tuple[str | list[str], tuple[str, int] | None]:
    """Return the id or the ids that a delete names, and the place in the log that it names.

    Parameters
    ----------
    form : str
        How the command is written with an id alone.

    Raises
    ------
    BadArgument
    """

    def wrong(why: str, hint: str) -> BadArgument:
        return BadArgument(why, hint=hint, column=call.column("id"))

    given = call.arguments["id"].data
    keys = set(given) if isinstance(given, dict) else set()
    wanted = given["id"] if "id" in keys and keys <= {"id", *_PLACE} else None
    ids: list[object] = wanted if isinstance(wanted, list) else [wanted]
    if not ids or not all(isinstance(key, str) and key for key in ids):
        raise wrong("no id to drop", f"write: {form}")
    found = cast("str | list[str]", wanted)
    if not keys & _PLACE:
        return found, None
    epoch, number = given.get("epoch"), given.get("sequence")
    if not isinstance(epoch, str) or not epoch or type(number) is not int or number < 0:
        raise wrong(
            "no place in the log",
            'write both, or neither: {"id": "…", "epoch": "5b0c9f86", "sequence": 16}',
        )
    return found, (epoch, number)


def forwarded_push(
    context: Context,
    call: Call,
    *,
    host: str = "",
    relays: int = limits.MAX_RELAYS,
    silent: bool = False,
) -> Result | None:
    """Pass somebody's policy on to the master; return its answer, ``None`` if this is no relay.

    What comes from this node itself is not passed on.

    Parameters
    ----------
    host : str
        Address of the node that made the change; by default who asks.
    relays : int
        How many relays may pass it on, this one included.
    silent : bool
        Success is not answered.

    Raises
    ------
    RemoteError
        The master refused it, or could not be asked; of a peer's command later.
    PeerError, LedgerCircle
        This relay reaches no master.
    Overloaded
        Too many changes are on their way.
    """
    if context.origin.local or not context.node.relay.on:
        return None
    policy = complete(parse_policy(call.arguments["policy"]), datetime.now(UTC))
    policy.check_size()
    host = host or context.node.host_of(context.origin)
    return _pass_on(
        context,
        lambda left: forward_push_command(host, left, policy.text),
        f"blockchain push\tignore {policy.text}",
        relays,
        silent=silent,
    )


def forwarded_drop(
    context: Context,
    ids: str | list[str],
    *,
    host: str = "",
    relays: int = limits.MAX_RELAYS,
    silent: bool = False,
    seen: tuple[str, int] | None = None,
) -> Result | None:
    """Pass somebody's delete on to the master; see `forwarded_push`.

    Parameters
    ----------
    ids : str or list of str
        An id that may be missing, or several of which none may be.
    seen : tuple of str and int or None
        Epoch and number of the log that is known to who deletes.
    """
    if context.origin.local or not context.node.relay.on:
        return None
    host = host or context.node.host_of(context.origin)
    return _pass_on(
        context,
        lambda left: forward_drop_command(host, left, ids, seen),
        drop_command(ids if isinstance(ids, str) else ",".join(ids)),
        relays,
        silent=silent,
    )


def _pass_on(
    context: Context, text: Callable[[int], str], old_text: str, relays: int, *, silent: bool
) -> Result:
    node = context.node
    if node.relay.broken:
        raise PeerError(f"this relay reaches no master: {node.relay.broken}")
    if relays < 1:
        raise LedgerCircle(
            f"the change came over {limits.MAX_RELAYS} relays and reached no master",
            hint="do the relays follow one another in a circle? look at: get relay",
        )
    sync = node.services.find(Synchronizer)
    if sync is None or not isinstance(sync.source, MasterSource):
        raise PeerError("this relay follows no master now")
    item = Forwarded(text(relays - 1), old_text, context.origin.ip)
    sync.source.forwarder.forward(item)
    return context.when(item.done, lambda said: Result(None, "" if silent else said))
