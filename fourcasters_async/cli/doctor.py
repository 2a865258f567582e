"""`fourcasters doctor`: whether everything is there that a cancel needs."""

import sys
from typing import TYPE_CHECKING

import click

from fourcasters_async._core.validation import is_local
from fourcasters_async.cli.checks import Examination
from fourcasters_async.cli.display import to_json
from fourcasters_async.cli.exits import ALL_CONFIRMED, NOT_CANCELLED, NOT_KNOWN, run
from fourcasters_async.cli.findings import Finding, Grade
from fourcasters_async.cli.sessions import token_source
from fourcasters_async.cli.surroundings import given_address, without_secrets
from fourcasters_async.cli.terminal import console_of, harmless, say, say_json, say_row
from fourcasters_async.cli.waiting import take_back, waiting
from fourcasters_async.cli.wording import counted
from fourcasters_async.cli.words import Seconds, json_option

if TYPE_CHECKING:
    # As for other commands: without a terminal it is not needed.
    from rich.console import Console

_DEADLINE = 20.0
_STYLES = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAILED: "bold red"}
# From so many columns on, what is found stands beside its check, and otherwise below it.
_WIDE = 60


@click.command()
@click.option(
    "--deadline",
    type=Seconds(),
    default=_DEADLINE,
    show_default=True,
    help="Seconds after which to stop and report.",
)
@json_option
def doctor(deadline: float, *, as_json: bool) -> None:
    """Check what a cancel needs, and say what to do.

    Each line is OK, a warning or a failed check: the settings, the exchange's name, the connection
    to it with its certificate, its answer, the token, the round trip, the clock, the Orders
    WebSocket, both feeds, the open orders, the rate limit and the versions.

    It sends ten requests at most, only reads, and places, cancels and edits nothing. As with every
    command, the exchange replaces a token that is 30 days old, and the new one is kept; without a
    token it logs in.

    It exits with 0 if no check failed, 1 if one did though the exchange answered, and 3 if the
    exchange gave no usable answer.
    """
    console = None if as_json else console_of(sys.stdout)
    made: list[Examination] = []

    def tell(found: Finding) -> None:
        if not as_json:
            take_back()
            show_finding(console, found)

    async def examine() -> bool:
        examination = Examination(token_source(), tell, deadline=deadline)
        made.append(examination)
        with waiting(lambda: f"checking: {examination.now}"):
            await examination.run()
        return False

    interrupted = run(examine(), lambda: True, cancels=False)
    sys.exit(_report(made, as_json=as_json, interrupted=interrupted))


def _report(made: list[Examination], *, as_json: bool, interrupted: bool) -> int:
    """Print what is left to print, and return the exit status."""
    findings = [found for each in made for found in each.findings]
    requests = sum(each.requests for each in made)
    failed = any(found.grade is Grade.FAILED for found in findings)
    exchange = given_address()
    if as_json:
        document = {
            "exchange": without_secrets(exchange),
            "sandbox": is_local(exchange),
            "interrupted": interrupted,
            "ok": not (failed or interrupted),
            "requests": requests,
            "checks": findings,
        }
        say_json(to_json(document))
    else:
        sent = counted(requests, "request")
        say(f"sent {sent}, which changed nothing on the exchange", err=True)
    if interrupted or not any(each.reached for each in made):
        return NOT_KNOWN
    return NOT_CANCELLED if failed else ALL_CONFIRMED


def show_finding(console: "Console | None", found: Finding) -> None:
    """Print a finding: coloured on a terminal, and otherwise a line with tabs."""
    if console is None:
        say_row((found.grade, found.check, found.found, found.to_do), numbers=range(0))
        return
    from rich.padding import Padding  # noqa: PLC0415  # it is slow to import
    from rich.table import Table  # noqa: PLC0415  # as above
    from rich.text import Text  # noqa: PLC0415  # as above

    grade = Text(found.grade, style=_STYLES[found.grade])
    check, text = Text(found.check, style="bold"), Text(harmless(found.found), overflow="fold")
    if found.to_do:
        text.append(f"\n-> {harmless(found.to_do)}", style=_STYLES[found.grade])
    if console.width < _WIDE:
        console.print(Text(" ").join([grade, check]))
        console.print(Padding(text, (0, 0, 0, 2)))
        return
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=len(Grade.WARNING))
    row.add_column(width=len("orders socket"))
    row.add_column(overflow="fold")
    row.add_row(grade, check, text)
    console.print(row)
