"""Own orders and a game's book as they change: `fourcasters watch`, `fourcasters book --follow`."""

import asyncio
import io
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType
from shapes import mistakes
from support import QUICK, JumpingLoop, Run, environment, until
from test_terminal import EVIL, has_danger

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    BookEntry,
    ChangeSource,
    Game,
    Lagged,
    OpenOrder,
    OrderBook,
    OrderChange,
    Participant,
)
from fourcasters_async.cli.display import to_json_line
from fourcasters_async.cli.follow import Seen, changed_prices, drawn_book, keep_following
from fourcasters_async.cli.shown import Shown, Told, make_shown
from fourcasters_async.cli.watch import drawn_watch, keep_watching
from fourcasters_async.cli.watch_tables import (
    CHANGES,
    tell_change,
    tell_lagged,
    tell_orders,
    tell_state,
)
from fourcasters_async.testing import BookGame, FakeExchange, faults, feed_faults
from fourcasters_async.testing.placing import place as place_in

AT = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
IDS = [f"65b036df{number:016x}" for number in range(60)]
TEAMS = [Participant("a" * 24, "Boston Celtics", "BOS"), Participant("b" * 24, "LA Lakers", "LAL")]


class Recorder(Shown):
    """Keeps what is told."""

    job: "asyncio.Future[None]"

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.times: list[float] = []
        self.warnings: list[str] = []

    def tell(self, told: Told) -> None:
        self.told.append(told)
        self.times.append(asyncio.get_running_loop().time())

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def of(self, event: str) -> list[dict[str, Any]]:
        return [told.document for told in self.told if told.event == event]

    def states(self) -> list[bool]:
        return [bool(each["current"]) for each in self.of("state") + self.of("book")]


def session_of(exchange: FakeExchange) -> AsyncSession:
    return AsyncSession(
        exchange.token,
        base_url=exchange.url,
        orders_url=exchange.orders_url,
        streaming_url=exchange.streaming_url,
        retry=QUICK,
        read_lag=0.05,
    )


@asynccontextmanager
async def running(job: Awaitable[None], shown: Recorder) -> AsyncIterator[Recorder]:
    """Give what a job shows once it is current, until the block ends or the job fails."""
    shown.job = task = asyncio.ensure_future(job)
    try:
        await until(lambda: task.done() or True in shown.states())
        if task.done():
            task.result()
        yield shown
    finally:
        task.cancel()
        await asyncio.wait([task])


def watching(exchange: FakeExchange, *, fills_only: bool = False) -> Any:
    shown = Recorder()
    return running(keep_watching(session_of(exchange), shown, fills_only=fills_only), shown)


def following(exchange: FakeExchange, game: BookGame, stale_after: float = 1e6) -> Any:
    shown = Recorder()
    return running(keep_following(session_of(exchange), game.game_id, stale_after, shown), shown)


def quote(exchange: FakeExchange, game: BookGame, bet: float = 50.0) -> str:
    """Let the account place an order on the home side."""
    return exchange.book.place(exchange.account, game.game_id, odds=-110, offered=bet).order_id


def take(exchange: FakeExchange, game: BookGame, bet: float = 20.0) -> None:
    """Let somebody else take what rests on the home side."""
    fields = {"type": "moneyline", "side": game.away_id, "odds": 110, "bet": bet}
    place_in(exchange.book, "another", game.game_id, fields)


