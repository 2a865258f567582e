"""`fourcasters doctor`: what it finds, what it says to do, how it ends, and what it sends."""

import asyncio
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from attrs import frozen
from shapes import mistakes
from support import CANARY, ECHOES, Run, environment, free_port
from test_cli import Interrupts, interrupts

from fourcasters_async.cli import surroundings
from fourcasters_async.cli.checks import Examination
from fourcasters_async.cli.clock_skew import ClockSkew
from fourcasters_async.cli.findings import Finding, Grade, failure, token_finding
from fourcasters_async.cli.kept_token import TokenFile
from fourcasters_async.cli.sessions import token_source
from fourcasters_async.testing import FakeExchange, faults
from fourcasters_async.testing.calls import Call, Fault, respond

__all__ = ["interrupts"]

OK, WARNING, FAILED = Grade
NOW = 1_800_000_000.0
CHECKS = [
    "settings",
    "name",
    "connection",
    "exchange",
    "token",
    "round trip",
    "clock",
    "orders socket",
    "user feed",
    "price feed",
    "open orders",
    "rate limit",
    "versions",
]
SOCKETS = ["orders socket", "user feed", "price feed"]
AN_ACCOUNT = ["round trip", "open orders"]


@frozen
class Dated(Fault):
    """The right answer, from an exchange whose clock is `ahead` of `NOW`."""

    ahead: float

    async def __call__(self, call: Call) -> web.StreamResponse:
        response = respond(call.commit())
        response.headers["Date"] = formatdate(NOW + self.ahead, usegmt=True)
        return response


Examine = Callable[..., Awaitable[dict[str, Finding]]]


@pytest.fixture
def set_up(
    fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., None]:
    """Give what sets the variables of a command, with all three addresses."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def set_up(**variables: str) -> None:
        for name in ("USERNAME", "PASSWORD"):
            monkeypatch.delenv(f"FOURCASTERS_{name}", raising=False)
        addresses = {
            "FOURCASTERS_ORDERS_URL": fake_exchange.orders_url,
            "FOURCASTERS_STREAMING_URL": fake_exchange.streaming_url,
        }
        for name, value in (environment(fake_exchange) | addresses | variables).items():
            monkeypatch.setenv(name, value)

    return set_up


@pytest.fixture
def examine(set_up: Callable[..., None]) -> Examine:
    """Give what makes all checks in the loop of the test, and returns what each found."""

    async def examine(
        *, deadline: float = 20.0, wall: Callable[[], float] = time.time, **variables: str
    ) -> dict[str, Finding]:
        set_up(**variables)
        told: list[Finding] = []
        examination = Examination(token_source(), told.append, deadline=deadline, wall=wall)
        await examination.run()
        assert examination.findings == told
        assert [found.check for found in told] == CHECKS
        return {found.check: found for found in told}

    return examine


def grades(found: dict[str, Finding], grade: Grade) -> list[str]:
    return [check for check, each in found.items() if each.grade is grade]


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Give the port of a server that accepts and never answers."""
    done = asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield int(server.sockets[0].getsockname()[1])
        done.set()


