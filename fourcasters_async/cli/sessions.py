"""The session of a command: which token it uses, and what happens to a new one."""

import os
from collections.abc import Awaitable, Callable
from typing import TypeVar, Unpack

from attrs import frozen

from fourcasters_async._core.secret import Secret, hidden
from fourcasters_async._core.validation import is_local
from fourcasters_async._settings import BASE_URL, SessionOptions
from fourcasters_async.cli.kept_token import TokenFile
from fourcasters_async.cli.terminal import say, usage_error
from fourcasters_async.cli.waiting import waiting
from fourcasters_async.errors import AuthenticationError, InvalidRequestError
from fourcasters_async.session import AsyncSession

T = TypeVar("T")

TOKEN, USERNAME = "FOURCASTERS_TOKEN", "FOURCASTERS_USERNAME"  # the name of a variable
PASSWORD = "FOURCASTERS_PASSWORD"  # noqa: S105  # as above


@frozen
class TokenSource:
    """The token that a command uses, `None` for a login, and where it comes from."""

    token: Secret | None
    name: str
    file: TokenFile
    """Where a token that replaces it is kept."""
    mend: str
    """What to do if the exchange refuses it."""


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
    if given is not None:
        mend = f"set {TOKEN} to a new one, or unset it and run `fourcasters login`"
        if kept is None:
            return TokenSource(given, TOKEN, file, mend)
        name = f"{file.path}, which the exchange sent in place of that of {TOKEN}"
        return TokenSource(kept, name, file, mend)
    if kept is not None:
        mend = "run `fourcasters login` for a new one"
        return TokenSource(kept, str(file.path), file, mend)
    mend = f"correct {USERNAME} and {PASSWORD}"
    return TokenSource(None, f"a login with {USERNAME}", file, mend)


def refused(error: AuthenticationError) -> str:
    """Say where the credentials are from that the exchange refused, and what to do."""
    if error.endpoint.endswith("/login"):
        return (
            f"the user name and the password are from {USERNAME} and {PASSWORD}; correct them, or "
            "unset them and run `fourcasters login`"
        )
    source = token_source()
    return f"the token is from {source.name}; {source.mend}"


def session_of(source: TokenSource, **options: Unpack[SessionOptions]) -> AsyncSession:
    """Make a session with a token, whose successors are kept.

    Raises `InvalidRequestError` for settings that can only be a mistake.
    """
    if source.token is not None:
        options = {**options, "token": source.token, "on_token": _keeper(source)}
    return AsyncSession.from_env(**options)


def make_session(*, told: bool = False) -> AsyncSession:
    """Make the session of a command, and say on standard error at which exchange it is.

    With `told` that was said before.
    """
    try:
        session = session_of(token_source())
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
    """Return what a verb returns, and close the session. A wait is told on a terminal."""
    async with session:
        with waiting():
            return await verb()
