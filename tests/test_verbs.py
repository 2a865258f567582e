"""Every cancelling verb: the same faults, the same honesty."""

import asyncio
from itertools import product

import pytest
from support import OVER_REST, OVER_THE_SOCKET, QUICK, REFERENCE, SECOND, VERBS, Verb

from fourcasters_async import (
    AsyncSession,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    DecodeError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
)
from fourcasters_async.testing import BookOrder, FakeExchange, faults

every_verb = pytest.mark.parametrize("verb", VERBS, ids=str)

LOST = [
    faults.Close(),
    faults.Close(committed=True),
    faults.Reset(),
    faults.Reset(committed=True),
    faults.Stall(committed=True),
    faults.Truncate(),
    faults.Garbage(),
    faults.Unavailable(),
    faults.Unavailable(committed=True, object_form=False),
    faults.Respond(b""),
    faults.Respond(b'{"data": null}'),
    faults.Respond(b'{"data": {"success": "true", "ordersReceived": "true"}}'),
    faults.Respond(b'{"data": [{"success": "true"}]}'),
    faults.Respond(b'{"data": "done"}'),
]
LOST_OVER_HTTP = [
    faults.StallBody(),
    faults.DripBody(pause=1.0),
    faults.WrongLength(),
    faults.Html(),
    faults.Html(status=502),
    faults.Redirect("https://elsewhere.example/"),
]
LOST_OVER_THE_SOCKET = [
    faults.HalfOpen(),
    faults.HalfOpen(committed=True),
    faults.CloseCode(),
    faults.CloseCode(1000, committed=True),
    faults.UnknownID(),
    faults.Respond(b'{"data": [], "error": "order not found"}'),
    faults.Respond(b'{"error": "Failed to process what was asked"}'),
]


def each_with(*cases: tuple[Verb, faults.Fault]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("verb", "fault"), cases, ids=[f"{verb}-{fault}" for verb, fault in cases]
    )


@pytest.fixture
def order(fake_exchange: FakeExchange) -> BookOrder:
    game = fake_exchange.add_game()
    return fake_exchange.book.place(fake_exchange.account, game.game_id, user_reference=REFERENCE)


@every_verb
async def test_the_order_goes_with_one_request(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, verb: Verb
) -> None:
    await verb(session, order)
    assert order.cancelled
    handshakes = fake_exchange.received("ws")
    assert handshakes == verb.over_socket
    assert fake_exchange.received(verb.endpoint) == fake_exchange.received() - handshakes == 1


@each_with(
    *product(VERBS, LOST),
    *product(OVER_REST, LOST_OVER_HTTP),
    *product(OVER_THE_SOCKET, LOST_OVER_THE_SOCKET),
)
async def test_an_answer_that_cannot_be_used_leaves_the_outcome_unknown(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    verb: Verb,
    fault: faults.Fault,
) -> None:
    fake_exchange.inject(fault, endpoint=verb.endpoint, times=None)
    with pytest.raises(OutcomeUnknownError) as caught:
        await verb(session, order)
    assert caught.value.attempts == QUICK.max_attempts
    assert fake_exchange.received(verb.endpoint) == QUICK.max_attempts


@each_with(
    *product(VERBS, [faults.Close(), faults.Unavailable(), faults.Truncate()]),
    *product(OVER_REST, [faults.StallBody()]),
    *product(OVER_THE_SOCKET, [faults.HalfOpen(), faults.CloseCode(), faults.UnknownID()]),
)
async def test_a_cancel_is_repeated_until_the_order_is_gone(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    verb: Verb,
    fault: faults.Fault,
) -> None:
    fake_exchange.inject(fault, endpoint=verb.endpoint)
    done = isinstance(fault, faults.StallBody | faults.Truncate | faults.UnknownID)
    if verb.endpoint in ("cancel", "cancelById") and done:
        # The lost request has cancelled it, and the second is told that it is not open.
        with pytest.raises(OutcomeUnknownError) as caught:
            await verb(session, order)
        assert isinstance(caught.value.__cause__, NotFoundError | ConflictError)
    else:
        await verb(session, order)
    assert order.cancelled
    assert fake_exchange.received(verb.endpoint) == 2


