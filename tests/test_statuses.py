"""What the sandbox answers, against the exchange's document, and what the client raises for it.

Every status of the document is here, and those that were seen beside it.
"""

from typing import Any

import pytest
from attrs import evolve
from spec import (
    ARGUMENTS,
    CANCEL,
    DOCUMENTED,
    EDIT,
    ENDPOINTS,
    EVERYTHING,
    GAME,
    GAME_TYPES,
    HEARTBEAT,
    LEAGUE,
    LOGIN,
    LOGOUT,
    LOOKUP,
    ME,
    MULTIPLE,
    NOWHERE,
    ON_GAME,
    OPEN,
    PLACE,
    REFERENCE,
    Spec,
    answer_schema,
    ask,
    assert_valid,
    furnish,
    operation,
    request_of,
    with_ids,
)

from fourcasters_async import (
    ApiError,
    AsyncSession,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
)
from fourcasters_async.models import MarketType
from fourcasters_async.testing import FakeExchange, faults

ERRORS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}
SEEN_ERROR = {
    "required": ["message", "code"],
    "properties": {"message": {"type": "string"}, "code": {"type": "integer"}},
}
# `HttpError` requires nothing, so an empty object is one.
ERROR = {
    "required": ["error"],
    "anyOf": [{"$ref": "#/components/schemas/HttpError"}, {"properties": {"error": SEEN_ERROR}}],
}

Ids = dict[str, str]
Row = tuple[str, int, Spec]

# A bet on the game of the book, but for its market type and what belongs to that.
BET = {"gameID": "the game", "side": "the home side", "odds": -110, "bet": 25.5}

REFUSED: list[Row] = [
    *(
        (EDIT, 400, {"sessionID": order, "orderOdds": 120, "orderVolume": 40})
        for order in (
            "nonsense",
            NOWHERE,
            "order of another",
            "filled order",
            "cancelled order",
        )
    ),
    (
        EDIT,
        400,
        {
            "sessionID": "resting order",
            "orderOdds": 120,
            "orderVolume": 40,
            "orderType": "fillOrKill",
        },
    ),
    (CANCEL, 400, {"sessionID": "nonsense"}),
    (CANCEL, 403, {"sessionID": "order of another"}),
    (CANCEL, 404, {"sessionID": "cancelled order"}),
    (CANCEL, 404, {"sessionID": NOWHERE}),
    (CANCEL, 409, {"sessionID": "filled order"}),
    (GAME, 400, {"gameID": "nonsense"}),
    (GAME, 400, {"gameID": NOWHERE}),
    (GAME, 400, {"gameID": "the game", "type": "moneyline1x2"}),
    (REFERENCE, 400, {"gameID": "nonsense", "userReferences": ["mine"]}),
    (LEAGUE, 400, {"league": "nonsense"}),
    (LOOKUP, 403, {"orderID": "order of another"}),
    (LOOKUP, 404, {"orderID": "nonsense"}),
    (LOOKUP, 404, {"orderID": NOWHERE}),
    (ON_GAME, 404, {"gameID": "nonsense"}),
    (ON_GAME, 404, {"gameID": NOWHERE}),
    (LOGIN, 401, {"username": "owner", "password": "wrong"}),
    (LOGIN, 401, {"username": "nobody", "password": "right"}),
    (LOGIN, 403, {"username": "barred", "password": "right"}),
    (LOGIN, 429, {"username": "throttled", "password": "right"}),
]
"""What the verbs send, since it might be valid, and the exchange refuses."""

