"""The addresses of what custodians tell of trades."""

from collections.abc import Mapping

from gateway.interface import Handle
from write_api.bodies import Body
from write_api.resources import Resources
from write_api.settlement_bodies import FailureBody, SettlementBody, SettlementResumptionBody

WAITS = (
    "A fact: never refused on limits. It may come before its trade, and then waits for it "
    "(`is_held`). Told again under its own name it gets the first acceptance; with other content "
    "it is a conflict, `settlement_conflict`. Cash follows where the portfolio's `settlement` is "
    "`actual`; where it is `contractual` the cash stands, and the trade says what was told."
)


def settlement_endpoints(
    resources: Resources,
) -> Mapping[str, tuple[str, str, type[Body], Handle]]:
    """Give, by the end of its address, each endpoint's name, summary, body and coroutine."""
    return {
        "settlements": (
            "settle_trade",
            "Settle a trade, whole or in part",
            SettlementBody,
            resources.settle_trade,
        ),
        "settlement-failures": (
            "fail_settlement",
            "Report that a trade fails to settle",
            FailureBody,
            resources.fail_settlement,
        ),
        "settlement-resumptions": (
            "resume_settlement",
            "Report that a fail stands no longer",
            SettlementResumptionBody,
            resources.resume_settlement,
        ),
    }
