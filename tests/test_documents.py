"""Every endpoint of the exchange's documents: a method that asks it, and the sandbox's answer."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spec import ARGUMENTS, Spec, assert_valid, documents, furnish, resolved
from test_house import FILES, package_of, strings_in

from fourcasters_async import AsyncSession, MarketType
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.matching import Match
from fourcasters_async.testing.rest import ENDPOINTS as IN_THE_SANDBOX

DOCUMENTS = Path(__file__).parents[2] / "shared" / "exchange"
NOWHERE = "f" * 24
Read = Callable[[AsyncSession, Spec], Awaitable[object]]

# The endpoint that shows the document itself is for people.
NOT_ASKED = {"GET /openapi.json"}
DAY = date(2026, 1, 1)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
# The reads of the newer document, which also tells of an old address.
GRADED: dict[str, Read] = {
    "GET /user/v2/getGraded": lambda s, _: s.account.get_graded(),
    "GET /user/v2/getGradedSince": lambda s, _: s.account.get_graded_since(LONG_AGO),
    "GET /user/getGradedWagers": lambda s, _: s.account.get_graded_wagers(),
}
# The reads of the older document. Their arguments are named as in `spec.ARGUMENTS`.
READS: dict[str, Read] = {
    "GET /affiliate/getAffiliateCommission": lambda s, _: s.account.get_affiliate_commission(),
    "GET /exchange/getLeagues": lambda s, _: s.markets.get_leagues(),
    "GET /exchange/getMatchedVolume": lambda s, _: s.markets.get_matched_volume(DAY, DAY),
    "GET /exchange/getOddsForAveragePrice": (
        lambda s, a: s.markets.get_odds_for_average_price(a["league"])
    ),
    "GET /exchange/getParticipants": lambda s, _: s.markets.get_participants(),
    "GET /exchange/getSingleOrderbook": lambda s, a: s.markets.get_single_orderbook(a["gameID"]),
    "POST /exchange/getOrderbook": lambda s, a: s.markets.get_orderbook(a["league"], version=1),
    "GET /exchange/v2/getGames": lambda s, a: s.markets.get_games(a["league"]),
    "GET /exchange/v2/getOrderbook": lambda s, a: s.markets.get_orderbook(game_id=a["gameID"]),
    "GET /user/getBetByID": lambda s, a: s.account.get_bet_by_id(a["orderID"]),
    "GET /user/getBetByUserReference": (
        lambda s, a: s.account.get_bet_by_user_reference(a["gameID"], "mine")
    ),
    "GET /user/getBetByWagerRequestID": (
        lambda s, a: s.account.get_bet_by_wager_request_id(a["orderID"][::-1])
    ),
    "GET /user/getGameLiability": lambda s, a: s.account.get_game_liability(a["gameID"]),
    "GET /user/getMatchedBets": lambda s, _: s.account.get_matched_bets(),
    "GET /user/getOrdersForGame": lambda s, a: s.account.get_orders_for_game(a["gameID"]),
    "GET /user/getUnmatched": lambda s, _: s.account.get_unmatched(),
}
# What the client wants in an answer, by its place; the document requires none of it.
INSISTS: dict[str, tuple[str, ...]] = {
    "GET /affiliate/getAffiliateCommission": ("commissionPaid",),
    "GET /exchange/getLeagues": ("data", "data.availableLeagues"),
    "GET /exchange/getMatchedVolume": ("data", "data.matchedVolume"),
    "GET /exchange/getOddsForAveragePrice": ("games",),
    "GET /exchange/getParticipants": ("data", "data.participants"),
    "GET /exchange/getSingleOrderbook": ("data", "data.game"),
    "POST /exchange/getOrderbook": ("data", "data.games"),
    "GET /exchange/v2/getGames": ("data", "data.games"),
    "GET /exchange/v2/getOrderbook": ("data", "data.games"),
    "GET /user/getBetByID": ("bet",),
    "GET /user/getBetByUserReference": ("data", "data.unmatched", "data.matched", "data.graded"),
    "GET /user/getBetByWagerRequestID": ("data", "data.unmatched", "data.matched", "data.graded"),
    "GET /user/getGameLiability": ("data", "data.liability"),
    "GET /user/getMatchedBets": ("data", "data.matchedBets"),
    "GET /user/getOrdersForGame": ("data", "data.unmatched", "data.matched"),
    "GET /user/getUnmatched": ("data", "data.unmatched"),
    **dict.fromkeys(GRADED, ("data", "data.graded", "data.cursor", "data.hasMore")),
}


def documented() -> dict[str, Spec]:
    """Return every operation of both documents, by its method and path."""
    found: dict[str, Spec] = {}
    for path in sorted(DOCUMENTS.glob("*-openapi.json")):
        for route, methods in json.loads(path.read_text())["paths"].items():
            for method, operation in methods.items():
                found[f"{method.upper()} {route}"] = operation
    return found


ENDPOINTS = sorted(documented().keys() - NOT_ASKED)
needs_documents = pytest.mark.skipif(
    not ENDPOINTS, reason="the exchange's own documents are not beside this checkout"
)


@needs_documents
def test_every_documented_endpoint_has_a_method_that_asks_it() -> None:
    written = {text for path in FILES if package_of(path) != "testing" for text in strings_in(path)}
    assert set(ENDPOINTS) <= written


@needs_documents
def test_every_documented_endpoint_has_its_line_in_the_sandbox() -> None:
    assert set(ENDPOINTS) <= IN_THE_SANDBOX.keys()


@cache
def older() -> Spec:
    """Return the older document, in the words of OpenAPI 3.0, which it calls itself newer than."""
    document: Spec = _in_words_of_3_0(json.loads((DOCUMENTS / "rest-openapi.json").read_text()))
    return document


@cache
def newer() -> Spec:
    document: Spec = json.loads((DOCUMENTS / "graded-openapi.json").read_text())
    return document


def _in_words_of_3_0(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_words_of_3_0(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {key: _in_words_of_3_0(each) for key, each in value.items()}
    types = made.get("type")
    if isinstance(types, list):
        kinds = [{"type": each, "nullable": True} for each in types if each != "null"]
        del made["type"]
        made |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    return made


def document_of(endpoint: str) -> Spec:
    return newer() if endpoint in GRADED else older()


def schema_of(endpoint: str) -> Spec:
    method, _, path = endpoint.partition(" ")
    document = document_of(endpoint)
    response = resolved(document, document["paths"][path][method.lower()]["responses"]["200"])
    schema: Spec = response["content"]["application/json"]["schema"]
    return schema


def any_of(schema: Any) -> Any:
    """Let a value be of several kinds at once: no kind of a bet requires anything."""
    if isinstance(schema, list):
        return [any_of(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {"anyOf" if key == "oneOf" else key: any_of(each) for key, each in schema.items()}


@needs_documents
def test_every_read_of_the_older_document_is_held_against_it() -> None:
    reads = {
        f"{method.upper()} {path}"
        for path, methods in older()["paths"].items()
        for method in methods
        if method == "get" or path.startswith("/exchange")
    }
    # These are in `spec.ENDPOINTS`.
    elsewhere = {"GET /user/getMe", "GET /session/lookupOrder"}
    assert reads - elsewhere - GRADED.keys() == READS.keys()


@needs_documents
@pytest.mark.parametrize("endpoint", READS)
async def test_the_sandbox_answers_a_read_as_documented(
    session: AsyncSession, fake_exchange: FakeExchange, endpoint: str
) -> None:
    ids = furnish(fake_exchange)
    known = {"gameID": ids["the game"], "orderID": ids["resting order"]}
    answers: list[Any] = []

    class Kept(faults.Fault):
        async def __call__(self, call: faults.Call) -> Any:
            answer = call.commit()
            answers.append(answer.document)
            return faults.respond(answer)

    fake_exchange.inject(Kept(), times=None)
    await READS[endpoint](session, ARGUMENTS | known)
    assert_valid(older(), any_of(schema_of(endpoint)), answers[0])


@cache
def answers_to(endpoint: str) -> st.SearchStrategy[Any]:
    return documents(document_of(endpoint), schema_of(endpoint), INSISTS[endpoint])


# The document gives the players as the keys of objects, of which each has one.
GENERATED = {**READS, **GRADED}
del GENERATED["GET /affiliate/getAffiliateCommission"]


@needs_documents
@settings(
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
@pytest.mark.parametrize("endpoint", GENERATED)
async def test_an_answer_that_is_as_documented_is_read(
    session: AsyncSession, fake_exchange: FakeExchange, endpoint: str, data: st.DataObject
) -> None:
    document = data.draw(answers_to(endpoint))
    fake_exchange.clear_faults()
    answer = faults.Respond(json.dumps(document).encode())
    fake_exchange.inject(answer, endpoint=endpoint.rpartition("/")[2], times=None)
    await GENERATED[endpoint](session, ARGUMENTS)


@needs_documents
@pytest.mark.real_time
@pytest.mark.parametrize("document", [older, newer], ids=["older", "newer"])
async def test_no_request_makes_the_sandbox_fail_and_its_answers_are_as_documented(
    fake_exchange: FakeExchange, tmp_path: Path, document: Callable[[], Spec]
) -> None:
    book, mine = fake_exchange.book, fake_exchange.account
    for type_ in MarketType:
        game = fake_exchange.add_game(orders=3)
        maker = book.place(mine, game.game_id, type=type_, number=0.5)
        book.fill(maker.order_id, 10.0)
        # What matches it is the account's own as well, by another name.
        taker = evolve(maker, order_id=book.new_id(), fills=[], filled=0.0)
        book.add(taker)
        book.match(taker, Match(maker, 10.0, 10.0))
        book.settle(game.game_id, away=1, home=2)
        game.start = datetime(2026, 1, 1, tzinfo=UTC)
    fake_exchange.add_game(orders=3)
    file = tmp_path / "document.json"
    file.write_text(json.dumps(any_of(document()) | {"openapi": "3.0.3"}))
    options = {
        "--url": fake_exchange.url,
        "--header": f"Authorization: {fake_exchange.token}",
        "--exclude-path": "/openapi.json",
        # The documents name few of the statuses.
        "--checks": "not_a_server_error,response_schema_conformance,content_type_conformance",
        "--phases": "examples,fuzzing",
        "--max-examples": "20",
        "--seed": "1",
        "--report-dir": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("schemathesis"),
        "run",
        file,
        *[word for option in options.items() for word in option],
        cwd=tmp_path,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
