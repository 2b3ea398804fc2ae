"""A process of its own that sends a load, driven through a pipe: its time is what sending costs."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Self

END_SECONDS = 5.0


class DrivenProcess:
    """Runs `serve(pipe, *arguments)` until this end of the pipe is closed; then it has ended."""

    def __init__(self, serve: Callable[..., None], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, self._other = context.Pipe()
        self._process = context.Process(target=serve, args=(self._other, *arguments), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._other.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.pipe.close()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    @property
    def process_id(self) -> int:
        """The process whose time is the cost of sending."""
        assert self._process.pid is not None, "it has been started"
        return self._process.pid


def hear_only_orders() -> None:
    """Leave Ctrl-C and a closed terminal to the process where the orders come from."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
