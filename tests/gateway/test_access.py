"""The table role x action: complete, and closed by default."""

from __future__ import annotations

import pytest

from domain.identity import MARKET_TENANT
from gateway.access import (
    CUSTOMER_ONLY,
    EVERY_TENANT,
    PERMITTED,
    SHARED_WRITES,
    Action,
    Role,
    permits,
    require,
)
from gateway.problem import Problem
from gateway.tokens import Principal

CHANGING = {action for action in Action if not action.value.startswith(("read_", "ask_"))}


def holder(*roles: str, tenant: str = "acme") -> Principal:
    """Give somebody with roles."""
    return Principal(tenant, "user-7", frozenset(roles))


class TestTheTable:
    """What it must hold whatever is added to it."""

    def test_has_a_row_for_every_role(self) -> None:
        """A role without a row would be a mistake nobody sees."""
        assert set(PERMITTED) == set(Role)

    def test_lets_somebody_do_everything(self) -> None:
        """An action nobody may do would be dead."""
        assert frozenset().union(*PERMITTED.values()) == frozenset(Action)

    def test_divides_the_actions_between_the_kinds_of_tenants(self) -> None:
        """Each action is of customers, of the market, or of both: never of neither."""
        kinds = (SHARED_WRITES, EVERY_TENANT, CUSTOMER_ONLY)

        assert frozenset().union(*kinds) == frozenset(Action)
        assert sum(map(len, kinds)) == len(Action)

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
    def test_lets_who_only_sees_change_nothing(self, role: Role) -> None:
        """Not one command."""
        assert not PERMITTED[role] & CHANGING

    def test_keeps_asking_and_telling_apart(self) -> None:
        """No role but the administrator has both (convention 1)."""
        both = {Action.CAPTURE_PROPOSED, Action.CAPTURE_EXECUTED}

        assert {role for role in Role if both <= PERMITTED[role]} == {Role.ADMIN}


class TestAsking:
    """`require`."""

    def test_passes_with_any_one_of_the_actions(self) -> None:
        """A capture is either of two, until its intent is read."""
        require(holder("trader"), Action.CAPTURE_PROPOSED, Action.CAPTURE_EXECUTED)

    @pytest.mark.parametrize("roles", [(), ("",), ("Trader",), ("root", "*")])
    def test_refuses_roles_it_does_not_know(self, roles: tuple[str, ...]) -> None:
        """Unknown is nothing."""
        assert not any(permits(holder(*roles), action) for action in Action)
        with pytest.raises(Problem) as caught:
            require(holder(*roles), Action.READ_TRADES)
        assert caught.value.code == "role_missing"
        assert "`viewer`" in caught.value.detail

    @pytest.mark.parametrize("action", sorted(SHARED_WRITES))
    def test_refuses_shared_writes_of_customers(self, action: Action) -> None:
        """And accepts them of the market."""
        require(holder("market_data", tenant=MARKET_TENANT), action)
        with pytest.raises(Problem) as caught:
            require(holder("market_data"), action)
        assert caught.value.code == "tenant_not_market"

    @pytest.mark.parametrize("action", sorted(CUSTOMER_ONLY))
    def test_refuses_portfolios_of_the_market(self, action: Action) -> None:
        """And accepts them of customers."""
        require(holder("admin"), action)
        with pytest.raises(Problem) as caught:
            require(holder("admin", tenant=MARKET_TENANT), action)
        assert caught.value.code == "tenant_is_market"
