"""The book of one game, kept from messages and reads, against a model of the exchange's book."""

import random
from collections.abc import Sequence

import pytest
from attrs import evolve, frozen

from fourcasters_async.feeds.order_book import KeptBook, Side, best_of, side_of
from fourcasters_async.models import BookEntry, MarketType, OrderBook, OrderUpdate, Participant

GAME, AWAY, HOME = "game", "away", "home"
MONEYLINE = Side("moneyline", HOME)
SPREAD, OTHER_SPREAD = Side("spread", HOME, -3.5), Side("spread", HOME, -4.5)
OVER = Side("total", "over", 220.5)
DRAW = Side("moneyline1x2", "no", None, "draw")
SIDES = [MONEYLINE, SPREAD, OTHER_SPREAD, OVER, DRAW]
LISTS = {
    MONEYLINE: "home_moneylines",
    SPREAD: "home_spreads",
    OTHER_SPREAD: "home_spreads",
    OVER: "over",
    DRAW: "draw_1x2",
}
State = dict[Side, tuple[str, ...]]


def entry(side: Side, order_id: str, odds: int = -110) -> BookEntry:
    kind = MarketType(side.type)
    teams = kind in (MarketType.MONEYLINE, MarketType.SPREAD)
    return BookEntry(
        order_id=order_id,
        type=kind,
        odds=odds,
        sum_untaken=10.0,
        participant_id=side.of if teams else None,
        spread=side.number if kind is MarketType.SPREAD else None,
        total=side.number if kind is MarketType.TOTAL else None,
        over_under=side.of if kind is MarketType.TOTAL else None,
        market=side.market,
        side=side.of if kind is MarketType.MONEYLINE_1X2 else None,
    )


def update(side: Side, epoch: float | None, order_ids: Sequence[str]) -> OrderUpdate:
    about = entry(side, "")
    return OrderUpdate(
        game_id=GAME,
        epoch=epoch,
        type=about.type,
        participant_id=about.participant_id,
        spread=about.spread,
        total=about.total,
        over_under=about.over_under,
        market=about.market,
        side=about.side,
        side_orders=[entry(side, order_id) for order_id in order_ids],
    )


def record(state: State) -> OrderBook:
    lists: dict[str, list[BookEntry]] = {}
    for side, order_ids in state.items():
        lists.setdefault(LISTS[side], []).extend(entry(side, each) for each in order_ids)
    teams = [
        Participant(participant_id=AWAY, home_away="away"),
        Participant(participant_id=HOME, home_away="home"),
    ]
    return OrderBook(game_id=GAME, participants=teams, **lists)  # type: ignore[arg-type]  # lists of entries


def state_of(book: KeptBook) -> State:
    held = book.record
    assert held is not None
    state: State = {}
    for order in held.entries:
        side = side_of(order)
        state[side] = (*state.get(side, ()), str(order.order_id))
    return state


@frozen
class Change:
    """What happened at the exchange: a side, or with no side the whole game, changed."""

    side: Side | None
    order_ids: tuple[str, ...]


def states_after(changes: Sequence[Change]) -> list[State]:
    """Return the book after each number of changes."""
    states: list[State] = [{SPREAD: ("before",), OVER: ("resting",)}]
    for change in changes:
        state = dict(states[-1])
        if change.side is None:
            state = {OVER: change.order_ids}
        else:
            state[change.side] = change.order_ids
        states.append({side: ids for side, ids in state.items() if ids})
    return states


def some_ids(chance: random.Random) -> tuple[str, ...]:
    return tuple(chance.sample("abcdef", chance.randint(0, 3)))


@pytest.mark.parametrize("seed", range(300))
def test_any_interleaving_of_a_read_and_messages_ends_in_the_book_of_the_exchange(
    seed: int,
) -> None:
    chance = random.Random(seed)  # noqa: S311  # nothing here is a secret
    end = chance.randint(0, 12)
    sides = [*SIDES, None] if seed % 2 else SIDES
    changes = [Change(chance.choice(sides), some_ids(chance)) for _ in range(end)]
    states = states_after(changes)
    # What changed before the connection is never heard of. The read is of any moment since then.
    connected = chance.randint(0, end)
    begun = chance.randint(connected, end)
    read_at, answered = chance.randint(begun, end), chance.randint(begun, end)
    book = KeptBook(GAME)
    if chance.random() < 0.5:
        book.read(record({MONEYLINE: ("old",), OTHER_SPREAD: ("old",)}), 0, 0.0)
        book.update(update(SPREAD, 1000, ["old"]), 0.0)
    book.restart(epochs=True)
    generation, delivered = book.generation, list[OrderUpdate]()
    for at in range(connected, end + 1):
        if at == answered:
            assert book.read(record(states[read_at]), generation, 1.0)
        if delivered and chance.random() < 0.3:
            book.update(chance.choice(delivered), 1.0)
        if at == end:
            break
        change = changes[at]
        if change.side is None:
            book.replace(record(states[at + 1]), 1.0)
        else:
            delivered.append(update(change.side, at, change.order_ids))
            book.update(delivered[-1], 1.0)
    assert book.complete
    assert state_of(book) == states[-1]


def whole() -> KeptBook:
    book = KeptBook(GAME)
    book.read(record({SPREAD: ("a",), OTHER_SPREAD: ("b",), OVER: ("c",)}), 0, 1.0)
    return book


