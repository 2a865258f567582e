"""What is known of a cancel that is no fan-out: its document, its exit status, and its summary."""

from attrs import define, field

from fourcasters_async.cli.exits import ALL_CONFIRMED, NOT_CANCELLED, NOT_KNOWN, status_of
from fourcasters_async.cli.wording import counted, number
from fourcasters_async.errors import (
    BadRequestError,
    FourcastersError,
    NotFoundError,
    NotSentError,
)
from fourcasters_async.models import CancelResults, FlatReport, OpenOrder, Proof
from fourcasters_async.orders.answers import is_no_own_order


@define
class Known:
    """What is known of a request, and of the reads after it, at any moment."""

    accepted: bool = False
    """Whether the exchange answered, and did not refuse."""
    results: CancelResults | None = None
    error: FourcastersError | None = None
    proof: Proof = field(factory=Proof)
    elapsed: float = 0.0
    interrupted: bool = False

    @property
    def read_error(self) -> FourcastersError | None:
        """What went wrong in a read after the request."""
        return self.proof.error

    @property
    def named_another(self) -> bool:
        """Whether the exchange does not know what was named: then another was meant."""
        return isinstance(self.error, BadRequestError | NotFoundError) or any(
            map(is_no_own_order, self.results or ())
        )

    @property
    def resting(self) -> list[OpenOrder] | None:
        """The orders that were meant and are seen open: `[]` is proof, `None` that there is none.

        No read is about what was meant in place of something unknown.
        """
        return self.proof.resting or (None if self.named_another else self.proof.resting)


def document_of(known: Known) -> dict[str, object]:
    """Return what is known as a report, with nulls for results that there are not."""
    report = FlatReport(
        resting=known.resting,
        error=known.error or known.read_error,
        elapsed=known.elapsed,
        seen_by=None if known.resting is None else known.proof.source,
    )
    nothing = dict.fromkeys(CancelResults().to_dict())
    results = nothing if known.results is None else known.results.to_dict()
    return {"interrupted": known.interrupted} | report.to_dict() | results


def status_after(known: Known, *, verify: bool) -> int:
    """Return the exit status."""
    if known.interrupted:
        return NOT_KNOWN
    if known.named_another:
        return NOT_CANCELLED
    if known.resting == []:
        return ALL_CONFIRMED
    if known.error is not None:
        return status_of(known.error)
    if known.resting or not all(result.success for result in known.results or ()):
        return NOT_CANCELLED
    return NOT_KNOWN if verify or known.results is None else ALL_CONFIRMED


def summary_of(known: Known, *, verify: bool) -> str:
    """Say in one line what it came to."""
    parts = []
    if not known.accepted:
        parts.append(_fate(known.error))
    elif known.results is None:
        parts.append(
            "the request is accepted" + ("" if verify else "; nothing is known to be gone")
        )
    if known.results is not None:
        cancelled = sum(result.success for result in known.results)
        parts.append(f"{counted(cancelled, 'order')} cancelled")
        if failed := len(known.results) - cancelled:
            parts.append(f"{number(failed)} not cancelled")
        if not known.results.complete:
            parts.append("more may be")
    if known.resting:
        parts.append(f"{number(len(known.resting))} still open when last seen:")
    elif verify:
        none_open = "verified: none of them is open"
        parts.append("not verified" if known.resting is None else none_open)
    return ("interrupted: " if known.interrupted else "") + "; ".join(parts)


def _fate(error: FourcastersError | None) -> str:
    """Say what became of a request that has no answer of its own, `None` for not known yet."""
    if isinstance(error, NotSentError):
        return "nothing was sent"
    refused = error is not None and status_of(error) == NOT_CANCELLED
    return "refused" if refused else "the outcome is unknown"
