"""The documents that the exchange writes over REST, in the form that its OpenAPI gives them."""

import math
from datetime import datetime

from fourcasters_async.testing.records import BookAccount, BookFill, BookGame, BookOrder, moment
from fourcasters_async.testing.settling import fee_of, result_of

Document = dict[str, object]

USER_ID = "5f" * 12
"""The id that every account sees as its own."""


def error(message: str, *, code: int | None = None) -> Document:
    """Write an error: a string, or with a `code` the object form."""
    return {"error": message if code is None else {"message": message, "code": code}}


def cancelled(order: BookOrder, game: BookGame, released: float) -> Document:
    """Write the cancel result of an order that was cancelled just now."""
    return {"success": True, **_common(order, game), "offered": 0, "remaining": released}


def not_cancelled(order: BookOrder, game: BookGame, reason: str) -> Document:
    """Write the cancel result of an order that was not cancelled."""
    return {
        "success": False,
        "reason": reason,
        **_common(order, game),
        "offered": order.offered,
        "remaining": order.remaining,
    }


def placed(took: BookOrder | None, resting: BookOrder | None) -> Document:
    """Write what came of an order: what was matched at once, and what rests."""
    matched = [] if took is None else [_matched(took, fill) for fill in took.fills]
    return {"matched": matched, "unmatched": {} if resting is None else _offer(resting)}


def _offer(order: BookOrder) -> Document:
    return {"orderID": order.order_id, "offered": order.offered, **_terms(order, order.odds)}


def _matched(order: BookOrder, fill: BookFill) -> Document:
    return {
        **amounts(fill),
        "orderID": fill.other,
        "txID": fill.fill_id,
        "winWithoutCommission": fill.win,
        **_terms(order, fill.odds),
    }


def amounts(fill: BookFill) -> Document:
    """Write the amounts of a fill: `risk` and `win` with the commission, `amount` without it."""
    return {
        "amount": fill.risk,
        "risk": round(fill.risk + fill.fee, 2),
        "win": round(fill.win - fill.fee, 2),
    }


def _terms(order: BookOrder, odds: int) -> Document:
    terms: Document = {
        "wagerRequestID": order.wager_request_id,
        "odds": odds,
        "type": order.type,
        "side": order.side,
        "number": order.number,
        "userReference": order.user_reference or "",
    }
    return terms | {"market": order.market} if order.type == "moneyline1x2" else terms


def heartbeat(now: float, timeout: float) -> Document:
    """Write the acknowledgement of a heartbeat."""
    return {"type": "heartbeatAck", "serverTime": _precise(now), "timeoutSec": timeout}


def _precise(now: float) -> str:
    """Write a time with nanoseconds."""
    when = moment(int(now))
    return f"{when:%Y-%m-%dT%H:%M:%S}.{int(now % 1 * 1e9):09d}Z"


def described(order: BookOrder, game: BookGame) -> str:
    """Write an order as text, with the name of a participant: `Lakers -3.5 -110`."""
    names = {game.away_id: game.away, game.home_id: game.home}
    side = names.get(order.side or "", order.side or order.type)
    number = "" if order.number is None else f" {order.number:+}"
    return f"{side}{number} {order.odds:+}"


def unmatched(order: BookOrder, game: BookGame) -> Document:
    """Write an open order, with every field of the documented record."""
    document: Document = {
        "id": order.order_id,
        "txID": order.order_id[::-1],
        "type": order.type,
        "bet": order.offered,
        "odds": order.odds,
        "spread": order.number if order.type == "spread" else None,
        "total": order.number if order.type == "total" else None,
        "filled": order.filled,
        "offered": order.offered,
        "remaining": order.remaining,
        # The exchange sends float noise here.
        "takenRatio": order.filled / order.offered if order.filled else -1.1102230246251565e-16,
        "expiry": None if order.expiry is None else time(order.expiry),
        "createdAt": time(order.created_at),
        "origin": "offer",
        "userReference": order.user_reference or "",
        "wagerRequestID": order.wager_request_id,
        "graded": False,
        "closed": False,
        "adminRefund": False,
        "game": game_document(game),
    }
    if order.type in ("moneyline", "spread"):
        other = game.away_id if order.side == game.home_id else game.home_id
        document |= {"participantID": order.side, "otherParticipantID": other}
    elif order.type == "moneyline1x2":
        document |= {"market": order.market, "side": order.side}
    else:
        document |= {"side": order.side}
    return document


def order_detail(order: BookOrder, game: BookGame) -> Document:
    """Write the state of an order."""
    total = order.type == "total"
    backs_a_team = order.type in ("moneyline", "spread")
    return {
        "id": order.order_id,
        "cancelled": order.cancelled,
        "isTheBestOffer": True,
        "odds": order.odds,
        "type": order.type,
        "OU": ("under" if order.side == "over" else "over") if total else None,
        "participant": order.side if backs_a_team else None,
        "participantLongName": _team(order, game) if backs_a_team else None,
        "spread": order.number if order.type == "spread" else None,
        "total": order.number if total else None,
        "matchedRisk": f"{order.filled:.2f}",
        "unmatchedRisk": f"{order.remaining:.2f}",
        "game": game_document(game),
    }


def matched(order: BookOrder, game: BookGame) -> list[Document]:
    """Write what was matched of an order, as bets that are not graded: one for each fill."""
    return [_bet(order, game, fill) for fill in order.fills]


def _bet(order: BookOrder, game: BookGame, fill: BookFill) -> Document:
    document: Document = {
        "id": fill.fill_id,
        "txID": fill.fill_id,
        "type": order.type,
        "bet": fill.risk,
        "odds": fill.odds,
        "spread": order.number if order.type == "spread" else None,
        "total": order.number if order.type == "total" else None,
        "userReference": order.user_reference or "",
        "createdAt": time(order.created_at),
        "matchedTime": time(moment(fill.at)),
        "graded": False,
        "closed": False,
        "origin": "wager" if fill.taker else "offer",
        "adminRefund": False,
        "risk": f"{fill.risk + fill.fee:.2f}",
        "win": f"{fill.win - fill.fee:.2f}",
        "game": game_document(game),
    }
    if order.type == "total":
        return document | {"OU": order.side, "side": order.side}
    if order.type == "moneyline1x2":
        return document | {"market": order.market, "side": order.side}
    return document | {"participantID": order.side, "side": order.side}


def graded(order: BookOrder, game: BookGame, settled_at: datetime | None = None) -> list[Document]:
    """Write what was matched of an order, as bets that are graded: one for each fill."""
    return [
        {
            **_bet(order, game, fill),
            "ticketNumber": order.order_id[-8:],
            "platform": "api",
            "cancelled": False,
            "graded": True,
            "closed": True,
            "outcome": order.outcome,
            "fee": f"{fee_of(fill, order.outcome):.2f}",
            "result": f"{result_of(fill, order.outcome):.2f}",
            "settledAt": time(settled_at or order.created_at),
        }
        for fill in order.fills
    ]


def user(account: BookAccount, liability: float) -> Document:
    """Write an account, and the liability of its bets on all games."""
    return {
        "id": USER_ID,
        "username": account.name,
        "type": "p2p",
        "oddsFormat": "american",
        "displayBalance": 10000.0 if math.isinf(account.balance) else account.balance,
        "creditLimit": 0,
        "liability": liability,
        "commissionCharged": account.commission,
        "maxLiability": min(account.max_liability, 100000),
        "isAdmin": False,
        "hasMarketMakerAccess": True,
        "isPro": True,
        "isDeposit": True,
        "defaultExpiry": None,
        "defaultOffer": None,
        "createdAt": "2026-01-01T00:00:00.000Z",
        "emailConfirmation": True,
    }


def _common(order: BookOrder, game: BookGame) -> Document:
    return {
        "sessionID": order.order_id,
        "description": described(order, game),
        "odds": order.odds,
        "filled": order.filled,
        "gameID": order.game_id,
        "userReference": order.user_reference or "",
    }


def game_document(game: BookGame) -> Document:
    """Write a game, without its book."""
    return {
        "id": game.game_id,
        "league": game.league,
        "sport": game.sport,
        "start": time(game.start),
        "ended": game.ended,
        "eventName": None,
        "isFutures": False,
        "isSpecials": False,
        "tournamentName": None,
        "periodName": game.period_name or "Full Time",
        "parentGameID": game.parent_id,
        "live": game.live,
        "participants": participants(game),
    }


def participants(game: BookGame) -> list[Document]:
    """Write the sides of a game: away first, then home."""
    return [
        _participant(game.away_id, game.away, "away", str(game.rotation)),
        _participant(game.home_id, game.home, "home", str(game.rotation + 1)),
    ]


def _participant(participant_id: str, name: str, side: str, rotation: str) -> Document:
    return {
        "id": participant_id,
        "longName": name,
        "shortName": name[:3].upper(),
        "homeAway": side,
        "mainPitcher": None,
        "rotationNumber": rotation,
        "futuresSide": None,
    }


def _team(order: BookOrder, game: BookGame) -> str:
    return game.home if order.side == game.home_id else game.away


def time(when: datetime) -> str:
    """Write a time."""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