MALFORMED: list[Row] = [
    (PLACE, 400, {}),
    (PLACE, 400, {"orders": NOWHERE}),
    (EDIT, 400, {}),
    (EDIT, 400, {"sessionID": "resting order", "orderOdds": 120}),
    (EDIT, 400, {"sessionID": "resting order", "orderOdds": 120, "orderVolume": None}),
    (EDIT, 400, {"sessionID": "resting order", "orderOdds": 0, "orderVolume": 40}),
    (CANCEL, 400, {}),
    (MULTIPLE, 400, {}),
    (MULTIPLE, 400, {"sessionIDs": NOWHERE}),
    (MULTIPLE, 400, {"sessionIDs": [NOWHERE, "nonsense"]}),
    (GAME, 400, {}),
    (REFERENCE, 400, {"gameID": "the game"}),
    (REFERENCE, 400, {"gameID": "the game", "userReferences": "mine"}),
    (REFERENCE, 400, {"userReferences": ["mine"]}),
    (LEAGUE, 400, {}),
    (LOOKUP, 404, {}),
    (ON_GAME, 404, {}),
    (LOGIN, 400, {}),
    (LOGIN, 400, {"username": "owner"}),
    (LOGIN, 400, {"username": "", "password": "right"}),
    (HEARTBEAT, 400, {}),
    (HEARTBEAT, 400, {"timeout": 5}),
]
"""What the verbs refuse to send, and the exchange refuses too."""

ASKED: dict[str, list[Spec]] = {
    PLACE: [
        {
            "orders": [
                {**BET, "type": "moneyline", "userReference": "mine"},
                {**BET, "type": "spread", "number": -3.5, "orderType": "post"},
                {**BET, "type": "total", "number": 220.5, "side": "over", "expirationMinutes": 5},
                {**BET, "type": "moneyline1x2", "side": "no", "market": "draw"},
            ]
        },
        {
            "orders": [
                {**BET, "type": "moneyline", "orderType": "fillOrKill"},
                {**BET, "type": "spread"},
                {},
            ]
        },
        {"orders": []},
    ],
    EDIT: [
        {"sessionID": "resting order", "orderOdds": 120, "orderVolume": 40},
        {
            "sessionID": "moneyline1x2 order",
            "orderOdds": -120,
            "orderVolume": 40.5,
            "userReference": "yours",
        },
        {
            "sessionID": "spread order",
            "orderOdds": 120,
            "orderVolume": 40,
            "orderType": "post",
            "intendedOrderVolume": 50,
            "expiryChange": "10",
        },
    ],
    CANCEL: [{"sessionID": "resting order"}, {"sessionID": "spread order"}],
    MULTIPLE: [
        {"sessionIDs": ["resting order", "resting order", "filled order", "total order"]},
        {"sessionIDs": ["cancelled order", "order of another", NOWHERE]},
        {"sessionIDs": []},
    ],
    GAME: [{"gameID": "the game"}, *({"gameID": "the game", "type": t} for t in GAME_TYPES if t)],
    REFERENCE: [
        {"gameID": "the game", "userReferences": references} for references in (["mine"], [])
    ],
    LEAGUE: [{"league": "NBA"}, {"league": "nba"}],
    EVERYTHING: [{}],
    LOOKUP: [
        {"orderID": f"{kind} order"} for kind in (*MarketType, "resting", "filled", "cancelled")
    ],
    ON_GAME: [{"gameID": "the game"}],
    OPEN: [{}],
    ME: [{}],
    LOGIN: [{"username": "owner", "password": "right"}],
    HEARTBEAT: [{"timeout": 6}],
}
"""What the exchange does."""

WITH_A_TOKEN = [path for path in ENDPOINTS if path != LOGIN]
READS = [path for path in ENDPOINTS if ENDPOINTS[path].method == "GET" or path == LOGIN]
WRITES = [path for path in ENDPOINTS if path not in READS]
BOTH_FORMS = pytest.mark.parametrize(
    "object_form", [False, True], ids=["string form", "object form"]
)


@pytest.fixture
async def ids(fake_exchange: FakeExchange) -> Ids:
    fake_exchange.add_account("throttled", "right")
    wrong = {"username": "throttled", "password": "wrong"}
    for _ in range(5):
        await ask(fake_exchange, LOGIN, wrong)
    return furnish(fake_exchange)


