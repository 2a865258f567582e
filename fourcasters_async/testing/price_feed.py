"""The messages of the price feed, and who is sent them: events of the book in. No I/O."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from operator import attrgetter

from attrs import define, field, frozen

from fourcasters_async.testing import order_books, wire
from fourcasters_async.testing.answers import Body
from fourcasters_async.testing.book import Book
from fourcasters_async.testing.book_events import BookEvent, BookEventKind
from fourcasters_async.testing.records import BookGame, BookOrder

ORDER_UPDATE, GAME_UPDATE = "orderUpdate", "gameUpdate"
VOLUME_UPDATE = "matchedVolumeUpdate"
# What a client can ask.
COMMANDS = ("subscribe", "subscribeAll", "unsubscribe")

_MARKETS = {
    BookEventKind.OPENED: "marketOpen",
    BookEventKind.STARTED: "marketClosed",
    BookEventKind.ENDED: "marketClosed",
}
# What a list in a command is about.
_KEYS = ("gameIDs", "leagueIDs", "sportIDs")


@frozen
class Side:
    """One side of one line of a game: what an `orderUpdate` is about."""

    game_id: str
    type: str
    side: str | None
    market: str | None
    number: float | None

    @classmethod
    def of(cls, order: BookOrder) -> "Side":
        """Return the side that an order rests on."""
        return cls(order.game_id, order.type, order.side, order.market, order.number)


@frozen
class PriceUpdate:
    """A message of the price feed. `payload` writes it as an account sees it."""

    type: str
    game: BookGame
    payload: Callable[[str], wire.Document]


@define
class PriceUpdates:
    """What has changed in the book's prices since it was last asked.

    However often a side changes in between, it is told once, and as a whole. With `nested` a
    `gameUpdate` has its spreads and totals by their number, in objects, as version 1 of the book.
    """

    book: Book
    nested: bool = False
    _changed: dict[object, PriceUpdate] = field(factory=dict, init=False)
    _volumes: dict[str, float] = field(factory=lambda: defaultdict(float), init=False)
    _epochs: Iterator[int] = field(factory=lambda: count(1), init=False)

    def take(self, event: BookEvent) -> None:
        """Note what an event changes."""
        game, order, fill = event.game, event.order, event.fill
        if order is None:
            market = _MARKETS[event.kind]
            payload = partial(self._game, game, market)
            self._changed[game.game_id, market] = PriceUpdate(GAME_UPDATE, game, payload)
            return
        if fill is not None and fill.taker:
            # It rests on no side, and its maker's fill is told by itself.
            return
        side = Side.of(order)
        payload = partial(self._side, game, side, next(self._epochs))
        # A later change comes later: what was noted before it is told first.
        self._changed.pop(side, None)
        self._changed[side] = PriceUpdate(ORDER_UPDATE, game, payload)
        if fill is not None:
            self._volumes[game.game_id] += fill.risk + fill.win
            volume = partial(self._volume, game)
            self._changed[game.game_id, "volume"] = PriceUpdate(VOLUME_UPDATE, game, volume)

    def pass_over(self, event: BookEvent) -> None:
        """Take an event that is told to nobody: only what was matched counts later too."""
        self._changed.clear()
        if event.fill is not None and not event.fill.taker:
            self._volumes[event.game.game_id] += event.fill.risk + event.fill.win

    def drain(self) -> list[PriceUpdate]:
        """Return what has changed, in order, and forget it."""
        changed, self._changed = self._changed, {}
        return list(changed.values())

    def _side(self, game: BookGame, side: Side, epoch: int, account: str) -> wire.Document:
        resting = self.book.resting([game.game_id])
        orders = sorted((o for o in resting if Side.of(o) == side), key=attrgetter("payout"))
        soccer = side.type == "moneyline1x2"
        total = side.type == "total"
        about: wire.Document = {
            "participantID": None if total else "" if soccer else side.side,
            "market": side.market or "main",
            "side": side.side,
        }
        if not soccer:
            about |= {
                "OU": side.side if total else None,
                "total": side.number if total else None,
                "spread": side.number if side.type == "spread" else None,
            }
        return {
            "epoch": epoch,
            **_game(game),
            "live": game.live,
            "type": side.type,
            **about,
            **order_books.main_lines(game, resting),
            "sideOrders": [about | order_books.entry(order, account) for order in orders],
        }

    def _game(self, game: BookGame, market: str, account: str) -> wire.Document:
        write = order_books.nested if self.nested else order_books.flat
        resting = self.book.resting([game.game_id])
        lines = order_books.main_lines(game, resting)
        return {**write(game, resting, account), **lines, "messageType": market}

    def _volume(self, game: BookGame, account: str) -> wire.Document:  # noqa: ARG002  # all see the same
        return {**_game(game), "matchedVolume": round(self._volumes[game.game_id], 2)}


@define
class Subscription:
    """What a connection is sent: everything, until its first command."""

    everything: bool = True
    _wanted: set[tuple[str, str]] = field(factory=set, init=False)

    def obey(self, command: Body) -> None:
        """Do what a command asks. One that is not known changes nothing."""
        keys = {(name, key) for name in _KEYS for key in _strings(command.get(name), name)}
        match command.get("type"):
            case "subscribeAll":
                self.everything = True
                self._wanted.clear()
            case "unsubscribe":
                self._wanted -= keys
            case "subscribe" if command.get("replace") is True:
                self.everything = False
                self._wanted = keys
            case "subscribe" if keys:
                self.everything = False
                self._wanted |= keys

    def wants(self, game: BookGame | None) -> bool:
        """Whether an update about a game is sent. What is about none goes to all."""
        if self.everything or game is None:
            return True
        keys = {
            ("gameIDs", game.game_id),
            ("gameIDs", game.parent_id or game.game_id),
            ("leagueIDs", game.league.casefold()),
            ("sportIDs", game.sport.casefold()),
        }
        return not keys.isdisjoint(self._wanted)


def _strings(values: object, name: str) -> Iterator[str]:
    for value in values if isinstance(values, list) else ():
        if isinstance(value, str) and value:
            yield value if name == "gameIDs" else value.casefold()


def _game(game: BookGame) -> wire.Document:
    return {
        "gameID": game.game_id,
        "parentGameID": game.parent_id,
        "sport": game.sport,
        "league": game.league,
    }
