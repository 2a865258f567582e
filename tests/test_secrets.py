"""Tokens and passwords are in nothing that is shown, in no form and in no part."""

import html
import json
import pickle
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from aiohttp import web
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from support import CANARY, PATIENT, everything_shown_of

from fourcasters_async import AsyncSession, CancelResult, NotFoundError
from fourcasters_async._core.redaction import Redactor
from fourcasters_async._core.secret import Secret, SecretBytes, hidden
from fourcasters_async.testing import FakeExchange, faults

TOKEN = "".join(f"{number * 7919 % 65536:04x}" for number in range(64))
PASSWORD = 'cor"rect\\ho rse & <staple>'
# Characters of a secret that may be shown, because any text can have as many.
HARMLESS = 11
FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in JSON twice": lambda secret: json.dumps(json.dumps(secret))[3:-3],
    "as code points": lambda secret: "".join(f"\\u{ord(each):04x}" for each in secret),
    "in a URL": lambda secret: quote(secret, safe=""),
    "in a query": quote_plus,
    "percent by percent": lambda secret: "".join(f"%{ord(each):02X}" for each in secret),
    "in HTML": html.escape,
    "in upper case": str.upper,
    "cut short": lambda secret: secret[: max(8, len(secret) // 2)],
    "without its beginning": lambda secret: secret[len(secret) // 3 :],
    "between quotes": lambda secret: f'"{secret}"',
}


def unescaped(text: str) -> str:
    for _ in range(2):
        text = html.unescape(text).replace("\\\\", "\\").replace('\\"', '"')
    return text


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", [TOKEN, PASSWORD], ids=["token", "password"])
def test_a_text_shows_no_part_of_a_secret_in_any_form(
    secret: str, form: Callable[[str], str]
) -> None:
    redactor = Redactor()
    redactor.add(Secret(secret), "[secret]")
    text = redactor.redact(f"the server said {form(secret)} and went away")
    assert "[secret]" in text
    for start in range(len(secret) - HARMLESS):
        part = secret[start : start + HARMLESS + 1]
        assert part not in unescaped(text)
        assert form(part) not in text


@given(st.integers(0, 240), st.integers(12, 256), st.text(max_size=20), st.text(max_size=20))
def test_any_twelve_characters_of_a_token_are_found(
    start: int, length: int, before: str, after: str
) -> None:
    redactor = Redactor()
    redactor.add(Secret(TOKEN), "[token]")
    part = TOKEN[start : start + length]
    if len(part) < 12:
        return
    assert part not in redactor.redact(before + part + after)


@given(st.text(alphabet="ghijklmnop qrstuvwxyz.,:", max_size=200))
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    redactor = Redactor()
    redactor.add(Secret(TOKEN), "[token]")
    assert redactor.redact(text) == text


def test_a_short_password_is_a_word_and_stays() -> None:
    redactor = Redactor()
    redactor.add(Secret("order"), "[password]")
    assert redactor.redact("no such order") == "no such order"


def test_a_thousand_secrets_are_remembered() -> None:
    redactor = Redactor()
    tokens = [f"{number:032x}" for number in range(10**30, 10**30 + 1000)]
    for token in tokens:
        redactor.add(Secret(token), "[token]")
    assert redactor.redact(tokens[0]) == "[token]"


def test_more_secrets_than_that_use_no_more_memory() -> None:
    redactor = Redactor()
    for number in range(1100):
        redactor.add(Secret(f"{number:032d}"), "[token]")
    assert len(redactor._parts) == len(redactor._stand_ins) == len(redactor._in_answers) == 1000


@pytest.mark.parametrize("depth", [0, 10, 250, 300, 1000])
def test_a_token_in_escapes_is_found_however_deep_it_lies(depth: int) -> None:
    redactor = Redactor()
    redactor.add(Secret(TOKEN), "[token]")
    escaped = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
    content = f'{"[" * depth}"{escaped}"{"]" * depth}'.encode()
    assert escaped.encode() not in redactor.in_answer(content)


MADE_OF_IT: list[Callable[[Secret], object]] = [
    lambda secret: secret,
    lambda secret: secret[:80],
    lambda secret: secret[0],
    lambda secret: "Bearer " + secret,
    lambda secret: secret + "\n",
    lambda secret: {"Authorization": secret},
    lambda secret: hidden(secret.encode()),
    lambda secret: SecretBytes(secret.encode())[:80],
]


@pytest.mark.parametrize("make", MADE_OF_IT)
def test_a_secret_and_its_parts_are_hidden(make: Callable[[Secret], object]) -> None:
    shown = repr(make(Secret(TOKEN)))
    assert "<secret>" in shown
    assert TOKEN[0:8] not in shown


@pytest.mark.parametrize("secret", [Secret(TOKEN)])
def test_a_secret_is_not_pickled(secret: Secret) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(secret)


ROW = json.dumps([{"success": False, "reason": f"bad token {CANARY}", "description": CANARY}])


async def test_a_result_does_not_quote_the_token_over_rest(canary: FakeExchange) -> None:
    game = canary.add_game(orders=1).game_id
    canary.inject(faults.Respond(f'{{"data": {ROW}}}'.encode()))
    async with AsyncSession(CANARY, base_url=canary.url) as session:
        results = await session.cancel_all_orders_for_game(game)
    assert results == [
        CancelResult(success=False, reason="bad token [token]", description="[token]")
    ]


@pytest.mark.parametrize(
    "escaped",
    [
        lambda text: "".join(f"\\u{ord(each):04x}" for each in text),
        lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    ],
    ids=["as code points", "with a slash"],
)
@pytest.mark.parametrize("token", [CANARY, 'tok/en+"with"=odd/characters'])
async def test_a_result_does_not_quote_a_token_that_is_escaped(
    fake_exchange: FakeExchange, escaped: Callable[[str], str], token: str
) -> None:
    fake_exchange.book.tokens[token] = fake_exchange.account
    game = fake_exchange.add_game().game_id
    row = '{"success": false, "reason": "bad token %s"}'
    fake_exchange.inject(faults.Respond(f'{{"data": [{row % escaped(token)}]}}'.encode()))
    async with AsyncSession(token, base_url=fake_exchange.url) as session:
        (result,) = await session.cancel_all_orders_for_game(game)
    assert result.reason == "bad token [token]"


@frozen
class QuotesNewToken(faults.Fault):
    """The answer brings a new token, and a row that quotes it."""

    token: str

    async def __call__(self, _: faults.Call) -> web.StreamResponse:
        document = {"data": [{"success": False, "reason": f"not with {self.token}"}]}
        return web.json_response(document, headers={"X-Auth-Token": self.token})


async def test_a_result_does_not_quote_the_token_that_its_answer_brings(
    fake_exchange: FakeExchange,
) -> None:
    game = fake_exchange.add_game().game_id
    fake_exchange.inject(QuotesNewToken(CANARY))
    async with AsyncSession(fake_exchange.token, base_url=fake_exchange.url) as session:
        (result,) = await session.cancel_all_orders_for_game(game)
    assert result.reason == "not with [token]"


async def test_a_result_does_not_quote_the_token_over_the_socket(canary: FakeExchange) -> None:
    game = canary.add_game().game_id
    canary.book.place(canary.account, game, user_reference=f"{CANARY}-1")
    async with (
        AsyncSession(CANARY, base_url=canary.url, orders_url=canary.orders_url) as session,
        session.orders_socket() as orders,
    ):
        (result,) = await orders.cancel_all_orders_for_game(game)
    assert result.user_reference == "[token]-1"


async def test_a_token_that_was_replaced_often_since_is_not_quoted(canary: FakeExchange) -> None:
    async with AsyncSession(CANARY, base_url=canary.url, retry=PATIENT) as session:
        for number in range(20):
            session._auth.learn(session._auth.token, f"{number:064x}")
        body = json.dumps({"error": f"no such order: {CANARY}"}).encode()
        canary.inject(faults.Respond(body, status=404), times=None)
        canary.book.tokens[f"{19:064x}"] = canary.account
        with pytest.raises(NotFoundError) as caught:
            await session.cancel("a" * 24)
    assert "[token]" in str(caught.value)
    assert CANARY[:12] not in "\n".join(everything_shown_of(caught.value))