async def raised(session: AsyncSession, path: str, arguments: Spec) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        await ENDPOINTS[path].ask(session, arguments)
    return refusal.value


@pytest.mark.parametrize(
    ("path", "arguments"), [(p, each) for p in DOCUMENTED for each in ASKED[p]], ids=str
)
async def test_the_sandbox_answers_as_documented(
    spec: Spec, fake_exchange: FakeExchange, ids: Ids, path: str, arguments: Spec
) -> None:
    status, document = await ask(fake_exchange, path, with_ids(arguments, ids))
    assert status == 200
    assert_valid(spec, answer_schema(spec, path), document)


def properties(spec: Spec, name: str) -> set[str]:
    return set(spec["components"]["schemas"][name]["properties"])


@pytest.mark.parametrize("type_", MarketType)
async def test_an_open_order_of_the_sandbox_has_every_property_documented_for_its_type(
    spec: Spec, fake_exchange: FakeExchange, type_: MarketType
) -> None:
    order_id = furnish(fake_exchange)[f"{type_} order"]
    _, answer = await ask(fake_exchange, OPEN, {})
    (order,) = [order for order in answer["data"]["unmatched"] if order["id"] == order_id]
    wanted = properties(spec, "UnmatchedOrder")
    if type_ not in (MarketType.MONEYLINE, MarketType.SPREAD):
        wanted -= {"participantID", "otherParticipantID"}
    assert wanted - order.keys() == set()
    assert properties(spec, "GameSummary") - order["game"].keys() == set()


def test_every_documented_status_is_tested(spec: Spec) -> None:
    tested = {(path, status) for path, status, _ in (*REFUSED, *MALFORMED)}
    tested |= {(path, 401) for path in WITH_A_TOKEN}
    tested |= {(path, 503) for path in ENDPOINTS}
    documented = {
        (p, int(status)) for p in DOCUMENTED for status in operation(spec, p)["responses"]
    }
    assert documented - tested == {(path, 200) for path in DOCUMENTED}


@pytest.mark.parametrize(("path", "status", "arguments"), [*REFUSED, *MALFORMED], ids=str)
async def test_the_sandbox_refuses_what_the_exchange_refuses(
    spec: Spec, fake_exchange: FakeExchange, ids: Ids, path: str, status: int, arguments: Spec
) -> None:
    answered, document = await ask(fake_exchange, path, with_ids(arguments, ids))
    assert answered == status
    assert_valid(spec, ERROR, document)


@pytest.mark.parametrize(("path", "status", "arguments"), REFUSED, ids=str)
async def test_a_verb_raises_the_error_of_the_status(
    session: AsyncSession, ids: Ids, path: str, status: int, arguments: Spec
) -> None:
    error = await raised(session, path, with_ids(arguments, ids))
    assert (type(error), error.status) == (ERRORS[status], status)


@pytest.mark.parametrize(("path", "status", "arguments"), REFUSED, ids=str)
async def test_an_error_has_the_words_of_the_exchange(
    session: AsyncSession,
    fake_exchange: FakeExchange,
    ids: Ids,
    path: str,
    status: int,
    arguments: Spec,
) -> None:
    known = with_ids(arguments, ids)
    _, document = await ask(fake_exchange, path, known)
    words = document["error"]
    error = await raised(session, path, known)
    if path == "/user/login":
        # It may quote a password.
        words = "(what is said of a login is not shown)"
    assert error.message == (words["message"] if isinstance(words, dict) else words)


@pytest.mark.parametrize("order", ["cancelled order", "of no one"])
async def test_an_order_that_is_not_open_is_refused_in_the_object_form(
    fake_exchange: FakeExchange, ids: Ids, order: str
) -> None:
    order_id = ids.get(order, NOWHERE)
    _, document = await ask(fake_exchange, CANCEL, {"sessionID": order_id})
    assert document == {"error": {"message": "Order not found", "code": 404}}


