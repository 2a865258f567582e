"""Logging in and out on the command line."""

import os
from functools import partial

import click

from fourcasters_async._core.secret import hidden
from fourcasters_async.cli.exits import run
from fourcasters_async.cli.sessions import (
    PASSWORD,
    TOKEN,
    USERNAME,
    given_token,
    in_session,
    name_of,
    token_file,
)
from fourcasters_async.cli.terminal import harmless, say, usage_error
from fourcasters_async.errors import AuthenticationError, InvalidRequestError
from fourcasters_async.session import AsyncSession


@click.command()
@click.option("--username", envvar=USERNAME, help=f"Or {USERNAME}.")
def login(username: str | None) -> None:
    """Log in, and keep the token for the other commands.

    Asks for what the environment does not say; FOURCASTERS_PASSWORD is the password. The token is
    kept in a file that only you can read, one for each exchange.
    """
    file, tokens = token_file(), list[str]()
    username = username or click.prompt("User name", err=True)
    password = hidden(os.environ.get(PASSWORD)) or hidden(
        click.prompt("Password", hide_input=True, err=True)
    )
    try:
        session = AsyncSession(base_url=file.exchange, on_token=tokens.append)
    except InvalidRequestError as error:
        raise usage_error(error) from None
    run(in_session(session, partial(_log_in, session, username, password)), cancels=False)
    try:
        file.keep(tokens[-1])
    except OSError as error:
        raise click.ClickException(harmless(f"the token cannot be kept: {error}")) from None
    say(f"logged in to the {name_of(session)}; the token is kept in {file.path}", err=True)
    if given_token() is not None:
        say(f"{TOKEN} is set, and is used in place of it", err=True)


async def _log_in(session: AsyncSession, username: str, password: str) -> None:
    try:
        await session.login(username, password)
    except AuthenticationError as error:
        names = [name for name in (USERNAME, PASSWORD) if os.environ.get(name)]
        source = f" (from {' and '.join(names)})" if names else ""
        text = f"the exchange refused the user name or the password{source}: {error.status}"
        raise click.ClickException(harmless(text)) from None


@click.command()
def logout() -> None:
    """End the token that `fourcasters login` keeps.

    It ends at the exchange and is removed here. With FOURCASTERS_TOKEN set, so is what the exchange
    gave in place of that token.
    """
    given, file = given_token(), token_file()
    files = [file] if given is None else [file, token_file(replaced=given)]
    kept = [(each, token) for each in files if (token := each.read()) is not None]
    if not kept:
        raise click.UsageError(f"no token is kept for {file.exchange}")
    for each, token in kept:
        session = AsyncSession(token, base_url=each.exchange)
        run(in_session(session, session.logout), cancels=False)
        each.remove()
        say(f"logged out of the {name_of(session)}", err=True)