async def eventually(true: Callable[[], bool]) -> None:
    """Wait for what takes minutes of a clock that jumps."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, JumpingLoop)
    async with asyncio.timeout(600.0):
        await loop.until(true)


@pytest.fixture
def game(fake_exchange: FakeExchange) -> BookGame:
    return fake_exchange.add_game()


async def test_what_is_open_at_the_start_is_told_first(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    order_id = quote(fake_exchange, game)
    async with watching(fake_exchange) as shown:
        (told,) = shown.of("orders")
        assert [order.order_id for order in told["orders"]] == [order_id]
        assert told["exchange"] == fake_exchange.url
        assert shown.states() == [False, True]


async def test_an_order_is_told_when_it_opens_changes_and_closes(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with watching(fake_exchange) as shown:
        order_id = quote(fake_exchange, game)
        take(fake_exchange, game, 22.0)
        fake_exchange.book.cancel(fake_exchange.book.orders[order_id])
        await until(lambda: len(shown.of("order")) == 3)
        told = shown.of("order")
        assert [each["change"] for each in told] == ["opened", "changed", "closed"]
        assert {each["order"]["order_id"] for each in told} == {order_id}
        assert [each["order"]["remaining"] for each in told][::2] == [50.0, 0.0]
        assert not any(each["disagreement"] for each in told)


async def test_a_fill_is_told_once_however_often_the_feed_sends_it(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    order_id = quote(fake_exchange, game)
    fake_exchange.feeds.user.inject(feed_faults.Duplicate(times=3), type="filled")
    async with watching(fake_exchange) as shown:
        take(fake_exchange, game)
        take(fake_exchange, game)
        await until(lambda: len(shown.of("order")) == 2)
        fills = shown.of("fill")
        assert [(each["role"], each["fill"].order.order_id) for each in fills] == [
            ("maker", order_id)
        ] * 2
        assert len({each["fill"].fill.tx_id for each in fills}) == 2


async def test_only_fills_are_told_if_nothing_else_is_asked_for(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    quote(fake_exchange, game)
    async with watching(fake_exchange, fills_only=True) as shown:
        take(fake_exchange, game)
        await until(lambda: bool(shown.of("fill")))
        assert {told.event for told in shown.told} == {"state", "fill"}


async def test_a_gap_is_told_with_its_reason_and_what_was_missed_is_read(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with watching(fake_exchange) as shown:
        quote(fake_exchange, game)
        await until(lambda: bool(shown.of("order")))
        fake_exchange.inject(feed_faults.CacheExpired(keep=0), endpoint="messages")
        fake_exchange.feeds.user.mute = True
        missed = quote(fake_exchange, game)
        fake_exchange.feeds.user.mute = False
        await fake_exchange.drop_sockets(endpoint="user")
        await until(lambda: shown.states()[2:][-1:] == [True] and len(shown.of("order")) == 2)
        doubts = [each["doubt"] for each in shown.of("state")]
        assert "the feed has a gap: the exchange no longer has all that happened" in doubts
        told = shown.of("order")[1]
        assert (told["order"]["order_id"], told["source"]) == (missed, ChangeSource.READ)


@pytest.mark.virtual_time
async def test_what_a_read_shows_and_the_feed_never_told_is_told_as_a_disagreement(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with watching(fake_exchange) as shown:
        quote(fake_exchange, game)
        await until(lambda: bool(shown.of("order")))
        fake_exchange.feeds.user.inject(feed_faults.Drop())
        # Its history does not have it either.
        fake_exchange.inject(
            faults.Respond(b'{"status": "success", "messages": []}'),
            endpoint="messages",
            times=None,
        )
        quote(fake_exchange, game)
        await eventually(lambda: len(shown.of("order")) == 2)
        assert shown.of("order")[1]["disagreement"]
        assert any("DISAGREEMENT" in row[-1] for told in shown.told for row in told.rows)
        assert any("disagrees" in text for text in shown.warnings)


@pytest.mark.virtual_time
async def test_a_feed_that_has_gone_mute_is_told_as_not_current_and_the_fill_is_told_late(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    quote(fake_exchange, game)
    async with watching(fake_exchange) as shown:
        take(fake_exchange, game)
        await until(lambda: len(shown.of("fill")) == 1)
        fake_exchange.feeds.user.inject(feed_faults.Mute())
        take(fake_exchange, game)
        await eventually(lambda: len(shown.of("fill")) == 2 and shown.states()[-1])
        assert shown.states() == [False, True, False, True]


async def test_an_exchange_that_goes_away_is_told_and_the_command_goes_on(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with watching(fake_exchange) as shown:
        async with fake_exchange.refusing():
            await fake_exchange.drop_sockets()
            await until(lambda: not shown.states()[-1])
            quote(fake_exchange, game)
        await until(lambda: shown.states()[-1] and bool(shown.of("order")))
        (away,) = shown.of("state")[2:3]
        assert away["doubt"] == "the feed is down"
        assert away["not_current_since"] <= away["at"]


@pytest.mark.virtual_time
async def test_a_warning_of_the_library_is_shown(fake_exchange: FakeExchange) -> None:
    async with watching(fake_exchange) as shown, fake_exchange.refusing():
        await fake_exchange.drop_sockets()
        await until(lambda: bool(shown.warnings))
        assert shown.warnings[0].startswith("the user feed is not live for 5 s")


async def test_changes_that_were_lost_are_told_and_all_orders_again(
    fake_exchange: FakeExchange, game: BookGame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fourcasters_async.feeds.stream._KEEP", 2)
    async with watching(fake_exchange) as shown:
        frames = [quote(fake_exchange, game) for _ in range(5)]
        await until(lambda: bool(shown.of("lagged")) or len(shown.of("order")) == 5)
        await until(lambda: len(shown.of("orders")) == 2)
        (lagged,) = shown.of("lagged")
        assert lagged["of"] == "changes"
        assert lagged["dropped"] + len(shown.of("order")) == len(frames)
        assert {order.order_id for order in shown.of("orders")[1]["orders"]} == set(frames)


async def test_a_token_that_is_refused_later_ends_it_and_is_told(
    fake_exchange: FakeExchange,
) -> None:
    async with watching(fake_exchange) as shown:
        fake_exchange.revoke(fake_exchange.token)
        await fake_exchange.drop_sockets()
        await until(shown.job.done)
        assert isinstance(shown.job.exception(), AuthenticationError)
        assert "401" in str(shown.of("state")[-1]["doubt"])


async def test_a_book_is_told_whenever_it_changes_with_own_orders_marked(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange, game) as shown:
        order_id = quote(fake_exchange, game)
        await until(lambda: bool(shown.of("book")[-1]["book"].home_moneylines))
        (entry,) = shown.of("book")[-1]["book"].home_moneylines
        assert (entry.order_id, entry.own) == (order_id, True)
        last = shown.told[-1]
        assert last.rows == [
            ("price", game.game_id, "moneyline", "", "home", "-110", "50.00", "1", "50.00", "")
        ]


@pytest.mark.virtual_time
async def test_a_book_is_told_ten_times_a_second_at_most(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange, game) as shown:
        before = len(shown.told)
        for _ in range(100):
            quote(fake_exchange, game)
            await asyncio.sleep(0.005)
        await until(lambda: len(shown.of("book")[-1]["book"].home_moneylines) == 100)
        times = shown.times[before:]
        assert all(later - sooner > 0.099 for sooner, later in pairwise(times))
        assert len(times) < 100


async def test_a_book_that_is_stale_for_silence_is_told_and_again_when_it_is_current(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange, game, stale_after=0.5) as shown:
        await until(lambda: not shown.states()[-1])
        assert shown.of("book")[-1]["doubt"] == "the feed has said nothing for 0.5 s"
        quote(fake_exchange, game)
        await until(lambda: shown.states()[-1])
        assert shown.of("book")[-1]["stale_since"] is None


async def test_a_price_feed_that_goes_away_is_told_and_the_book_is_read_again(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange, game) as shown:
        async with fake_exchange.refusing():
            await fake_exchange.drop_sockets()
            await until(lambda: not shown.states()[-1])
            assert shown.of("book")[-1]["doubt"] == "the feed is down"
            quote(fake_exchange, game)
        await until(lambda: shown.states()[-1])
        assert len(shown.of("book")[-1]["book"].home_moneylines) == 1


async def test_a_message_that_cannot_be_read_makes_the_book_stale_however_soon_it_is_mended(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange, game) as shown:
        before = len(shown.states())
        fake_exchange.feeds.price.inject(feed_faults.Altered({"sideOrders": 1}))
        quote(fake_exchange, game)
        await until(lambda: shown.states()[before:][-1:] == [True])
        assert False in shown.states()[before:]


async def test_a_token_that_the_price_feed_refuses_later_ends_it(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    async with following(fake_exchange, game) as shown:
        fake_exchange.revoke(fake_exchange.token)
        await fake_exchange.drop_sockets()
        await until(shown.job.done)
        assert isinstance(shown.job.exception(), AuthenticationError)


# What is drawn.


@pytest.mark.parametrize(("kind", "lines"), [("xterm", False), ("dumb", True)])
def test_a_terminal_on_which_nothing_can_be_drawn_over_gets_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str, *, lines: bool
) -> None:
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setenv("FORCE_COLOR", "1")
    make_shown(CHANGES, as_json=False).tell(tell_state(None, None, AT))
    assert bool(capsys.readouterr().out) is lines


def on(width: int, height: int, draw: Callable[[Console], RenderableType]) -> list[str]:
    """Return the lines of a terminal of a size."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, no_color=True, width=width, height=height)
    console.print(draw(console))
    return re.sub(r"\x1b\[\d*m", "", file.getvalue()).splitlines()


