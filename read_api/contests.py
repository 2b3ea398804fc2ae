"""The endpoints of contests: the ranks on the board, and what the log tells of them.

The board is in Redis; everything else is asked of `performance` and stays there while Redis is
away.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Annotated

import msgspec
from starlette.responses import Response

from domain.contests.events import Rank
from gateway.access import Action
from gateway.interface import Call, Endpoint, json_response, not_found
from gateway.openapi import PathParameter, json_answer
from gateway.problem import Problem
from projections.asking import Readable
from projections.leaderboard import queries
from projections.leaderboard.reading import Board, BoardAway, BoardBehind, BoardMissing, Reader
from projections.leaderboard.tracks import CALCULATION
from read_api import contest_shapes as shapes
from read_api.asking import Asked, Asking, MinPosition, PageAsked, WaitSeconds
from read_api.declaring import query
from read_api.parameters import NAME
from read_api.shaping import page_shaped, shaped

MODEL = "performance"
OWN = "/v1/contests/{contest}"
POLL_SECONDS = 0.05
BOARD_THREADS = 2
RANKS_MAX = 1_000
CONTEST = PathParameter("contest", NAME, "The contest's name.")
PARTICIPANT = PathParameter("participant", r"^[!-?A-~]{1,128}\Z", "The participant's opaque id.")

Participant = Annotated[str, msgspec.Meta(pattern=r"^[!-?A-~]{1,128}\Z")]


class RanksAsked(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which ranks: from `first` on, or `around` a participant, so many before and behind."""

    min_position: MinPosition = 0
    wait_seconds: WaitSeconds = 5.0
    first: Annotated[int, msgspec.Meta(ge=1, le=2**53)] = 1
    limit: Annotated[int, msgspec.Meta(ge=1, le=RANKS_MAX)] = 100
    around: Participant | None = None
    reach: Annotated[int, msgspec.Meta(ge=0, le=RANKS_MAX)] = 5


class StruckAsked(PageAsked, kw_only=True):
    """Which strike; `edition` 0 is that of a session before the end."""

    session: date
    edition: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0


class ProofAsked(Asked, kw_only=True):
    """Whose rank, and as of which log position; by default the one folded."""

    participant: Participant
    position: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None


def contest_endpoints(asking: Asking, reader: Reader | None) -> Sequence[Endpoint]:
    """Give the addresses of contests; without a reader there is no board."""
    found = ContestQueries(asking, reader)
    action = Action.READ_CONTESTS
    return (
        query(
            "/v1/contests", "list_contests", "The tenant's contests", action, PageAsked,
            shapes.ContestList, found.contests,
        ),
        query(
            OWN, "get_contest", "One contest", action, Asked, shapes.OneContest, found.contest,
            CONTEST,
        ),
        Endpoint(
            "GET",
            f"{OWN}/ranks",
            "list_ranks",
            "The ranks of a contest as they are now",
            (action,),
            found.ranks,
            (json_answer(200, shapes.Leaderboard, "All at one market position."),),
            parameters=RanksAsked,
            parts=(CONTEST,),
            problems=("not_found", "leaderboard_unavailable", "position_not_reached"),
            description="While a board is made anew it is waited for, `wait_seconds` at most; "
            "then, and at once while Redis is away, there is no answer "
            "(`leaderboard_unavailable`); what was struck is there all the same.",
        ),
        query(
            f"{OWN}/strikes", "list_strikes", "What was struck of a contest: sessions, editions",
            action, PageAsked, shapes.StrikeList, found.strikes, CONTEST,
        ),
        query(
            f"{OWN}/struck-ranks", "list_struck_ranks", "The ranks of one strike, as told",
            action, StruckAsked, shapes.StruckRanks, found.struck, CONTEST,
        ),
        query(
            f"{OWN}/participants/{{participant}}/ranks", "list_past_ranks",
            "A participant's ranks by session", action, PageAsked, shapes.RankHistory,
            found.history, CONTEST, PARTICIPANT,
        ),
        query(
            f"{OWN}/proof", "prove_rank", "What a rank is made of", action, ProofAsked,
            shapes.RankProof, found.proof, CONTEST, problems=("restated_since",),
        ),
    )  # fmt: skip


