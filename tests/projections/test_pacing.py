"""How long a projector lets events come together."""

from projections.pacing import FULL_EVENTS, PACES, Pacing

(BUSY_RATE, BUSY_REST, _), (PATIENT_RATE, _, PATIENCE), (RATE, REST, _) = PACES


def paced(events: int, *, seconds: float = 1.0) -> Pacing:
    """Pass events within some seconds, and judge by them."""
    pacing = Pacing()
    pacing.passed(events)
    pacing.rest()
    pacing.look(seconds)
    pacing.passed(1)
    return pacing


def test_alone_an_event_waits_for_nobody() -> None:
    """Below the least rate there is no rest."""
    assert paced(RATE - 1).rest() == paced(RATE - 1).patience == 0.0


def test_the_busier_the_longer_it_rests() -> None:
    """By events a second, whatever the time between two looks."""
    assert paced(RATE).rest() == REST
    assert paced(RATE // 2, seconds=0.5).rest() == REST
    assert paced(BUSY_RATE).rest() == BUSY_REST > REST
    assert paced(PATIENT_RATE).patience == PATIENCE > paced(BUSY_RATE).patience


def test_nothing_new_and_a_full_batch_are_not_waited_behind() -> None:
    """Who found nothing waits for a hint as it is, and who is behind goes on."""
    pacing = paced(BUSY_RATE)
    assert pacing.rest() == BUSY_REST
    assert pacing.rest() == 0.0
    pacing.passed(FULL_EVENTS)
    assert pacing.rest() == 0.0


def test_a_quiet_while_ends_it() -> None:
    """What was passed before the last look does not count any more."""
    pacing = paced(BUSY_RATE)
    pacing.look(1.0)
    assert pacing.rest() == 0.0
