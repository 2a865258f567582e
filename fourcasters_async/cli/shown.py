"""How the commands show what comes until they end: as JSON, as lines, or on a terminal."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime

from attrs import frozen
from rich.console import Console, RenderableType
from rich.live import Live

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.display import to_json_line
from fourcasters_async.cli.terminal import new_console, say, say_json, say_row

Draw = Callable[[Console, Sequence["Told"]], RenderableType]

# What is told that a terminal can show.
_KEPT = 200


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def clock(moment: datetime) -> str:
    """Write the time of the day, in UTC."""
    return f"{moment.astimezone(UTC):%H:%M:%S}"


@frozen
class Told:
    """Something that is told at a time: the fields of a JSON object, and rows without the time."""

    at: datetime
    event: str
    fields: Mapping[str, object]
    rows: Sequence[Row]

    @property
    def document(self) -> dict[str, object]:
        """An object for JSON."""
        return {"event": self.event, "at": self.at, **self.fields}


class Shown(ABC):
    """How it is shown."""

    ticks = False
    """Whether `tick` does anything."""

    def start(self, draw: Draw, until: ExitStack) -> None:  # noqa: B027  # only a terminal begins
        """Begin. What is entered in `until` ends with the command.

        `draw` returns what a terminal shows, for what was told lately, the newest first.
        """

    @abstractmethod
    def tell(self, told: Told) -> None:
        """Show what is told."""

    def warn(self, text: str) -> None:
        """Show a warning."""
        say(text, err=True)

    def tick(self) -> None:  # noqa: B027  # only a terminal has it
        """Do what is to be done ten times a second."""


class _AsJson(Shown):
    """One JSON object a line."""

    def tell(self, told: Told) -> None:
        """Print its object."""
        say_json(to_json_line(told.document))


@frozen
class _AsLines(Shown):
    """One line with tabs for each row."""

    columns: Columns

    def tell(self, told: Told) -> None:
        """Print its rows."""
        at = told.at.astimezone(UTC).isoformat(timespec="milliseconds")
        for row in told.rows:
            say_row((at, *row), numbers=self.columns.numbers)


class _OnScreen(Shown):
    """A part of a terminal, which is drawn again."""

    ticks = True

    def __init__(self, console: Console) -> None:
        self._console = console
        self._draw: Draw | None = None
        self._newest: deque[Told] = deque(maxlen=_KEPT)
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="visible")
        self._size = console.size
        self._changed = True

    def start(self, draw: Draw, until: ExitStack) -> None:
        """Begin to draw. The end leaves what was drawn last, and gives the cursor back."""
        self._draw = draw
        until.enter_context(self._live)
        until.callback(self.tick)

    def tell(self, told: Told) -> None:
        """Draw it with the next tick."""
        self._newest.appendleft(told)
        self._changed = True

    def warn(self, text: str) -> None:
        """Show a warning among what is told."""
        at = now()
        self.tell(Told(at, "warning", {}, [("warning", text)]))

    def tick(self) -> None:
        """Draw it if it has changed, or if the terminal has another size."""
        size = self._console.size
        if self._draw is not None and (self._changed or size != self._size):
            self._size, self._changed = size, False
            self._live.update(self._draw(self._console, self._newest), refresh=True)


def make_shown(columns: Columns, *, as_json: bool) -> Shown:
    """Return how a command shows what it tells, in rows of these columns."""
    if as_json:
        return _AsJson()
    console = new_console()
    # Nothing can be drawn over on a dumb one.
    if console.is_terminal and not console.is_dumb_terminal:
        return _OnScreen(console)
    return _AsLines(columns)
