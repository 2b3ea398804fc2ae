"""Names of commands, derived as the server derives them, so that both know what is meant.

A command's id is a UUIDv5 (RFC 9562, section 5.5) of the tenant and the idempotency key, and for an
item of a batch its index; parts are length-prefixed before hashing.
"""

import base64
from uuid import UUID, uuid5

import msgspec

NAMESPACE = UUID("6b3a1f0e-8b0c-5d6e-9a55-1c0de5707275")


def command_id(tenant: str, key: str, item: int | None = None) -> UUID:
    """Give the id of the command that a key names, or of item `item` of a batch under that key."""
    parts = ("command", tenant, key, *(() if item is None else (str(item),)))
    return uuid5(NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts))


def tenant_of(authorization: str) -> str | None:
    """Read the tenant that a bearer token names, unchecked; None where it says none."""
    parts = authorization.removeprefix("Bearer ").split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims and signature of a JWT (RFC 7519)
        return None
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=="))
    except (ValueError, msgspec.MsgspecError):
        return None
    tenant = claims.get("tenant") if isinstance(claims, dict) else None
    return tenant if isinstance(tenant, str) else None
