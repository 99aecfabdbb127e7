"""Who calls, and what he may: what is looked at before anything is done for a caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request
from starlette.responses import Response

from edgelake.commands import NodeParts, Origin
from edgelake.errors import EdgeLakeError, NotAuthenticated
from edgelake.rest.credentials import BasicCredentials, credentials_in
from edgelake.rest.logins import Logins
from edgelake.rest.sites import Sites
from edgelake.services.rest import CERTIFICATE, RestService
from edgelake.storage import User

__all__ = ["Access", "address_of", "origin_of", "user_of"]

_ORIGIN = "edgelake.origin"


def origin_of(request: Request, node: NodeParts) -> Origin:
    """Return the caller of a request, with the level of commands that he may use.

    Raises
    ------
    NotAuthenticated
        Nobody asked him who he is: the path is open to all.
    """
    found: Origin | None = request.scope.get(_ORIGIN)
    if found is None:
        raise NotAuthenticated("nobody knows who calls", hint="send the header 'Authorization'")
    return found


def user_of(request: Request) -> str:
    """Return the name of the user who calls; empty if nobody knows."""
    found: Origin | None = request.scope.get(_ORIGIN)
    return found.user if found is not None else ""


def address_of(request: Request) -> str:
    """Return the IP address that a call came from."""
    return request.client.host if request.client else "?"


class Access:
    """The way in to a REST server. Used by its loop alone.

    Parameters
    ----------
    node : NodeParts
    service : RestService
    """

    def __init__(self, node: NodeParts, service: RestService) -> None:
        self._node = node
        self._callers = service.callers
        self._logins = Logins(node.users, service)
        self.sites = Sites(service.options)

    @contextmanager
    def calling(self, request: Request) -> Iterator[None]:
        """Count a call against what its address may ask.

        Raises
        ------
        TooManyCalls
        """
        with self._callers.calling(address_of(request)):
            yield

    async def check(self, request: Request, *, everybody: bool) -> Response | None:
        """Find out who calls, for `origin_of`; return an answer that needs no more than this.

        Parameters
        ----------
        everybody : bool
            The path is for everybody: nobody is asked who he is.

        Raises
        ------
        WrongHost, NotPermitted
            By what name or from whose page it comes.
        NotAuthenticated, TooManyCalls, Overloaded
            Nobody knows who calls.
        """
        self.sites.check(request)
        answer = self.sites.preflight(request)
        if answer is not None or everybody:
            return answer
        request.scope[_ORIGIN] = await self._origin(request)
        return None

    # ------------------------------------------------------------------- parts

    async def _origin(self, request: Request) -> Origin:
        address = address_of(request)
        user = await self._user(request, address)
        if user is not None:
            return Origin(None, address, 0, user.level, user=user.name)
        level = self._node.anonymous_level()
        if level is None:
            raise NotAuthenticated(
                "this node has to know who calls",
                hint="send name and password (Basic), or a token (Bearer)",
            )
        return Origin(None, address, 0, level)

    async def _user(self, request: Request, address: str) -> User | None:
        """Return the user that a caller says, or proves, to be; ``None`` if he says nothing."""
        users = self._node.users
        if not len(users):
            # Nobody has a password: what is said is for some other node.
            return None
        header = request.headers.get("authorization")
        if header is None:
            certified = request.scope.get(CERTIFICATE)
            return users.named(certified) if certified else None
        said = None
        try:
            said = credentials_in(header)
            if isinstance(said, BasicCredentials):
                user = await self._logins.user(said, address)
            else:
                user = users.of_token(said.token)
                if user is None:
                    users.guesses.begin(address)
        except NotAuthenticated as exc:
            self._failed(exc, address)
            raise
        if user is None:
            kind, told = "token", "a token that nobody has"
            if isinstance(said, BasicCredentials):
                kind = "name or password"
                # What is no name of a user may be a password that was typed in its place.
                known = users.named(said.name) is not None
                told = f"wrong password of '{said.name}'" if known else "no user has that name"
            self._failed(NotAuthenticated(told), address)
            raise NotAuthenticated(
                f"the {kind} is not right", hint="look for typing errors; case counts"
            )
        return user

    def _failed(self, error: EdgeLakeError, address: str) -> None:
        self._node.logs.trouble("rest", error, address)
