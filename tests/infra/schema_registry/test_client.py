"""What the client that everybody uses can do with our registry: every route it asks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import (
    ConfigCompatibilityLevel,
    Schema,
    SchemaRegistryClient,
    ServerConfig,
    record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from infra.database import Database
from tests.infra.schema_registry.serving import (
    FEE,
    FEE_WITH_DEFAULT,
    QUANTITY,
    avro,
    client_of_registry,
    record,
    serving_registry,
)

SUBJECT = "trades-test.Booking"
FIRST = avro(record(QUANTITY))
SECOND = avro(record(QUANTITY, FEE_WITH_DEFAULT))
BREAKING = avro(record(QUANTITY, FEE))


@pytest.fixture
def cold(registry: str) -> Iterator[SchemaRegistryClient]:
    """A second client, which remembers nothing of the first one's."""
    with client_of_registry(registry) as opened:
        yield opened


class TestRegistering:
    """A schema gets an id once, and a version in each subject."""

    def test_counts_ids_and_versions_from_1(
        self, client: SchemaRegistryClient, cold: SchemaRegistryClient
    ) -> None:
        """Two forms of one subject are its versions 1 and 2."""
        ids = [client.register_schema(SUBJECT, schema) for schema in (FIRST, SECOND)]

        assert ids == [1, 2]
        assert cold.get_versions(SUBJECT) == [1, 2]
        assert cold.get_latest_version(SUBJECT).version == 2
        assert cold.get_version(SUBJECT, 1).schema_id == 1
        assert cold.get_version(SUBJECT, 1).schema.schema_str == FIRST.schema_str
        assert cold.get_schema(2).schema_str == SECOND.schema_str
        assert cold.get_subjects() == [SUBJECT]

    def test_again_gives_the_same_version(
        self, client: SchemaRegistryClient, cold: SchemaRegistryClient
    ) -> None:
        """Another layout of the same schema is the same schema."""
        document = json.loads(str(FIRST.schema_str))
        turned = avro(json.dumps(dict(reversed(document.items())), indent=4))

        first = client.register_schema(SUBJECT, FIRST)
        again = cold.register_schema_full_response(SUBJECT, turned)

        assert (again.schema_id, again.version) == (first, 1)
        assert cold.get_version(SUBJECT, 1).schema.schema_str == FIRST.schema_str

    def test_in_another_subject_keeps_the_id(
        self, client: SchemaRegistryClient, cold: SchemaRegistryClient
    ) -> None:
        """One id names one schema everywhere."""
        client.register_schema("other", SECOND)
        here = client.register_schema(SUBJECT, FIRST)
        there = client.register_schema("other", FIRST)

        assert here == there
        found = [(each.subject, each.version) for each in cold.get_schema_versions(here)]
        assert found == [("other", 2), (SUBJECT, 1)]
        assert cold.get_subjects_by_schema_id(here) == ["other", SUBJECT]

    def test_a_default_alone_makes_another_schema(self, client: SchemaRegistryClient) -> None:
        """Readers differ by it, so it is no matter of layout."""
        client.set_compatibility(SUBJECT, "NONE")

        ids = [client.register_schema(SUBJECT, schema) for schema in (SECOND, BREAKING)]

        assert ids == [1, 2]


class TestLookingUp:
    """What is there is found; what is not has the code that clients know."""

    def test_finds_the_version_of_a_schema(
        self, client: SchemaRegistryClient, cold: SchemaRegistryClient
    ) -> None:
        """By its text."""
        client.register_schema(SUBJECT, FIRST)
        client.register_schema(SUBJECT, SECOND)

        found = cold.lookup_schema(SUBJECT, SECOND)

        assert (found.subject, found.version, found.schema_id) == (SUBJECT, 2, 2)

    def test_says_what_is_missing(self, client: SchemaRegistryClient) -> None:
        """Subject, version or schema."""
        client.register_schema(SUBJECT, FIRST)

        for code, ask in (
            (40401, lambda: client.get_latest_version("nobody")),
            (40401, lambda: client.get_versions("nobody")),
            (40401, lambda: client.lookup_schema("nobody", FIRST)),
            (40401, lambda: client.test_compatibility("nobody", FIRST, 1)),
            (40402, lambda: client.get_version(SUBJECT, 2)),
            (40402, lambda: client.test_compatibility(SUBJECT, FIRST, 2)),
            (40403, lambda: client.lookup_schema(SUBJECT, SECOND)),
            (40403, lambda: client.get_schema(2)),
            (40403, lambda: client.get_schema_versions(2)),
            (40408, lambda: client.get_compatibility(SUBJECT)),
        ):
            with pytest.raises(SchemaRegistryError) as refused:
                ask()
            assert refused.value.error_code == code
            assert refused.value.http_status_code == 404

    def test_lists_subjects_by_prefix(self, client: SchemaRegistryClient) -> None:
        """As names, not as a pattern."""
        for subject in ("a_b", "a_c", "axb", "b"):
            client.register_schema(subject, FIRST)

        assert client.get_subjects(subject_prefix="a_") == ["a_b", "a_c"]
        assert client.get_schema_types() == ["AVRO"]


