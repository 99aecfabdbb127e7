"""What a relay passes on to its master for the nodes that follow it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.errors import LedgerCircle, MissingOption, PeerError
from edgelake.language import Call, Integer, Option, Text
from edgelake.ledger import complete, parse_policy
from edgelake.services.courier import drop_command, forward_drop_command, forward_push_command
from edgelake.services.forwarding import Forwarded
from edgelake.services.master_source import MasterSource
from edgelake.services.synchronizer import Synchronizer

__all__ = ["SEEN", "forwarded_drop", "forwarded_push", "seen_by"]

SEEN = (
    Option("epoch", Text(), help="name of the log that the one who deletes knows"),
    Option("sequence", Integer(0, 2**63 - 1), help="and its last change known there"),
)
"""Options of a delete: what came into the ledger later than that stays."""


def seen_by(call: Call) -> tuple[str, int] | None:
    """Return the place in the log that a delete names, if it names one.

    Raises
    ------
    MissingOption
        Half of it is missing.
    """
    epoch, sequence = call.options["epoch"], call.options["sequence"]
    if (epoch is None) is not (sequence is None):
        raise MissingOption("half a place in the log", hint="write both epoch and sequence")
    return None if epoch is None else (epoch, sequence)


def forwarded_push(
    context: Context,
    call: Call,
    *,
    host: str = "",
    relays: int = limits.MAX_RELAYS,
    word: str = "push",
    silent: bool = False,
) -> bool:
    """Pass a peer's policy on to the master if this node is a relay; return whether it is.

    Parameters
    ----------
    host : str
        Address of the node that made the change; by default who asks.
    relays : int
        How many relays may pass it on, this one included.
    word : str
        Second word of the command, for refusals.
    silent : bool
        Success is not answered.
    """
    if context.origin.answer_later is None or not context.node.relay.on:
        return False
    policy = complete(parse_policy(call.arguments["policy"]), datetime.now(UTC))
    policy.check_size()
    host = host or context.node.host_of(context.origin)
    _pass_on(
        context,
        lambda left: forward_push_command(host, left, policy.text),
        f"blockchain push\tignore {policy.text}",
        relays,
        word,
        silent=silent,
    )
    return True


def forwarded_drop(
    context: Context,
    ids: list[str],
    *,
    host: str = "",
    relays: int = limits.MAX_RELAYS,
    word: str = "drop",
    silent: bool = False,
    seen: tuple[str, int] | None = None,
) -> bool:
    """Pass a peer's delete on to the master; see `forwarded_push`.

    Parameters
    ----------
    seen : tuple of str and int or None
        Epoch and number of the log that is known to who deletes.
    """
    if context.origin.answer_later is None or not context.node.relay.on:
        return False
    host = host or context.node.host_of(context.origin)
    wanted = ",".join(ids)
    _pass_on(
        context,
        lambda left: forward_drop_command(host, left, wanted, seen),
        drop_command(wanted),
        relays,
        word,
        silent=silent,
    )
    return True


def _pass_on(
    context: Context,
    text: Callable[[int], str],
    old_text: str,
    relays: int,
    word: str,
    *,
    silent: bool,
) -> None:
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
    answer_later = context.origin.answer_later
    assert answer_later is not None
    sync.source.forwarder.forward(
        Forwarded(text(relays - 1), old_text, word, silent, context.origin.ip, answer_later)
    )
