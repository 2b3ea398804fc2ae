"""Where an import sends to, and with whose token."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import jwt

from client import Client
from gateway.access import Role
from infra.clock import now
from infra.data_directory import DataDirectory
from infra.errors import OperatorError
from infra.keys import signing_key
from infra.running import running_addresses
from infra.settings import Settings
from infra.tokens import issue_token

SUBJECT = "import"
LIFETIME = timedelta(hours=12)


class Wanted(NamedTuple):
    """A token that is needed: given as text or file, else issued here for tenant and roles."""

    token: str | None
    token_file: Path | None
    tenant: str | None
    source: str | None
    roles: Sequence[Role]
    option: str = "--token"


def write_address(settings: Settings, url: str | None) -> str:
    """Find where commands are sent: the address given, else the PMS running on the directory."""
    if url is not None:
        return url.rstrip("/")
    running = running_addresses(DataDirectory(settings.data))
    return str(running["write_url"]) if running is not None else settings.write_url


def token_of(settings: Settings, wanted: Wanted) -> str:
    """Give the token to use.

    Raises:
        OperatorError: none is given and none can be issued.
    """
    if wanted.token_file is not None:
        try:
            return wanted.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OperatorError(f"No token can be read from {wanted.token_file}.") from error
    if wanted.token is not None:
        return wanted.token.strip()
    if wanted.tenant is None:
        raise OperatorError(
            f"Who is importing? Give {wanted.option} or {wanted.option}-file (`pms token` issues "
            "one), or, on the machine and as the owner of the data, --tenant and --source."
        )
    data = DataDirectory(settings.data)
    if not data.secrets.is_dir():
        raise OperatorError(
            f"There is no PMS in {data.path} whose key could sign a token: name its directory "
            f"with --data, or give {wanted.option}."
        )
    return issue_token(
        signing_key(data),
        tenant=wanted.tenant,
        subject=SUBJECT,
        roles=[role.value for role in wanted.roles],
        source=wanted.source,
        issued_at=now(),
        token_id=uuid4(),
        lifetime=LIFETIME,
    )


def speaks_for(token: str) -> str:
    """Say for whom a token speaks, tenant and source, without checking it: that is the API's."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise OperatorError("The token given is not a JWT; `pms token` issues one.") from error
    return f"{claims.get('tenant', '')}/{claims.get('source', '')}"


@contextmanager
def calling(url: str, token: str) -> Iterator[Client]:
    """Open a connection to the command side."""
    with Client.to(url, token=token) as client:
        yield client


def attempt_of(*parts: str) -> str:
    """Name one attempt at an import, for its idempotency keys.

    A refusal is told again under its key for ever, so an import that is run again, the world being
    mended, needs new ones. Nothing is imported twice all the same: trades have names of their own,
    and an instrument or a session with the same content is the first acceptance again.
    """
    text = "".join(f"{len(part)}:{part}" for part in (*parts, str(uuid4())))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
