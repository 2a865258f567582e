"""The account."""

from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from fourcasters_async.models.record import Record
from fourcasters_async.models.wire import wire


class UserType(StrEnum):
    """The kinds of account."""

    FREE = "free"
    P2P = "p2p"
    MARKET_MAKER = "marketmaker"
    AGENT = "agent"


@frozen(kw_only=True, repr=False)
class User(Record):
    """The account, as `GET /user/getMe` returns it.

    `display_balance`, `credit_limit` (negative for credit accounts), `liability` (open, over all
    games), `max_liability` and `default_offer` are in account currency. `commission_charged` is a
    rate, `default_expiry` is in minutes, `created_at` is timezone-aware.
    """

    user_id: str | None = field(default=None, metadata=wire("id"))
    username: str | None = None
    type: UserType | str | None = None
    odds_format: str | None = None
    display_balance: float | None = None
    credit_limit: float | None = None
    liability: float | None = None
    commission_charged: float | None = None
    max_liability: float | None = None
    is_admin: bool | None = None
    has_market_maker_access: bool | None = None
    is_pro: bool | None = None
    is_deposit: bool | None = None
    default_expiry: int | None = None
    default_offer: float | None = None
    created_at: datetime | None = None
    email_confirmation: bool | None = None


@frozen(kw_only=True, repr=False)
class AuthenticatedUser(User):
    """The answer to a login: the account and its token."""

    auth: str = field(repr=False)