def test_a_book_is_complete_with_its_first_read_and_not_after_a_restart() -> None:
    book = KeptBook(GAME)
    assert not book.complete
    book.read(record({}), book.generation, 1.0)
    assert book.complete
    book.restart(epochs=False)
    assert not book.complete


def test_a_read_that_was_begun_before_a_restart_does_not_count() -> None:
    book = whole()
    generation = book.generation
    book.restart(epochs=True)
    assert not book.read(record({MONEYLINE: ("late",)}), generation, 2.0)
    assert not book.complete


@pytest.mark.parametrize(("epochs", "taken"), [(True, True), (False, False)])
def test_epochs_are_counted_anew_only_on_another_connection(epochs: bool, taken: bool) -> None:
    book = whole()
    book.update(update(SPREAD, 7, ["new"]), 2.0)
    book.restart(epochs=epochs)
    assert book.update(update(SPREAD, 3, ["newer"]), 3.0) is taken


@pytest.mark.parametrize(
    ("epochs", "last"),
    [((1, 2, 3), 3), ((3, 1, 2), 3), ((5, 5, 4), 5), ((1, None, 2), 2), ((9, None, 2), None)],
)
def test_of_the_updates_of_a_side_the_newest_stands(
    epochs: Sequence[int | None], last: int | None
) -> None:
    book = whole()
    for epoch in epochs:
        book.update(update(SPREAD, epoch, [str(epoch)]), 2.0)
    assert [each.order_id for each in book.side(SPREAD)] == [str(last)]


def test_what_was_heard_since_a_restart_stands_against_a_read() -> None:
    book = whole()
    book.restart(epochs=True)
    book.update(update(SPREAD, 1, ["heard"]), 2.0)
    book.read(record({SPREAD: ("read before",), OVER: ("read",)}), book.generation, 3.0)
    assert state_of(book) == {SPREAD: ("heard",), OVER: ("read",)}


def test_the_time_of_an_update_that_is_too_old_is_not_the_time_of_the_book() -> None:
    book = whole()
    book.update(update(SPREAD, 7, []), 2.0)
    book.update(update(SPREAD, 6, []), 3.0)
    assert book.updated == 2.0


def test_an_update_of_one_line_leaves_the_others() -> None:
    book = whole()
    book.update(update(SPREAD, 1, ["d"]), 2.0)
    assert state_of(book) == {SPREAD: ("d",), OTHER_SPREAD: ("b",), OVER: ("c",)}


def test_an_update_that_names_several_lines_is_about_all_of_them() -> None:
    book = whole()
    third = Side("spread", HOME, -5.5)
    message = update(SPREAD, 1, ["d"])
    message.side_orders.append(entry(third, "e"))
    book.update(message, 2.0)
    assert state_of(book) == {SPREAD: ("d",), third: ("e",), OVER: ("c",)}


def test_an_update_without_a_line_empties_all_lines_that_it_does_not_name() -> None:
    book = whole()
    book.update(evolve(update(SPREAD, 1, []), spread=None), 2.0)
    assert state_of(book) == {OVER: ("c",)}


def test_a_read_leaves_no_order_of_before_the_restart() -> None:
    book = whole()
    book.restart(epochs=True)
    book.read(record({OVER: ("c",)}), book.generation, 2.0)
    assert state_of(book) == {OVER: ("c",)}


def test_what_the_exchange_says_of_a_game_replaces_all_of_it() -> None:
    book = whole()
    book.replace(record({MONEYLINE: ("d",)}), 2.0)
    assert state_of(book) == {MONEYLINE: ("d",)}
    # The read was made before.
    book.read(record({SPREAD: ("a",)}), book.generation, 3.0)
    assert state_of(book) == {MONEYLINE: ("d",)}


def test_the_best_order_is_the_one_that_pays_its_maker_least() -> None:
    odds = [150, -110, 100, -200, 101]
    best = best_of([entry(MONEYLINE, str(each), each) for each in odds])
    assert best is not None
    assert best.odds == -200


def test_what_is_taken_or_has_no_odds_is_not_the_best_order() -> None:
    gone = evolve(entry(MONEYLINE, "gone", -200), sum_untaken=0.0)
    odd = evolve(entry(MONEYLINE, "odd"), odds=None)
    left = entry(MONEYLINE, "left", 150)
    assert best_of([gone, odd, left]) is left
    assert best_of([gone, odd]) is None


def test_an_order_that_does_not_say_its_side_is_on_that_of_its_list() -> None:
    bare = BookEntry(order_id="a", odds=-110)
    book = KeptBook(GAME)
    lists = {name: [bare] for name in ("home_moneylines", "over", "draw_1x2")}
    book.read(evolve(record({}), **lists), 0, 1.0)  # type: ignore[arg-type]  # lists of entries
    held = book.record
    assert held is not None
    assert {name: getattr(held, name) for name in lists} == lists


def test_the_record_has_the_main_lines_and_the_volume_that_were_told_last() -> None:
    book = whole()
    book.update(evolve(update(SPREAD, 1, []), main_total=221.5, live=True), 2.0)
    book.volume(77.0)
    held = book.record
    assert held is not None
    assert (held.main_total, held.live, held.matched_volume) == (221.5, True, 77.0)


def test_a_caller_who_changes_what_it_was_given_does_not_change_the_book() -> None:
    book = whole()
    message = update(SPREAD, 1, ["d"])
    book.update(message, 2.0)
    message.side_orders.clear()
    book.side(SPREAD).clear()
    assert [each.order_id for each in book.side(SPREAD)] == ["d"]
