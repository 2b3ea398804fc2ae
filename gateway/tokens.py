"""Bearer tokens: JWT signed with Ed25519 (RFC 7519, RFC 8037), issued in `infra`, verified here.

Claims: `iss` and `aud` are "pms"; `sub` is the opaque subject, `tenant` the tenant, `roles` a list,
`source` the trading system whose trades the holder may tell (optional); `iat`, `exp` in seconds.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.problem import Problem

ISSUER = "pms"
AUDIENCE = "pms"
ALGORITHM = "EdDSA"
LEEWAY_SECONDS = 30
TOKEN_LENGTH_MAX = 4_096
REMEMBERED_MAX = 10_000
REQUIRED_CLAIMS = ["iss", "aud", "sub", "tenant", "roles", "iat", "exp"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}\Z")
_SUBJECT = re.compile(r"[!-~]{1,128}\Z")
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="pms", error="invalid_token"'}


class Principal(msgspec.Struct, frozen=True):
    """Who asks: a subject of one tenant with roles, and the source it may speak for."""

    tenant: str
    subject: str
    roles: frozenset[str]
    source: str | None = None


VerifyToken = Callable[[str], Principal]


class _Remembered(msgspec.Struct, frozen=True):
    principal: Principal
    expires_at: int


class TokenVerifier:
    """Verify tokens with the issuer's public key; a verified token is remembered until it expires.

    An Ed25519 verification costs more than the rest of parsing a trade, and a trading system sends
    one token thousands of times. Nothing is remembered of tokens that failed.
    """

    def __init__(self, public_key: Ed25519PublicKey, *, clock: Callable[[], datetime]) -> None:
        self._public_key = public_key
        self._clock = clock
        self._remembered: dict[str, _Remembered] = {}

    def __call__(self, token: str) -> Principal:
        """Give the principal of a token.

        Raises:
            Problem: `token_invalid` or `token_expired`.
        """
        now = int(self._clock().timestamp())
        known = self._remembered.get(token)
        if known is None:
            known = self._verify(token, now)
            while len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.pop(next(iter(self._remembered)), None)
            self._remembered[token] = known
        if now >= known.expires_at:
            self._remembered.pop(token, None)
            raise _refused("token_expired", "Ask for a new token; this one has expired.")
        return known.principal

    def _verify(self, token: str, now: int) -> _Remembered:
        if len(token) > TOKEN_LENGTH_MAX:
            raise _refused("token_invalid", f"A token has at most {TOKEN_LENGTH_MAX} characters.")
        options: Any = {
            "require": REQUIRED_CLAIMS,
            "verify_exp": False,  # judged by the clock we were handed, not by the library's
            "verify_iat": False,
            "verify_nbf": False,
        }
        try:
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                options=options,
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            # The reason stays inside: an oracle about keys and claims helps only a forger.
            raise _refused(
                "token_invalid", "Send a token signed by this system's issuer, unchanged."
            ) from None
        return _Remembered(_principal(claims, now), claims["exp"])


def _principal(claims: dict[str, Any], now: int) -> Principal:
    times = [claims["exp"], claims["iat"], claims.get("nbf", claims["iat"])]
    if not all(type(time) is int for time in times):
        raise _refused("token_invalid", "exp, iat and nbf must be whole seconds.")
    if max(times[1:]) > now + LEEWAY_SECONDS:
        raise _refused("token_invalid", "The token is not valid yet: check the issuer's clock.")
    tenant, subject, source = claims["tenant"], claims["sub"], claims.get("source")
    if not _matches(_NAME, tenant) or not _matches(_SUBJECT, subject):
        raise _refused("token_invalid", "tenant or sub is not a name this system issues.")
    if source is not None and not _matches(_NAME, source):
        raise _refused("token_invalid", "source is not a name this system issues.")
    roles = claims["roles"]
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise _refused("token_invalid", "roles must be a list of role names.")
    return Principal(tenant, subject, frozenset(roles), source)


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None


def _refused(code: str, detail: str) -> Problem:
    return Problem(code, detail, headers=_CHALLENGE)


def bearer_token(authorization: bytes | None) -> str:
    """Take the token out of an Authorization header.

    Raises:
        Problem: `token_missing` without one, `token_invalid` when it is not a bearer token.
    """
    if authorization is None:
        raise Problem(
            "token_missing",
            "Send the header `Authorization: Bearer <token>`; `pms token` issues one.",
            headers={"WWW-Authenticate": 'Bearer realm="pms"'},
        )
    scheme, _, token = authorization.partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not token or not token.isascii():
        raise _refused("token_invalid", "The header must be `Authorization: Bearer <token>`.")
    return token.decode("ascii")
