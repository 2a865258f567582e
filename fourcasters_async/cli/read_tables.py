"""The rows that the commands that read show: records in, rows out. No I/O."""

from collections.abc import Iterable, Iterator, Sequence

from fourcasters_async.cli.columns import Columns, Row
from fourcasters_async.cli.wording import (
    UNKNOWN,
    american,
    amount,
    in_utc,
    line,
    number,
    side_of,
    teams,
    total,
)
from fourcasters_async.models import (
    BookEntry,
    Game,
    GameExposure,
    GradedBet,
    MatchedBet,
    OrderBook,
    User,
)

GAMES = Columns(("game", "league", "start (UTC)", "live", "teams"))
BOOK = Columns(("game", "market", "line", "side", "odds", "amount", "orders", "own"), range(4, 8))
# On a terminal, where the game is in the headline.
PRICES = Columns(BOOK.heads[1:], range(3, 7))
POSITIONS = Columns(("game", "teams", "worst", "best", "worst if filled", "unclear"), range(2, 6))
BETS = Columns(("game", "teams", "what", "side", "odds", "risk", "win"), range(4, 7))
GRADED = Columns(
    ("game", "settled (UTC)", "what", "side", "odds", "outcome", "result"), range(6, 7)
)
ME = Columns(("field", "value"))

# The lists of a book, with the market and the side that each is of, in the order to show them.
_SIDES = (
    ("away_moneylines", "moneyline", "away"),
    ("home_moneylines", "moneyline", "home"),
    ("away_moneylines_1x2", "moneyline1x2", "away"),
    ("draw_1x2", "moneyline1x2", "draw"),
    ("home_moneylines_1x2", "moneyline1x2", "home"),
    ("away_spreads", "spread", "away"),
    ("home_spreads", "spread", "home"),
    ("over", "total", "over"),
    ("under", "total", "under"),
)
_MARKETS = tuple(dict.fromkeys(market for _, market, _ in _SIDES))
_NO_LINE = float("inf")


def game_rows(games: Iterable[Game]) -> list[Row]:
    """Return a row for each game."""
    return [
        (
            game.game_id or UNKNOWN,
            game.league or "",
            in_utc(game.start),
            "live" if game.live else "",
            teams(game),
        )
        for game in games
    ]


def book_rows(book: OrderBook) -> list[Row]:
    """Return a row for each price of each side: the prices that a taker likes best first."""
    levels: dict[tuple[int, float, int, str, float, str], list[BookEntry]] = {}
    for rank, (name, market, side) in enumerate(_SIDES):
        for entry in getattr(book, name):
            # The two sides of a spread stand together: home -3.5 and away +3.5.
            number_of_line = _line_of(market, side, entry)
            named = f"{side} no" if entry.side == "no" else side
            key = (
                _MARKETS.index(market),
                _NO_LINE if number_of_line is None else number_of_line,
                rank,
                named,
                _payout(entry.odds),
                american(entry.odds),
            )
            levels.setdefault(key, []).append(entry)
    return [
        (
            book.game_id or UNKNOWN,
            _MARKETS[key[0]],
            _line_text(_MARKETS[key[0]], entries[0]),
            key[3],
            key[5],
            amount(total(entry.sum_untaken for entry in entries), UNKNOWN),
            number(len(entries)),
            _own(entries),
        )
        for key, entries in sorted(levels.items(), key=lambda level: level[0])
    ]


def book_headline(game: OrderBook) -> str:
    """Name the game of a book, with its start."""
    start = in_utc(game.start)
    about = [
        f"{game.league or ''} {teams(game)}".strip(),
        start and f"starts {start} UTC",
        "live" if game.live else "",
    ]
    return f"{game.game_id}: {', '.join(part for part in about if part)}"


