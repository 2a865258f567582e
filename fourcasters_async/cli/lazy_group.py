"""A group of commands that imports a command once it is asked for, and the help that all share."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from fourcasters_async.cli.exits import STATUSES
from fourcasters_async.cli.sessions import PASSWORD, TOKEN, USERNAME

VARIABLES = {
    TOKEN: "the token; it wins over one that `fourcasters login` keeps",
    USERNAME: "the user name, in place of a token or beside it",
    PASSWORD: "the password, for that and for `fourcasters login`",
    "FOURCASTERS_BASE_URL": "the REST address, by default that of the real exchange",
    "FOURCASTERS_ORDERS_URL": "the Orders WebSocket; needed beside another REST address",
    "FOURCASTERS_STREAMING_URL": "the feeds; needed beside another REST address",
    "NO_COLOR": "not empty: no colours",
}
"""The variables of the environment that the commands read."""

_GAME, _ORDER = "688c0516fbc14da0c202d426", "688c0516fbc14da0c202d427"
EXAMPLES = {
    "bets": "fourcasters bets --json",
    "book": f"fourcasters book {_GAME}",
    "cancel": f"fourcasters cancel {_ORDER} --dry-run",
    "cancel-all": "fourcasters cancel-all --dry-run",
    "cancel-games": f"fourcasters cancel-games {_GAME} --deadline 2 --verify",
    "cancel-league": "fourcasters cancel-league NBA --verify",
    "demo": "fourcasters demo --games 500",
    "doctor": "fourcasters doctor --deadline 10",
    "games": "fourcasters games NBA --search lakers",
    "graded": "fourcasters graded --since 2026-11-20",
    "login": "fourcasters login --username trader",
    "logout": "fourcasters logout",
    "me": "fourcasters me",
    "orders": "fourcasters orders",
    "positions": "fourcasters positions --json",
    "sandbox": "fourcasters sandbox --still > sandbox.env",
    "watch": "fourcasters watch --fills",
}
"""A command line for each command."""


class LazyGroup(click.Group):
    """A group of which some commands are `elsewhere`: the module of each, by its name.

    Such a module is in `fourcasters_async.cli`, and the command has the name of its function. Help
    and completion list every command, and so import them all.
    """

    def __init__(self, *args: Any, elsewhere: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *self._elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name, with an example in its help; `None` if there is none."""
        module = self._elsewhere.get(cmd_name)
        if module is None:
            command = super().get_command(ctx, cmd_name)
        else:
            command = getattr(import_module(f"fourcasters_async.cli.{module}"), cmd_name)
            if not isinstance(command, click.Command):
                raise TypeError(f"{cmd_name} is no command")
        if command is not None and cmd_name in EXAMPLES:
            # The first line keeps click from breaking the others.
            command.epilog = f"\b\nExample:\n  {EXAMPLES[cmd_name]}"
        return command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what is the same for all commands: variables and exit statuses."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Environment variables"):
            formatter.write_dl(list(VARIABLES.items()))
        for index, kind in enumerate(("commands that cancel", "other commands")):
            with formatter.section(f"Exit statuses of {kind}"):
                formatter.write_dl(
                    [(str(status), said[index]) for status, said in STATUSES.items()]
                )
