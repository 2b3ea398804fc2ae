"""Settings from the environment, and what they never show."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import OperatorError
from infra.settings import Settings, default_cache_directory, default_data_directory, load_settings

OWNER = "host=db user=pms_owner password=owner-secret"
APP = "host=db user=pms_app password=app-secret"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PMS_{name.upper()}", raising=False)


class TestLoading:
    """Where a value comes from."""

    def test_takes_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A variable named PMS_… sets the field."""
        monkeypatch.setenv("PMS_WRITE_PORT", "9000")

        assert load_settings().write_port == 9000

    def test_prefers_what_the_command_line_gives(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An option goes before the variable; an option not given does not."""
        monkeypatch.setenv("PMS_WRITE_PORT", "9000")
        monkeypatch.setenv("PMS_READ_PORT", "9001")

        settings = load_settings(write_port=9100, read_port=None)

        assert (settings.write_port, settings.read_port) == (9100, 9001)

    def test_names_a_bad_variable_without_its_value(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One sentence an operator can act on."""
        monkeypatch.setenv("PMS_WRITE_PORT", "70000")

        with pytest.raises(OperatorError, match="PMS_WRITE_PORT") as caught:
            load_settings()

        assert "70000" not in str(caught.value)

    def test_needs_the_applications_address_beside_the_owners(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Running everything as the owner would undo the log's protection."""
        monkeypatch.setenv("PMS_POSTGRES_OWNER", OWNER)

        with pytest.raises(OperatorError, match="PMS_POSTGRES_APP") as caught:
            load_settings()

        assert "owner-secret" not in str(caught.value)


class TestTheDataDirectory:
    """Where data goes when nobody says otherwise."""

    def test_is_the_systems_for_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Root keeps it where services keep theirs."""
        monkeypatch.setattr("os.geteuid", lambda: 0)

        assert default_data_directory() == Path("/var/lib/pms")

    def test_follows_the_xdg_specification_for_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An absolute XDG_DATA_HOME counts, a relative one is ignored."""
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.setenv("HOME", "/home/someone")
        monkeypatch.setenv("XDG_DATA_HOME", "/data")
        absolute = default_data_directory()
        monkeypatch.setenv("XDG_DATA_HOME", "data")

        assert absolute == Path("/data/pms")
        assert default_data_directory() == Path("/home/someone/.local/share/pms")


class TestTheCache:
    """Where fetched programs go when nobody says otherwise."""

    def test_of_root_is_where_the_servers_account_can_look(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The home of root is closed to everybody else."""
        monkeypatch.setattr("os.geteuid", lambda: 0)
        monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")

        assert default_cache_directory() == Path("/var/cache/pms")

    def test_follows_the_xdg_specification_for_others(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An absolute XDG_CACHE_HOME counts, a relative one is ignored."""
        monkeypatch.setattr("os.geteuid", lambda: 1000)
        monkeypatch.setattr("sys.platform", "linux")
        monkeypatch.setenv("HOME", "/home/someone")
        monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
        absolute = default_cache_directory()
        monkeypatch.setenv("XDG_CACHE_HOME", "cache")

        assert absolute == Path("/cache/pms")
        assert default_cache_directory() == Path("/home/someone/.cache/pms")


class TestAChildsEnvironment:
    """What a process of ours is told."""

    def test_says_everything_but_the_owners_address(self) -> None:
        """The processes cannot do what only the owner may."""
        settings = load_settings(postgres_owner=OWNER, postgres_app=APP, write_port=9000)

        environment = settings.environment()

        assert environment["PMS_POSTGRES_APP"] == APP
        assert environment["PMS_WRITE_PORT"] == "9000"
        assert OWNER not in environment.values()

    def test_gives_equal_settings_when_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Writing and reading are inverse, but for the owner's address."""
        settings = load_settings(
            data=Path("/data"), postgres_app=APP, redis_url="redis://:secret@127.0.0.1:1/0"
        )
        for name, value in settings.environment().items():
            monkeypatch.setenv(name, value)

        assert load_settings() == settings

    def test_says_where_kafka_and_the_registry_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The members of the feed find what `up` has started."""
        settings = load_settings(
            feed="kafka",
            kafka_bootstrap="127.0.0.1:9092",
            schema_registry_url="http://me:secret@127.0.0.1:8081",
            projectors=2,
        )
        for name, value in settings.environment().items():
            monkeypatch.setenv(name, value)

        again = load_settings()

        assert again == settings
        assert again.kafka_address == "127.0.0.1:9092"
        assert again.registry_address == "http://me:secret@127.0.0.1:8081"
        assert "secret" not in repr(again)


class TestTheFeed:
    """What follows from where the projectors read."""

    def test_is_the_log_with_one_projector_unless_said_otherwise(self) -> None:
        """Kafka is asked for."""
        assert (load_settings().feed, load_settings().projector_members) == ("log", 1)

    def test_of_kafka_is_shared_by_three_unless_said_otherwise(self) -> None:
        """Enough to see members come and go."""
        assert load_settings(feed="kafka").projector_members == 3
        assert load_settings(feed="kafka", projectors=1).projector_members == 1

    def test_of_the_log_cannot_be_shared(self) -> None:
        """Two projectors on the log would only fight for the same checkpoints."""
        settings = load_settings(feed="log", projectors=2)

        with pytest.raises(OperatorError, match="PMS_PROJECTORS=2 needs Kafka"):
            _ = settings.projector_members

    def test_that_needs_an_address_says_which(self) -> None:
        """A process started alone is told what `up` would have given it."""
        with pytest.raises(OperatorError, match="set PMS_KAFKA_BOOTSTRAP"):
            _ = load_settings().kafka_address
        with pytest.raises(OperatorError, match="set PMS_SCHEMA_REGISTRY_URL"):
            _ = load_settings().registry_address

    @pytest.mark.parametrize("prefix", ["", "a.b", "a b", "a" * 65])
    def test_refuses_a_prefix_that_makes_no_topic_name(self, prefix: str) -> None:
        """A dot would make one prefix look like a part of another."""
        with pytest.raises(OperatorError, match="PMS_KAFKA_PREFIX"):
            load_settings(kafka_prefix=prefix)


class TestShowing:
    """A representation ends up in a log sooner or later."""

    def test_hides_every_password(self) -> None:
        """Neither form of the settings shows an address with a password."""
        settings = load_settings(
            postgres_owner=OWNER, postgres_app=APP, redis_url="redis://:cache-secret@h/0"
        )

        shown = f"{settings} {settings!r} {settings.given_database!r}"

        assert "secret" not in shown
