"""Issued tokens pass the checking side; the private key stays with its owner."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.problem import Problem
from gateway.tokens import Principal, TokenVerifier
from infra.data_directory import DataDirectory
from infra.errors import OperatorError
from infra.keys import public_key, signing_key
from infra.tokens import issue_token

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    """A prepared data directory."""
    directory = DataDirectory(tmp_path / "data")
    directory.prepare(None)
    return directory


def issue(key: Ed25519PrivateKey) -> str:
    """Issue a trading system's token at noon for an hour."""
    return issue_token(
        key,
        tenant="acme",
        subject="desk-1",
        roles=["trader", "execution"],
        source="oms",
        issued_at=NOON,
        token_id=UUID(int=1),
        lifetime=timedelta(hours=1),
    )


class TestIssuing:
    """What one side signs the other side understands."""

    def test_gives_a_token_the_gateway_accepts(self, data: DataDirectory) -> None:
        """Every claim arrives as its principal."""
        verifier = TokenVerifier(public_key(data), clock=lambda: NOON)

        principal = verifier(issue(signing_key(data)))

        assert principal == Principal("acme", "desk-1", frozenset({"trader", "execution"}), "oms")

    def test_gives_a_token_that_ends(self, data: DataDirectory) -> None:
        """At its last second it is refused."""
        verifier = TokenVerifier(public_key(data), clock=lambda: NOON + timedelta(hours=1))

        with pytest.raises(Problem):
            verifier(issue(signing_key(data)))

    def test_with_another_key_is_refused(self, data: DataDirectory) -> None:
        """A token of another installation is worth nothing here."""
        verifier = TokenVerifier(public_key(data), clock=lambda: NOON)

        with pytest.raises(Problem):
            verifier(issue(Ed25519PrivateKey.generate()))


class TestTheSigningKey:
    """One key per data directory, for good."""

    def test_is_readable_by_its_owner_only(self, data: DataDirectory) -> None:
        """The file is closed, and nothing else is left beside it."""
        signing_key(data)

        (kept,) = data.secrets.iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600

    def test_is_the_same_for_all_who_come_at_once(self, data: DataDirectory) -> None:
        """Of many first callers one draws the key for all."""
        barrier = threading.Barrier(8)
        found: list[bytes] = []

        def come() -> None:
            barrier.wait()
            found.append(signing_key(data).public_key().public_bytes_raw())

        threads = [threading.Thread(target=come) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 8
        assert len(set(found)) == 1

    def test_of_another_kind_is_named(self, data: DataDirectory) -> None:
        """A file that is no key is one clear sentence."""
        (data.secrets / "token_key.pem").write_text("not a key")

        with pytest.raises(OperatorError, match=r"token_key\.pem"):
            signing_key(data)
