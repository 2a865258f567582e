"""What a session has done, in numbers."""

from attrs import frozen

from fourcasters_async.models.record import Record


@frozen(kw_only=True, repr=False)
class SessionStats(Record):
    """What a session has done since it was made, and what it is at now, as plain numbers.

    `answered`, `refused`, `unknown` and `not_sent` are the number of attempts by how they ended,
    over all transports, messages of a fan-out and handshakes included. One that the caller gave up
    counts as unknown. `burst_messages` is the number among the answered that left in a fan-out over
    the Orders WebSocket: they have no event of their own. `retries`, `holds` and `token_renewals`
    are the number of repetitions, of waits after a 429, and of new tokens.

    `in_flight` and `connections` are requests without an answer and open connections, of REST and
    of WebSockets. `waiting` and `remaining` are of the rate limit, which other sessions may share:
    requests that wait, and `RateLimit.remaining`. `undecided_orders` is the number of own orders
    whose place or edit ended unknown and that may still be in the book. `halted_games` is the
    number of games that are halted by name; with `halted_everything` all are, but for those that
    were resumed.
    """

    answered: int = 0
    refused: int = 0
    unknown: int = 0
    not_sent: int = 0
    burst_messages: int = 0
    retries: int = 0
    holds: int = 0
    token_renewals: int = 0
    in_flight: int = 0
    waiting: int = 0
    connections: int = 0
    remaining: int = 0
    undecided_orders: int = 0
    halted_games: int = 0
    halted_everything: bool = False
