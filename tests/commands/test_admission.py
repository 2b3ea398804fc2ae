"""The door: how much is let in is what can be done in time, and refusals say when to come again."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from commands.admission import CALM_SECONDS, Admission, Reason, Refused, Room, Size
from tests.commands.scenes import ACME, RIVAL

SIZE = Size(seconds=0.1, own_times=0.0, least=10.0, rate=1_000.0)
PATIENT = Size(seconds=0.1, own_times=4.0, least=10.0, rate=1_000.0)
STEP_SECONDS = 0.01


def filled(room: Room, tenant: str, now: float) -> int:
    """How many single commands of a tenant a room lets in."""
    count = 0
    while room.enter(tenant, 1, now) is None:
        count += 1
    return count


def kept_full(room: Room, *, per_second: float, seconds: float) -> float:
    """Keep a room full while so many are answered a second; the moment when that ends."""
    now, owed = 0.0, 0.0
    while now < seconds:
        filled(room, ACME, now)
        owed += per_second * STEP_SECONDS
        while owed >= 1:
            room.leave(ACME, 1, now)
            owed -= 1
        now += STEP_SECONDS
    filled(room, ACME, now)
    return now


class TestARoom:
    """It takes what can be done within its time, at the rate that was seen while it was full."""

    def test_takes_a_burst_when_it_was_calm(self) -> None:
        """Twice what is meant to stand; a fifth of it is kept for others."""
        assert filled(Room(SIZE), ACME, 0.0) == 2 * 100 * 0.8

    def test_that_stays_full_takes_what_is_done_in_time(self) -> None:
        """At 2,000 a second and 0.1 s it holds 200, a fifth of them kept for others."""
        room = Room(SIZE)

        kept_full(room, per_second=2_000, seconds=20)

        assert 0.8 * 200 * 0.9 <= room.held <= 0.8 * 200 * 1.1

    def test_that_is_slow_still_takes_the_least(self) -> None:
        """At 5 a second it would hold none at all."""
        room = Room(SIZE)

        kept_full(room, per_second=5, seconds=90)

        assert room.held == 0.8 * SIZE.least

    def test_learns_no_rate_from_having_little_to_do(self) -> None:
        """One command a second says nothing about how many there could be."""
        room = Room(SIZE)
        for second in range(100):
            room.enter(ACME, 1, second)
            room.leave(ACME, 1, second + 0.1)

        assert room.rate == SIZE.rate

    def test_lets_a_newcomer_into_what_a_flood_has_filled(self) -> None:
        """Also when it has stood full for long."""
        room = Room(SIZE)
        now = kept_full(room, per_second=1_000, seconds=10)

        assert room.enter(RIVAL, 1, now) is None

    def test_takes_a_big_batch_behind_more_than_a_small_one(self) -> None:
        """Who takes long himself may wait in proportion."""
        room = Room(PATIENT)
        now = kept_full(room, per_second=1_000, seconds=10)
        room.enter(RIVAL, 30, now)

        assert room.enter(RIVAL, 1, now) is not None
        assert room.enter(RIVAL, 100, now) is None

    def test_says_when_all_that_was_refused_will_have_been_done(self) -> None:
        """At 100 a second, with three hundred more refused: some seconds, and at most thirty."""
        room = Room(SIZE)
        now = kept_full(room, per_second=100, seconds=20)

        told = [room.enter(ACME, 1, now) for _ in range(300)]

        assert told[0] is not None
        assert told[-1] is not None
        assert 1 <= told[0] <= told[-1]
        assert 3 <= told[-1] <= 6
        last = [room.enter(ACME, 1, now) for _ in range(100_000)][-1]
        assert last == 30

    @given(
        events=st.lists(
            st.tuples(st.sampled_from(("a", "b", "c")), st.integers(1, 40), st.floats(0, 0.5)),
            max_size=200,
        )
    )
    def test_keeps_exact_account_of_what_it_holds(
        self, events: list[tuple[str, int, float]]
    ) -> None:
        """Whatever comes and goes: nobody holds less than nothing, the parts are the whole."""
        room, now = Room(PATIENT), 0.0
        inside: list[tuple[str, int]] = []
        for tenant, weight, pause in events:
            now += pause
            if room.enter(tenant, weight, now) is None:
                inside.append((tenant, weight))
            elif inside:
                room.leave(*inside.pop(0), now)
            assert room.held == sum(weight for _, weight in inside)
            assert sum(room._held_of.values()) == room.held
            assert all(held > 0 for held in room._held_of.values())

    def test_is_strict_again_after_a_burst(self) -> None:
        """What stands full for a second is no burst any more."""
        room = Room(SIZE)
        burst = filled(room, ACME, 0.0)

        for _ in range(burst // 4):
            room.leave(ACME, 1, CALM_SECONDS + 0.1)

        assert room.enter(ACME, 1, CALM_SECONDS + 0.2) is not None


def admission(is_log_away: Callable[[], bool] = lambda: False) -> Admission:
    """An admission of small rooms whose clock stands still."""
    return Admission(is_log_away, clock=lambda: 0.0, singles=SIZE, batches=PATIENT)


class TestTheDoor:
    """It refuses with its reason, and knows when everybody has left."""

    def test_refuses_while_the_log_is_away(self) -> None:
        """And lets in again afterwards, by itself."""
        is_away = True
        door = admission(lambda: is_away)

        refused = door.enter(ACME, commands=1, is_batch=False)
        is_away = False

        assert refused == Refused(Reason.LOG_AWAY, 1)
        assert door.enter(ACME, commands=1, is_batch=False) is None

    def test_refuses_once_it_is_closed_and_empties(self) -> None:
        """What was let in before is waited for."""
        door = admission()
        door.enter(ACME, commands=1, is_batch=False)

        door.close()

        assert door.enter(RIVAL, commands=1, is_batch=True) == Refused(Reason.SHUTTING_DOWN, 1)
        assert not door.is_empty
        door.leave(ACME, commands=1, is_batch=False)
        assert door.is_empty

    def test_has_a_room_for_batches_that_singles_do_not_fill(self) -> None:
        """And the other way round."""
        door = admission()
        for _ in range(1_000):
            door.enter(ACME, commands=1, is_batch=False)

        assert door.enter(ACME, commands=100, is_batch=True) is None

    def test_says_whole_seconds(self) -> None:
        """As the header Retry-After wants them."""
        door = admission()
        told = [door.enter(ACME, commands=1, is_batch=False) for _ in range(5_000)]

        seconds = {each.retry_seconds for each in told if each is not None}

        assert {type(each) for each in seconds} == {int}
        assert min(seconds) >= 1
