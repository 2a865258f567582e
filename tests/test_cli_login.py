"""The command line's login: which token is used, where a new one is kept, who can read it."""

import asyncio
import json
import os
import stat
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import Ran, Run

from fourcasters_async import AsyncSession
from fourcasters_async.cli.commands import main
from fourcasters_async.cli.kept_token import TokenFile
from fourcasters_async.testing import FakeExchange, faults

NAME, PASSWORD = "trader", "correct horse battery"
MONTH = 31 * 24 * 3600.0


@pytest.fixture
def run(fake_exchange: FakeExchange, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    # A command has an event loop of its own, whose clock does not jump.
    monkeypatch.setattr(AsyncSession, "from_env", partial(AsyncSession.from_env, timeout=5.0))
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"FOURCASTERS_{name}", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    fake_exchange.add_account(NAME, PASSWORD)

    async def run(*words: str, stdin: str = "", **variables: str) -> Ran:
        result = await asyncio.to_thread(
            CliRunner().invoke,
            main,
            words,
            input=stdin,
            env={"FOURCASTERS_BASE_URL": fake_exchange.url, **variables},
        )
        if result.exc_info is not None and result.exc_info[0] is not SystemExit:
            raise result.exc_info[1]
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def file(fake_exchange: FakeExchange, run: Run) -> TokenFile:
    return TokenFile.of(fake_exchange.url)


async def log_in(run: Run) -> None:
    assert (await run("login", stdin=f"{NAME}\n{PASSWORD}\n")).status == 0


def token_in(file: TokenFile) -> str:
    kept = file.read()
    assert kept is not None
    return str.__str__(kept)


async def test_a_login_keeps_a_token_that_the_other_commands_use(
    fake_exchange: FakeExchange, run: Run
) -> None:
    ran = await run("login", stdin=f"{NAME}\n{PASSWORD}\n")
    assert (ran.status, ran.out) == (0, "")
    assert PASSWORD not in ran.err
    assert (await run("orders")).status == 0
    assert fake_exchange.received("login") == 1


async def test_a_login_takes_what_the_environment_says(
    run: Run, file: TokenFile, fake_exchange: FakeExchange
) -> None:
    ran = await run("login", FOURCASTERS_USERNAME=NAME, FOURCASTERS_PASSWORD=PASSWORD)
    assert ran.status == 0
    assert fake_exchange.book.tokens[token_in(file)] == NAME


async def test_only_the_owner_can_read_what_is_kept(run: Run, file: TokenFile) -> None:
    await log_in(run)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


async def test_the_token_is_not_printed(run: Run, file: TokenFile) -> None:
    ran = await run("login", stdin=f"{NAME}\n{PASSWORD}\n")
    assert token_in(file)[:12] not in ran.out + ran.err


async def test_a_refused_login_keeps_nothing(run: Run, file: TokenFile) -> None:
    ran = await run("login", stdin=f"{NAME}\nwrong\n")
    assert ran.status == 1
    assert file.read() is None


async def test_a_new_token_that_the_exchange_sends_is_kept(
    fake_exchange: FakeExchange, run: Run, file: TokenFile
) -> None:
    await log_in(run)
    before = token_in(file)
    fake_exchange.move_clock(MONTH)
    assert (await run("orders")).status == 0
    fake_exchange.revoke(before)
    assert token_in(file) != before
    assert (await run("orders")).status == 0


async def test_the_token_of_the_environment_wins(run: Run, fake_exchange: FakeExchange) -> None:
    await log_in(run)
    fake_exchange.add_game(orders=1)
    ran = await run("orders", "--json", FOURCASTERS_TOKEN=fake_exchange.token)
    assert len(json.loads(ran.out)["orders"]) == 1


async def test_what_replaced_the_token_of_the_environment_is_used_in_its_place(
    fake_exchange: FakeExchange, run: Run
) -> None:
    fake_exchange.move_clock(MONTH)
    first = await run("orders", FOURCASTERS_TOKEN=fake_exchange.token)
    fake_exchange.revoke(fake_exchange.token)
    replacing = TokenFile.of(fake_exchange.url, replaced=fake_exchange.token)
    assert f"kept in {replacing.path}" in first.err
    assert "FOURCASTERS_TOKEN" in first.err
    assert (await run("orders", FOURCASTERS_TOKEN=fake_exchange.token)).status == 0


async def test_what_replaced_the_token_of_the_environment_may_be_replaced_too(
    fake_exchange: FakeExchange, run: Run
) -> None:
    statuses = []
    for _ in range(3):
        fake_exchange.move_clock(MONTH)
        ran = await run("orders", FOURCASTERS_TOKEN=fake_exchange.token)
        statuses.append(ran.status)
    assert statuses == [0, 0, 0]


async def test_what_replaced_the_token_of_the_environment_costs_no_other_token(
    fake_exchange: FakeExchange, run: Run, file: TokenFile
) -> None:
    await log_in(run)
    before, other = token_in(file), fake_exchange.add_account("other")
    fake_exchange.move_clock(MONTH)
    for token in (fake_exchange.token, other):
        await run("orders", FOURCASTERS_TOKEN=token)
    assert token_in(file) == before
    assert (await run("orders", FOURCASTERS_TOKEN=fake_exchange.token)).status == 0


async def test_a_logout_ends_also_what_replaced_the_token_of_the_environment(
    fake_exchange: FakeExchange, run: Run
) -> None:
    given = fake_exchange.token
    replacing = TokenFile.of(fake_exchange.url, replaced=given)
    fake_exchange.move_clock(MONTH)
    await run("orders", FOURCASTERS_TOKEN=given)
    token = token_in(replacing)
    assert (await run("logout", FOURCASTERS_TOKEN=given)).status == 0
    assert token not in fake_exchange.book.tokens
    assert replacing.read() is None


async def test_a_folder_that_others_could_read_is_closed_to_them(run: Run, file: TokenFile) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.parent.chmod(0o755)
    await log_in(run)
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


async def test_another_token_of_the_environment_is_not_replaced(
    fake_exchange: FakeExchange, run: Run
) -> None:
    fake_exchange.move_clock(MONTH)
    await run("orders", FOURCASTERS_TOKEN=fake_exchange.token)
    other = fake_exchange.add_account("other")
    await run("orders", FOURCASTERS_TOKEN=other)
    assert fake_exchange.requests[-1].account == "other"


@pytest.mark.parametrize("command", [["orders"], ["cancel-games", "a" * 24]], ids=" ".join)
async def test_a_refused_token_is_named_by_where_it_is_from(
    fake_exchange: FakeExchange, run: Run, file: TokenFile, command: list[str]
) -> None:
    await log_in(run)
    fake_exchange.revoke(token_in(file))
    assert f"the token is from {file.path}; run `fourcasters login`" in (await run(*command)).err
    with_variable = await run(*command, FOURCASTERS_TOKEN="dead" * 10)
    assert "the token is from FOURCASTERS_TOKEN; set FOURCASTERS_TOKEN to a" in with_variable.err


async def test_a_refused_token_that_replaced_another_is_named_by_its_file_and_by_the_variable(
    fake_exchange: FakeExchange, run: Run
) -> None:
    given = fake_exchange.token
    fake_exchange.move_clock(MONTH)
    await run("orders", FOURCASTERS_TOKEN=given)
    replacing = TokenFile.of(fake_exchange.url, replaced=given)
    fake_exchange.revoke(token_in(replacing))
    ran = await run("orders", FOURCASTERS_TOKEN=given)
    assert ran.status == 1
    assert f"the token is from {replacing.path}, which the exchange sent in place of" in ran.err
    assert "set FOURCASTERS_TOKEN to a new one" in ran.err


async def test_a_refused_login_of_a_command_is_named_by_its_variables_and_not_by_the_token(
    fake_exchange: FakeExchange, run: Run
) -> None:
    wrong = {"FOURCASTERS_USERNAME": NAME, "FOURCASTERS_PASSWORD": "wrong"}
    for token in ("", "dead" * 10):
        ran = await run("orders", FOURCASTERS_TOKEN=token, **wrong)
        assert ran.status == 1
        assert "are from FOURCASTERS_USERNAME and FOURCASTERS_PASSWORD; correct them" in ran.err
        assert "the token is from" not in ran.err


@pytest.mark.parametrize(
    ("variables", "source"),
    [
        ({}, ""),
        ({"FOURCASTERS_PASSWORD": "wrong"}, " (from FOURCASTERS_PASSWORD)"),
        (
            {"FOURCASTERS_USERNAME": NAME, "FOURCASTERS_PASSWORD": "wrong"},
            " (from FOURCASTERS_USERNAME and FOURCASTERS_PASSWORD)",
        ),
    ],
    ids=["typed", "a password", "both"],
)
async def test_a_refused_log_in_says_where_what_was_refused_is_from(
    run: Run, fake_exchange: FakeExchange, variables: dict[str, str], source: str
) -> None:
    # A token has nothing to do with it.
    ran = await run(
        "login", stdin=f"{NAME}\nwrong\n", FOURCASTERS_TOKEN=fake_exchange.token, **variables
    )
    assert ran.status == 1
    assert f"refused the user name or the password{source}: 401\n" in ran.err
    assert "the token is from" not in ran.err


async def test_a_token_for_one_exchange_is_not_sent_to_another(run: Run) -> None:
    await log_in(run)
    async with FakeExchange() as other:
        ran = await run("orders", FOURCASTERS_BASE_URL=other.url)
        assert not other.requests
    assert ran.status == 2
    assert "fourcasters login" in ran.err


async def test_a_file_that_was_copied_from_another_exchange_is_not_read(
    run: Run, file: TokenFile
) -> None:
    await log_in(run)
    other = TokenFile("https://api.example.com", file.path)
    assert other.read() is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"token": 7}', b'{"token": ""}'])
