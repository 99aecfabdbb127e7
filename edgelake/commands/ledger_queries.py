"""``blockchain get`` and ``blockchain read``: what the local ledger has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgelake.commands.bringing import brought
from edgelake.commands.context import Context
from edgelake.commands.joins import BehindType, asked, join_with, split_words
from edgelake.errors import CommandSyntaxError
from edgelake.interfaces import Permission, Result
from edgelake.language import (
    Argument,
    Brings,
    Call,
    CommandSet,
    Item,
    Json,
    JsonItem,
    PolicyTypes,
    Variables,
    Where,
    expand_text,
    reference_in,
    shortened,
)
from edgelake.ledger import Policy, Predicate, literal, pretty, python_text
from edgelake.ledger.render import layout

__all__ = ["commands"]

commands = CommandSet(group="blockchain", topics=("ledger", "policies"))


class _Behind(Json):
    """``{"name": "d1"}``: what policies have to have; and ``join ( … )``."""

    metavar = "{…}"
    greedy = True
    takes_groups = True
    by_text = False

    def take(self, items: Sequence[Item], variables: Variables) -> BehindType:  # type: ignore[override]
        """Return the object and the join."""
        words, joined = split_words(items)
        if not words:
            return BehindType(None, joined)
        first = words[0]
        if not isinstance(first, JsonItem) and reference_in(words[:1]) is None:
            raise _unexpected(first, variables)
        if len(words) > 1:
            raise _unexpected(words[1], variables)
        return BehindType(super().take(words, variables), joined)


def _unexpected(item: Item, variables: Variables) -> CommandSyntaxError:
    error = CommandSyntaxError(
        f"unexpected word '{shortened(expand_text([item], variables))}'",
        hint='write where <condition>, {"name": "d1"}, join ( … ) or bring <item> …',
    )
    error.offset = item.start
    return error


_ARGUMENTS = (
    Argument("types", PolicyTypes(), help="a type, (type, type) or *"),
    Argument(
        "match",
        _Behind(),
        required=False,
        help='{"name": "d1"}: attributes to have; join ( … ) or merge ( … )',
        shown="{…}",
    ),
)


@commands.command(
    "blockchain get",
    summary="show policies of the local ledger",
    arguments=_ARGUMENTS,
    where=Where.CONDITION,
    bring=Brings.OPTIONAL,
    permission=Permission.READ,
    details=(
        "Conditions compare attributes: name = d1, [name] contains silo, level > 5, joined by\n"
        "and, or, not. '=' ignores case and finds members of lists.\n"
        "join ( … ) puts what another query finds for each policy beside it, merge ( … ) into it."
    ),
    examples=(
        "blockchain get *",
        "blockchain get device where name = d1 and kind = gauge",
        "blockchain get (device, operator) where [name] contains silo",
        "blockchain get operator bring.table [*] [*][name] [*][ip] [*][port]",
        "blockchain get operator where company = acme bring [*][name] : [*][ip] separator = ,",
        "blockchain get operator bring.ip_port",
        "blockchain get operator join ( blockchain get cluster where id = [operator][cluster] )",
    ),
    related=("blockchain insert", "from"),
)
def _get(context: Context, call: Call) -> Result:
    return _answered(context, call, context.node.ledger.find)


@commands.command(
    "blockchain read",
    summary="show policies as the ledger file has them",
    arguments=_ARGUMENTS,
    where=Where.CONDITION,
    bring=Brings.OPTIONAL,
    permission=Permission.READ,
    details="As 'blockchain get', but without what policies of type anmp say of others.",
    examples=("blockchain read *", "blockchain read device where name = d1 bring [*][id]"),
    related=("blockchain get",),
)
def _read(context: Context, call: Call) -> Result:
    return _answered(context, call, context.node.ledger.read)


_Find = Callable[[Sequence[str] | None, Predicate | None], list[Policy]]


def _answered(context: Context, call: Call, find: _Find) -> Result:
    """Return what a query finds, in the form that it asks for."""
    wanted, joined = asked(context, call)
    found = find(call.arguments["types"], wanted)
    if joined is not None:
        data = join_with(context, joined, [policy.content() for policy in found])
        if call.bring is not None:
            return brought(context, data, call.bring)
        local = context.origin.local
        text = (layout(data) if local else literal(data)) if data else ""
        return Result(data, text, json=local and bool(data))
    data = [policy.content() for policy in found]
    if call.bring is not None:
        return brought(context, data, call.bring)
    if context.origin.local:
        return Result(data, pretty(found) if found else "", json=bool(found))
    return Result(data, python_text(found) if found else "")
