"""Issuing bearer tokens; `gateway.tokens` is the side that checks them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.tokens import ALGORITHM, AUDIENCE, ISSUER

DEFAULT_LIFETIME = timedelta(hours=12)


def issue_token(
    key: Ed25519PrivateKey,
    *,
    tenant: str,
    subject: str,
    roles: Sequence[str],
    issued_at: datetime,
    token_id: UUID,
    source: str | None = None,
    lifetime: timedelta = DEFAULT_LIFETIME,
) -> str:
    """Sign a token: who (`subject`), for whom (`tenant`), as what (`roles`), until when.

    A trading system's token names its `source`: it can capture trades in that name only.
    """
    claims: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "tenant": tenant,
        "roles": list(roles),
        "iat": int(issued_at.timestamp()),
        "exp": int((issued_at + lifetime).timestamp()),
        "jti": str(token_id),
    }
    if source is not None:
        claims["source"] = source
    return jwt.encode(claims, key, algorithm=ALGORITHM)
