"""Verifying tokens: what is believed, and everything that is not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.problem import Problem
from gateway.tokens import Principal, TokenVerifier, bearer_token

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
OTHER_KEY = Ed25519PrivateKey.generate()
CLAIMS: dict[str, Any] = {
    "iss": "pms",
    "aud": "pms",
    "sub": "user-7",
    "tenant": "acme",
    "roles": ["trader", "viewer"],
    "source": "desk-1",
    "iat": int(NOON.timestamp()),
    "exp": int(NOON.timestamp()) + 3600,
}
WRONG_CLAIMS: tuple[dict[str, Any], ...] = (
    {"iss": "other"},
    {"aud": "other"},
    {"sub": ""},
    {"sub": 7},
    {"sub": "two words"},
    {"tenant": ""},
    {"tenant": "acme\n"},
    {"tenant": None},
    {"tenant": "x" * 65},
    {"source": ""},
    {"source": ["desk-1"]},
    {"roles": "admin"},
    {"roles": [1]},
    {"exp": "tomorrow"},
    {"exp": True},
    {"iat": int(NOON.timestamp()) + 31},
    {"nbf": int(NOON.timestamp()) + 31},
)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """Give the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock at noon."""
    return Clock()


@pytest.fixture
def verify(clock: Clock) -> TokenVerifier:
    """A verifier that knows the issuer's public key."""
    return TokenVerifier(KEY.public_key(), clock=clock)


def sign(claims: dict[str, Any], key: Ed25519PrivateKey = KEY) -> str:
    """Sign claims as the issuer does."""
    return jwt.encode(claims, key, algorithm="EdDSA")


def unsigned(header: dict[str, str]) -> str:
    """Make a token whose header says it needs no signature of the issuer's kind."""
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, CLAIMS)
    ]
    return ".".join([*parts, ""])


def refusal(verify: TokenVerifier, token: str) -> str:
    """Give the code with which a token is refused."""
    with pytest.raises(Problem) as caught:
        verify(token)
    assert caught.value.kind.status == 401
    assert "WWW-Authenticate" in caught.value.headers
    return caught.value.code


class TestAToken:
    """A JWT signed with the issuer's Ed25519 key."""

    def test_names_its_principal(self, verify: TokenVerifier) -> None:
        """Tenant, subject, roles and source."""
        expected = Principal("acme", "user-7", frozenset({"trader", "viewer"}), "desk-1")

        assert verify(sign(CLAIMS)) == expected

    def test_may_name_no_source(self, verify: TokenVerifier) -> None:
        """Only trading systems have one."""
        claims = {name: value for name, value in CLAIMS.items() if name != "source"}

        assert verify(sign(claims)).source is None

    @pytest.mark.parametrize("wrong", WRONG_CLAIMS, ids=str)
    def test_with_wrong_claims_is_refused(
        self, verify: TokenVerifier, wrong: dict[str, Any]
    ) -> None:
        """However well it is signed."""
        assert refusal(verify, sign(CLAIMS | wrong)) == "token_invalid"

    @pytest.mark.parametrize("name", ["iss", "aud", "sub", "tenant", "roles", "iat", "exp"])
    def test_without_a_required_claim_is_refused(self, verify: TokenVerifier, name: str) -> None:
        """Nothing is assumed."""
        claims = {key: value for key, value in CLAIMS.items() if key != name}

        assert refusal(verify, sign(claims)) == "token_invalid"

    def test_of_another_key_is_refused(self, verify: TokenVerifier) -> None:
        """Anybody can sign; only one key counts."""
        assert refusal(verify, sign(CLAIMS, OTHER_KEY)) == "token_invalid"

    def test_that_was_changed_is_refused(self, verify: TokenVerifier) -> None:
        """One role more, under the old signature."""
        head, _, signature = sign(CLAIMS).split(".")
        _, body, _ = sign(CLAIMS | {"roles": ["admin"]}).split(".")

        assert refusal(verify, f"{head}.{body}.{signature}") == "token_invalid"

    def test_without_a_signature_is_refused(self, verify: TokenVerifier) -> None:
        """`alg: none`."""
        assert refusal(verify, unsigned({"alg": "none", "typ": "JWT"})) == "token_invalid"

    def test_signed_with_the_public_key_as_a_secret_is_refused(self, verify: TokenVerifier) -> None:
        """The public key is public: HS256 with it is anybody's signature."""
        public = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        token = jwt.encode(CLAIMS, public, algorithm="HS256")

        assert refusal(verify, token) == "token_invalid"

    @pytest.mark.parametrize("text", ["", "a", "a.b.c", "." * 5, "x" * 5_000, "é"])
    def test_that_is_no_token_is_refused(self, verify: TokenVerifier, text: str) -> None:
        """Any text at all."""
        assert refusal(verify, text) == "token_invalid"


class TestTime:
    """The clock that was handed in decides."""

    def test_ends_a_token_at_its_second(self, verify: TokenVerifier, clock: Clock) -> None:
        """One second before it is good; then no more, although it was remembered."""
        token = sign(CLAIMS)

        clock.now = NOON + timedelta(seconds=3599)
        assert verify(token).tenant == "acme"
        clock.now = NOON + timedelta(seconds=3600)
        assert refusal(verify, token) == "token_expired"
        assert refusal(verify, token) == "token_expired"

    def test_forgives_a_clock_that_is_a_little_behind(
        self, verify: TokenVerifier, clock: Clock
    ) -> None:
        """30 seconds, as issuer and verifier are two machines."""
        clock.now = NOON - timedelta(seconds=30)
        assert verify(sign(CLAIMS)).tenant == "acme"


class TestTheHeader:
    """Authorization."""

    @pytest.mark.parametrize("scheme", [b"Bearer ", b"bearer ", b"BEARER  "])
    def test_carries_the_token_behind_its_scheme(self, scheme: bytes) -> None:
        """The scheme's letters may be large or small."""
        assert bearer_token(scheme + b"abc") == "abc"

    @pytest.mark.parametrize("text", [b"", b"Bearer", b"Bearer ", b"Basic abc", b"Bearer \xe9"])
    def test_that_carries_no_token_is_refused(self, text: bytes) -> None:
        """It was meant to, so it is invalid rather than missing."""
        with pytest.raises(Problem) as caught:
            bearer_token(text)

        assert caught.value.code == "token_invalid"

    def test_that_is_missing_says_how_to_get_a_token(self) -> None:
        """`token_missing`, with the command that issues one."""
        with pytest.raises(Problem) as caught:
            bearer_token(None)

        assert caught.value.code == "token_missing"
        assert "pms token" in caught.value.detail
