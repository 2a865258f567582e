"""The session of a command: which token it uses, and what happens to a new one."""

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

from attrs import frozen

from fourcasters_async._core.secret import Secret, hidden
from fourcasters_async._core.validation import is_local
from fourcasters_async._settings import BASE_URL
from fourcasters_async.cli.kept_token import TokenFile
from fourcasters_async.cli.terminal import say, usage_error
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.session import AsyncSession

T = TypeVar("T")

TOKEN, USERNAME = "FOURCASTERS_TOKEN", "FOURCASTERS_USERNAME"  # the name of a variable


@frozen
class TokenSource:
    """The token that a command uses, `None` for a login, and where it comes from."""

    token: Secret | None
    name: str
    file: TokenFile
    """Where a token that replaces it is kept."""


def token_file(*, replaced: Secret | None = None) -> TokenFile:
    """Return where the token of a login, or what `replaced` a token, is kept."""
    base_url = os.environ.get("FOURCASTERS_BASE_URL") or BASE_URL
    return TokenFile.of(base_url.rstrip("/"), replaced=replaced)


def given_token() -> Secret | None:
    """Return the token of the environment."""
    return hidden(os.environ.get(TOKEN)) or None


def token_source() -> TokenSource:
    """Return the token to use: of the environment, or what the exchange gave for it, or kept."""
    given = given_token()
    file = token_file(replaced=given)
    kept = file.read()
    if kept is not None:
        return TokenSource(kept, str(file.path), file)
    name = f"a login with {USERNAME}" if given is None else TOKEN
    return TokenSource(given, name, file)


def make_session(*, told: bool = False) -> AsyncSession:
    """Make the session of a command, and say on standard error at which exchange it is.

    With `told` that was said before.
    """
    source = token_source()
    try:
        session = (
            AsyncSession.from_env()
            if source.token is None
            else AsyncSession.from_env(token=source.token, on_token=_keeper(source))
        )
    except InvalidRequestError as error:
        hint = ", or run `fourcasters login`" if str(error).startswith(f"{TOKEN}: not set") else ""
        raise usage_error(f"{error}{hint}") from None
    if not told:
        say(f"on the {name_of(session)}", err=True)
    return session


def has_socket() -> bool:
    """Whether the Orders WebSocket is known to be of the same exchange as REST.

    If the environment has the address of only one of them, the other is that of the real exchange:
    what one says must not be taken for the orders of the other.
    """
    names = ("FOURCASTERS_BASE_URL", "FOURCASTERS_ORDERS_URL")
    return len({bool(os.environ.get(name)) for name in names}) == 1


def _keeper(source: TokenSource) -> Callable[[str], None]:
    """Return what keeps a new token, because the one that it replaces is dead."""

    def keep(token: str) -> None:
        token = hidden(token)
        try:
            source.file.keep(token)
        except OSError as error:
            say(f"the exchange sent a new token, which cannot be kept: {error}", err=True)
            return
        if source.name == TOKEN:
            say(
                f"the exchange replaced the token of {TOKEN}; the new one is kept in "
                f"{source.file.path}",
                err=True,
            )

    return keep


def name_of(session: AsyncSession) -> str:
    """Name the exchange, so that nobody mistakes a sandbox for the real one."""
    kind = "sandbox on this machine" if is_local(session.base_url) else "REAL exchange"
    return f"{kind} at {session.base_url}"


async def in_session(session: AsyncSession, verb: Callable[[], Awaitable[T]]) -> T:
    """Return what a verb returns, and close the session."""
    async with session:
        return await verb()
