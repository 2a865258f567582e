"""What a bot may be given, as strategies of hypothesis, for property tests of your own.

`games`, `open_orders` and `new_orders` draw records of the library, which a bot decides by.
`cancel_answers` draws what the exchange may answer, and `faults` how it may fail, both to inject.
All amounts are in account currency, all odds American.

It needs hypothesis, which the library does not install.
"""

import math
import string
from collections.abc import Mapping

from fourcasters_async.models import Game, MarketType, NewOrder, OpenOrder, OrderType, Participant
from fourcasters_async.testing import faults as kinds
from fourcasters_async.testing.leagues import LEAGUES
from fourcasters_async.testing.received import Transport
from fourcasters_async.testing.records import moment

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as missing:
    raise ImportError(
        "fourcasters_async.testing.strategies needs hypothesis: pip install hypothesis"
    ) from missing

__all__ = [
    "amounts",
    "cancel_answers",
    "faults",
    "games",
    "ids",
    "new_orders",
    "odds",
    "open_orders",
]

Document = dict[str, object]
"""A JSON object, as Python writes it."""

_EVEN, _LONGEST = 100, 100_000
# They answer nothing that was asked.
_BODIES = [b"", b"null", b"{}", b"[]", b'{"data": null}', b'{"error": "no"}']
_REFERENCES = st.text(string.ascii_letters + string.digits + "-/", min_size=1, max_size=40)
# Of two years, to the millisecond.
_MOMENTS = st.integers(0, 2 * 365 * 86_400_000).map(lambda ms: moment(ms / 1000))
_SPREADS = st.integers(-41, 41).map(lambda halves: halves / 2)
_TOTALS = st.integers(1, 500).map(lambda halves: halves / 2)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2)
    ),
    max_leaves=4,
)


def ids() -> st.SearchStrategy[str]:
    """Draw ids, of a game, a participant or an order: 24 hexadecimal digits in lower case."""
    return st.integers(0, 16**24 - 1).map("{:024x}".format)


def odds(*, longest: int = _LONGEST) -> st.SearchStrategy[int]:
    """Draw American odds: whole numbers from 100 to `longest`, or from -`longest` to -100.

    The exchange takes up to 100,000. Both 100 and -100 are even money.
    """
    return st.integers(_EVEN, longest) | st.integers(-longest, -_EVEN)


def amounts(*, least: float = 1.0, most: float = 10_000.0) -> st.SearchStrategy[float]:
    """Draw amounts of money, in whole cents of account currency, both bounds included."""
    cents = st.integers(math.ceil(round(least * 100, 6)), math.floor(round(most * 100, 6)))
    return cents.map(lambda drawn: drawn / 100)


@st.composite
def games(draw: st.DrawFn) -> Game:
    """Draw a `Game` that has not ended: two teams of a league, away first, and an aware start.

    It may be live, and it may be a period of another game.
    """
    league = draw(st.sampled_from(LEAGUES))
    away, home = draw(st.lists(st.sampled_from(league.teams), min_size=2, max_size=2, unique=True))
    game_id, parent_id, *teams = draw(st.lists(ids(), min_size=4, max_size=4, unique=True))
    is_period = draw(st.booleans())
    return Game(
        game_id,
        league.name,
        league.sport,
        draw(_MOMENTS),
        ended=False,
        period_name="1H" if is_period else "Full Time",
        parent_game_id=parent_id if is_period else None,
        live=draw(st.booleans()),
        participants=[
            Participant(teams[0], away, away[:3].upper(), "away"),
            Participant(teams[1], home, home[:3].upper(), "home"),
        ],
    )


@st.composite
def open_orders(draw: st.DrawFn, game: Game | None = None) -> OpenOrder:
    """Draw an `OpenOrder` on a game, by default on one that is drawn too.

    It may be filled in part: `filled` and `remaining` make up `offered`, all in account currency,
    and something remains. The odds may have one decimal, which the exchange allows.
    """
    on = draw(games()) if game is None else game
    participants = [each.participant_id for each in on.participants if each.participant_id]
    type_ = draw(st.sampled_from(MarketType if participants else [MarketType.TOTAL]))
    backs, other, side, market, number = _bet(draw, type_, participants)
    offered = draw(amounts())
    filled = draw(st.just(0.0) | amounts(least=0.0, most=offered - 0.01))
    whole = draw(odds())
    return OpenOrder(
        order_id=draw(ids()),
        tx_id=draw(ids()),
        type=type_,
        bet=offered,
        odds=draw(st.just(whole) | st.just(whole + 0.5 * math.copysign(1, whole))),
        spread=number if type_ is MarketType.SPREAD else None,
        total=number if type_ is MarketType.TOTAL else None,
        participant_id=backs,
        other_participant_id=other,
        market=market,
        side=side,
        filled=filled,
        offered=offered,
        remaining=round(offered - filled, 2),
        taken_ratio=filled / offered if filled else -1.1102230246251565e-16,
        expiry=draw(st.none() | _MOMENTS),
        created_at=draw(_MOMENTS),
        origin=draw(st.sampled_from(["offer", "wager"])),
        user_reference=draw(st.just("") | _REFERENCES),
        wager_request_id=draw(ids()),
        graded=False,
        closed=False,
        admin_refund=False,
        game=on,
    )


