"""What a stress is made of: by what each line was shocked, and the call that gives what it gains.

The lines are those of the stress itself: nothing is shocked a second time.
"""

from typing import NamedTuple

from projections.performance.explaining_risk import Inputs
from projections.performance.stress import KINDS, Stressed

_MODULE = "domain.statistics.stress"
_OF_WINDOW = "stressed_pnl(exposures, compounded(returns))"
_OF_SHOCKS = "stressed_pnl(exposures, np.array([combined(each) for each in shocks]))"


class StressCall(NamedTuple):
    """The call of published functions, with numpy arrays, that gives the gains of all lines.

    `shocks` are lines x `KINDS`, zero where a line meets none of a kind.
    """

    shock_function: str
    function: str
    call: str
    inputs: Inputs


def call_of(stressed: Stressed) -> StressCall | None:
    """Give the call behind a stress; None where it has a reason to have no figure."""
    if stressed.reason is not None:
        return None
    exposures = [line.value for line in stressed.lines]
    function = f"{_MODULE}.stressed_pnl"
    if stressed.returns is not None:
        inputs: Inputs = {"exposures": exposures, "returns": stressed.returns.tolist()}
        return StressCall(f"{_MODULE}.compounded", function, _OF_WINDOW, inputs)
    shocks = [[_of_kind(kind, line.met) for kind in KINDS] for line in stressed.lines]
    inputs = {"exposures": exposures, "shocks": shocks}
    return StressCall(f"{_MODULE}.combined", function, _OF_SHOCKS, inputs)


def _of_kind(kind: str, met: dict[str, float]) -> float:
    """Give the shock of one kind among those met; zero without one."""
    return next((shock for name, shock in met.items() if name.partition(":")[0] == kind), 0.0)
