"""Where the log and the read models live, and as whom to go there."""

from __future__ import annotations

from dataclasses import dataclass, field

OWNER_ROLE = "pms_owner"
APP_ROLE = "pms_app"
DATABASE_NAME = "pms"


@dataclass(frozen=True)
class Database:
    """One PostgreSQL database and its two ways in (connection strings with passwords: not shown).

    `owner_conninfo` does the DDL of the log; `app_conninfo` may read and append the log and owns
    the read models.
    """

    owner_conninfo: str = field(repr=False)
    app_conninfo: str = field(repr=False)
