"""One run at one rate: what was seen, and whether the rate was held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.pipeline.costs import ELSE
from benchmarks.pipeline.holding import GROWTH_SECONDS_MAX, growth
from benchmarks.pipeline.lags import Levels, Listener, Weighted, percentile, slowest
from benchmarks.pipeline.sending import Answer, Order, Recorded

ALL = "all"
WARM_UP_SECONDS = 3.0
ACCEPTED = ("accepted", "replayed")
PROBLEMS_MAX = 5


class Figures(NamedTuple):
    """How late something was, over the trades of a run; milliseconds, None without a trade."""

    p50_ms: float | None
    p95_ms: float | None
    max_ms: float | None
    growth_ms: float


class Trial(NamedTuple):
    """What a run showed after its warm-up.

    `answers` is from a batch's being due to its answer, `lags` by read model, of which `all` is the
    slowest for each trade. `costs` are microseconds of processor time a trade, by process.
    """

    trades_per_second: float
    seconds: float
    accepted_per_second: float
    outcomes: Mapping[str, int]
    trades_unsent: int
    trades_undecided: int
    answers: Figures
    lags: Mapping[str, Figures]
    series: Mapping[str, object]
    costs: Mapping[str, float]
    problems: Sequence[str]

    @property
    def failure(self) -> str | None:
        """Say why the rate was not held; None if it was."""
        refused = sum(self.outcomes.values()) - sum(self.outcomes.get(each, 0) for each in ACCEPTED)
        if self.problems:
            return self.problems[0]
        if refused:
            return f"{refused:,} trades were refused"
        if self.trades_unsent:
            return f"{self.trades_unsent:,} trades could not be sent in time"
        grown = {"the time to an answer": self.answers.growth_ms}
        grown |= {f"the lag of {name}": figures.growth_ms for name, figures in self.lags.items()}
        worst = max(grown, key=lambda name: grown[name])
        if grown[worst] > GROWTH_SECONDS_MAX * 1_000:
            return f"{worst} grew by {grown[worst]:,.0f} ms"
        return None

    def line(self) -> str:
        """Say in one line how it went."""
        lag = self.lags[ALL]
        verdict = self.failure or "held"
        elsewhere = self.costs.get(ELSE, 0.0) * self.accepted_per_second / 1e6
        return (
            f"{self.trades_per_second:,.0f} trades/s for {self.seconds:.0f} s: {verdict} "
            f"(answered p95 {_whole(self.answers.p95_ms)} ms, lag p50 {_whole(lag.p50_ms)} ms, "
            f"p95 {_whole(lag.p95_ms)} ms; {elsewhere:.1f} processors were busy elsewhere)"
        )


def judged(
    order: Order,
    answers: Sequence[Answer],
    listener: Listener,
    *,
    began_at: float,
    costs: Mapping[str, float],
) -> Trial:
    """Work out a run that began at a moment (seconds since the epoch)."""
    seconds = order.seconds - WARM_UP_SECONDS
    start = began_at + WARM_UP_SECONDS
    recorded = [each for answer in answers for each in answer.recorded]
    lags = {model: listener.lags(model, recorded) for model in listener.models}
    lags[ALL] = slowest(list(lags.values()))
    waits = [
        Weighted(began_at + each.due, each.answered - each.due, each.trades) for each in answers
    ]
    outcomes: Counter[str] = Counter()
    for answer in answers:
        outcomes.update(answer.outcomes)
    problems = [answer.problem for answer in answers if answer.problem]
    return Trial(
        trades_per_second=order.pace.trades_per_second,
        seconds=seconds,
        accepted_per_second=accepted_between(answers, WARM_UP_SECONDS, order.seconds) / seconds,
        outcomes=outcomes,
        trades_unsent=trades_due(order) - sum(answer.trades for answer in answers),
        trades_undecided=sum(answer.trades for answer in answers if answer.problem),
        answers=_figures(waits, start, seconds),
        lags={model: _figures(points, start, seconds) for model, points in lags.items()},
        series=_series(lags, waits, listener, recorded, start=start, seconds=seconds),
        costs=costs,
        problems=problems[:PROBLEMS_MAX],
    )


def trades_due(order: Order) -> int:
    """Count the trades that a run is to send."""
    pace = order.pace
    batches = sum(pace.batches(lane, until=order.seconds) for lane in range(pace.lanes))
    return batches * pace.batch_trades


def accepted_between(answers: Sequence[Answer], start: float, end: float) -> int:
    """Count the trades whose acceptance came between two moments of a run."""
    return sum(
        answer.outcomes.get(outcome, 0)
        for answer in answers
        if start <= answer.answered < end
        for outcome in ACCEPTED
    )


def _figures(points: Sequence[Weighted], start: float, seconds: float) -> Figures:
    within = _between(points, start, start + seconds)
    return Figures(
        _ms(percentile(within, 0.5)),
        _ms(percentile(within, 0.95)),
        _ms(percentile(within, 1.0)),
        growth(points, start=start, seconds=seconds) * 1_000,
    )


def _series(
    lags: Mapping[str, Sequence[Weighted]],
    waits: Sequence[Weighted],
    listener: Listener,
    recorded: Sequence[Recorded],
    *,
    start: float,
    seconds: float,
) -> dict[str, object]:
    """Give each second's figures: lags of what was recorded in it, events behind at its end."""
    beginnings = [start + second for second in range(int(seconds))]
    head = Levels()
    for each in sorted(recorded):
        head.hear(each.position, each.recorded_at)

    def each_second(points: Sequence[Weighted], part: float) -> list[float | None]:
        return [_ms(percentile(_between(points, at, at + 1), part)) for at in beginnings]

    return {
        "answer_p95_ms": each_second(waits, 0.95),
        "lag_p50_ms": {model: each_second(points, 0.5) for model, points in lags.items()},
        "lag_p95_ms": {model: each_second(points, 0.95) for model, points in lags.items()},
        "lag_max_ms": {model: each_second(points, 1.0) for model, points in lags.items()},
        "events_behind": {
            model: [
                max(0, head.position_at(at + 1) - listener.position_at(model, at + 1))
                for at in beginnings
            ]
            for model in listener.models
        },
    }


def _between(points: Sequence[Weighted], start: float, end: float) -> list[Weighted]:
    return [point for point in points if start <= point.at < end]


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 1)


def _whole(milliseconds: float | None) -> str:
    return "-" if milliseconds is None else f"{milliseconds:,.0f}"
