"""The plan of faults: drawn from a seed alone, so that a seed names a whole torment.

All times are seconds since the load began.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

QUIET_AT_START_SECONDS = 2.0
GAP_SECONDS = (0.3, 3.0)
SHORT_SECONDS = (0.2, 3.0)
LONG_SECONDS = (6.0, 14.0)
LONG_EVERY = 5
"""One fault in so many outlasts the patience of connections, locks and callers."""

DELAY_SECONDS = 0.03


class Wound(StrEnum):
    """A kind of fault."""

    KILL = "kill"
    """SIGKILL, once."""
    KEEP_DEAD = "keep_dead"
    """SIGKILL again whatever is started in its place, for a while: a restart that takes long."""
    CRASH = "crash"
    """SIGKILL of a server and all its children at once, as when a machine stops."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT after a while."""
    ZOMBIE = "zombie"
    """SIGSTOP with its line to the database cut, so that others take over before it wakes."""
    CUT = "cut"
    """Every connection of a line breaks; new ones may be opened at once."""
    REFUSE = "refuse"
    """Every connection of a line breaks, and new ones are turned away for a while."""
    DEAFEN = "deafen"
    """What is asked arrives, what is answered is lost, and then every connection breaks."""
    HOLD = "hold"
    """No byte passes for a while; connections stay open."""
    SLOW = "slow"
    """Every piece of data is delayed for a while."""


_AT_ONCE = frozenset({Wound.KILL, Wound.CRASH, Wound.CUT})
_LINE_WOUNDS = (Wound.CUT, Wound.REFUSE, Wound.DEAFEN, Wound.HOLD, Wound.SLOW)


class Fault(NamedTuple):
    """One fault: what happens to whom, from when on and for how long (0: at once over)."""

    at_seconds: float
    wound: Wound
    target: str
    for_seconds: float = 0.0


class Targets(NamedTuple):
    """What can be hurt: processes of ours, servers, and the lines between them, by name.

    `members` are those of the processes that share their work with others, so that one of them can
    be a zombie.
    """

    processes: Sequence[str]
    members: Sequence[str]
    servers: Sequence[str]
    lines: Sequence[str]


def draw_plan(seed: int, *, seconds: float, targets: Targets) -> list[Fault]:
    """Draw the faults of a run of so many seconds, in order; all of them end before it does.

    Faults on different targets overlap; one target suffers one fault at a time. Every pair of wound
    and target is drawn before one of them is drawn again.
    """
    drawn = random.Random(f"plan {seed}")
    pairs = _shuffled_for_ever(_pairs(targets), drawn)
    free_at: dict[str, float] = {}
    plan: list[Fault] = []
    at = QUIET_AT_START_SECONDS
    while True:
        at += drawn.uniform(*GAP_SECONDS)
        wound, target = next(pairs)
        lasting = _duration(wound, drawn)
        at = max(at, free_at.get(target, 0.0))
        if at >= seconds:
            return plan
        lasting = min(lasting, seconds - at)
        free_at[target] = at + lasting
        plan.append(Fault(round(at, 3), wound, target, round(lasting, 3)))


def _pairs(targets: Targets) -> list[tuple[Wound, str]]:
    pairs = [(Wound.KILL, name) for name in (*targets.processes, *targets.servers)]
    pairs += [(Wound.KEEP_DEAD, name) for name in (*targets.processes, *targets.servers)]
    pairs += [(Wound.CRASH, name) for name in targets.servers]
    pairs += [(Wound.FREEZE, name) for name in targets.processes]
    pairs += [(Wound.ZOMBIE, name) for name in targets.members]
    pairs += [(wound, name) for name in targets.lines for wound in _LINE_WOUNDS]
    return pairs


def _shuffled_for_ever(
    pairs: Sequence[tuple[Wound, str]], drawn: random.Random
) -> Iterator[tuple[Wound, str]]:
    while True:
        yield from drawn.sample(pairs, len(pairs))


def _duration(wound: Wound, drawn: random.Random) -> float:
    # What is kept dead for long is started again more and more seldom, by itself.
    is_long = drawn.randrange(LONG_EVERY) == 0 and wound is not Wound.KEEP_DEAD
    drawn_seconds = drawn.uniform(*(LONG_SECONDS if is_long else SHORT_SECONDS))
    return 0.0 if wound in _AT_ONCE else drawn_seconds
