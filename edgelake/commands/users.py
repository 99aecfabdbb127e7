"""Who may call by REST: users, their levels, passwords and tokens."""

from __future__ import annotations

from datetime import UTC, datetime

from edgelake import limits
from edgelake.commands.context import Context
from edgelake.commands.permission import LEVELS
from edgelake.commands.rendering import FORMAT, answer
from edgelake.errors import NotPermitted, WrongValue
from edgelake.interfaces import Permission, Result, Table
from edgelake.language import (
    Argument,
    Call,
    CommandSet,
    Duration,
    OneOf,
    Option,
    Text,
    Where,
    shortened,
)

__all__ = ["commands"]

commands = CommandSet(group="security", topics=("rest", "users"))

_NONE = "none"
_DEFAULT = "default"


class UserName(Text):
    """Name of a user, as HTTP can carry it."""

    metavar = "<name>"

    def parse(self, text: str) -> str:
        """Return the name."""
        if not text or not text.isprintable() or text != text.strip() or set(text) & set(":@"):
            raise WrongValue(
                f"'{shortened(text)}' is not the name of a user",
                hint="write one without : and @",
            )
        if len(text) > limits.MAX_USER_NAME_CHARS:
            raise WrongValue(
                f"a name of {len(text)} characters exceeds {limits.MAX_USER_NAME_CHARS}",
                hint="write a shorter one",
            )
        return text

    def describe(self) -> str:
        """Return what is accepted."""
        return f"at most {limits.MAX_USER_NAME_CHARS} characters without : and @"


_NAME = Option("name", UserName(), required=True, help="name of the user; case counts")
_EXPIRE = Option("expire", Duration(zero=True), help="how long from now; 0 days: for ever")


@commands.command(
    "set user",
    summary="add a user who may call by REST, or change one",
    where=Where.REQUIRED,
    options=(
        _NAME,
        Option(
            "password",
            Text(),
            help=f"at least {limits.MIN_PASSWORD_CHARS} characters",
            secret=True,
        ),
        Option("level", OneOf(*LEVELS), help="which commands he may use; required for a new user"),
        _EXPIRE,
    ),
    permission=Permission.NEVER,
    details=(
        "What is not given stays as it is. Without a password only tokens, and certificates\n"
        "with ssl = true, say that it is he. As soon as there is a user, callers who do not\n"
        "say who they are are refused; see 'set rest anonymous' and docs/rest.md."
    ),
    examples=(
        'set user where name = ops and password = "correct horse battery" and level = admin',
        "set user where name = wall and level = read and expire = 30 days",
        "set user where name = ops and level = metadata",
    ),
    related=("get users", "delete user", "set user token", "set rest anonymous"),
)
def _set_user(context: Context, call: Call) -> Result:
    node, given = context.node, call.options
    node.lock_home()
    level = given["level"]
    new = node.users.set(
        given["name"],
        password=given["password"],
        level=None if level is None else LEVELS[level],
        expire_s=given["expire"],
    )
    text = f"user '{given['name']}' is {'added' if new else 'changed'}"
    return Result({"name": given["name"], "new": new}, text)


@commands.command(
    "get users",
    summary="list the users who may call by REST",
    where=Where.OPTIONAL,
    options=(FORMAT,),
    permission=Permission.ADMIN,
    examples=("get users", "get users where format = json"),
    related=("set user", "get user tokens", "get rest calls"),
)
def _get_users(context: Context, call: Call) -> Result:
    now = datetime.now(UTC)
    found = [
        {
            "name": user.name,
            "level": user.level.name.lower(),
            "password": user.password is not None,
            "tokens": len(user.tokens),
            "created": _told(user.created),
            "expires": _told(user.expires),
            "expired": not user.valid_at(now),
        }
        for user in context.node.users.all()
    ]
    columns = ("Name", "Level", "Password", "Tokens", "Created", "Expires", "Expired")
    return answer(found, Table(columns, [tuple(row.values()) for row in found]), call.options)


@commands.command(
    "delete user",
    summary="remove a user and his tokens",
    where=Where.REQUIRED,
    options=(_NAME,),
    permission=Permission.NEVER,
    details="When the last one is gone, callers by REST again may what other nodes may.",
    examples=("delete user where name = ops",),
    related=("set user", "get users"),
)
def _delete_user(context: Context, call: Call) -> Result:
    node = context.node
    node.lock_home()
    node.users.delete(call.options["name"])
    if len(node.users) or node.anonymous_given:
        return Result()
    return Result(
        None, "no user is left: everybody may call by REST, at the level of set remote permission"
    )


