"""The examples of services: they parse, and what they say of the bot is true."""

import configparser
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest

from fourcasters_async import FlatOnExit, FlatReport
from fourcasters_async.cli import exits

SERVICE = Path(__file__).parents[1] / "examples" / "service"
UNIT = SERVICE / "fourcasters-quoter.service"
BOT = SERVICE.parent / "strategy" / "quoter.py"
MANIFEST = SERVICE / "fourcasters-quoter.yaml"


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names have capitals
    parser.read(UNIT)
    return parser


def manifest() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    document: dict[str, Any] = yaml.safe_load(MANIFEST.read_text())
    return document


def deadline_of(words: list[str]) -> float:
    """Return what the bot itself makes of its arguments."""
    deadline: float = runpy.run_path(str(BOT))["parse"](words).deadline
    return deadline


def test_systemd_waits_for_longer_than_the_bot_may_take() -> None:
    service = unit()["Service"]
    assert float(service["TimeoutStopSec"]) >= 2 * deadline_of(
        shlex.split(service["ExecStart"])[2:]
    )
    assert service["KillSignal"] == "SIGTERM"


def test_systemd_does_not_restart_what_is_not_known_to_be_flat() -> None:
    not_flat = FlatOnExit(_never).exit_status
    prevented = unit()["Service"]["RestartPreventExitStatus"].split()
    assert {int(each) for each in prevented} == {2, not_flat}


async def _never() -> FlatReport:
    raise AssertionError("nothing is flattened here")


def test_the_statuses_of_the_notes_are_those_of_the_bot_and_of_the_command_line() -> None:
    told = re.findall(r"^\| (\d) \|", (SERVICE / "README.md").read_text(), re.MULTILINE)
    assert [int(each) for each in told] == [
        exits.ALL_CONFIRMED,
        exits.NOT_CANCELLED,
        2,
        exits.NOT_KNOWN,
    ]


def test_kubernetes_waits_for_longer_than_the_bot_may_take_and_runs_one_of_them() -> None:
    spec = manifest()["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["terminationGracePeriodSeconds"] >= 2 * deadline_of(container["args"])
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")
    assert container["command"][0] == "python"
