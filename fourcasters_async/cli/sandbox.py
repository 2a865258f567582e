"""A sandbox exchange for as long as the command runs, for other terminals to use."""

import asyncio
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fourcasters_async._core.validation import check_token
from fourcasters_async.cli.display import to_json_line
from fourcasters_async.cli.sessions import TOKEN
from fourcasters_async.cli.terminal import harmless, say, say_json, usage_error
from fourcasters_async.cli.words import json_option
from fourcasters_async.errors import InvalidRequestError

if TYPE_CHECKING:
    # Commands that cancel should not wait until the sandbox's server is imported.
    from fourcasters_async.testing import FakeExchange


def _checked(_context: click.Context, _option: click.Parameter, token: str | None) -> str | None:
    """Refuse a token that a session would refuse."""
    try:
        return None if token is None else str(check_token(token))
    except InvalidRequestError as error:
        raise usage_error(error) from None


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="A free one by default.")
@click.option("--token", callback=_checked, help="The token to accept; a new one by default.")
@click.option("--games", default=12, type=click.IntRange(0, 10_000), show_default=True)
@click.option(
    "--seed", default=0, show_default=True, help="The same seed gives the same games and prices."
)
@click.option("--still", is_flag=True, help="Let the orders of others rest as they are.")
@json_option
def sandbox(
    port: int, token: str | None, games: int, seed: int, *, still: bool, as_json: bool
) -> None:
    """Serve a sandbox exchange on this machine.

    It serves until Ctrl-C or SIGTERM. It has a day of games in several leagues, the last of which
    ends some 15 hours later, and prices that move. Standard output gets the lines that make the
    commands and bots of another terminal use it, or with --json one JSON document with the same
    variables. The exit status is 0 at the end, and 1 if the port cannot be used.
    """
    try:
        asyncio.run(_serve(port, token, games, seed, still=still, as_json=as_json))
    except BrokenPipeError:
        raise  # nobody reads the lines; click knows how to end then
    except OSError as error:
        text = f"port {port} cannot be used: {error.strerror or error}"
        raise click.ClickException(harmless(text)) from None


async def _serve(
    port: int, token: str | None, games: int, seed: int, *, still: bool, as_json: bool
) -> None:
    from fourcasters_async.testing import FakeExchange  # noqa: PLC0415  # it is slow to import
    from fourcasters_async.testing.day import move  # noqa: PLC0415  # as above
    from fourcasters_async.testing.process import serve  # noqa: PLC0415  # as above
    from fourcasters_async.testing.records import seconds_at  # noqa: PLC0415  # as above

    exchange = FakeExchange(port=port)
    # Its games start in the hours to come, also for whoever looks at the clock.
    exchange.move_clock(seconds_at(datetime.now(UTC)))
    exchange.revoke(exchange.token)
    if token is None:
        exchange.token = exchange.book.issue_token(exchange.account)
    else:
        exchange.token = token
        exchange.book.tokens[token] = exchange.account
    day = exchange.fill_day(games=games, seed=seed)
    await serve(
        exchange,
        lambda: _announce(exchange, games, as_json=as_json),
        step=None if still else lambda: move(exchange.book, day),
    )


def _announce(exchange: "FakeExchange", games: int, *, as_json: bool) -> None:
    variables = {
        "FOURCASTERS_BASE_URL": exchange.url,
        "FOURCASTERS_ORDERS_URL": exchange.orders_url,
        "FOURCASTERS_STREAMING_URL": exchange.streaming_url,
        TOKEN: exchange.token,
    }
    say(f"SANDBOX with {games:,} games: an exchange on this machine, not the real one", err=True)
    if as_json:
        say_json(to_json_line(variables))
        say("these are variables for the commands; Ctrl-C ends the sandbox", err=True)
        return
    for name, value in variables.items():
        say(f"export {name}={shlex.quote(value)}")
    say("run these lines in another terminal; Ctrl-C ends the sandbox", err=True)
