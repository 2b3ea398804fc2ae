"""Alert rules that the load breaches: thresholds that every portfolio's exposure grows across."""

from __future__ import annotations

import httpx

from benchmarks.pipeline.sending import Doors

STEP = 250_000
SECONDS = 30.0


def declare_rules(write_url: str, doors: Doors, *, rules: int) -> None:
    """Declare so many; each raises one alert a portfolio, as it comes above its threshold.

    Raises:
        httpx.HTTPError: one was not taken.
    """
    headers = {"Authorization": f"Bearer {doors.lane_tokens[0]}"}
    with httpx.Client(base_url=write_url, headers=headers, timeout=SECONDS, trust_env=False) as own:
        for number in range(1, rules + 1):
            rule = {
                "alert_rule": f"exposure-{number}",
                "kind": "exposure",
                "scope": {},
                "raise_above": str(number * STEP),
                "clear_at": "0",
                "steps": [{"level": "warning"}],
            }
            key = {"Idempotency-Key": f"rule-{number}"}
            own.post("/v1/alert-rules", json=rule, headers=key).raise_for_status()
