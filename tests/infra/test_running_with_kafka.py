"""A whole system with Kafka: who runs, in which order it ends, and what is used from outside."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import AdminClient

from tests.conftest import KafkaSpace
from tests.infra.up import PATIENCE_SECONDS, Up, wait_until

MEMBERS = {
    "registry", "read", "projector-1", "projector-2", "projector-3", "relay-1", "relay-2", "write",
}  # fmt: skip

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


@pytest.fixture(autouse=True)
def _kafka_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMS_FEED", "kafka")
    for name in ("PMS_KAFKA_BOOTSTRAP", "PMS_SCHEMA_REGISTRY_URL", "PMS_PROJECTORS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def given_kafka(kafka: KafkaSpace, monkeypatch: pytest.MonkeyPatch) -> str:
    """The session's Kafka, given to the system as one from outside."""
    monkeypatch.setenv("PMS_KAFKA_BOOTSTRAP", kafka.bootstrap)
    return kafka.bootstrap


class TestTheMembers:
    """Several processes of a kind, each with a name and a port of its own."""

    def test_are_three_projectors_and_two_relays_beside_the_others(
        self, start_up: Callable[..., Up], given_kafka: str
    ) -> None:
        """Every one of them answers at its own address, as what it is."""
        up = start_up()
        up.wait_until_ready()
        urls = up.addresses()["process_urls"]

        answers = {
            name: httpx.get(f"{url}/health/ready").json()["checks"]["name"]
            for name, url in urls.items()
        }

        assert answers == {name: name.partition("-")[0] for name in MEMBERS}
        assert len(set(urls.values())) == len(MEMBERS)
        assert up.end(signal.SIGTERM)[0] == 0

    def test_end_in_the_direction_of_the_data(
        self, start_up: Callable[..., Up], directory: Path, given_kafka: str
    ) -> None:
        """What was written last is still relayed, and what was relayed last still projected."""
        up = start_up()
        up.wait_until_ready()

        up.end(signal.SIGTERM)

        assert (directory / "ends").read_text().split() == [
            "write", "relay", "relay", "projector", "projector", "projector", "read", "registry",
        ]  # fmt: skip

    def test_are_as_many_projectors_as_asked_for(
        self,
        start_up: Callable[..., Up],
        given_kafka: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """One member is numbered as well: it may become several tomorrow."""
        monkeypatch.setenv("PMS_PROJECTORS", "1")
        up = start_up()
        up.wait_until_ready()

        names = set(up.addresses()["process_urls"])

        assert names == MEMBERS - {"projector-2", "projector-3"}
        assert up.end(signal.SIGTERM)[0] == 0


class TestGivenServers:
    """What runs elsewhere is not started here."""

    def test_are_used_instead_of_our_own(
        self,
        start_up: Callable[..., Up],
        given_kafka: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither a broker nor a registry of ours runs."""
        registry = "http://127.0.0.1:1"
        monkeypatch.setenv("PMS_SCHEMA_REGISTRY_URL", registry)
        up = start_up()
        up.wait_until_ready()

        addresses = up.addresses()

        assert addresses["kafka_bootstrap"] == given_kafka
        assert addresses["schema_registry_url"] == registry
        assert {"kafka", "registry"} & set(addresses["process_ids"]) == set()
        assert up.end(signal.SIGTERM)[0] == 0


class TestOurOwnBroker:
    """Kafka is one more server that is watched."""

    def test_is_started_again_at_the_same_address(self, start_up: Callable[..., Up]) -> None:
        """After SIGKILL the clients find it where it was; an orderly end leaves nothing behind."""
        up = start_up("registry")
        up.wait_until_ready()
        before = up.addresses()
        killed = before["process_ids"]["kafka"]

        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: up.addresses()["process_ids"].get("kafka", killed) != killed)
        client = AdminClient({"bootstrap.servers": before["kafka_bootstrap"], "log_level": 0})
        nodes = client.describe_cluster(request_timeout=PATIENCE_SECONDS).result().nodes
        subjects = httpx.get(f"{up.addresses()['schema_registry_url']}/subjects")
        family = up.family()
        status, said = up.end(signal.SIGTERM)

        assert len(nodes) == 1
        assert (subjects.status_code, subjects.json()) == (200, [])
        assert status == 0
        assert "kafka ended unasked; starting it again" in said
        assert [process for process in family if process.is_running()] == []
