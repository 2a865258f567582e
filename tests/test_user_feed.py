"""The user feed apart from the wire: what a message says, and which messages are told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from attrs import define, field
from feed_server import (
    Document,
    cancelled,
    ids,
    maker,
    message,
    message_id,
    placed,
    taker,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fourcasters_async import (
    CursorFile,
    Gap,
    InvalidRequestError,
    MarketType,
    OrderCancelled,
    OrderFilled,
    OrderPlaced,
    SessionClosedError,
)
from fourcasters_async._core.outcome import AttemptStatus, RequestOutcome
from fourcasters_async._core.request import Request
from fourcasters_async._core.sender import Sender
from fourcasters_async._websocket.feed_connection import FeedConnection
from fourcasters_async._websocket.reconnecting import Reconnecting
from fourcasters_async.feeds.messages import Message, read_document, read_frame
from fourcasters_async.feeds.replay import Replay, Timeline, in_order, mistake_in
from fourcasters_async.feeds.user_core import UserFeedCore
from fourcasters_async.models import FeedEvent


def read(document: object) -> list[Any]:
    found = read_frame(json.dumps(document).encode())
    assert found is not None
    return list(found.events)


def test_an_order_that_was_placed_is_read() -> None:
    (event,) = read(placed(1))
    assert isinstance(event, OrderPlaced)
    assert event.message_id == message_id(1)
    assert event.game_id == "game"
    assert event.order.order_id == "order"
    assert (event.order.offered, event.order.filled, event.order.remaining) == (100, 0, 100)
    assert event.order.type is MarketType.TOTAL


def test_an_order_that_was_cancelled_is_read() -> None:
    (event,) = read(cancelled(1))
    assert isinstance(event, OrderCancelled)
    assert (event.order.offered, event.order.filled, event.order.remaining) == (0, 20, 0)


def test_a_fill_as_maker_has_the_order_and_what_is_left_of_it() -> None:
    (event,) = read(maker(1))
    assert isinstance(event, OrderFilled)
    assert event.maker
    assert event.order is not None
    assert (event.order.filled, event.order.remaining) == (20, 80)
    assert (event.fill.tx_id, event.fill.risk) == ("tx1", 20)


@pytest.mark.parametrize("unmatched", [None, {}, "absent"], ids=str)
def test_a_fill_as_taker_has_no_order(unmatched: object) -> None:
    document = {**taker(1), "unmatched": unmatched}
    if unmatched == "absent":
        del document["unmatched"]
    (event,) = read(document)
    assert isinstance(event, OrderFilled)
    assert not event.maker


def test_each_fill_of_a_list_is_an_event() -> None:
    document = {**maker(1), "matched": [maker(1)["matched"], maker(2)["matched"]]}
    assert [each.fill.tx_id for each in read(document)] == ["tx1", "tx2"]


def test_a_fill_that_cannot_be_read_does_not_cost_the_one_beside_it() -> None:
    first, second = read({**taker(1), "matched": [{"txID": 5}, taker(2)["matched"]]})
    assert isinstance(first, Gap)
    assert second.fill.tx_id == "tx2"


def test_members_that_nobody_knows_and_odd_information_cost_nothing() -> None:
    odd = {"order": 5, "fill": [], "live": "yes", "league": 7, "createdAt": "soon", "x": {}}
    (event,) = read({**taker(1), **odd})
    assert isinstance(event, OrderFilled)
    assert (event.live, event.league, event.created_at) == (None, None, None)


def unmatched(**fields: Any) -> Document:
    return {**placed(1), "unmatched": {**placed(1)["unmatched"], **fields}}


def as_maker(**fields: Any) -> Document:
    return {**maker(1), "unmatched": {**maker(1)["unmatched"], **fields}}


GAPS = {
    "neither": {**placed(1), "unmatched": None},
    "both empty": {**placed(1), "unmatched": {}, "matched": []},
    "unmatched is no object": {**placed(1), "unmatched": [5]},
    "no order id": unmatched(orderID=None),
    "an odd order id": unmatched(orderID=5),
    "no offered": unmatched(offered=None),
    "an odd offered": unmatched(offered="much"),
    "offered is a flag": unmatched(offered=False),
    "a negative offered": unmatched(offered=-1),
    "no filled": unmatched(filled=None),
    "an odd filled": unmatched(filled=[]),
    "filled, and by nobody": unmatched(filled=20),
    "an odd remaining": unmatched(remaining="rest"),
    "an odd filled of a cancel": {**unmatched(offered=0, filled="all")},
    "matched is no object": {**taker(1), "matched": "all"},
    "no transaction": {**taker(1), "matched": {"risk": 20}},
    "an odd transaction": {**taker(1), "matched": {"txID": 5}},
    "a fill of an odd order": {**maker(1), "unmatched": "order"},
    "a fill with nothing left to say": as_maker(remaining=None),
    "no message id": {**placed(1), "messageID": None},
    "an odd message id": {**placed(1), "messageID": "5"},
    "a message id of another type": {**placed(1), "messageID": 5},
    "an event that nobody knows": {"messageID": message_id(1), "expired": {"orderID": "order"}},
    "a list of messages": [placed(1)],
}


@pytest.mark.parametrize("document", GAPS.values(), ids=GAPS)
def test_what_cannot_be_read_of_orders_is_a_gap(document: object) -> None:
    (event,) = read(document)
    assert isinstance(event, Gap)
    assert event.reason


def test_a_fill_of_an_order_that_is_also_cancelled_is_told_and_a_gap_beside_it() -> None:
    first, second = read(as_maker(offered=0, remaining=0))
    assert isinstance(first, OrderFilled)
    assert isinstance(second, Gap)


@pytest.mark.parametrize("frame", [b'{"matched": {', b"[1", b"matched", b"{" * 100_000], ids=len)
def test_a_frame_that_is_no_json_but_may_be_about_orders_is_a_gap(frame: bytes) -> None:
    found = read_frame(frame)
    assert found is not None
    assert found.key is None
    assert [type(each) for each in found.events] == [Gap]


OTHERS = [b"", b"ping", b"5", b"null", b"[]", b'"hello"', b"{}", b'{"type": "welcome"}', b"\xff"]


@pytest.mark.parametrize("frame", OTHERS, ids=repr)
def test_what_is_not_about_orders_is_nothing(frame: bytes) -> None:
    assert read_frame(frame) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.just("1-1"),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["matched", "unmatched", "messageID", "orderID", "offered", "filled", "x"]
                ),
                inner,
            )
        ),
    )
)
def test_no_document_fails_and_none_with_an_order_says_nothing(document: object) -> None:
    found = read_document(document)
    if isinstance(document, dict) and document.keys() & {"matched", "unmatched", "messageID"}:
        assert found is not None
        assert found.events


def messages(*numbers: int) -> list[Message]:
    found = [read_document(message(each)) for each in numbers]
    return [each for each in found if each is not None]


def test_ids_are_compared_as_two_numbers() -> None:
    texts = ["9-10", "9-9", "10-1", "9-2", "100-0"]
    found = [read_document({**placed(1), "messageID": each}) for each in texts]
    ordered = in_order([each for each in found if each is not None])
    assert ids(each for one in ordered for each in one.events) == [
        "9-2",
        "9-9",
        "9-10",
        "10-1",
        "100-0",
    ]


def test_a_fill_is_told_once_whatever_message_it_is_in() -> None:
    timeline = Timeline(None)
    again = read_document({**taker(5), "matched": taker(2)["matched"]})
    assert again is not None
    first, *_ = messages(2)
    assert len(timeline.take(first)) == 1
    assert timeline.take(again) == []
    assert timeline.cursor == message_id(5)


def test_what_is_remembered_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fourcasters_async.feeds.replay._REMEMBERED", 10)
    timeline = Timeline(None)
    for each in messages(*range(100)):
        timeline.take(each)
    assert len(timeline._told) == 10
    assert len(timeline._fills) <= 10
    # What is no longer remembered was told all the same.
    assert all(timeline.take(each) == [] for each in messages(*range(100)))


@pytest.mark.parametrize("status", ["", "SUCCESS", "ok", "partial", "cache-expired"])
def test_only_two_statuses_of_a_replay_are_known(status: str) -> None:
    assert mistake_in(Replay(status=status, messages=[], available_messages=[])) is not None


@define(eq=False)
class Line:
    """A connection that a test makes and loses."""

    lost: "asyncio.Future[str]" = field(factory=lambda: asyncio.get_running_loop().create_future())

    def lose(self, reason: str) -> None:
        if not self.lost.done():
            self.lost.set_result(reason)


@define(eq=False)
class Lines:
    """Connections and replays as a test wants them."""

    line: Line | None = None
    made: asyncio.Event = field(factory=asyncio.Event)
    take: Callable[[Any, bytes], None] = print
    replay: "asyncio.Future[list[Document]] | None" = None
    answered: bool = False
    history: list[Document] = field(factory=list)

    @property
    def current(self) -> Line | None:
        return None if self.line is None or self.line.lost.done() else self.line

    async def wait(self, _: float) -> Line:
        while (line := self.current) is None:
            self.made.clear()
            await self.made.wait()
        return line

    def end(self) -> None: ...

    def connect(self) -> None:
        self.line, self.answered = Line(), False
        self.replay = asyncio.get_running_loop().create_future()
        self.made.set()

    def push(self, document: Document) -> None:
        if self.current is not None:
            self.take(self.line, json.dumps(document).encode())

    async def send(self, request: Request[Replay]) -> RequestOutcome[Replay]:
        """Answer with what the test gives, and after that with all that ever happened."""
        assert request.params is not None
        replay = self.history
        if not self.answered and self.replay is not None:
            replay, self.answered = await self.replay, True
        found = Replay(status="success", messages=list[object](replay))
        return RequestOutcome(AttemptStatus.ANSWERED, 1, value=found, complete=True)

    @asynccontextmanager
    async def feed(
        self, _: str, take: Callable[[FeedConnection, bytes], None]
    ) -> AsyncIterator[Reconnecting[FeedConnection]]:
        self.take = take
        self.connect()
        yield cast(Reconnecting[FeedConnection], self)

    @asynccontextmanager
    async def replays(self) -> AsyncIterator[Sender]:
        yield cast(Sender, self)


async def turns(count: int = 12) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def shuffled(random: Random, numbers: list[int]) -> list[int]:
    """Return numbers, some of them twice, in another order."""
    again = [each for each in numbers if random.random() < 0.3]
    mixed = numbers + again
    random.shuffle(mixed)
    return mixed


@define
class Story:
    """What happens at an exchange and on the way from it, drawn at random."""

    random: Random
    lines: Lines
    count: int = 0

    def happen(self, most: int) -> list[int]:
        new = list(range(self.count + 1, self.count + 1 + self.random.randrange(most)))
        self.count += len(new)
        self.lines.history += [message(each) for each in new]
        return new

    def shuffled(self, numbers: list[int]) -> list[int]:
        """Return numbers in another order, and some of them twice."""
        mixed = numbers + [each for each in numbers if self.random.random() < 0.3]
        self.random.shuffle(mixed)
        return mixed

    def replay(self, after: int) -> list[int]:
        """Return what a replay after a message brings: older ones too, and not always all."""
        old = list(range(self.random.randrange(after + 1), after + 1))
        new = list(range(after + 1, self.count + 1))
        if new and self.random.random() < 0.2:
            new = new[: self.random.randrange(len(new)) + 1]
        return self.shuffled(old + new)

    async def turns(self, most: int) -> None:
        await turns(self.random.randrange(most))

    async def lose(self) -> None:
        assert self.lines.line is not None
        self.lines.line.lose("lost")
        self.happen(3)
        await turns()
        self.lines.connect()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
async def test_each_event_comes_once_and_in_order_however_its_message_comes(seed: int) -> None:
    told, lines = list[FeedEvent](), Lines()
    story = Story(Random(seed), lines)  # noqa: S311  # no secret is drawn
    story.happen(5)
    with pytest.MonkeyPatch.context() as patch:
        # Whatever is told can be interrupted by the loss of the connection.
        patch.setattr("fourcasters_async.feeds.user_core._WITHOUT_A_TURN", 1)
        await tell(story, told)
    assert ids(told) == [message_id(each) for each in range(1, story.count + 1)]


async def tell(story: Story, told: list[FeedEvent]) -> None:
    """Let a feed go through many connections, and in the end through one that lasts."""
    lines = story.lines
    async with UserFeedCore(lines, told.append, cursor=message_id(0)):
        for _ in range(story.random.randrange(1, 6)):
            await story.turns(4)
            pushed = story.happen(4)
            replayed = story.replay(len(told))
            # This happens between the replay and its answer.
            pushed += story.happen(4)
            for each in story.shuffled(pushed):
                lines.push(message(each))
            if story.random.random() < 0.3:
                await story.lose()
                continue
            await story.turns(4)
            assert lines.replay is not None
            lines.replay.set_result([message(each) for each in replayed])
            await story.turns(12)
            for each in story.happen(5):
                for _ in range(story.random.randrange(1, 3)):
                    lines.push(message(each))
                await story.turns(2)
            await story.lose()
        assert lines.replay is not None
        lines.replay.set_result(lines.history)
        await turns(400)


async def test_what_fails_in_taking_an_event_ends_the_feed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(event: FeedEvent) -> None:
        raise ZeroDivisionError

    lines, states = Lines(), list[bool]()
    # With eager tasks it is told of its state while it is entered.
    core = UserFeedCore(lines, fail, on_state=lambda: states.append(core.live))
    async with core:
        await turns()
        assert core.live
        lines.push(message(1))
        assert isinstance(core.error, SessionClosedError)
        assert not core.live
    assert states[-1] is False
    assert "ZeroDivisionError" in caplog.text


async def test_the_state_is_told_whenever_it_changes() -> None:
    lines, states = Lines(), list[tuple[bool, bool]]()

    def note() -> None:
        states.append((core.connected, core.live))

    core = UserFeedCore(lines, lambda _: None, on_state=note)
    async with core:
        await turns()
        assert lines.line is not None
        lines.line.lose("lost")
        await turns()
        lines.connect()
        await turns()
    connected, live, down = (True, False), (True, True), (False, False)
    assert states == [live, down, connected, live, down]


@pytest.mark.parametrize("content", ["", "here", "1", "1-", "1-1 2-2", "é" * 500])
def test_a_file_that_holds_no_cursor_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "cursor"
    file.write_text(content)
    with pytest.raises(InvalidRequestError, match="cursor"):
        CursorFile(file).read()


def test_a_cursor_file_gives_back_what_it_was_given(tmp_path: Path) -> None:
    file = CursorFile(tmp_path / "cursor")
    assert file.read() is None
    for cursor in ("9-9", "10-1"):
        file.write(cursor)
        assert CursorFile(str(file.path)).read() == cursor
    assert list(tmp_path.iterdir()) == [file.path]


def test_a_cursor_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = CursorFile(tmp_path / "cursor")
    file.write("1-1")

    def fail(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="full"):
        file.write("2-2")
    monkeypatch.undo()
    assert file.read() == "1-1"
    file.write("3-3")
    assert file.read() == "3-3"
    assert list(tmp_path.iterdir()) == [file.path]


@pytest.mark.parametrize("path", ["", 5, None, b"x"])
def test_a_path_that_is_none_is_refused(path: Any) -> None:
    with pytest.raises(InvalidRequestError, match="path"):
        CursorFile(path)


@pytest.mark.parametrize("cursor", ["", "x", "1", "1_0-0", "1-1\n", "-1-0", 5, None])
def test_a_cursor_that_is_none_is_not_written(tmp_path: Path, cursor: Any) -> None:
    with pytest.raises(InvalidRequestError, match="cursor"):
        CursorFile(tmp_path / "cursor").write(cursor)
