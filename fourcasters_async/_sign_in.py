"""Signing in and out: the verbs, the requests, and the credentials that they are made of."""

from contextlib import suppress
from typing import TYPE_CHECKING

from attrs import fields

from fourcasters_async import models
from fourcasters_async._core.auth import Auth, Credentials
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.secret import Secret, hidden
from fourcasters_async._core.sender import Sender
from fourcasters_async._core.validation import check_password, check_text, check_token
from fourcasters_async.errors import AuthenticationError, InvalidRequestError
from fourcasters_async.orders.heartbeat import Acknowledged, unsuccessful

if TYPE_CHECKING:
    # A session with a token should not wait until it is imported.
    from fourcasters_async.models.user import AuthenticatedUser


class SignIn:
    """Signing in and out; `AsyncSession` has it."""

    _sender: Sender
    _auth: Auth

    async def login(
        self, username: str, password: str, *, deadline: float | None = None
    ) -> "models.User":
        """Log in, and use the token and these credentials from now on: `POST /user/login`.

        Returns the account. Raises `AuthenticationError` for a wrong user name or password,
        `ForbiddenError` for an account that is banned, locked or closed, `RateLimitedError` for
        too many attempts, and otherwise as every read.
        """
        password = hidden(password)
        credentials = check_credentials(username, password)
        user = await self._sender.call(login_request(credentials), deadline=deadline)
        self._auth.use(credentials, check_token(user.auth))
        # The record that goes out has no token to be pickled or printed.
        return models.User(**{each.name: getattr(user, each.name) for each in fields(models.User)})

    async def logout(self, *, deadline: float | None = None) -> None:
        """End the token in use, at the exchange and here: `POST /user/logout`.

        With credentials, the next verb logs in again. A token that is dead already counts as
        ended, and so does one that the exchange replaces meanwhile, with the one in its place. An
        orders socket that is open stays open, as long as the exchange lets it. Raises otherwise as
        every read.
        """
        with suppress(AuthenticationError):
            await self._sender.call(logout_request(), deadline=deadline)

    async def _log_in(self, credentials: Credentials) -> Secret:
        return check_token((await self._sender.call(login_request(credentials))).auth)


def check_credentials(username: str, password: str | None) -> Credentials:
    """Return a user name and a password, or refuse what can be none."""
    return Credentials(check_text(username, "username"), check_password(password))


def login_answer() -> "type[AuthenticatedUser]":
    """Return the record that answers a login."""
    from fourcasters_async.models.user import AuthenticatedUser  # noqa: PLC0415  # as above

    return AuthenticatedUser


def login_request(credentials: Credentials) -> "Request[AuthenticatedUser]":
    """Return the request that gets a token."""
    return Request(
        "POST /user/login",
        login_answer(),
        Kind.LOGIN,
        data_path=("data", "user"),
        body={"username": credentials.username, "password": str.__str__(credentials.password)},
        check=_no_token,
    )


def _no_token(user: "AuthenticatedUser") -> str | None:
    try:
        check_token(user.auth)
    except InvalidRequestError:
        return "the token is none that a header can hold"
    return None


def logout_request() -> Request[Acknowledged]:
    """Return the request that ends the token it is sent with."""
    return Request(
        "POST /user/logout",
        Acknowledged,
        Kind.LOGOUT,
        data_path=(),
        body={},
        check=unsuccessful,
    )
