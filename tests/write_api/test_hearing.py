"""Hearing the desk's thread: nothing is lost, whoever answers whenever."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from write_api.hearing import Hearing

CALLERS = 2_000
ANSWERERS = 4


class TestHearing:
    """Futures of other threads in the event loop."""

    def test_loses_no_answer(self) -> None:
        """Several threads answer while the loop takes what is there."""
        hearing = Hearing()

        async def everybody() -> list[int]:
            futures: list[Future[int]] = [Future() for _ in range(CALLERS)]
            waiting = [hearing.of(future) for future in futures]

            def answer(first: int) -> None:
                for number in range(first, CALLERS, ANSWERERS):
                    futures[number].set_result(number)

            threads = [threading.Thread(target=answer, args=(n,)) for n in range(ANSWERERS)]
            for thread in threads:
                thread.start()
            async with asyncio.timeout(20):
                told = await asyncio.gather(*waiting)
            for thread in threads:
                thread.join()
            return told

        assert asyncio.run(everybody()) == list(range(CALLERS))
        assert asyncio.run(everybody()) == list(range(CALLERS)), "in another loop as well"

    def test_gives_what_is_there_already(self) -> None:
        """Outcome or failure."""
        done: Future[int] = Future()
        done.set_result(7)
        failed: Future[int] = Future()
        failed.set_exception(ValueError("no"))

        async def both() -> int:
            with pytest.raises(ValueError, match="no"):
                await Hearing().of(failed)
            return await Hearing().of(done)

        assert asyncio.run(both()) == 7

    def test_lets_a_caller_go(self) -> None:
        """The desk's future is not cancelled with it."""
        future: Future[int] = Future()

        async def leave() -> None:
            Hearing().of(future).cancel()
            future.set_result(1)
            await asyncio.sleep(0)

        asyncio.run(leave())

        assert future.result() == 1