async def test_a_file_that_holds_no_token_counts_as_none(
    run: Run, file: TokenFile, content: bytes
) -> None:
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(content)
    ran = await run("orders")
    assert ran.status == 2
    assert "Traceback" not in ran.err


async def test_a_logout_ends_the_token_and_removes_it(
    fake_exchange: FakeExchange, run: Run, file: TokenFile
) -> None:
    await log_in(run)
    token = token_in(file)
    assert (await run("logout")).status == 0
    assert token not in fake_exchange.book.tokens
    assert file.read() is None


async def test_a_logout_of_a_dead_token_removes_it(
    fake_exchange: FakeExchange, run: Run, file: TokenFile
) -> None:
    await log_in(run)
    fake_exchange.revoke(token_in(file))
    assert (await run("logout")).status == 0
    assert file.read() is None


async def test_a_logout_that_does_not_reach_the_exchange_keeps_the_token(
    fake_exchange: FakeExchange, run: Run, file: TokenFile
) -> None:
    await log_in(run)
    refusal = faults.Respond(b'{"error": "no"}', status=400)
    fake_exchange.inject(refusal, endpoint="logout", times=None)
    assert (await run("logout")).status == 1
    assert file.read() is not None


async def test_a_logout_without_a_login_says_so(run: Run) -> None:
    ran = await run("logout")
    assert ran.status == 2
    assert "no token is kept" in ran.err


async def test_a_token_that_cannot_be_kept_is_said(
    run: Run, tmp_path: Path, file: TokenFile
) -> None:
    (tmp_path / "state").write_text("a file where a folder is meant")
    ran = await run("login", stdin=f"{NAME}\n{PASSWORD}\n")
    assert ran.status == 1
    assert "cannot be kept" in ran.err


async def test_a_write_that_fails_leaves_what_was_kept(
    run: Run, file: TokenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log_in(run)
    before = token_in(file)

    def fails(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space"):
        file.keep("another token")
    assert token_in(file) == before
    assert [each.name for each in file.path.parent.iterdir()] == [file.path.name]
