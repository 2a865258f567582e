"""A small day on the exchange: games, quotes of market makers, and what an account did. No I/O.

`fill` puts it in a book, and `move` lets the makers quote anew and trade. The same seed and the
same times give the same book.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from random import Random

from attrs import define, field, frozen

from fourcasters_async.testing.book import Book
from fourcasters_async.testing.leagues import LEAGUES, League, Strengths
from fourcasters_async.testing.placing import RejectedError, place
from fourcasters_async.testing.quotes import Market
from fourcasters_async.testing.records import BookGame, moment, seconds_at
from fourcasters_async.testing.settings import check_count

BALANCE = 25_000.0
"""What the account has when the day begins, in account currency."""

# The market makers, each with the chance by which its prices are worse than fair ones.
_MAKERS = {"northgate": 0.012, "halfpoint": 0.02, "tallboy": 0.03}
# The account quotes behind the first of them, so that its orders rest for hours.
_OWN_EDGE = 0.014
# On so many games the account has orders and bets, so that the balance lasts.
_OWN_GAMES = 8
# Every so many games one is live, and which of them.
_LIVE_EACH, _LIVE = 8, 5
# Seconds.
_MINUTE, _HOUR = 60.0, 3600.0
_GAME = 2.5 * _HOUR
_STARTS = (_HOUR, 12 * _HOUR)
# Games that have ended began so long after another, and trading on them so long before they began.
_BETWEEN, _BEFORE = 3 * _HOUR, 0.25 * _HOUR
# How long ago trading on the others began. Those that have ended were settled by then.
_TRADED = 0.25 * _HOUR
# A step changes one price for so many games, and no more than so many prices.
_GAMES_EACH, _MOST_CHANGES = 6, 25
# After so many steps the makers' old quotes are forgotten.
_FORGET_EACH = 60
# How often a maker takes an order in place of quoting.
_TAKES = 0.05
# The place of yesterday's games among the rotation numbers of a league.
_YESTERDAY = 20


@frozen
class View:
    """What the makers think of a game."""

    league: League
    strengths: Strengths
    markets: list[Market]


@define
class Day:
    """What `move` has to know beside the book: its random numbers, and the makers' views."""

    random: Random
    views: dict[str, View] = field(factory=dict, repr=False)
    teams: dict[str, str] = field(factory=dict, repr=False)
    """The id of each team, which all of its games share."""
    drawn: dict[str, list[str]] = field(factory=dict, repr=False)
    """The teams of each league that are to play next."""
    steps: int = 0


def fill(book: Book, *, games: int = 12, seed: int = 0, account: str = "sandbox") -> Day:
    """Put so many games in the book that are live or start within hours, and some that have ended.

    There are quotes of several makers on each. `account` has a balance, and orders and bets on
    some of the games. All of that happened in the hours before, one thing after another.
    """
    check_count(games, "games")
    day = Day(Random(seed))  # noqa: S311  # what is drawn is no secret
    book.account(account).balance = BALANCE
    for ago in range(min(games, len(LEAGUES)), 0, -1):
        _play(book, day, account, LEAGUES[-ago], book.now - ago * _BETWEEN)
    upcoming = count()
    for index in range(games):
        live = index % _LIVE_EACH == _LIVE
        after = -_HOUR * day.random.random() if live else day.random.uniform(*_STARTS)
        league, place_in_league = LEAGUES[index % len(LEAGUES)], index // len(LEAGUES)
        game = _add(book, day, league, book.now + after, place_in_league)
        with _back(book, _TRADED * (1 - index / games)):
            if live:
                book.start(game.game_id, at=seconds_at(game.start))
            _quote(book, day, game)
            if live:
                continue
            _add_half(book, day, game)
            if (number := next(upcoming)) < _OWN_GAMES:
                _trade(book, day, account, game, number)
    return day


def move(book: Book, day: Day) -> None:
    """Let the day go on by a step: makers quote a bit away, or take an order; old games end."""
    day.steps += 1
    for game_id, view in day.views.items():
        game = book.games[game_id]
        if game.live and book.now - seconds_at(game.start) >= _GAME:
            _end(book, day, game, view)
    playing = [game_id for game_id in day.views if not book.games[game_id].ended]
    for _ in range(min(math.ceil(len(playing) / _GAMES_EACH), _MOST_CHANGES)):
        game_id = day.random.choice(playing)
        market = day.random.choice(day.views[game_id].markets)
        maker = day.random.choice(list(_MAKERS))
        if day.random.random() < _TAKES:
            bet = 5.0 * day.random.randint(2, 6)
            side = day.random.randrange(2)
            _take(book, maker, game_id, market, side=side, bet=bet)
        else:
            _quote_anew(book, day, maker, game_id, market)
    if day.steps % _FORGET_EACH == 0:
        book.forget_unfilled(_MAKERS)


def _add(book: Book, day: Day, league: League, starts: float, number: int) -> BookGame:
    """Add a game of two teams that are drawn, on a full five minutes."""
    drawn = day.drawn.setdefault(league.name, [])
    if not drawn:
        drawn += day.random.sample(league.teams, len(league.teams))
    away, home = drawn.pop(), drawn.pop()
    start = moment(5 * _MINUTE * round(starts / (5 * _MINUTE)))
    game = book.add_game(league=league.name, sport=league.sport, away=away, home=home, start=start)
    game.away_id = day.teams.setdefault(away, game.away_id)
    game.home_id = day.teams.setdefault(home, game.home_id)
    game.rotation = league.rotation + 2 * number
    strengths = Strengths.draw(league, day.random)
    day.views[game.game_id] = _view(day, game, league, strengths)
    return game