def order(number: int, **about: Any) -> OpenOrder:
    game = Game(IDS[number], league="NBA", participants=TEAMS)
    terms: dict[str, Any] = {"type": "spread", "spread": -3.5, "participant_id": "b" * 24}
    terms |= {"odds": -110, "offered": 1000.0, "filled": 1.0, "remaining": 999.0, "game": game}
    return OpenOrder(**({"order_id": IDS[number]} | terms | about))


def change(number: int, **about: Any) -> OrderChange:
    return OrderChange(order=order(number, **about), before=None, source=ChangeSource.FEED)


def drawn(console: Console, count: int = 40, **about: Any) -> RenderableType:
    newest = [tell_change(change(number), AT) for number in range(count)]
    options: dict[str, Any] = {"orders": [order(n) for n in range(count)], "state": (None, None)}
    return drawn_watch(console, "sandbox", newest, **(options | about))


@pytest.mark.parametrize("height", [8, 24, 50])
@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_what_is_drawn_fits_the_terminal_and_no_id_is_cut(width: int, height: int) -> None:
    lines = on(width, height, drawn)
    assert len(lines) < height
    assert max(map(cell_len, lines)) <= width
    begun = re.findall(r"65b036df[0-9a-f]*", "\n".join(lines))
    assert set(begun) <= set(IDS)