class ContestQueries:
    """The endpoints' coroutines."""

    def __init__(self, asking: Asking, reader: Reader | None) -> None:
        self._asking = asking
        self._reader = reader
        # Of its own: what waits for Redis must not hold a thread that other questions need.
        self._board_threads = ThreadPoolExecutor(BOARD_THREADS, thread_name_prefix="board")

    async def contests(self, call: Call) -> Response:
        """List contests."""
        asked: PageAsked = call.parameters

        def ask(readable: Readable) -> shapes.ContestList:
            page = queries.contest_page(
                readable, tenant=call.principal.tenant, cursor=asked.cursor, limit=asked.limit
            )
            return page_shaped(shapes.ContestList, page, map(shapes.contest_item, page.rows))

        return await self._asking.answer(call, MODEL, ask)

    async def contest(self, call: Call) -> Response:
        """Give one."""

        def ask(readable: Readable) -> shapes.OneContest:
            answer = queries.contest_of(
                readable, tenant=call.principal.tenant, contest=call.named(CONTEST)
            )
            if answer.row is None:
                raise not_found()
            return shaped(shapes.OneContest, answer, contest=shapes.contest_item(answer.row))

        return await self._asking.answer(call, MODEL, ask)

    async def ranks(self, call: Call) -> Response:
        """Give a stretch of ranks, at the position the call wants."""
        asked: RanksAsked = call.parameters
        deadline = time.monotonic() + asked.wait_seconds
        while True:
            try:
                board = await self._board(call, asked)
            except BoardAway:
                raise _unavailable() from None
            except BoardMissing:
                problem = _unavailable()
            except BoardBehind as behind:
                problem = Problem(
                    "position_not_reached",
                    f"The board is of position {behind.position}; ask again.",
                    headers={"Retry-After": "1"},
                )
            else:
                break
            if time.monotonic() >= deadline:
                raise problem
            await asyncio.sleep(POLL_SECONDS)
        if board is None:
            raise not_found()
        next_rank = None
        if asked.around is None and asked.first + asked.limit <= max(board.ranked, board.entrants):
            next_rank = asked.first + asked.limit if len(board.ranks) else None
        return json_response(shapes.leaderboard(call.named(CONTEST), board, next_rank))

    async def _board(self, call: Call, asked: RanksAsked) -> Board | None:
        tenant, contest, reader = call.principal.tenant, call.named(CONTEST), self._reader
        if reader is None:
            raise BoardAway

        def ask() -> Board | None:
            if asked.min_position:
                reader.require_reached(tenant, contest, asked.min_position)
            if asked.around is not None:
                return reader.around(tenant, contest, participant=asked.around, reach=asked.reach)
            return reader.ranks(
                tenant, contest, first=asked.first, last=asked.first + asked.limit - 1
            )

        board = await asyncio.get_running_loop().run_in_executor(self._board_threads, ask)
        if board is not None and board.stand.position < asked.min_position:
            raise BoardBehind(board.stand.position)
        return board

    async def strikes(self, call: Call) -> Response:
        """List what was struck."""
        asked: PageAsked = call.parameters

        def ask(readable: Readable) -> shapes.StrikeList:
            page = queries.strikes_of(
                readable, tenant=call.principal.tenant, contest=call.named(CONTEST),
                cursor=asked.cursor, limit=asked.limit,
            )  # fmt: skip
            return page_shaped(shapes.StrikeList, page, map(shapes.strike_item, page.rows))

        one = self._asking.any_partition
        return await self._asking.answer(call, MODEL, ask, one)

    async def struck(self, call: Call) -> Response:
        """List the ranks of a strike."""
        asked: StruckAsked = call.parameters

        def ask(readable: Readable) -> shapes.StruckRanks:
            page = queries.struck_ranks(
                readable, tenant=call.principal.tenant, contest=call.named(CONTEST),
                session=asked.session, edition=asked.edition, cursor=asked.cursor,
                limit=asked.limit,
            )  # fmt: skip
            items = shapes.rank_items(rank for _, rank in page.rows)
            return page_shaped(shapes.StruckRanks, page, items)

        one = self._asking.any_partition
        return await self._asking.answer(call, MODEL, ask, one)

    async def history(self, call: Call) -> Response:
        """List a participant's ranks by session."""
        asked: PageAsked = call.parameters

        def ask(readable: Readable) -> shapes.RankHistory:
            page = queries.history_of(
                readable, tenant=call.principal.tenant, contest=call.named(CONTEST),
                participant=call.named(PARTICIPANT), cursor=asked.cursor, limit=asked.limit,
            )  # fmt: skip
            items = [
                shaped(
                    shapes.PastRankItem, each.rank, percentile=None, session=each.session,
                    edition=each.edition, inputs_position=each.inputs_position,
                )
                for each in page.rows
            ]  # fmt: skip
            return page_shaped(shapes.RankHistory, page, items)

        one = self._asking.any_partition
        return await self._asking.answer(call, MODEL, ask, one)

    async def proof(self, call: Call) -> Response:
        """Give what a rank is made of."""
        asked: ProofAsked = call.parameters
        contest = call.named(CONTEST)

        def ask(readable: Readable) -> shapes.RankProof:
            answer = queries.proof_of(
                readable, tenant=call.principal.tenant, contest=contest,
                participant=asked.participant, position=asked.position,
            )  # fmt: skip
            row = answer.row
            if row is None or row.track is None:
                raise not_found()
            if row.changed:
                raise Problem(
                    "restated_since",
                    f"What was known at {asked.position} was changed since; `pms ranks "
                    f"{contest} --position {asked.position}` folds the log up to there.",
                )
            days = [
                shaped(
                    shapes.ProofDay, day, daily_return=day.value and format(day.value, "f"),
                    lack=None if day.lack is None else day.lack.value,
                )
                for day in row.track.days
            ]  # fmt: skip
            return shapes.RankProof(
                contest=contest,
                position=answer.position,
                market_position=answer.market_position,
                as_of=row.as_of,
                session=row.session,
                calculation=CALCULATION,
                rank=None if row.rank is None else shapes.rank_item(row.rank),
                days=tuple(days),
                traded_on=tuple(row.track.trades),
                compared_with=shapes.rank_items(_beside(row)),
            )

        return await self._asking.answer(call, MODEL, ask)


def _unavailable() -> Problem:
    return Problem(
        "leaderboard_unavailable",
        "The board is away or made anew; ask again, or for what was struck.",
        headers={"Retry-After": "1"},
    )


def _beside(proof: queries.Proof) -> list[Rank]:
    """Give those ranked just before and behind."""
    places = [each.participant for each in proof.others]
    if proof.rank is None:
        return []
    at = places.index(proof.rank.participant)
    return [each for each in proof.others[max(0, at - 1) : at + 2] if each is not proof.rank]
