"""Signing in and out: the requests, and the credentials that they are made of."""

from typing import TYPE_CHECKING

from fourcasters_async._core.auth import Credentials
from fourcasters_async._core.request import Kind, Request
from fourcasters_async._core.validation import check_password, check_text, check_token
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.orders.heartbeat import Acknowledged, unsuccessful

if TYPE_CHECKING:
    # A session with a token should not wait until it is imported.
    from fourcasters_async.models.user import AuthenticatedUser


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
