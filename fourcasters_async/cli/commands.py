"""The command line: `fourcasters`."""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from fourcasters_async._version import __version__
from fourcasters_async.cli.cancels import (
    about,
    cancel,
    cancel_all,
    cancel_league,
    dry_run_option,
    show_dry_run,
)
from fourcasters_async.cli.display import (
    show_outcomes,
    to_json,
    verdict,
)
from fourcasters_async.cli.exits import (
    ALL_CONFIRMED,
    NOT_KNOWN,
    ends_told,
    exit_status,
    tell_source,
)
from fourcasters_async.cli.fanout import fan_out
from fourcasters_async.cli.lazy_group import LazyGroup
from fourcasters_async.cli.sessions import make_session
from fourcasters_async.cli.terminal import (
    console_of,
    say_json,
    usage_error,
    whoever_reads,
    write_anything,
)
from fourcasters_async.cli.wording import summary
from fourcasters_async.cli.words import given_ids, json_option
from fourcasters_async.errors import InvalidRequestError
from fourcasters_async.models import MarketType, OpenOrder
from fourcasters_async.orders.arguments import check_markets

# The module of each command that is not below: it is imported once the command is asked for.
_ELSEWHERE = {
    "bets": "reads",
    "book": "book",
    "demo": "demo",
    "doctor": "doctor",
    "games": "reads",
    "graded": "reads",
    "login": "login",
    "logout": "login",
    "me": "reads",
    "orders": "reads",
    "positions": "reads",
    "sandbox": "sandbox",
    "watch": "watch",
}


class _Main(LazyGroup):
    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run the command line. The exit status is one of the table, whatever can be written."""
        # Help and wrong usage are written out here, and Ctrl-C can come before a command begins.
        with ends_told():
            sys.exit(super().main(*args, **{**options, "standalone_mode": False}))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and say how it ended if nobody else does."""
        with ends_told():
            return super().invoke(ctx)


@click.group(
    cls=_Main,
    elsewhere=_ELSEWHERE,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="fourcasters")
def main() -> None:
    """Cancel orders on the 4casters exchange, and know whether they are gone.

    The other commands show what is there: games, a game's book, orders, bets and positions.

    Run `fourcasters login` once for the account, or set the variables below. `fourcasters doctor`
    checks that all is there, and `fourcasters demo` shows it on a sandbox.
    """
    write_anything()


@main.command("cancel-games")
@click.argument("game_ids", nargs=-1, required=True, metavar="GAME_ID…")
@click.option(
    "--type",
    "type_",
    type=click.Choice([member.value for member in MarketType]),
    help="Only this market type.",
)
@click.option("--deadline", type=float, help="Seconds after which to stop and report.")
@click.option(
    "--verify", is_flag=True, help="Then read which orders are open, and cancel them by id."
)
@click.option(
    "--periods",
    is_flag=True,
    help="Orders on periods of the games too, such as a first half; includes --verify.",
)
@dry_run_option
@json_option
def cancel_games(
    game_ids: Sequence[str],
    type_: str | None,
    deadline: float | None,
    *,
    verify: bool,
    periods: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Cancel every order on games. A period of a game is a game of its own.

    The GAME_ID - reads ids from standard input, separated by white space.

    With --verify the exit status is 0 if a read proved every game clear, even if a request failed
    or its outcome is unknown. Ctrl-C prints what is known so far; the exit status is 3.
    """
    ids = given_ids(game_ids, "game")
    session = make_session()
    if dry_run:
        games = {game_id.casefold() for game_id in ids}

        def wanted(order: OpenOrder) -> bool:
            parent = order.game.parent_game_id if periods and order.game else None
            its = {(each or "").casefold() for each in (order.game_id, parent)}
            return not games.isdisjoint(its) and type_ in (None, order.type)

        show_dry_run(session, wanted, as_json=as_json)
        return
    try:
        markets = check_markets(ids, type_)
    except InvalidRequestError as error:
        raise usage_error(error) from None
    verify = verify or periods
    result = fan_out(session, markets, deadline, verify=verify, periods=periods)
    report, interrupted = result.report, result.interrupted
    status = NOT_KNOWN if interrupted else exit_status(report, verify=verify)
    tell_source(*(outcome.error for outcome in report.outcomes))
    with whoever_reads():
        if as_json:
            document = {"interrupted": interrupted} | report.to_dict()
            say_json(to_json(about(session) | document))
        else:
            show_outcomes(console_of(sys.stdout), report.outcomes)
    told = summary(report, verify=verify, interrupted=interrupted)
    verdict(told, good=status == ALL_CONFIRMED)
    sys.exit(status)


for _command in (cancel, cancel_all, cancel_league):
    main.add_command(_command)