@commands.command(
    "set own password",
    summary="change the password of the user who calls",
    where=Where.REQUIRED,
    options=(
        Option("old", Text(), required=True, help="the password until now", secret=True),
        Option(
            "password",
            Text(),
            required=True,
            help=f"the new one, at least {limits.MIN_PASSWORD_CHARS} characters",
            secret=True,
        ),
    ),
    permission=Permission.NEVER,
    user_permission=Permission.READ,
    details="By REST, of whoever said who he is; at the node itself write: set user.",
    examples=('set own password where old = "correct horse" and password = "battery staple"',),
    related=("set user",),
)
def _set_own_password(context: Context, call: Call) -> Result:
    node, origin = context.node, context.origin
    if not origin.user:
        raise NotPermitted(
            "nobody said who he is", hint="write: set user where name = … and password = …"
        )
    node.lock_home()
    node.users.guesses.begin(origin.ip, origin.user)
    right = True
    try:
        right = node.users.change_password(
            origin.user, call.options["old"], call.options["password"]
        )
    finally:
        if right:
            node.users.guesses.forgive(origin.ip, origin.user)
    if not right:
        raise NotPermitted("the old password is not right", hint="write the one you have now")
    return Result(None, "the password is changed")


# ------------------------------------------------------------------ tokens


@commands.command(
    "set user token",
    summary="make a token with which a program calls by REST as a user",
    where=Where.REQUIRED,
    options=(_NAME, _EXPIRE, FORMAT),
    permission=Permission.NEVER,
    details=(
        "The answer is the only time that the token is shown. A program sends it in the\n"
        "header 'Authorization: Bearer <token>'. It is valid until it expires or is deleted,\n"
        "whatever becomes of the password."
    ),
    examples=(
        "set user token where name = ops",
        "set user token where name = ops and expire = 90 days and format = json",
    ),
    related=("get user tokens", "delete user token", "set user"),
)
def _set_user_token(context: Context, call: Call) -> Result:
    node, name = context.node, call.options["name"]
    node.lock_home()
    token, kept = node.users.add_token(name, call.options["expire"] or 0.0)
    data = {"name": name, "id": kept.id, "token": token, "expires": _told(kept.expires)}
    return answer(data, f"token: {token}", call.options)


@commands.command(
    "get user tokens",
    summary="list the tokens of the users by their first digits",
    where=Where.OPTIONAL,
    options=(Option("name", UserName(), help="of this user alone"), FORMAT),
    permission=Permission.ADMIN,
    examples=("get user tokens", "get user tokens where name = ops and format = json"),
    related=("set user token", "delete user token", "get users"),
)
def _get_user_tokens(context: Context, call: Call) -> Result:
    now = datetime.now(UTC)
    only = call.options["name"]
    found = [
        {
            "name": user.name,
            "id": token.id,
            "created": _told(token.created),
            "expires": _told(token.expires),
            "expired": not token.valid_at(now),
        }
        for user in context.node.users.all()
        for token in user.tokens
        if only in (None, user.name)
    ]
    columns = ("Name", "ID", "Created", "Expires", "Expired")
    return answer(found, Table(columns, [tuple(row.values()) for row in found]), call.options)


@commands.command(
    "delete user token",
    summary="make a token of a user invalid",
    where=Where.REQUIRED,
    options=(_NAME, Option("id", Text(), required=True, help="its first digits, as listed")),
    permission=Permission.NEVER,
    examples=("delete user token where name = ops and id = 0f1e2d3c",),
    related=("get user tokens", "set user token"),
)
def _delete_user_token(context: Context, call: Call) -> Result:
    node = context.node
    node.lock_home()
    node.users.delete_token(call.options["name"], call.options["id"])
    return Result()


# --------------------------------------------------------------- anonymous


@commands.command(
    "set rest anonymous",
    summary="set what callers by REST may who do not say who they are",
    value=Argument(
        "level", OneOf(_NONE, *LEVELS, _DEFAULT), help="none, read, metadata, admin or default"
    ),
    permission=Permission.NEVER,
    details=(
        "default: nothing if there are users; else what other nodes may, as set by\n"
        "'set remote permission'. The setting is not stored."
    ),
    examples=("set rest anonymous = read", "set rest anonymous = none"),
    related=("set user", "set remote permission", "get rest server info"),
)
def _set_rest_anonymous(context: Context, call: Call) -> Result:
    node, level = context.node, call.value
    node.anonymous = LEVELS.get(level)
    node.anonymous_given = level != _DEFAULT
    return Result()


# ------------------------------------------------------------------- parts


def _told(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(sep=" ", timespec="seconds")