async def test_where_all_is_well_every_check_says_so(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    game = fake_exchange.add_game(orders=2)
    found = await examine()
    assert grades(found, OK) == CHECKS
    assert found["open orders"].found == "2 on 1 game, 200.00 remaining"
    assert game.game_id not in str(found)


async def test_it_only_reads_and_says_how_much(
    fake_exchange: FakeExchange, run: Run, set_up: Callable[..., None]
) -> None:
    fake_exchange.add_game(orders=2)
    before = fake_exchange.open_orders()
    set_up()
    ran = await run("doctor")
    messages = [each.endpoint for each in fake_exchange.requests if each.method == "WS"]
    requests = [each for each in fake_exchange.requests if each.method != "WS"]
    received = len(requests)
    # To no game: the price feed would tell of all otherwise.
    assert messages == ["subscribe"]
    assert {each.method for each in requests} == {"GET"}
    assert f"sent {received} requests, which changed nothing" in ran.err
    assert received <= 10
    assert fake_exchange.open_orders() == before


async def test_an_exchange_that_refuses_connections_is_not_reached(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    async with fake_exchange.refusing():
        found = await examine()
    assert grades(found, FAILED) == ["connection", "exchange", *SOCKETS]
    assert all(found[check].to_do for check in grades(found, FAILED))
    assert grades(found, WARNING) == ["token", "round trip", "clock", "open orders"]
    assert found["exchange"].to_do == "see the connection"


async def test_a_name_that_nobody_knows_is_named(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = await examine(FOURCASTERS_BASE_URL="https://exchange.invalid")
    assert "exchange.invalid: gaierror: Name or service not known" in found["name"].found
    assert grades(found, FAILED) == ["name", "exchange"]


async def test_a_refused_token_is_told_apart_from_the_exchange(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    found = await examine(FOURCASTERS_TOKEN="dead" * 10)
    assert (found["exchange"].grade, found["token"].grade) == (OK, FAILED)
    assert "set FOURCASTERS_TOKEN to a new one" in found["token"].to_do
    assert grades(found, FAILED) == ["token", *SOCKETS]
    assert {found[check].to_do for check in SOCKETS} == {"see the token"}
    assert {found[check].grade for check in AN_ACCOUNT} == {WARNING}


async def test_without_a_token_it_still_says_whether_the_exchange_answers(
    examine: Examine,
) -> None:
    found = await examine(FOURCASTERS_TOKEN="")
    assert grades(found, FAILED) == ["token"]
    assert "FOURCASTERS_TOKEN: not set" in found["token"].found
    assert found["exchange"].found == "answered 401 to a request without a token"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.Html(502), 3),
        (faults.Html(403), 3),
        (faults.Html(200), 3),
        (faults.Unavailable(), 3),
        (faults.Close(), 3),
        (faults.TooManyRequests("17"), 1),
    ],
    ids=str,
)
async def test_without_a_token_only_an_answer_of_the_exchange_is_taken_for_one(
    fake_exchange: FakeExchange,
    run: Run,
    set_up: Callable[..., None],
    fault: Fault,
    status: int,
) -> None:
    fake_exchange.inject(fault, times=None)
    set_up(FOURCASTERS_TOKEN="")
    ran = await run("doctor", "--json", FOURCASTERS_TOKEN="")
    checks = {each["check"]: each for each in json.loads(ran.out)["checks"]}
    assert list(checks) == CHECKS
    assert (ran.status, checks["exchange"]["grade"]) == (status, "failed")
    assert checks["exchange"]["to_do"]


@pytest.mark.virtual_time
async def test_without_a_token_a_server_that_never_answers_is_said_not_to_answer_in_time(
    examine: Examine,
) -> None:
    async with silent() as port:
        found = await examine(FOURCASTERS_TOKEN="", FOURCASTERS_BASE_URL=f"http://127.0.0.1:{port}")
    assert found["exchange"].found == "no answer in time"


async def test_a_login_takes_the_place_of_a_token(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    fake_exchange.add_account("trader", "secret")
    login = {"FOURCASTERS_USERNAME": "trader", "FOURCASTERS_PASSWORD": "secret"}
    found = await examine(FOURCASTERS_TOKEN="", **login)
    assert found["token"].found == "accepted; from a login with FOURCASTERS_USERNAME"
    found = await examine(FOURCASTERS_TOKEN="", **login | {"FOURCASTERS_PASSWORD": "wrong"})
    assert found["token"].grade is FAILED
    assert "FOURCASTERS_USERNAME and FOURCASTERS_PASSWORD" in found["token"].to_do


@pytest.mark.parametrize(
    ("ahead", "grade", "said"),
    [
        (0, OK, "within 2 s"),
        (2, OK, "within 2 s"),
        (30, WARNING, "30.0 s behind the exchange's"),
        (-30, WARNING, "29.0 s ahead of the exchange's"),
        (600, FAILED, "600.0 s behind the exchange's"),
    ],
)
async def test_the_clock_is_compared_with_the_time_of_the_answers(
    fake_exchange: FakeExchange, examine: Examine, ahead: float, grade: Grade, said: str
) -> None:
    fake_exchange.inject(Dated(ahead), endpoint="getMe", times=None)
    # Of another clock, perhaps: the reads alone count here.
    for endpoint in ("getUnmatched", "ws", "user", "price-stream"):
        fake_exchange.inject(faults.Close(), endpoint=endpoint, times=None)
    clock = (await examine(wall=lambda: NOW))["clock"]
    assert (clock.grade, said in clock.found) == (grade, True)
    assert bool(clock.to_do) is (grade is not OK)


@pytest.mark.parametrize(
    ("answers", "seconds"),
    [
        ([], None),
        ([(10.0, 10.4, None)], None),
        ([(10.0, 10.4, "no date")], None),
        ([(10.0, 10.4, 10)], 0.0),
        ([(20.0, 20.4, 10)], 9.0),
        ([(20.0, 20.1, 10), (21.8, 21.9, 11)], 9.8),
        ([(10.0, 10.4, 20)], -9.6),
        ([(20.0, 20.1, 10), (10.0, 10.1, 10)], 0.0),
    ],
)
def test_each_answer_narrows_how_far_the_clock_is_off(
    answers: list[tuple[float, float, Any]], seconds: float | None
) -> None:
    skew = ClockSkew()
    for sent, received, date in answers:
        told = formatdate(date, usegmt=True) if isinstance(date, int) else date
        skew.learn(sent, received, told)
    assert skew.seconds == (seconds if seconds is None else pytest.approx(seconds))


async def test_too_many_requests_say_how_long_to_wait(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    fake_exchange.inject(faults.TooManyRequests("17"), times=None)
    found = await examine()
    assert found["rate limit"].grade is found["exchange"].grade is FAILED
    assert found["token"].found.endswith("not checked: the account cannot be read")
    assert "send nothing from this IP address for 17 s" in found["rate limit"].to_do


async def test_an_exchange_that_is_down_is_told_and_the_sockets_are_looked_at_all_the_same(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    for endpoint in ("getMe", "getUnmatched"):
        fake_exchange.inject(faults.Unavailable(), endpoint=endpoint, times=None)
    found = await examine()
    assert "answered 503 Network Error" in found["exchange"].found
    assert "down or overloaded" in found["exchange"].to_do
    assert {found[check].grade for check in SOCKETS} == {OK}


async def test_a_page_of_a_proxy_is_not_taken_for_the_exchange(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    fake_exchange.inject(faults.Html(403), endpoint="getMe", times=None)
    found = await examine()
    assert found["exchange"].grade is FAILED
    assert "a proxy, a firewall" in found["exchange"].to_do


@pytest.mark.virtual_time
async def test_a_slow_exchange_is_a_warning(fake_exchange: FakeExchange, examine: Examine) -> None:
    fake_exchange.inject(faults.Slow(0.6), times=None)
    found = await examine()
    assert {found[check].grade for check in ("exchange", "round trip", *SOCKETS)} == {WARNING}
    assert found["round trip"].found.startswith("600 ms, the median of 3 reads")
    assert found["round trip"].value == pytest.approx(0.6)


@pytest.mark.virtual_time
async def test_one_slow_answer_does_not_make_the_round_trip_slow(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    fake_exchange.inject(faults.Slow(3.0), endpoint="getMe", after=2)
    assert (await examine())["round trip"].grade is OK


@pytest.mark.virtual_time
@pytest.mark.parametrize(("deadline", "most"), [(20.0, 20.0), (1.0, 1.0)])
async def test_a_server_that_never_answers_holds_it_up_for_a_limited_time(
    examine: Examine, deadline: float, most: float
) -> None:
    clock = asyncio.get_running_loop().time
    async with silent() as port:
        began = clock()
        found = await examine(
            deadline=deadline,
            FOURCASTERS_BASE_URL=f"http://127.0.0.1:{port}",
            FOURCASTERS_ORDERS_URL=f"ws://127.0.0.1:{port}/orders/ws",
            FOURCASTERS_STREAMING_URL=f"ws://127.0.0.1:{port}",
        )
        # What it opened is closed in a moment.
        assert clock() - began <= most + 1.5
    assert grades(found, FAILED) == ["exchange", *SOCKETS]
    assert found["connection"].grade is OK


async def test_a_socket_that_is_refused_is_the_only_failure(
    examine: Examine,
) -> None:
    port = free_port()
    found = await examine(FOURCASTERS_ORDERS_URL=f"ws://127.0.0.1:{port}/orders/ws")
    assert grades(found, FAILED) == ["orders socket"]


async def test_a_socket_whose_handshake_is_answered_with_503_says_so(
    fake_exchange: FakeExchange, examine: Examine
) -> None:
    fake_exchange.inject(faults.Unavailable(), endpoint="ws", times=None)
    found = (await examine())["orders socket"]
    assert found.found == "answered 503 Network Error"
    assert "down or overloaded" in found.to_do


async def test_a_socket_without_an_address_is_a_warning(examine: Examine) -> None:
    found = await examine(FOURCASTERS_ORDERS_URL="", FOURCASTERS_STREAMING_URL="")
    assert grades(found, FAILED) == []
    assert "orders_url: not set" in found["orders socket"].found
    assert found["orders socket"].to_do == "set FOURCASTERS_ORDERS_URL"
    assert found["price feed"].to_do == "set FOURCASTERS_STREAMING_URL"
    assert "cancel-games goes over REST alone" in found["settings"].to_do


@pytest.mark.parametrize("address", ["http://127.0.0.1:x", "ftp://exchange", "nothing"])
async def test_an_address_that_is_none_is_named(
    address: str, set_up: Callable[..., None], run: Run
) -> None:
    set_up()
    ran = await run("doctor", FOURCASTERS_BASE_URL=address)
    assert ran.status == 3
    lines = [line.split("\t") for line in ran.out.splitlines()]
    assert lines[0][:2] == ["failed", "settings"]
    assert lines[0][2].startswith("base_url")
    assert [line[1] for line in lines] == CHECKS


async def test_an_untrusted_certificate_is_named(examine: Examine) -> None:
    async with FakeExchange(tls=True) as exchange:
        found = await examine(
            FOURCASTERS_BASE_URL=exchange.url,
            FOURCASTERS_ORDERS_URL=exchange.orders_url,
            FOURCASTERS_STREAMING_URL=exchange.streaming_url,
        )
    assert "the certificate is not trusted" in found["connection"].found
    for check in ("connection", *SOCKETS):
        assert "log in to nothing over this network" in found[check].to_do


@pytest.mark.parametrize(("code", "said"), [(9, True), (10, True), (20, False)])
def test_a_certificate_of_another_time_may_be_the_fault_of_the_clock(code: int, said: bool) -> None:
    error = ssl.SSLCertVerificationError("it is not trusted")
    error.verify_code, error.verify_message = code, "it is not trusted"
    assert ("this machine's clock" in failure("connection", error).to_do) is said


async def test_a_trusted_certificate_is_told_with_its_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeExchange(tls=True) as exchange:
        monkeypatch.setattr(ssl, "create_default_context", lambda: exchange.ssl_context)
        address = surroundings.address_of(exchange.url)
        assert address is not None
        made = await surroundings.connect(address, NOW)
    assert made.protocol == "TLSv1.3"
    assert made.days is not None


@pytest.fixture
def kept(fake_exchange: FakeExchange, set_up: Callable[..., None]) -> TokenFile:
    """Give the file in which a login has kept the token, ten days before `NOW`."""
    set_up(FOURCASTERS_TOKEN="")
    file = TokenFile.of(fake_exchange.url)
    file.keep(fake_exchange.token)
    os.utime(file.path, (NOW - 10 * 86400, NOW - 10 * 86400))
    return file


def test_a_kept_token_has_an_age_and_a_day_on_which_it_is_replaced(kept: TokenFile) -> None:
    found = token_finding(token_source(), NOW)
    assert (found.grade, found.value) == (OK, 10.0)
    assert f"from {kept.path}; kept 10 days ago" in found.found
    assert "from 2027-02-04 on" in found.found


@pytest.mark.parametrize(
    ("days", "said"),
    [(-1.0, "0 days"), (0.9, "0 days"), (1.0, "1 day"), (29.0, "29 days"), (29.9, "29 days")],
)
def test_the_age_of_a_token_is_in_whole_days(kept: TokenFile, days: float, said: str) -> None:
    at = kept.kept_at()
    assert at is not None
    found = token_finding(token_source(), at.timestamp() + days * 86400.0)
    assert f"; kept {said} ago;" in found.found


def test_a_kept_token_that_others_can_read_is_a_warning(kept: TokenFile) -> None:
    kept.path.chmod(0o644)
    found = token_finding(token_source(), NOW)
    assert found.grade is WARNING
    assert f"chmod 600 {kept.path}" in found.to_do


async def test_a_token_that_is_replaced_meanwhile_is_kept(
    fake_exchange: FakeExchange, kept: TokenFile, examine: Examine
) -> None:
    fake_exchange.move_clock(31 * 86400.0)
    found = await examine(FOURCASTERS_TOKEN="")
    assert found["token"].grade is OK
    assert kept.read() in fake_exchange.book.tokens


@pytest.mark.parametrize("echo", ECHOES)
async def test_no_token_is_shown(canary: FakeExchange, run: Run, echo: bytes) -> None:
    for endpoint in ("getMe", "ws", "user", "price-stream"):
        canary.inject(faults.Respond(echo, 401), endpoint=endpoint, times=None)
    for words in (["doctor"], ["doctor", "--json"]):
        ran = await run(
            *words,
            FOURCASTERS_TOKEN=CANARY,
            FOURCASTERS_BASE_URL=canary.url,
            FOURCASTERS_ORDERS_URL=canary.orders_url,
            FOURCASTERS_STREAMING_URL=canary.streaming_url,
        )
        assert ran.status == 1
        assert CANARY[:12] not in ran.out + ran.err


@pytest.mark.parametrize(
    "address", ["https://me:secret@127.0.0.1:1", "http://127.0.0.1:1/?t=secret"]
)
@pytest.mark.parametrize("token", ["token", ""], ids=["token", "no token"])
@pytest.mark.parametrize("words", [["doctor"], ["doctor", "--json"]], ids=" ".join)
async def test_no_secret_of_an_address_is_shown(
    run: Run, set_up: Callable[..., None], address: str, token: str, words: list[str]
) -> None:
    set_up()
    ran = await run(*words, FOURCASTERS_TOKEN=token, FOURCASTERS_BASE_URL=address)
    assert ran.status == 3
    assert "secret" not in ran.out + ran.err


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-1"])
async def test_a_deadline_that_is_none_is_wrong_usage(run: Run, seconds: str) -> None:
    assert (await run("doctor", "--deadline", seconds)).status == 2
    assert (await run("book", "f" * 24, "--follow", "--stale-after", seconds)).status == 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (None, 0),
        (faults.Unauthorized(), 1),
        (faults.TooManyRequests(), 1),
        (faults.Unavailable(), 3),
        (faults.Close(), 3),
        (faults.Html(403), 3),
    ],
    ids=str,
)
async def test_its_exit_status_says_how_well_all_is(
    fake_exchange: FakeExchange,
    run: Run,
    set_up: Callable[..., None],
    fault: Fault | None,
    status: int,
) -> None:
    if fault is not None:
        fake_exchange.inject(fault, endpoint="getMe", times=None)
    set_up()
    assert (await run("doctor")).status == status


async def test_its_json_has_the_documented_shape(
    fake_exchange: FakeExchange, run: Run, set_up: Callable[..., None]
) -> None:
    set_up()
    document = json.loads((await run("doctor", "--json")).out)
    assert list(mistakes(document, "doctor")) == []
    assert (document["ok"], document["sandbox"]) == (True, True)
    assert [each["check"] for each in document["checks"]] == CHECKS


async def test_an_interrupted_one_prints_what_is_known(
    fake_exchange: FakeExchange,
    run: Run,
    set_up: Callable[..., None],
    interrupts: Interrupts,
) -> None:
    set_up()
    fake_exchange.inject(faults.Stall(), endpoint="getMe", times=None)
    ran = await interrupts(run("doctor", "--json"), after=1)
    document = json.loads(ran.out)
    assert (ran.status, document["interrupted"], document["ok"]) == (3, True, False)
    assert [each["check"] for each in document["checks"]] == CHECKS[:3]


async def test_a_name_server_that_never_answers_does_not_outlive_the_deadline(
    run: Run, set_up: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answered = threading.Event(), threading.Event()

    def never(*_: Any, **__: Any) -> Any:
        asked.set()
        answered.wait()
        raise OSError("too late")

    set_up()
    monkeypatch.setattr(socket, "getaddrinfo", never)
    elsewhere = {
        "FOURCASTERS_BASE_URL": "https://exchange.invalid",
        "FOURCASTERS_ORDERS_URL": "wss://exchange.invalid",
    }
    try:
        for words in (["doctor"], ["cancel-games", "f" * 24]):
            ran = await run(*words, "--deadline", "0.2", **elsewhere)
            assert ran.status == 3
            assert asked.is_set()
            asked.clear()
    finally:
        answered.set()
