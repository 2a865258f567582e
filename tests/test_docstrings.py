"""What a docstring has to say: the endpoint and the errors of a verb, the unit of each number."""

import inspect
import re
import typing
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import attrs
import pytest

import fourcasters_async
from fourcasters_async import models

# What sends: each public method that waits, or that returns what does.
VERBS = [
    fourcasters_async.AsyncSession,
    fourcasters_async.OrdersSocket,
    fourcasters_async.Account,
    fourcasters_async.Markets,
]
SENDS_NOTHING = {"close", "from_env", "resume"}
# Returns what sends once it is entered, or iterated over.
RETURNS_A_SENDER = {
    "halt",
    "halting",
    "cancelling",
    "graded_since",
    "get_graded",
    "dead_man_switch",
}
ENDPOINT = re.compile(
    r"`(GET|POST) /\S+`|`(cancelById|cancelMultiple|cancelAllByGame|cancelAll|placeV3|heartbeat)`"
)
UNIT = re.compile(
    r"seconds?\b|minutes?\b|account currency|US dollars|American|\brate\b|from 0 to 1|\blines?\b"
    r"|how many|how much|how often|\bnumber\b|whole numbers|\bscore|\bmargin\b|\btotal\b|\bspread\b"
    r"|events|connections|requests|the newer|more games|\bage\b"
)
CLASSES = [
    *VERBS,
    *(getattr(fourcasters_async, name) for name in ("UserFeed", "PriceFeed", "LiveOrders")),
    *(getattr(fourcasters_async, name) for name in ("LiveBook", "DeadManSwitch", "FlatOnExit")),
    fourcasters_async.OutcomeStream,
]
RECORDS = [
    record
    for name in models.__all__
    if inspect.isclass(record := getattr(models, name)) and attrs.has(record)
]


def methods_of(owner: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, value in inspect.getmembers(owner):
        if not name.startswith("_") and (inspect.isfunction(value) or inspect.ismethod(value)):
            yield name, value


def attributes_of(owner: type) -> str:
    """Return the docstrings of attributes, which only the source has, each after its name."""
    source = inspect.getsource(owner)
    told = re.findall(
        r'^ +(?:self\.)?(\w+): [^\n]+\n +"""(.*?)"""', source, re.MULTILINE | re.DOTALL
    )
    return "\n\n".join(f"`{name}`: {text}" for name, text in told)


def told_of(owner: type) -> str:
    """Return what a class says of its fields and of what its methods have in common."""
    classes = [each for each in owner.__mro__ if each.__module__.startswith("fourcasters_async")]
    return "\n\n".join(f"{inspect.getdoc(each)}\n\n{attributes_of(each)}" for each in classes)


def sentences(text: str) -> list[str]:
    joined = re.sub(r"\s*\n\s*", " ", re.sub(r"\s*\n\s*\n", ". ", text))
    return re.split(r"(?<=[.:])\s+(?=[A-Z`*])", joined)


def names(sentence: str, wanted: str) -> bool:
    """Whether a sentence names something: `wanted`, or with `…` for a part of its name."""
    quoted = re.findall(r"`([^`]+)`", sentence)
    return any(fnmatchcase(wanted, each.replace("…", "*")) for each in quoted)


def has_unit(text: str, wanted: str) -> bool:
    return any(names(each, wanted) and UNIT.search(each) for each in sentences(text))


def is_number(kind: object) -> bool:
    kinds = set(map(str, typing.get_args(kind))) if typing.get_args(kind) else {str(kind)}
    return bool(kinds & {str(int), str(float)})


SENDING = [
    pytest.param(owner, name, id=f"{owner.__name__}.{name}")
    for owner in VERBS
    for name, method in methods_of(owner)
    if (inspect.iscoroutinefunction(method) or name in RETURNS_A_SENDER)
    and name not in SENDS_NOTHING
]
ARGUMENTS = [
    pytest.param(owner, name, argument, id=f"{owner.__name__}.{name}({argument})")
    for owner in CLASSES
    for name, method in methods_of(owner)
    for argument, kind in typing.get_type_hints(method).items()
    if argument != "return" and is_number(kind)
]
FIELDS = [
    pytest.param(record, each.name, id=f"{record.__name__}.{each.name}")
    for record in RECORDS
    for each in attrs.fields(record)
    if is_number(each.type)
]


@pytest.mark.parametrize(("owner", "name"), SENDING)
def test_a_verb_names_its_endpoint_or_the_verb_that_does(owner: type, name: str) -> None:
    told = inspect.getdoc(getattr(owner, name)) or ""
    assert ENDPOINT.search(told), f"{told}\nnames no endpoint"


@pytest.mark.parametrize(("owner", "name"), SENDING)
def test_a_verb_names_its_errors(owner: type, name: str) -> None:
    told = inspect.getdoc(getattr(owner, name)) or ""
    assert re.search(r"\bRaises\b|\braises\b", told), f"{told}\nsays nothing of errors"


@pytest.mark.parametrize(("owner", "name", "argument"), ARGUMENTS)
def test_an_argument_that_is_a_number_has_its_unit(owner: type, name: str, argument: str) -> None:
    told = f"{inspect.getdoc(getattr(owner, name))}\n\n{told_of(owner)}"
    assert has_unit(told, argument), f"{told}\nhas no unit of `{argument}`"


@pytest.mark.parametrize(("record", "field"), FIELDS)
def test_a_field_that_is_a_number_has_its_unit(record: type, field: str) -> None:
    told = told_of(record)
    assert has_unit(told, field), f"{told}\nhas no unit of `{field}`"


@pytest.mark.parametrize("owner", CLASSES, ids=lambda owner: str(owner.__name__))
def test_every_public_method_and_property_has_a_docstring(owner: type) -> None:
    public = {name: value for name, value in inspect.getmembers(owner) if not name.startswith("_")}
    assert [name for name, value in public.items() if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record.__name__))
def test_every_property_of_a_record_has_a_docstring(record: type) -> None:
    found = inspect.getmembers(record, lambda each: isinstance(each, property))
    assert [name for name, value in found if not value.__doc__ and name[0] != "_"] == []
