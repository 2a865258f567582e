"""The public names as tools see them: annotations that can be read, and a `dir` without insides."""

import ast
import functools
import inspect
import itertools
import re
import textwrap
import typing
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pages import PAGES

import fourcasters_async
from fourcasters_async import AsyncSession, testing
from fourcasters_async.testing import FakeExchange

PUBLIC = [
    pytest.param(getattr(module, name), id=f"{module.__name__}.{name}")
    for module in (fourcasters_async, testing)
    for name in module.__all__
    if callable(getattr(module, name))
]


def callables_of(public: Any) -> Iterator[Any]:
    """Yield a class and all that it does, or a function."""
    yield public
    if not inspect.isclass(public):
        return
    for name in dir(public):
        value = inspect.getattr_static(public, name)
        if isinstance(value, property):
            value = value.fget
        elif isinstance(value, functools.cached_property):
            value = value.func
        elif isinstance(value, classmethod | staticmethod):
            value = value.__func__
        module = getattr(value, "__module__", None) or ""
        # What attrs makes has no module of ours as its home, but our annotations.
        if inspect.isfunction(value) and (
            module.startswith("fourcasters_async") or name == "__init__"
        ):
            yield value


@pytest.mark.parametrize("public", PUBLIC)
def test_every_annotation_can_be_read_at_run_time(public: Any) -> None:
    for each in callables_of(public):
        typing.get_type_hints(each)


def test_annotations_of_what_is_imported_late_are_the_classes_themselves() -> None:
    hints = {
        "price_feed": fourcasters_async.PriceFeed,
        "user_feed": fourcasters_async.UserFeed,
        "live_orders": fourcasters_async.LiveOrders,
    }
    for name, kind in hints.items():
        assert typing.get_type_hints(getattr(AsyncSession, name))["return"] is kind
    children = typing.get_type_hints(fourcasters_async.GameExposure.__init__)["children"]
    assert children == list[fourcasters_async.GameExposure]


@pytest.fixture
async def objects(
    session: AsyncSession, fake_exchange: FakeExchange
) -> AsyncIterator[list[object]]:
    async with (
        session.orders_socket() as orders,
        session.user_feed() as user,
        session.price_feed() as prices,
        session.live_orders() as live,
        session.dead_man_switch(30) as switch,
    ):
        game = fake_exchange.add_game().game_id
        stream = session.cancelling([game])
        async for _ in stream:
            pass
        yield [
            *(session, orders, session.account, session.markets, fake_exchange, user, prices),
            *(live, prices.order_book(game), switch, stream, session.flat_on_exit()),
        ]


def attributes_with_a_docstring(owner: type) -> set[str]:
    """Return the attributes that `__init__` sets and the next line of the source explains."""
    found = set[str]()
    for each in owner.__mro__:
        if not each.__module__.startswith("fourcasters_async"):
            continue
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(each)))):
            body = getattr(node, "body", None)
            for line, told in itertools.pairwise(body) if isinstance(body, list) else ():
                if isinstance(told, ast.Expr) and isinstance(told.value, ast.Constant):
                    target = getattr(line, "target", None) or getattr(line, "targets", [None])[0]
                    found.add(getattr(target, "attr", getattr(target, "id", "")))
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


async def test_dir_shows_only_what_is_for_users(objects: list[object]) -> None:
    for each in objects:
        kind = type(each)
        shown = {name for name in dir(each) if not name.startswith("_")}
        told = {name for name in shown if inspect.getdoc(getattr(kind, name, None))}
        # The arguments of a constructor are explained by its class.
        given = set(inspect.signature(kind).parameters)
        assert shown - told - attributes_with_a_docstring(kind) - given == set(), kind


def test_the_reference_leaves_out_nothing_that_dir_shows_of_a_session_and_its_feeds() -> None:
    for page in PAGES:
        left_out = re.findall(r"autoclass:: (\S+)\n   :members:\n   :exclude-m", page.read_text())
        # Settings that are objects of the library at the same time.
        assert set(left_out) <= {"fourcasters_async.RateLimit", "fourcasters_async.RetryPolicy"}


@pytest.mark.parametrize("name", ["prove_clear", "cancelling", "halting", "halt"])
def test_what_a_verb_returns_has_a_public_name(name: str) -> None:
    returned = typing.get_type_hints(getattr(AsyncSession, name))["return"]
    kind = typing.get_args(returned)[-1] if typing.get_args(returned) else returned
    assert kind.__name__ in fourcasters_async.__all__