class TestALevel:
    """What may follow what, for all subjects or for one."""

    def test_is_backward_until_set(self, client: SchemaRegistryClient) -> None:
        """As in every registry of this interface."""
        assert client.get_compatibility() == "BACKWARD"

        client.set_compatibility(level="full")

        assert client.get_compatibility() == "FULL"
        client.delete_config()
        assert client.get_compatibility() == "BACKWARD"

    def test_of_a_subject_goes_before_that_of_all(self, client: SchemaRegistryClient) -> None:
        """Until it is taken away."""
        client.register_schema(SUBJECT, FIRST)
        client.set_compatibility(level="NONE")
        client.set_compatibility(SUBJECT, "FULL_TRANSITIVE")
        assert client.get_compatibility(SUBJECT) == "FULL_TRANSITIVE"

        with pytest.raises(SchemaRegistryError) as refused:
            client.register_schema(SUBJECT, BREAKING)
        assert client.delete_config(SUBJECT).compatibility_level == "FULL_TRANSITIVE"
        client.register_schema(SUBJECT, BREAKING)

        assert refused.value.http_status_code == 409
        assert "fee" in str(refused.value.error_message)
        assert client.get_versions(SUBJECT) == [1, 2]

    def test_is_one_of_seven(self, client: SchemaRegistryClient) -> None:
        """Another word is refused, and changes nothing."""
        with pytest.raises(SchemaRegistryError) as refused:
            client.set_compatibility(level="SIDEWAYS")

        assert refused.value.error_code == 42203
        assert client.get_compatibility() == "BACKWARD"

    def test_is_all_of_a_configuration(self, client: SchemaRegistryClient) -> None:
        """What would be ignored is refused."""
        client.set_config(config=ServerConfig(compatibility=ConfigCompatibilityLevel.FORWARD))
        with pytest.raises(SchemaRegistryError) as refused:
            client.set_config(config=ServerConfig(compatibility_group="application.version"))

        assert refused.value.http_status_code == 422
        assert client.get_config().compatibility_level == "FORWARD"


class TestAskingBeforehand:
    """A question about compatibility changes nothing."""

    def test_answers_for_one_version_and_for_all(self, client: SchemaRegistryClient) -> None:
        """The same judgement as at registration."""
        client.register_schema(SUBJECT, FIRST)
        client.register_schema(SUBJECT, SECOND)

        assert client.test_compatibility(SUBJECT, BREAKING, 2)
        assert not client.test_compatibility(SUBJECT, BREAKING, 1)
        assert client.test_compatibility(SUBJECT, BREAKING)
        assert client.test_compatibility_all_versions(SUBJECT, BREAKING)
        client.set_compatibility(SUBJECT, "BACKWARD_TRANSITIVE")
        assert not client.test_compatibility_all_versions(SUBJECT, BREAKING)
        assert client.get_versions(SUBJECT) == [1, 2]

    def test_of_a_new_subject_is_yes(self, client: SchemaRegistryClient) -> None:
        """Nothing can break."""
        assert client.test_compatibility("new", FIRST)
        assert client.test_compatibility_all_versions("new", FIRST)


class TestNothingIsTakenBack:
    """What was written with a schema must stay readable."""

    def test_deleting_is_not_permitted(self, client: SchemaRegistryClient) -> None:
        """Neither a version nor a subject; the mode stays too."""
        client.register_schema(SUBJECT, FIRST)

        for forbidden in (
            lambda: client.delete_subject(SUBJECT),
            lambda: client.delete_version(SUBJECT, 1),
            lambda: client.update_mode(SUBJECT, "READONLY"),
            lambda: client.update_global_mode("READONLY"),
        ):
            with pytest.raises(SchemaRegistryError) as refused:
                forbidden()
            assert refused.value.error_code == 42205
        assert client.get_versions(SUBJECT) == [1]
        assert client.get_mode(SUBJECT) == client.get_global_mode() == "READWRITE"

    def test_a_restart_keeps_everything(self, database: Database) -> None:
        """Another process on the same database goes on where the first ended."""
        with (
            serving_registry(database.app_conninfo) as url,
            client_of_registry(url) as before,
        ):
            before.register_schema(SUBJECT, FIRST)
            before.set_compatibility(SUBJECT, "FULL")
        with (
            serving_registry(database.app_conninfo) as url,
            client_of_registry(url) as after,
        ):
            assert after.register_schema(SUBJECT, SECOND) == 2
            assert after.get_schema(1).schema_str == FIRST.schema_str
            assert after.get_compatibility(SUBJECT) == "FULL"


class TestValues:
    """Values travel as everybody writes and reads them."""

    @pytest.mark.parametrize("registers", [True, False])
    def test_a_value_written_with_one_form_is_read_with_another(
        self, client: SchemaRegistryClient, cold: SchemaRegistryClient, *, registers: bool
    ) -> None:
        """The reader learns the writer's schema by its id and fills in its own default."""
        context = SerializationContext("trades", MessageField.VALUE)
        options = {
            "auto.register.schemas": registers,
            "subject.name.strategy": record_subject_name_strategy,
        }
        if not registers:
            client.register_schema("test.Booking", Schema(FIRST.schema_str, "AVRO"))
        write = AvroSerializer(client, FIRST.schema_str, conf=options)
        read = AvroDeserializer(cold, SECOND.schema_str)

        value = write({"quantity": "12.50"}, context)

        assert value[:5] == b"\x00\x00\x00\x00\x01"
        assert read(value, context) == {"quantity": "12.50", "fee": "0"}