@st.composite
def new_orders(
    draw: st.DrawFn, game_id: str | None = None, *, away: str | None = None, home: str | None = None
) -> NewOrder:
    """Draw a `NewOrder` of any type that the exchange takes, on a game and for its teams.

    The ids are drawn too, unless they are given: those of a sandbox's `BookGame` are `game_id`,
    `away_id` and `home_id`. The bet is the risk in account currency. The order may be of any
    `OrderType`, so an exchange may still refuse it by the rules of that.
    """
    teams = [draw(ids()) if each is None else each for each in (away, home)]
    type_ = draw(st.sampled_from(MarketType))
    backs, _, side, market, number = _bet(draw, type_, teams)
    return NewOrder(
        draw(ids()) if game_id is None else game_id,
        type_,
        side or backs or "",
        odds=draw(odds()),
        bet=draw(amounts()),
        number=number,
        market=market,
        order_type=draw(st.none() | st.sampled_from(OrderType)),
        expiration_minutes=draw(st.none() | st.integers(1, 24 * 60)),
        user_reference=draw(st.none() | _REFERENCES),
    )


@st.composite
def cancel_answers(
    draw: st.DrawFn,
    transport: Transport = "http",
    *,
    game_id: str | None = None,
    odd: bool = False,
) -> Document:
    """Draw the JSON document of an answer to a cancel of many orders, with up to four results.

    It is `{"data": [result, …]}`, as `transport` has it: the id of an order is `sessionID` over
    `http` and `orderID` over a `websocket`. Any field but `success` may be missing or null, and
    amounts are numbers or strings. With a `game_id` no other game is named. An `odd` answer may
    also have what no document promises: other members and types, rows that are errors, no data, an
    error beside it.

    `faults.Respond(json.dumps(document).encode())` sends it, over a WebSocket with the right
    `requestID`.
    """
    rows: list[object] = draw(st.lists(_rows(transport, game_id), max_size=4))
    document: Document = {"data": rows}
    if not odd:
        return document
    rows += draw(st.lists(_odd_rows(transport, game_id), max_size=2))
    document["data"] = draw(st.permutations(rows))
    change = draw(st.sampled_from(["rows", "data", "no data", "error", "more", "responses"]))
    if change == "data":
        document["data"] = draw(_JSON)
    elif change == "no data":
        del document["data"]
    elif change == "error":
        document["error"] = draw(_errors())
        if draw(st.booleans()):
            del document["data"]
    elif change == "more":
        document |= draw(st.dictionaries(st.text(min_size=1, max_size=8), _JSON, max_size=2))
    elif change == "responses":
        document = {"responses": [document]}
    return document