def test_games_and_changes_that_do_not_fit_are_counted_and_the_totals_have_all() -> None:
    text = "\n".join(on(120, 24, drawn))
    assert "40 open: 40,000.00 offered, 40.00 filled, 39,960.00 remaining" in text
    games, changes = map(int, re.findall(r"… and (\d+) more", text))
    assert games == 40 - text.count("Boston Celtics @")
    assert changes == 40 - text.count("opened")
    assert 0 < games < 40
    assert 0 < changes < 40


def test_the_newest_change_is_above_the_others() -> None:
    newest = [tell_change(change(1), AT), tell_change(change(0), AT)]
    lines = on(120, 30, lambda console: drawn_watch(console, "", newest, orders=[], state=("", AT)))
    text = "\n".join(lines)
    assert 0 < text.index(IDS[1]) < text.index(IDS[0])


def test_a_book_that_is_not_current_is_said_with_its_reason_and_since_when() -> None:
    lines = on(120, 24, lambda console: drawn(console, state=("the feed is down", AT)))
    assert lines[1] == "NOT CURRENT since 18:30:00: the feed is down"


def test_only_fills_are_drawn_without_the_open_orders() -> None:
    text = "\n".join(on(120, 24, lambda console: drawn(console, orders=None)))
    assert "newest fills" in text
    assert "remaining\n" not in text.split("newest")[0]


def entry(odds: int, **about: Any) -> BookEntry:
    return BookEntry(type="moneyline", odds=odds, sum_untaken=10.0, **about)


BOOK = OrderBook(
    game_id=IDS[0],
    league="NBA",
    home_moneylines=[entry(odds) for odds in range(-150, -110)],
    away_moneylines=[entry(odds, created_by="me") for odds in range(110, 150)],
)


@pytest.mark.parametrize("height", [14, 24, 200])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_book_fits_the_terminal_and_the_best_of_each_side_is_there(
    width: int, height: int
) -> None:
    lines = on(width, height, lambda console: drawn_book(console, "sandbox", Seen(book=BOOK)))
    text = "\n".join(lines)
    assert len(lines) < height
    assert max(map(cell_len, lines)) <= width
    assert "+110" in text
    assert "-150" in text
    shown = len(re.findall(r"\b(?:away|home)\b", text))
    assert sum(map(int, re.findall(r"… and (\d+) more", text))) == 80 - shown


def test_own_prices_are_marked() -> None:
    text = "\n".join(on(80, 200, lambda console: drawn_book(console, "", Seen(book=BOOK))))
    assert len(re.findall(r"10\.00 .* 1 .* 10\.00", text)) == 40


