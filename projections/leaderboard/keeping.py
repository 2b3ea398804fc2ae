"""Keeping the board level until told to stop, whatever is away meanwhile.

One thread beside the projector; several are no harm, for only one of them moves the checkpoint.
"""

import threading
import time

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from projections.asking import ReadModelMissing
from projections.leaderboard.board import Keeper, Overtaken
from projections.reading import Reading, ReadingUnavailable

ANSWER_SECONDS = 5.0
ASKED_SECONDS = 1.0
"""How long an answer may take for which somebody waits; it takes some milliseconds."""
LOOK_SECONDS = 0.1
IDLE_SECONDS = 1.0
"""Between two looks while there is no contest, or something is away."""

PLANNED_ONCE = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off"
"""How the keeper's connection is opened: planning its few questions takes longer than answering.

A plan lasts until the tables' statistics are taken anew. Made while they held next to nothing it
would read the whole of them, but for that here indexes are to be used.
"""

REST = 3
"""How much longer than it worked the keeper rests: it shares the interpreter with the folds."""


def board_client(redis_url: str) -> redis.Redis:
    """Open a client that gives up on a Redis that says nothing."""
    return redis.Redis.from_url(
        redis_url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )


def asking_client(redis_url: str) -> redis.Redis:
    """Open a client for those who wait for an answer: it soon gives up, and asks no second time.

    Only where the connection was lost is it opened again: as after Redis was started anew.
    """
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=ASKED_SECONDS,
        socket_connect_timeout=ASKED_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )


def keep_board(reading: Reading, client: redis.Redis, stop: threading.Event, *, name: str) -> None:
    """Look again and again; what is away now, or goes wrong, is looked for again."""
    keeper, logger = Keeper(client, name), structlog.get_logger(__name__)
    rest, is_away = 0.0, False
    while not stop.wait(rest):
        began = time.thread_time()
        try:
            refreshed = reading.answer(keeper.refresh)
        except (redis.RedisError, ReadModelMissing, ReadingUnavailable) as error:
            if not is_away:
                logger.warning("leaderboard_away", error=type(error).__name__)
            rest, is_away = IDLE_SECONDS, True
            continue
        except Overtaken:
            rest = IDLE_SECONDS
            continue
        except Exception:
            # Nobody starts this thread anew: whatever went wrong may be gone at the next look.
            if not is_away:
                logger.exception("leaderboard_not_kept")
            rest, is_away = IDLE_SECONDS, True
            continue
        if refreshed.written or is_away:
            logger.info(
                "leaderboard_written", position=refreshed.position, boards=refreshed.written
            )
        is_away = False
        worked = time.thread_time() - began
        rest = max(LOOK_SECONDS, REST * worked) if refreshed.contests else IDLE_SECONDS