def _add_half(book: Book, day: Day, game: BookGame) -> None:
    """Add the first half of a game, if its league has one."""
    view = day.views[game.game_id]
    if not view.league.has_halves:
        return
    half = book.add_game(parent=game)
    day.views[half.game_id] = _view(day, half, view.league, view.strengths.half())
    _quote(book, day, half)


def _view(day: Day, game: BookGame, league: League, strengths: Strengths) -> View:
    teams = game.home_id, game.away_id
    number = league.spread
    if number is None or game.parent_id is not None:
        number = max(round(2 * abs(strengths.lead)) / 2, 0.5)
    number = -math.copysign(number, strengths.lead)
    total = math.floor(strengths.total) + 0.5
    wins = min(max(strengths.home_covers(0), 0.06), 0.94)
    markets = [
        Market("spread", teams, (number, -number), strengths.home_covers(number)),
        Market("total", ("over", "under"), (total, total), strengths.over(total)),
    ]
    if league.has_draws:
        draw = day.random.uniform(0.21, 0.28)
        shares = {game.home_id: wins * (1 - draw), game.away_id: (1 - wins) * (1 - draw)}
        for market, chance in {**shares, "draw": draw}.items():
            sides = ("yes", "no")
            markets.append(Market("moneyline1x2", sides, (None, None), chance, market))
    elif game.parent_id is None:
        markets.append(Market("moneyline", teams, (None, None), wins))
    return View(league, strengths, markets)


def _quote(book: Book, day: Day, game: BookGame) -> None:
    """Let every maker quote both sides of every market of a game."""
    for market in day.views[game.game_id].markets:
        for maker, edge in _MAKERS.items():
            for side in (0, 1):
                _put(book, maker, game, market.quote(side, edge, _size(day)))


def _quote_anew(book: Book, day: Day, maker: str, game_id: str, market: Market) -> None:
    """Let a maker replace its quotes. What is better than its new price it takes."""
    for order in book.open_orders(maker, game_id, market.type):
        if market.has(order, 0) or market.has(order, 1):
            book.cancel(order)
    market.drift(day.random)
    for side in (0, 1):
        quote = market.quote(side, _MAKERS[maker], _size(day))
        try:
            place(book, maker, game_id, quote | {"orderType": "post"})
        except RejectedError:
            with suppress(RejectedError):
                place(book, maker, game_id, quote | {"orderType": "fillAndKill"})


def _take(book: Book, account: str, game_id: str, market: Market, *, side: int, bet: float) -> None:
    """Let an account bet on a side at the best price that others offer, if they do."""
    offers = [
        order
        for order in book.resting([game_id])
        if order.account != account and market.has(order, 1 - side)
    ]
    if offers:
        best = min(offers, key=lambda order: order.payout)
        wanted = market.order(side, -best.odds, bet) | {"orderType": "fillAndKill"}
        with suppress(RejectedError):
            place(book, account, game_id, wanted)


def _trade(book: Book, day: Day, account: str, game: BookGame, number: int) -> None:
    """Let the account take a price, quote both sides of one or two markets, and be taken."""
    markets = day.views[game.game_id].markets
    if number % 2 == 0:
        side = day.random.randrange(2)
        bet = 5.0 * day.random.randint(5, 30)
        _take(book, account, game.game_id, markets[-1], side=side, bet=bet)
    for market in markets[: 1 + number % 2]:
        for side in (0, 1):
            reference = f"{game.league}/{number + 1}/{market.type}/{'ab'[side]}".lower()
            bet = 5.0 * day.random.randint(10, 40)
            _put(book, account, game, market.quote(side, _OWN_EDGE, bet, reference))
    if number % 3 != 1:
        side = day.random.randrange(2)
        bet = 5.0 * day.random.randint(4, 8)
        _take(book, "northgate", game.game_id, markets[0], side=side, bet=bet)


def _play(book: Book, day: Day, account: str, league: League, started: float) -> None:
    """Play a game that has ended, on which the account has bets that are graded."""
    with _back(book, book.now - started + _BEFORE):
        game = _add(book, day, league, started, _YESTERDAY)
        _quote(book, day, game)
        for number in range(2):
            _trade(book, day, account, game, number)
    with _back(book, book.now - started - _GAME):
        _end(book, day, game, day.views[game.game_id])


def _end(book: Book, day: Day, game: BookGame, view: View) -> None:
    away, home = view.strengths.score(day.random, has_draws=view.league.has_draws)
    book.settle(game.game_id, away=away, home=home)


def _put(book: Book, account: str, game: BookGame, fields: dict[str, object]) -> None:
    """Let an order rest that meets none: all of them are about one fair price."""
    place(book, account, game.game_id, fields | {"orderType": "post"})


def _size(day: Day) -> float:
    return 50.0 * day.random.randint(2, 30)


@contextmanager
def _back(book: Book, seconds: float) -> Iterator[None]:
    """Go back in time for the length of the block."""
    now, book.now = book.now, book.now - seconds
    try:
        yield
    finally:
        book.now = now