def test_a_stale_book_is_shown_and_said_to_be_stale() -> None:
    seen = Seen(book=BOOK, doubt="the feed is down", stale_since=AT)
    warning = Told(AT, "warning", {}, [("warning", "not live for 5 s")])
    lines = on(80, 24, lambda console: drawn_book(console, "sandbox", seen, [warning]))
    assert lines[2:4] == [
        "STALE since 18:30:00: the feed is down",
        "18:30:00 not live for 5 s",
    ]
    assert "+110" in "\n".join(lines)


def test_a_price_that_is_gone_is_told_with_nothing_left() -> None:
    kept = ("g", "moneyline", "", "home", "-110", "50.00", "1", "")
    less = ("g", "moneyline", "", "home", "-110", "20.00", "1", "")
    gone = ("g", "moneyline", "", "home", "-105", "50.00", "1", "50.00")
    new = ("g", "moneyline", "", "away", "+120", "50.00", "1", "")
    assert changed_prices([kept, gone], [kept, new]) == [(*gone[:5], "0.00", "0", ""), new]
    assert changed_prices([kept], [less]) == [less]
    assert changed_prices([kept], [kept]) == []


@pytest.mark.parametrize(
    "told",
    [
        tell_change(change(0), AT),
        tell_change(change(0, order_id=None, game=None, type=None, odds=None), AT),
        tell_orders([order(0)], "", AT),
        tell_state("doubt", AT, AT),
        tell_state(None, None, AT),
        tell_lagged(Lagged(dropped=3), "changes", AT),
    ],
)
def test_every_line_has_the_same_cells(told: Told) -> None:
    assert [len(row) + 1 for row in told.rows] == [len(CHANGES.heads)]


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_words_of_others_do_nothing_on_the_terminal(evil: str) -> None:
    hostile = [tell_change(change(0, user_reference=evil, type=evil, order_id=evil), AT)]
    hostile.append(Told(AT, "warning", {}, [("warning", evil)]))
    state = (evil, AT)
    orders = [order(0, game=Game(evil, league=evil))]
    lines = on(
        100, 40, lambda console: drawn_watch(console, evil, hostile, orders=orders, state=state)
    )
    book = OrderBook(game_id=evil, league=evil, over=[BookEntry(type="total", side=evil)])
    seen = Seen(book=book, doubt=evil, stale_since=AT)
    lines += on(100, 40, lambda console: drawn_book(console, evil, seen, hostile))
    assert not any(map(has_danger, lines))


# The commands in a process of their own.


def variables(exchange: FakeExchange) -> dict[str, str]:
    urls = {
        "FOURCASTERS_ORDERS_URL": exchange.orders_url,
        "FOURCASTERS_STREAMING_URL": exchange.streaming_url,
    }
    return {**os.environ, **environment(exchange), **urls}