async def test_the_error_of_the_object_form_has_its_code(session: AsyncSession, ids: Ids) -> None:
    error = await raised(session, CANCEL, {"sessionID": ids["cancelled order"]})
    assert error.code == 404


@pytest.mark.parametrize(("path", "status", "arguments"), MALFORMED, ids=str)
async def test_a_malformed_request_that_is_sent_all_the_same_raises_the_error_of_the_status(
    session: AsyncSession, ids: Ids, path: str, status: int, arguments: Spec
) -> None:
    request = await request_of(path, ARGUMENTS)
    assert request is not None
    said: dict[str, Any] = with_ids(arguments, ids)
    said = {"params": said} if ENDPOINTS[path].method == "GET" else {"body": said}
    with pytest.raises(ApiError) as refusal:
        await session._http.call(evolve(request, **said))
    assert (type(refusal.value), refusal.value.status) == (ERRORS[status], status)


@pytest.mark.parametrize("token", ["", "Bearer unknown"], ids=["no token", "unknown token"])
@pytest.mark.parametrize("path", WITH_A_TOKEN)
async def test_the_sandbox_refuses_a_token_that_it_does_not_know(
    spec: Spec, fake_exchange: FakeExchange, path: str, token: str
) -> None:
    status, document = await ask(fake_exchange, path, {}, token)
    assert status == 401
    assert_valid(spec, ERROR, document)


# To log a dead token out is to be done.
@pytest.mark.parametrize("path", [path for path in WITH_A_TOKEN if path != LOGOUT])
async def test_a_verb_raises_an_authentication_error_for_a_token_that_was_ended(
    session: AsyncSession, fake_exchange: FakeExchange, path: str
) -> None:
    fake_exchange.revoke(fake_exchange.token)
    assert type(await raised(session, path, ARGUMENTS)) is AuthenticationError


async def test_a_verb_raises_an_authentication_error_for_a_token_that_another_session_logged_out(
    session: AsyncSession, fake_exchange: FakeExchange
) -> None:
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as another:
        await another.logout()
    assert type(await raised(session, OPEN, ARGUMENTS)) is AuthenticationError


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_verb_raises_a_rate_limited_error_for_too_many_requests(
    session: AsyncSession, fake_exchange: FakeExchange, path: str
) -> None:
    fake_exchange.inject(faults.TooManyRequests("0"), times=None)
    assert type(await raised(session, path, ARGUMENTS)) is RateLimitedError


@BOTH_FORMS
@pytest.mark.parametrize("path", ENDPOINTS)
async def test_the_sandbox_writes_that_it_gave_up_as_the_exchange_does(
    spec: Spec, fake_exchange: FakeExchange, path: str, *, object_form: bool
) -> None:
    fake_exchange.inject(faults.Unavailable(object_form=object_form))
    status, document = await ask(fake_exchange, path, {})
    assert status == 503
    assert_valid(spec, ERROR, document)


@BOTH_FORMS
@pytest.mark.parametrize("path", READS)
async def test_a_read_that_the_exchange_gave_up_on_raises_a_server_error(
    session: AsyncSession, fake_exchange: FakeExchange, path: str, *, object_form: bool
) -> None:
    fake_exchange.inject(faults.Unavailable(object_form=object_form), times=None)
    error = await raised(session, path, ARGUMENTS)
    assert (type(error), error.status) == (ServerError, 503)


@BOTH_FORMS
@pytest.mark.parametrize("path", WRITES)
async def test_a_write_that_the_exchange_gave_up_on_has_an_unknown_outcome(
    session: AsyncSession, fake_exchange: FakeExchange, path: str, *, object_form: bool
) -> None:
    fake_exchange.inject(faults.Unavailable(object_form=object_form), times=None)
    with pytest.raises(OutcomeUnknownError) as unknown:
        await ENDPOINTS[path].ask(session, ARGUMENTS)
    assert isinstance(unknown.value.__cause__, ServerError)
    assert unknown.value.__cause__.status == 503