def position_rows(exposures: Iterable[GameExposure], indent: str = "") -> list[Row]:
    """Return a row for each game, and below it its children, each `indent` further in.

    While an order or a bet of a game is unclear, none of its sums is known.
    """
    return [
        (
            depth * indent + (each.game_id or UNKNOWN),
            teams(each.game, short=True),
            *(
                UNKNOWN if each.unclear else amount(value)
                for value in (each.worst, each.best, each.worst_if_filled)
            ),
            number(len(each.unclear)),
        )
        for depth, each in _all(exposures)
    ]


def unclear_lines(exposures: Iterable[GameExposure]) -> list[str]:
    """Say for each game whose sums are not known how many orders and bets are unclear."""
    return [
        f"{each.game_id or 'without a game'}: the sums are not known, because "
        f"{len(each.unclear):,} of its orders and bets say too little"
        for _, each in _all(exposures)
        if each.unclear
    ]


def bet_rows(bets: Sequence[MatchedBet]) -> list[Row]:
    """Return a row for each bet that is not graded, and the totals."""
    rows: list[Row] = [
        (
            _game_id(bet),
            teams(bet.game, short=True),
            bet.type or UNKNOWN,
            side_of(bet),
            american(bet.odds),
            amount(bet.risk, UNKNOWN),
            amount(bet.win, UNKNOWN),
        )
        for bet in bets
    ]
    risk, win = (total(getattr(bet, name) for bet in bets) for name in ("risk", "win"))
    sums = ("total", "", "", "", "", amount(risk, UNKNOWN), amount(win, UNKNOWN))
    return [*rows, sums] if rows else []


def graded_rows(bets: Sequence[GradedBet]) -> list[Row]:
    """Return a row for each bet that is graded, and the total."""
    rows: list[Row] = [
        (
            _game_id(bet),
            in_utc(bet.settled_at),
            bet.type or UNKNOWN,
            side_of(bet),
            american(bet.odds),
            bet.outcome or UNKNOWN,
            amount(bet.result, UNKNOWN),
        )
        for bet in bets
    ]
    result = total(bet.result for bet in bets)
    return [*rows, ("total", "", "", "", "", "", amount(result, UNKNOWN))] if rows else []


def user_rows(user: User) -> list[Row]:
    """Return a row for each thing that is known of the account, in account currency."""
    plain = {
        name: value if value is None else f"{value:.2f}"
        for name, value in (
            ("balance", user.display_balance),
            ("credit limit", user.credit_limit),
            ("liability", user.liability),
            ("liability limit", user.max_liability),
            ("default offer", user.default_offer),
        )
    }
    rate, expiry = user.commission_charged, user.default_expiry
    fields = {
        "username": user.username,
        "id": user.user_id,
        "type": user.type,
        **plain,
        "commission": rate if rate is None else f"{rate * 100:.4g} %",
        "default expiry": expiry if expiry is None else f"{expiry} minutes",
        "created (UTC)": in_utc(user.created_at),
    }
    return [(name, value) for name, value in fields.items() if value]


def _all(exposures: Iterable[GameExposure], depth: int = 0) -> Iterator[tuple[int, GameExposure]]:
    for each in exposures:
        yield depth, each
        yield from _all(each.children, depth + 1)


def _game_id(bet: MatchedBet) -> str:
    return (bet.game and bet.game.game_id) or UNKNOWN


def _line_of(market: str, side: str, entry: BookEntry) -> float | None:
    """Return the line of an order, of a spread as the home side has it."""
    if market == "total":
        return entry.total
    if market != "spread":
        return 0.0
    return -entry.spread if side == "away" and entry.spread is not None else entry.spread


def _line_text(market: str, entry: BookEntry) -> str:
    texts = {"total": line(entry.total), "spread": line(entry.spread, "+")}
    return texts.get(market, "")


def _payout(odds: float | None) -> float:
    """Return what a risk of 1 wins. Odds that are none come last."""
    if not odds:
        return _NO_LINE
    return odds / 100 if odds > 0 else 100 / -odds


def _own(entries: Iterable[BookEntry]) -> str:
    own = [entry for entry in entries if entry.own]
    return amount(total(entry.sum_untaken for entry in own), UNKNOWN) if own else ""