class Program:
    """A command that runs, and what it has printed so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def line(self, true: Callable[[str], bool]) -> str:
        """Read until there is a line of which something is true."""
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            self.lines.append(raw.decode())
            if true(self.lines[-1]):
                return self.lines[-1]
        raise AssertionError(f"it ended: {(await self.process.communicate())[1].decode()}")

    async def event(self, **fields: object) -> dict[str, Any]:
        """Read until there is an object with such fields."""
        found = await self.line(lambda line: fields.items() <= json.loads(line).items())
        return dict(json.loads(found))

    async def end(self, number: signal.Signals | None = None) -> tuple[int | None, str]:
        """Return the exit status and standard error, after a signal or of itself."""
        if number is not None:
            self.process.send_signal(number)
        out, err = await self.process.communicate()
        # There is none if somebody else reads it.
        self.lines += (out or b"").decode().splitlines(keepends=True)
        assert b"Traceback" not in err
        return self.process.returncode, err.decode()


@asynccontextmanager
async def program(
    exchange: FakeExchange, *words: str, stdout: int = asyncio.subprocess.PIPE
) -> AsyncIterator[Program]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fourcasters_async",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
        env=variables(exchange),
        limit=2**20,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


SHAPES = {
    "orders": "watch:orders",
    "order": "watch:order",
    "fill": "watch:fill",
    "state": "watch:state",
    "lagged": "watch:lagged",
    "book": "book:follow",
}


def check_shapes(lines: Sequence[str]) -> set[str]:
    """Check that each line has the documented shape; return which events there are."""
    documents = [json.loads(line) for line in lines]
    wrong = [
        each for document in documents for each in mistakes(document, SHAPES[document["event"]])
    ]
    assert not wrong
    return {document["event"] for document in documents}


@pytest.mark.real_time
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_watch_prints_json_of_the_documented_shapes_and_one_signal_ends_it(
    fake_exchange: FakeExchange, game: BookGame, number: signal.Signals
) -> None:
    quote(fake_exchange, game)
    async with program(fake_exchange, "watch", "--json") as watch:
        await watch.event(event="state", current=True)
        take(fake_exchange, game)
        await watch.event(event="order", change="changed")
        status, err = await watch.end(number)
    assert status == 0
    assert err.splitlines()[0] == f"on the sandbox on this machine at {fake_exchange.url}"
    assert check_shapes(watch.lines) == {"orders", "order", "fill", "state"}


async def test_what_was_lost_has_the_documented_shape_too() -> None:
    told = [tell_lagged(Lagged(dropped=3), "fills", AT), tell_orders([order(0)], "x", AT)]
    assert check_shapes([to_json_line(each.document) for each in told]) == {"lagged", "orders"}


@pytest.mark.real_time
async def test_watch_prints_a_line_a_change_where_there_is_no_terminal(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    order_id = quote(fake_exchange, game)
    async with program(fake_exchange, "watch") as watch:
        await watch.line(lambda line: "\tcurrent\t" in line)
        take(fake_exchange, game)
        await watch.line(lambda line: "\tchanged\t" in line)
        assert (await watch.end(signal.SIGINT))[0] == 0
    rows = [line.rstrip("\n").split("\t") for line in watch.lines]
    assert {len(row) for row in rows} == {len(CHANGES.heads)}
    events = [row[1] for row in rows]
    assert sorted(events[:3]) == ["current", "not current", "open"]
    assert sorted(events[3:]) == ["changed", "fill"]
    assert all(order_id in row for row in rows if row[1] in ("open", "fill", "changed"))


@pytest.mark.real_time
@pytest.mark.parametrize("words", [["watch"], ["book", "GAME", "--follow"]], ids=" ".join)
async def test_a_refused_token_is_exit_1_also_later(
    fake_exchange: FakeExchange, game: BookGame, words: list[str]
) -> None:
    words = [game.game_id if word == "GAME" else word for word in words]
    async with program(fake_exchange, *words) as command:
        await command.line(lambda line: "\tcurrent\t" in line)
        fake_exchange.revoke(fake_exchange.token)
        await fake_exchange.drop_sockets()
        status, err = await command.end()
    assert status == 1
    source, error = err.splitlines()[-2:]
    assert source.startswith("the token is from FOURCASTERS_TOKEN; set FOURCASTERS_TOKEN to a new")
    assert error.startswith("AuthenticationError: ")
    async with program(fake_exchange, *words) as command:
        assert (await command.end())[0] == 1


@pytest.mark.parametrize("words", [["watch"], ["book", "f" * 24, "--follow"]], ids=" ".join)
async def test_an_exchange_that_is_not_there_at_the_start_is_exit_3(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    async with fake_exchange.refusing():
        ran = await run(*words, FOURCASTERS_STREAMING_URL=fake_exchange.streaming_url)
    assert (ran.status, ran.out) == (3, "")
    assert ran.err.splitlines()[-1].startswith("NotSentError: ")


@pytest.mark.real_time
@pytest.mark.parametrize("words", [["watch"], ["book", "GAME", "--follow"]], ids=" ".join)
async def test_an_exchange_that_comes_back_is_connected_to_again(
    fake_exchange: FakeExchange, game: BookGame, words: list[str]
) -> None:
    words = [game.game_id if word == "GAME" else word for word in words]
    async with program(fake_exchange, *words) as command:
        await command.line(lambda line: "\tcurrent\t" in line)
        async with fake_exchange.refusing():
            await fake_exchange.drop_sockets()
            await command.line(lambda line: line.rstrip().endswith("the feed is down"))
        await command.line(lambda line: "\tcurrent\t" in line)
        assert (await command.end(signal.SIGINT))[0] == 0


@pytest.mark.real_time
async def test_a_reader_that_has_gone_ends_it_quietly(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    reads, writes = os.pipe()
    async with program(fake_exchange, "watch", stdout=writes) as watch:
        os.close(writes)
        text = b""
        while b"\tcurrent\t" not in text:
            text += await asyncio.to_thread(os.read, reads, 2**16)
        os.close(reads)
        quote(fake_exchange, game)
        status, err = await watch.end()
    assert status == 1
    assert "pipe" not in err


@pytest.mark.real_time
async def test_a_followed_book_is_printed_as_json_and_is_stale_once_the_feed_is_mute(
    fake_exchange: FakeExchange, game: BookGame
) -> None:
    words = ["book", game.game_id, "--follow", "--json", "--stale-after", "2"]
    async with program(fake_exchange, *words) as command:
        await command.event(event="book", current=True)
        quote(fake_exchange, game)
        await command.line(lambda line: bool(json.loads(line)["book"]["home_moneylines"]))
        fake_exchange.feeds.price.mute = True
        stale = await command.event(current=False)
        status, err = await command.end(signal.SIGINT)
    assert stale["doubt"] == "the feed has said nothing for 2 s"
    assert status == 0
    # Prose is where no program reads it.
    assert "the price feed has said nothing for 2.0 s" in err
    assert check_shapes(command.lines) == {"book"}


@pytest.mark.real_time
async def test_a_game_that_cannot_be_followed_is_one_line_and_exit_1(
    fake_exchange: FakeExchange,
) -> None:
    async with program(fake_exchange, "book", "f" * 24, "--follow", "--json") as command:
        status, err = await command.end()
    assert status == 1
    assert err.splitlines()[1:] == [
        f"Error: the exchange has no book of '{'f' * 24}': it is not among its games"
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["watch", "too"],
        ["book", "a/b", "--follow"],
        ["book", "f" * 24, "--stale-after", "1"],
        ["book", "f" * 24, "--follow", "--stale-after", "0"],
    ],
    ids=" ".join,
)
async def test_wrong_usage_exits_with_2_and_sends_nothing(
    fake_exchange: FakeExchange, run: Run, words: list[str]
) -> None:
    ran = await run(*words)
    assert (ran.status, ran.out) == (2, "")
    assert not fake_exchange.requests


@pytest.mark.real_time
@pytest.mark.skipif(sys.platform == "win32", reason="it has no pseudo terminals")
@pytest.mark.parametrize("words", [["watch"], ["book", "GAME", "--follow"]], ids=" ".join)
async def test_a_terminal_shows_a_table_and_ctrl_c_gives_it_back(
    fake_exchange: FakeExchange, game: BookGame, words: list[str]
) -> None:
    order_id = quote(fake_exchange, game)
    words = [game.game_id if word == "GAME" else word for word in words]
    async with on_terminal(fake_exchange, *words) as (terminal, process):
        await terminal.until("current")
        take(fake_exchange, game)
        await terminal.until("28.00")
        # As the key does: the terminal sends the signal.
        terminal.press(b"\x03")
        assert await process.wait() == 0
        await terminal.until(SHOW_CURSOR)
    assert "Traceback" not in terminal.text
    assert "┏" in terminal.text
    assert (order_id if words == ["watch"] else game.game_id) in terminal.text


SHOW_CURSOR = "\x1b[?25h"


class Terminal:
    """The other end of a pseudo terminal."""

    def __init__(self, file: int) -> None:
        self.text = ""
        self._file = file
        self._some = asyncio.Event()

    async def until(self, wanted: str) -> None:
        """Read until a text was written."""
        loop = asyncio.get_running_loop()
        while wanted not in self.text:
            self._some.clear()
            loop.add_reader(self._file, self._some.set)
            try:
                await self._some.wait()
                self.text += os.read(self._file, 2**16).decode(errors="replace")
            finally:
                loop.remove_reader(self._file)

    def press(self, keys: bytes) -> None:
        os.write(self._file, keys)


@asynccontextmanager
async def on_terminal(
    exchange: FakeExchange, *words: str, **more: str
) -> AsyncIterator[tuple[Terminal, asyncio.subprocess.Process]]:
    import fcntl  # noqa: PLC0415  # Windows does not have it
    import pty  # noqa: PLC0415  # as above
    import struct  # noqa: PLC0415  # for the next line
    import termios  # noqa: PLC0415  # as above

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    env = {**variables(exchange), "TERM": "xterm", "NO_COLOR": "1", **more}
    for name in ("COLUMNS", "LINES"):
        env.pop(name, None)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _IN_TERMINAL, *words),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(ours)


# The terminal becomes that of the process, so that its keys send signals.
_IN_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from fourcasters_async.__main__ import main
main()
"""
