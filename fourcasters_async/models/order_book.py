"""The orders in the book of a game, everybody's, and the prices that they come to."""

from datetime import date, datetime
from typing import ClassVar

from attrs import define, field, frozen

from fourcasters_async.models.game import Game
from fourcasters_async.models.market import MarketType
from fourcasters_async.models.record import Record
from fourcasters_async.models.wire import wire


# Not frozen: the price feed brings tens of thousands in a second, and a frozen record takes almost
# three times as long to make.
@define(kw_only=True, unsafe_hash=True, repr=False)
class BookEntry(Record):
    """One order that rests in the book of a game, of whichever account.

    `bet` is the risk that it was placed with, and `sum_untaken` what a taker can still win from
    it, both in account currency. `odds` are American, times are timezone-aware. `taken_ratio` is
    the part that was matched, from 0 to 1. Only an order of one's own has `created_by`. A
    moneyline or a spread has the `participant_id` that it backs, a total has `over_under`, and a
    `moneyline1x2` the outcome (`market`) and `"yes"` or `"no"` (`side`). `spread` and `total` are
    the lines, a `spread` as the side that it backs has it.
    """

    _derived: ClassVar[tuple[str, ...]] = ("own",)

    order_id: str | None = field(default=None, metadata=wire("id"))
    type: MarketType | str | None = None
    created_by: str | None = None
    sum_untaken: float | None = None
    odds: int | float | None = None
    bet: float | None = None
    game_id: str | None = None
    taken_ratio: float | None = None
    expiry: datetime | None = None
    created_at: datetime | None = None
    mock_order: bool | None = None
    game_start_expiry: bool | None = None
    is_post_arb: bool | None = None
    participant_id: str | None = None
    spread: float | None = None
    total: float | None = None
    over_under: str | None = field(default=None, metadata=wire("OU"))
    market: str | None = None
    side: str | None = None

    @property
    def own(self) -> bool:
        """Whether it is an order of the account that asked."""
        return self.created_by is not None


@frozen(kw_only=True, repr=False)
class OrderBook(Game):
    """A game and the orders in its book, side by side.

    Each list has the orders that back what it is named after. Only soccer has the three lists of
    `moneyline1x2`. `main_home_spread`, `main_away_spread` and `main_total` are the main lines;
    `open_interest` and `matched_volume` are in account currency.
    """

    home_moneylines: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    away_moneylines: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    home_spreads: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    away_spreads: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    over: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    under: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    home_moneylines_1x2: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    away_moneylines_1x2: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    draw_1x2: list[BookEntry] = field(factory=list, metadata=wire(strict=False))
    main_home_spread: float | None = None
    main_away_spread: float | None = None
    main_total: float | None = None
    open_interest: float | None = None
    matched_volume: float | None = None

    @property
    def entries(self) -> list[BookEntry]:
        """Every order in the book."""
        return [
            *self.home_moneylines,
            *self.away_moneylines,
            *self.home_spreads,
            *self.away_spreads,
            *self.over,
            *self.under,
            *self.home_moneylines_1x2,
            *self.away_moneylines_1x2,
            *self.draw_1x2,
        ]


@frozen(kw_only=True, repr=False)
class SingleOrderBook(Record):
    """The book of one game, with the books of its children.

    `child_games` are its periods and derivatives, `prop_games` its props. `order_summary` has the
    exchange's JSON objects about the account's own orders in the league: their fields are not
    documented.
    """

    game: OrderBook
    order_summary: list[dict[str, object]] = field(factory=list, metadata=wire(strict=False))
    child_games: list[OrderBook] = field(factory=list, metadata=wire(strict=False))
    prop_games: list[OrderBook] = field(factory=list, metadata=wire(strict=False))


@frozen(kw_only=True, repr=False)
class AveragePrices(Record):
    """The best and the average prices of a game, for its moneyline, main spread and main total.

    Prices are American odds. `best_…` is the price of the best order, `best_…_with_commission` the
    same after commission, and `average_…` what sweeping at least 500 in account currency would
    pay. Each `…_price_limit` is the worst price of that sweep. The `max_…` and the `…_max_bet` are
    the largest bets that can be filled, in account currency. `main_home_spread`,
    `main_away_spread` and `main_total` are the main lines. What is missing is `None`.
    """

    average_home_moneyline: int | float | None = None
    best_home_moneyline: int | float | None = None
    best_home_moneyline_with_commission: int | float | None = None
    best_home_moneyline_price_limit: int | float | None = None
    average_away_moneyline: int | float | None = None
    best_away_moneyline: int | float | None = None
    best_away_moneyline_with_commission: int | float | None = None
    best_away_moneyline_price_limit: int | float | None = None
    average_home_spread: int | float | None = None
    best_home_spread: int | float | None = None
    best_home_spread_with_commission: int | float | None = None
    best_home_spread_price_limit: int | float | None = None
    main_home_spread: float | None = None
    average_away_spread: int | float | None = None
    best_away_spread: int | float | None = None
    best_away_spread_with_commission: int | float | None = None
    best_away_spread_price_limit: int | float | None = None
    main_away_spread: float | None = None
    average_over: int | float | None = None
    best_over: int | float | None = None
    best_over_with_commission: int | float | None = None
    best_over_price_limit: int | float | None = None
    average_under: int | float | None = None
    best_under: int | float | None = None
    best_under_with_commission: int | float | None = None
    best_under_price_limit: int | float | None = None
    main_total: float | None = None
    max_moneyline_bet: float | None = field(default=None, metadata=wire("maxMoneyLineBet"))
    home_moneyline_max_bet: float | None = None
    away_moneyline_max_bet: float | None = None
    max_total_bet: float | None = None
    max_over_bet: float | None = None
    max_under_bet: float | None = None
    max_spread_bet: float | None = None
    max_home_spread_bet: float | None = None
    max_away_spread_bet: float | None = None


@frozen(kw_only=True, repr=False)
class GamePrices(Game):
    """A game with its best and average prices.

    `matched_volume` is in account currency. `main_home_spread`, `main_away_spread` and `main_total`
    are the main lines.
    """

    matched_volume: float | None = None
    main_home_spread: float | None = None
    main_away_spread: float | None = None
    main_total: float | None = None
    odds: AveragePrices | None = None


@frozen(kw_only=True, repr=False)
class MatchedVolume(Record):
    """The stakes of both sides of all bets that were matched on some days.

    `matched_volume` is in US dollars. `start_date` and `end_date` are days in US Eastern time, both
    included.
    """

    start_date: date | None = None
    end_date: date | None = None
    matched_volume: float
