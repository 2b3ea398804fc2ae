"""What a PMS can be told by its environment: variables named `PMS_…`, all of them optional.

Given addresses of PostgreSQL, Redis, Kafka or a schema registry replace our own servers. Those that
hold passwords are kept as secrets: no representation and no log shows them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.database import Database
from infra.errors import OperatorError

Port = Annotated[int, Field(ge=0, le=65535)]
LogLevel = Literal["debug", "info", "warning", "error"]
Feed = Literal["log", "kafka"]
PROJECTORS_WITH_KAFKA = 3


def default_data_directory() -> Path:
    """Name where a PMS keeps its data when nobody says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/pms")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "pms"
    home = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is invalid and to be ignored.
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "share") / "pms"


def default_cache_directory() -> Path:
    """Name where programs fetched once are kept when nobody says otherwise."""
    if os.geteuid() == 0:
        return Path("/var/cache/pms")  # the servers' own account cannot look below /root
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pms"
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if Path(home).is_absolute() else Path.home() / ".cache") / "pms"


class Settings(BaseSettings):
    """The settings of every process; a port of 0 means any free one."""

    model_config = SettingsConfigDict(env_prefix="PMS_", extra="ignore", frozen=True)

    data: Path = Field(default_factory=default_data_directory)
    cache: Path = Field(default_factory=default_cache_directory)
    host: str = "127.0.0.1"
    write_port: Port = 8321
    read_port: Port = 8322
    projector_port: Port = 8323
    postgres_port: Port = 0
    redis_port: Port = 0
    postgres_owner: SecretStr | None = None
    postgres_app: SecretStr | None = None
    redis_url: SecretStr | None = None
    feed: Feed = "log"
    """What the projectors read: the log itself, or Kafka."""
    projectors: int | None = Field(default=None, ge=1, le=64)
    """How many projectors share the read models; unless given, what suits the feed."""
    projector_models: str | None = None
    """Which read models a projector folds, by name, with commas between; unless given, all."""
    writers: int = Field(default=1, ge=1, le=16)
    """How many processes take commands; the first answers on `write_port`, the others anywhere."""
    kafka_bootstrap: str | None = Field(default=None, min_length=1)
    kafka_port: Port = 0
    kafka_prefix: str = Field(default="pms", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    kafka_generation: int = Field(default=1, ge=1)
    partitions: int = Field(default=6, ge=1, le=1_000)
    schema_registry_url: SecretStr | None = None
    registry_port: Port = 0
    relay_port: Port = 0
    live_connections_max: int = Field(default=5_000, ge=1)
    """How many WebSocket clients one process serves."""
    live_tenant_connections_max: int = Field(default=2_000, ge=1)
    """How many of them are one tenant's."""
    live_waiting_max: int = Field(default=500, ge=1)
    """How many of them have not given their token yet."""
    live_connect_seconds: float = Field(default=10.0, ge=1)
    """How long one has to give it."""
    live_subscriptions_max: int = Field(default=1_000, ge=1)
    """How many subscriptions one of them has."""
    live_stalled_seconds: float = Field(default=30.0, ge=1)
    """How long one may take nothing of what is sent to it before it is cut off."""
    live_heartbeat_seconds: float = Field(default=10.0, ge=1)
    """How often one is sent a sign of life; STOMP clients say it themselves."""
    strike_figures: bool = True
    """Whether a portfolio's figures are told when a session closes; switched on later, all that is
    due is told then, as of then."""
    delivery_port: Port = 0
    alert_channels: Path | None = None
    """The file that says where alerts are delivered; without it none are."""
    log_level: LogLevel = "info"
    build: str | None = Field(default=None, min_length=1, max_length=128)
    """The name of the build that events record; taken from git where not given."""

    @model_validator(mode="after")
    def _both_postgres_addresses(self) -> Self:
        if self.postgres_owner is not None and self.postgres_app is None:
            message = (
                "PMS_POSTGRES_OWNER needs PMS_POSTGRES_APP beside it: the processes connect as the "
                "role that cannot change what is recorded"
            )
            raise ValueError(message)
        return self

    @property
    def app_conninfo(self) -> str:
        """How the processes reach PostgreSQL.

        Raises:
            OperatorError: it is not given; `pms up` gives it to the processes it starts.
        """
        if self.postgres_app is None:
            raise OperatorError(
                "No PostgreSQL address. `pms up` gives it to the processes it starts; to run one "
                "alone, set PMS_POSTGRES_APP."
            )
        return self.postgres_app.get_secret_value()

    @property
    def kafka_address(self) -> str:
        """How the processes reach Kafka.

        Raises:
            OperatorError: it is not given; `pms up --kafka` gives it to the processes it starts.
        """
        if self.kafka_bootstrap is None:
            raise OperatorError(
                "No Kafka address. `pms up --kafka` gives it to the processes it starts; to run "
                "one alone, set PMS_KAFKA_BOOTSTRAP."
            )
        return self.kafka_bootstrap

    @property
    def registry_address(self) -> str:
        """How the processes reach the schema registry.

        Raises:
            OperatorError: it is not given; `pms up --kafka` gives it to the processes it starts.
        """
        if self.schema_registry_url is None:
            raise OperatorError(
                "No schema registry. `pms up --kafka` gives it to the processes it starts; to run "
                "one alone, set PMS_SCHEMA_REGISTRY_URL."
            )
        return self.schema_registry_url.get_secret_value()

    @property
    def given_database(self) -> Database | None:
        """The PostgreSQL named from outside; None where the embedded one is to be used.

        Raises:
            OperatorError: only the application's address is given, so the log cannot be made.
        """
        if self.postgres_app is None:
            return None
        if self.postgres_owner is None:
            raise OperatorError(
                "PMS_POSTGRES_APP is set without PMS_POSTGRES_OWNER. Both are needed here: the "
                "owner makes and upgrades the tables of the log."
            )
        return Database(
            owner_conninfo=self.postgres_owner.get_secret_value(),
            app_conninfo=self.postgres_app.get_secret_value(),
        )

    @property
    def projector_members(self) -> int:
        """How many projectors run.

        Raises:
            OperatorError: several are asked for on a feed that cannot be shared.
        """
        if self.feed == "log" and self.projectors not in {None, 1}:
            raise OperatorError(
                f"PMS_PROJECTORS={self.projectors} needs Kafka (`--kafka`, or PMS_FEED=kafka): the "
                "log itself is read by one projector."
            )
        return self.projectors or (PROJECTORS_WITH_KAFKA if self.feed == "kafka" else 1)

    @property
    def write_url(self) -> str:
        """Where commands are sent."""
        return f"http://{self.host}:{self.write_port}"

    @property
    def read_url(self) -> str:
        """Where queries are asked."""
        return f"http://{self.host}:{self.read_port}"

    @property
    def projector_url(self) -> str:
        """Where the projector shows its health and metrics."""
        return f"http://{self.host}:{self.projector_port}"

    def environment(self) -> dict[str, str]:
        """Write the settings as variables for a child process, without the owner's address."""
        variables = {
            f"PMS_{name.upper()}": value.get_secret_value()
            if isinstance(value, SecretStr)
            else str(value)
            for name, value in self
            if value is not None and name != "postgres_owner"
        }
        others = {name: text for name, text in os.environ.items() if not name.startswith("PMS_")}
        return others | variables


def load_settings(**given: object) -> Settings:
    """Read the settings from the environment; what is `given` (and not None) goes before it.

    Raises:
        OperatorError: a value is not understood; the message names the variable, not its value.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        complaints = "; ".join(
            f"{'PMS_' + str(found['loc'][0]).upper() + ': ' if found['loc'] else ''}{found['msg']}"
            for found in error.errors(include_input=False, include_url=False)
        )
        raise OperatorError(f"The settings are not right. {complaints}") from None
