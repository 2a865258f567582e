"""What holds for every read, by a table: its errors, its share of the limit, its odd values."""

import asyncio
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from attrs import evolve
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from spec import ARGUMENTS, InterceptedError, interceptor
from test_deviations import REPLACEMENTS, places, replaced
from test_documents import GENERATED, GRADED, INSISTS, READS, answers_to, needs_documents

from fourcasters_async import (
    ApiError,
    AsyncSession,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    ServerError,
)
from fourcasters_async._core.outcome import AttemptStatus
from fourcasters_async._core.request import RULES, Request
from fourcasters_async._http.response import Response, classify
from fourcasters_async.testing import FakeExchange, faults

EVERY = {**READS, **GRADED}
# Written out once more.
ERRORS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: BadRequestError,
    428: ForbiddenError,
    429: RateLimitedError,
    500: ServerError,
    502: ServerError,
    503: ServerError,
    504: ServerError,
}
# These answers are one value, and what leads to it.
NOTHING_ELSE = {"GET /exchange/getLeagues", "GET /user/getGameLiability"}
# The ids of the one game that was asked for decide whether it is.
DECIDING = {"data.game.id", "data.game.parentGameID"}
FORMS = {
    "string form": b'{"error": "it failed"}',
    "object form": b'{"error": {"message": "it failed"}}',
}


def request_of(endpoint: str) -> Request[Any]:
    """Return what a read would send. It waits for nothing."""

    async def ask() -> Request[Any]:
        with patch("fourcasters_async._transports.HttpClient", interceptor()):
            try:
                async with AsyncSession("token") as session:
                    await EVERY[endpoint](session, ARGUMENTS)
            except InterceptedError as intercepted:
                return intercepted.request
        raise AssertionError("it sends nothing")

    return asyncio.run(ask())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("endpoint", EVERY)
async def test_a_read_raises_the_error_of_the_status(
    session: AsyncSession, fake_exchange: FakeExchange, endpoint: str, status: int, form: str
) -> None:
    answer = faults.Respond(FORMS[form], status=status)
    fake_exchange.inject(answer, endpoint=endpoint.rpartition("/")[2], times=None)
    with pytest.raises(ApiError, match="it failed") as failed:
        await EVERY[endpoint](session, ARGUMENTS)
    assert (type(failed.value), failed.value.status) == (ERRORS[status], status)
    assert failed.value.endpoint == endpoint


@pytest.mark.parametrize("endpoint", EVERY)
def test_a_read_does_not_use_what_is_kept_for_cancels(endpoint: str) -> None:
    rules = RULES[request_of(endpoint).kind]
    assert (rules.uses_reserve, rules.has_effect) == (False, False)


@needs_documents
@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(data=st.data())
@pytest.mark.parametrize("endpoint", sorted(GENERATED.keys() - NOTHING_ELSE))
def test_an_odd_value_costs_no_read_and_no_record_beside_it(
    endpoint: str, data: st.DataObject
) -> None:
    document = data.draw(answers_to(endpoint))
    kept = {*INSISTS[endpoint], *DECIDING}
    there = [place for place in places(document) if named(place) not in kept]
    assume(there)
    place, value = data.draw(st.sampled_from(there)), data.draw(st.sampled_from(REPLACEMENTS))
    right = decoded(endpoint, document)
    changed = decoded(endpoint, replaced(document, place, value))
    if isinstance(right, list):
        assert len(changed) == len(right)


def named(place: tuple[str | int, ...]) -> str:
    return ".".join("*" if isinstance(step, int) else step for step in place)


def decoded(endpoint: str, document: Any) -> Any:
    anyone = evolve(request_of(endpoint), check=None, stray=None)
    result = classify(anyone, Response(200, {}, orjson.dumps(document)))
    assert result.status is AttemptStatus.ANSWERED, result.error
    return result.value
