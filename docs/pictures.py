"""Draws the terminals that the documentation shows, with what the command line prints.

    python docs/pictures.py            write them to docs/pictures/
    python docs/pictures.py --check    exit with 1 if one of them is not what would be written

Everything runs on the sandbox, by the jumping clock of the tests: the same picture comes out on
every machine, and its times are those of the sandbox, without what the machine takes.
"""

import asyncio
import io
import random
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from fourcasters_async import AsyncSession, CancelReport
from fourcasters_async.cli.display import show_outcomes
from fourcasters_async.cli.drawing import drawn_line
from fourcasters_async.cli.exits import exit_status
from fourcasters_async.cli.sessions import name_of
from fourcasters_async.cli.wording import summary
from fourcasters_async.testing import FakeExchange, faults

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests"))

from support import JumpingLoop, one_clock  # noqa: E402  # found on the path since a line

WIDTH = 120
GAMES, DEADLINE, ANSWER = 12, 2.0, 0.02
SILENT = 7
# Seconds, as in the command.
HEDGE = 0.5
# The pauses before repetitions are drawn.
SEED = 1
# What asks another host for a font.
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


async def cancel_on_many_games() -> tuple[str, CancelReport]:
    """Cancel on some games of a sandbox, one of which never answers; return its name too."""
    random.seed(SEED)
    with one_clock(asyncio.get_running_loop()):  # type: ignore[arg-type]  # `main` makes it
        async with FakeExchange(latency=ANSWER) as exchange:
            games = [exchange.add_game(orders=4 + n % 7).game_id for n in range(GAMES)]
            exchange.inject(faults.Stall(), game_id=games[SILENT], times=None)
            async with (
                AsyncSession(
                    exchange.token, base_url=exchange.url, orders_url=exchange.orders_url
                ) as session,
                session.orders_socket(wait=False) as orders,
            ):
                report = await orders.cancel_all_orders_for_games(
                    games, deadline=DEADLINE, hedge=HEDGE
                )
                # The port is another one each time.
                return name_of(session).replace(exchange.url, "http://127.0.0.1:8000"), report


def one_unknown() -> str:
    """Return the picture of a terminal in which one game of many stays unknown."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        exchange, report = runner.run(cancel_on_many_games())
    console = Console(
        record=True, file=io.StringIO(), width=WIDTH, force_terminal=True, highlight=False
    )
    command(console, f"fourcasters cancel-games --deadline {DEADLINE:g} - < games")
    console.print(f"on the {exchange}")
    show_outcomes(console, report.outcomes)
    console.print(drawn_line(summary(report), "bold red"))
    command(console, "echo $?")
    console.print(exit_status(report))
    return svg(console, "one_unknown")


def command(console: Console, line: str) -> None:
    """Print a line that somebody has typed."""
    console.print(Text.assemble(("$ ", "bold green"), (line, "bold")))


def svg(console: Console, name: str) -> str:
    """Return what a console has printed as a picture, which asks no other host for anything."""
    drawn = console.export_svg(title="fourcasters", theme=MONOKAI, unique_id=name)
    return FONTS.sub("", drawn)


PICTURES = {"one_unknown.svg": one_unknown}


def main() -> int:
    """Write the pictures, or with `--check` compare them with what was written."""
    stale = []
    for name, draw in PICTURES.items():
        path, drawn = DOCS / "pictures" / name, draw()
        if "--check" not in sys.argv[1:]:
            path.write_text(drawn)
        elif not path.exists() or path.read_text() != drawn:
            stale.append(name)
    for name in stale:
        print(f"docs/pictures/{name} is out of date: run python docs/pictures.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