def faults(
    transport: Transport | None = None, *, slowest: float = 0.05
) -> st.SearchStrategy[kinds.Fault]:
    """Draw faults to inject: those of both transports, and with a `transport` its own as well.

    `slowest` bounds the seconds by which an answer or an effect is late. Several faults never
    answer, such as `Stall`: give the bot a short `attempt_timeout` in its `RetryPolicy`.
    """
    yes_or_no = st.booleans()
    seconds = st.floats(0, slowest)
    waits = st.none() | st.sampled_from(["0", "1"])
    both: list[st.SearchStrategy[kinds.Fault]] = [
        st.builds(kinds.Close, yes_or_no),
        st.builds(kinds.Reset, yes_or_no),
        st.builds(kinds.Stall, yes_or_no),
        st.builds(kinds.Truncate),
        st.builds(kinds.Garbage),
        st.builds(kinds.Unavailable, yes_or_no, yes_or_no, waits),
        st.builds(kinds.TooManyRequests, waits),
        st.builds(kinds.Unauthorized),
        st.builds(kinds.Slow, seconds, yes_or_no),
        st.builds(kinds.Late, seconds, yes_or_no),
        st.builds(kinds.Duplicate),
        st.builds(
            kinds.Respond, st.sampled_from(_BODIES), st.sampled_from([200, 400, 500]), yes_or_no
        ),
    ]
    own: Mapping[Transport | None, list[st.SearchStrategy[kinds.Fault]]] = {
        None: [],
        "http": [
            st.builds(kinds.StallBody),
            st.builds(kinds.DripBody),
            st.builds(kinds.WrongLength),
            st.builds(kinds.Html, st.sampled_from([200, 403, 502])),
            st.builds(kinds.Redirect, st.just("/elsewhere")),
        ],
        "websocket": [
            st.builds(kinds.HalfOpen, yes_or_no),
            st.builds(kinds.CloseCode, st.sampled_from([1000, 1001, 1011, 1013]), yes_or_no),
            st.builds(kinds.Held, st.integers(1, 3)),
            st.builds(kinds.UnknownID),
            st.builds(kinds.Wrapped),
        ],
    }
    return st.one_of(*both, *own[transport])


def _bet(
    draw: st.DrawFn, type_: MarketType, teams: list[str]
) -> tuple[str | None, str | None, str | None, str | None, float | None]:
    """Draw what an order backs: a team, the other one, a side, a market and a number."""
    if type_ is MarketType.TOTAL:
        return None, None, draw(st.sampled_from(["over", "under"])), None, draw(_TOTALS)
    if type_ is MarketType.MONEYLINE_1X2:
        side = draw(st.sampled_from(["yes", "no"]))
        return None, None, side, draw(st.sampled_from([*teams, "draw"])), None
    backs, *others = draw(st.permutations(teams))
    number = draw(_SPREADS) if type_ is MarketType.SPREAD else None
    return backs, others[0] if others else None, None, None, number


def _numbers(value: st.SearchStrategy[float]) -> st.SearchStrategy[object]:
    """Write an amount as the exchange does: a number, one with noise, or a string."""
    texts = value.map("{:.2f}".format) | value.map("{:.6f}".format)
    return value | value.map(lambda amount: amount + 1e-14) | texts


def _rows(transport: Transport, game_id: str | None) -> st.SearchStrategy[Document]:
    """Draw results of single cancels."""
    return _row(transport, game_id, success=True) | _row(transport, game_id, success=False)


def _row(
    transport: Transport, game_id: str | None, *, success: bool
) -> st.SearchStrategy[Document]:
    over_http = transport == "http"
    reasons = st.sampled_from(["Not your order", "order already cancelled", "order is expired"])
    fields: dict[str, st.SearchStrategy[object]] = {
        "sessionID" if over_http else "orderID": ids(),
        "description": st.just("Lakers -3.5 -110") if success or over_http else reasons,
        "odds": odds(),
        "filled": _numbers(amounts(least=0.0)),
        "offered": _numbers(st.just(0.0) if success else amounts()),
        "remaining": _numbers(amounts(least=0.0)),
        "gameID": ids() if game_id is None else st.just(game_id),
        "userReference": st.just("") | _REFERENCES,
    }
    if not over_http:
        fields |= {"side": ids(), "number": st.none() | _SPREADS}
    elif not success:
        fields["reason"] = reasons
    optional = {name: st.none() | each for name, each in fields.items()}
    return st.fixed_dictionaries({"success": st.just(success)}, optional=optional)


def _odd_rows(transport: Transport, game_id: str | None) -> st.SearchStrategy[object]:
    """Draw rows that are not what the exchange documents for a cancel."""
    changed = st.tuples(
        _rows(transport, game_id), st.dictionaries(st.text(max_size=8), _JSON, max_size=2)
    ).map(lambda both: both[0] | both[1])
    replaced = st.builds(
        lambda row, name, value: {**row, name: value},
        _rows(transport, game_id),
        st.sampled_from(["success", "odds", "filled", "offered", "userReference", "gameID"]),
        _JSON,
    )
    failed = st.fixed_dictionaries(
        {"error": st.text(min_size=1)}, optional={"errorType": st.just("system_error")}
    )
    return changed | replaced | failed | _JSON


def _errors() -> st.SearchStrategy[object]:
    """Draw an error in either form of the exchange's, or something else."""
    text = st.sampled_from(["game not found", "Network Error", "Failed to process cancelAll"])
    return text | st.builds(lambda said: {"message": said, "code": 503}, text) | _JSON
