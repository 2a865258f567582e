"""Build and run the mock exchange (`mock.c`), pinned to a core of its own."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme
from attrs import frozen

SOURCE = Path(__file__).with_name("mock.c")
ORDERS_PATH = "/orders/ws"


@frozen
class Counted:
    """What the mock counted since the mark. Times are nanoseconds of `time.perf_counter_ns()`."""

    requests: int
    answers: int
    connections: int
    began: int
    first: int
    last: int
    answered: int
    cpu: int

    @property
    def busy(self) -> float:
        """The share of its core that it used, from the first byte until its last answer."""
        taken = self.answered - self.began
        return self.cpu / taken if taken > 0 else 0.0


class Mock:
    """The mock exchange, as long as the block runs."""

    def __init__(self, cpu: int | None) -> None:
        self._cpu = cpu
        self._folder = Path(tempfile.mkdtemp(prefix="mock-exchange-"))
        self._process: subprocess.Popen[str] | None = None
        self.ca = self._folder / "ca.pem"
        """The certificate of its authority."""
        self.port = self.plain_port = 0
        """The ports with TLS, and without."""

    def __enter__(self) -> Self:
        """Compile it, make its certificate and start it."""
        program = self._folder / "mock"
        certificate, key = self._folder / "certificate.pem", self._folder / "key.pem"
        compiler = os.environ.get("CC", "cc")
        subprocess.run(  # noqa: S603  # our own source
            [compiler, "-O2", "-o", str(program), str(SOURCE), "-lssl", "-lcrypto"], check=True
        )
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(key)
        for each in issued.cert_chain_pems:
            each.write_to_path(certificate, append=True)
        self._process = subprocess.Popen(  # noqa: S603  # what was just compiled
            [str(program), str(certificate), str(key)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._cpu is not None:
            os.sched_setaffinity(self._process.pid, {self._cpu})
        ports = self._read()
        self.port, self.plain_port = ports["tls"], ports["plain"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate()
        shutil.rmtree(self._folder)

    @property
    def url(self) -> str:
        """The address of the REST API."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def orders_url(self) -> str:
        """The address of the Orders WebSocket."""
        return f"wss://127.0.0.1:{self.port}{ORDERS_PATH}"

    def set(self, *, orders: int, delay: float) -> None:
        """Let an answer have so many orders, and take so many milliseconds."""
        self._ask(f"set {orders} {round(delay * 1000)}")

    def mark(self) -> None:
        """Forget what was counted."""
        self._ask("mark")

    def report(self) -> Counted:
        """Say what was counted since the mark."""
        return Counted(**self._ask("report"))

    def _ask(self, command: str) -> dict[str, int]:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the mock does not run")
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, int]:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("the mock does not run")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the mock has ended")
        answer: dict[str, int] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer
