"""Which processes run, in which order, and on which ports."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from infra.embedded_postgres import free_port
from infra.errors import OperatorError
from infra.members import Member, chosen_members, ports_in_use
from infra.settings import Settings, load_settings

ANY_PORT = {"write_port": 0, "read_port": 0, "projector_port": 0}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PMS_{name.upper()}", raising=False)


def chosen(settings: Settings) -> list[Member]:
    """Choose them, and let their ports go at once."""
    with chosen_members(settings) as members:
        return members


def settings_of(**given: object) -> Settings:
    """Make settings that take any free port unless one is given."""
    return load_settings(**(ANY_PORT | given))


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


class TestTheMembers:
    """In the order they are started."""

    def test_are_three_without_kafka(self) -> None:
        """Not one process more than the log needs."""
        names = [member.name for member in chosen(settings_of())]

        assert names == ["read", "projector", "write"]

    def test_are_as_many_writers_as_wanted(self) -> None:
        """The first answers where the settings say, the others anywhere; each has its own name."""
        port = free_port()

        members = chosen(settings_of(writers=3, write_port=port))

        writers = [member for member in members if member.process == "write"]
        assert [member.name for member in writers] == ["write-1", "write-2", "write-3"]
        assert writers[0].port == port
        assert len({member.port for member in members}) == len(members)
        assert ports_in_use(members)["write_port"] == port

    def test_follow_the_data_backwards(self) -> None:
        """Whoever is read from is started after who reads it, so that it is stopped before."""
        members = chosen(settings_of(feed="kafka", projectors=2))

        assert [member.name for member in members] == [
            "registry", "read", "projector-1", "projector-2", "relay-1", "relay-2", "write",
        ]  # fmt: skip

    def test_leave_out_a_registry_that_is_given(self) -> None:
        """What runs elsewhere is not started here."""
        members = chosen(settings_of(feed="kafka", schema_registry_url="http://127.0.0.1:1"))

        assert "registry" not in {member.name for member in members}


class TestThePorts:
    """One for each member; the first of a kind answers where the settings say."""

    def test_are_all_different(self) -> None:
        """Three projectors cannot answer at one address."""
        members = chosen(settings_of(feed="kafka"))

        assert len({member.port for member in members}) == len(members) == 8
        assert 0 not in {member.port for member in members}

    def test_of_several_the_first_is_the_settings_own(self) -> None:
        """A dashboard that knows one address finds somebody there."""
        wanted = free_port()
        settings = settings_of(feed="kafka", projector_port=wanted)

        members = chosen(settings)

        ports = {member.name: member.port for member in members}
        assert ports["projector-1"] == wanted
        assert ports_in_use(members)["projector_port"] == wanted

    def test_are_told_to_each_member_as_its_own(self) -> None:
        """The settings of a member differ from the others' in this alone."""
        settings = settings_of(feed="kafka")

        second = chosen(settings)[3]

        assert second.name == "projector-2"
        assert second.settings(settings).projector_port == second.port
        assert second.settings(settings).write_port == settings.write_port

    @pytest.mark.parametrize(
        ("setting", "named"),
        [("read_port", "--read-port"), ("relay_port", "PMS_RELAY_PORT"),
         ("registry_port", "PMS_REGISTRY_PORT")],
    )  # fmt: skip
    def test_that_are_taken_are_named_with_the_way_out(
        self, taken_port: int, setting: str, named: str
    ) -> None:
        """The message names what the operator can change."""
        settings = settings_of(feed="kafka", **{setting: taken_port})

        with pytest.raises(OperatorError, match=f":{taken_port} cannot be used.*{named};"):
            chosen(settings)

    def test_are_not_given_to_two(self) -> None:
        """Who asks for the port of another process of the same system is told."""
        port = free_port()

        with pytest.raises(OperatorError, match=f":{port} cannot be used.*--projector-port"):
            chosen(settings_of(read_port=port, projector_port=port))

    def test_are_kept_while_nobody_listens_there(self) -> None:
        """Nobody else is given one, and its own process listens there, once and again."""
        with chosen_members(settings_of()) as members:
            address = (members[0].host, members[0].port)
            for _ in range(2):
                with pytest.raises(OSError, match="already in use"), socket.socket() as other:
                    other.bind(address)
                with socket.create_server(address), socket.create_connection(address):
                    pass

        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(address)