@every_verb
@pytest.mark.parametrize(
    ("fault", "error", "tries"),
    [
        (faults.Unauthorized(), AuthenticationError, 1),
        (faults.TooManyRequests(None), RateLimitedError, 3),
        (
            faults.Respond(b'{"error": "invalid order ID format"}', 400),
            BadRequestError,
            1,
        ),
        (
            faults.Respond(
                b'{"error": {"message": "Unauthorized: order does not belong to user."}}', 403
            ),
            ForbiddenError,
            1,
        ),
        (
            faults.Respond(b'{"error": {"message": "order already graded", "code": 409}}', 409),
            ConflictError,
            1,
        ),
    ],
    ids=str,
)
async def test_a_refusal_is_raised_as_what_it_is(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    verb: Verb,
    fault: faults.Fault,
    error: type[Exception],
    tries: int,
) -> None:
    fake_exchange.inject(fault, endpoint=verb.endpoint, times=None)
    with pytest.raises(error):
        await verb(session, order)
    assert fake_exchange.received(verb.endpoint) == tries


@every_verb
async def test_a_refused_connection_is_not_sent(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, verb: Verb
) -> None:
    async with fake_exchange.refusing():
        with pytest.raises(NotSentError):
            await verb(session, order)
    assert not order.cancelled


@every_verb
async def test_a_call_that_is_cancelled_leaves_nothing_running(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, verb: Verb
) -> None:
    fake_exchange.inject(faults.Stall(), times=None)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2 * SECOND):
            await verb(session, order)


async def test_a_single_result_is_tied_to_the_order_that_was_asked_for(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.inject(faults.Respond(b'{"data": {"success": true}}'), endpoint="cancel")
    result = await session.cancel(order.order_id)
    assert (result.order_id, result.success) == (order.order_id, True)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("unknown", NotFoundError),
        ("cancelled", NotFoundError),
        ("filled", ConflictError),
        ("somebody else's", ForbiddenError),
        ("malformed", BadRequestError),
    ],
)
async def test_an_order_that_cannot_be_cancelled_says_why(
    fake_exchange: FakeExchange,
    session: AsyncSession,
    order: BookOrder,
    state: str,
    error: type[Exception],
) -> None:
    order_id = {"unknown": "f" * 24, "malformed": "not-an-id"}.get(state, order.order_id)
    if state == "cancelled":
        order.cancelled = True
    elif state == "filled":
        fake_exchange.book.fill(order_id, 100.0)
    elif state == "somebody else's":
        order.account = "somebody else"
    with pytest.raises(error):
        await session.cancel(order_id)


async def test_only_the_orders_with_the_references_go(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    other = fake_exchange.book.place(fake_exchange.account, order.game_id, user_reference="another")
    (result,) = await session.cancel_by_reference(order.game_id, [REFERENCE, "nobody's"])
    assert (result.order_id, result.user_reference) == (order.order_id, REFERENCE)
    assert other.open


async def test_no_references_is_no_request(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    assert await session.cancel_by_reference(order.game_id, []) == []
    assert not fake_exchange.requests


@pytest.mark.parametrize("references", ["mine", [""], ["a\nb"], [None], ["x" * 2000], None])
async def test_bad_references_are_refused(session: AsyncSession, references: list[str]) -> None:
    with pytest.raises(InvalidRequestError, match=r"^user_references"):
        await session.cancel_by_reference("f" * 24, references)


async def test_a_league_is_only_acknowledged(session: AsyncSession, order: BookOrder) -> None:
    answer = await session.cancel_all_for_league("nba")
    assert answer.orders_received
    assert not hasattr(answer, "success")


async def test_an_unknown_league_is_refused(session: AsyncSession) -> None:
    with pytest.raises(BadRequestError, match="Invalid league"):
        await session.cancel_all_for_league("NOPE")


async def test_the_state_of_an_order_can_be_looked_up(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.book.fill(order.order_id, 40.0)
    detail = await session.lookup_order(order.order_id)
    assert (detail.order_id, detail.cancelled) == (order.order_id, False)
    assert (detail.matched_risk, detail.unmatched_risk) == (40.0, 60.0)
    await session.cancel(order.order_id)
    assert (await session.lookup_order(order.order_id)).cancelled


async def test_the_orders_of_a_game_are_open_and_matched_ones(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder
) -> None:
    fake_exchange.book.fill(order.order_id, 40.0)
    on_game = await session.account.get_orders_for_game(order.game_id)
    assert [each.order_id for each in on_game.unmatched] == [order.order_id]
    assert [(bet.bet, bet.risk) for bet in on_game.matched] == [(40.0, 40.0)]
    with pytest.raises(NotFoundError):
        await session.account.get_orders_for_game("f" * 24)


@pytest.mark.parametrize("body", [b'{"data": {"matched": []}}', b'{"data": {"unmatched": []}}'])
async def test_half_of_the_orders_of_a_game_is_no_answer(
    fake_exchange: FakeExchange, session: AsyncSession, order: BookOrder, body: bytes
) -> None:
    fake_exchange.inject(faults.Respond(body), times=None)
    with pytest.raises(DecodeError, match="missing"):
        await session.account.get_orders_for_game(order.game_id)
