"""Laws of ids and versions, whatever is registered in whatever order and by how many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from infra.database import Database
from infra.schema_registry.refusals import Refused
from infra.schema_registry.registry import GLOBAL, Registered, Registry
from infra.schema_registry.store import Store
from schemas.compatibility import Level
from tests.infra.schema_registry.serving import QUANTITY, record

MadeT = TypeVar("MadeT")
WRITERS = 4
ROUNDS = 8
SCHEMAS = tuple(
    record(QUANTITY, *({"name": f"field_{each}", "type": "long", "default": each} for each in more))
    for more in ((), (1,), (2,), (1, 2), (2, 1), (3,))
)


@given(
    registrations=st.lists(
        st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(SCHEMAS)), max_size=20
    )
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ids_and_versions_name_one_thing_for_ever(
    new_database: Callable[[], Database], registrations: list[tuple[str, str]]
) -> None:
    """A naive model says the same: ids in order of first appearance, versions within a subject."""
    ids: dict[str, int] = {}
    versions: dict[str, list[str]] = {}
    with Store(new_database().app_conninfo) as store:
        registry = Registry(store)
        for subject, text in registrations:
            schema_id = ids.setdefault(text, len(ids) + 1)
            known = versions.setdefault(subject, [])
            if text not in known:
                known.append(text)

            made = registry.register(subject, text)

            assert made == Registered(subject, known.index(text) + 1, schema_id, text)
            assert registry.look_up(subject, text) == made
        assert [registry.text(schema_id) for schema_id in ids.values()] == list(ids)
        assert registry.subjects("") == sorted(versions)
        for subject, known in versions.items():
            assert [
                registry.version(subject, each).text for each in registry.versions(subject)
            ] == (known)


@pytest.fixture
def registries(database: Database) -> Iterator[list[Registry]]:
    """Several processes' registries on one database, as far as PostgreSQL can tell."""
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(database.app_conninfo)) for _ in range(WRITERS)]
        yield [Registry(store) for store in stores]


class TestWritersAtOnce:
    """Whoever comes at the same moment is put in an order."""

    def test_get_consecutive_versions(self, registries: list[Registry]) -> None:
        """Of one subject, from several processes; ids are not used twice."""
        texts = [
            record(QUANTITY, {"name": f"field_{number}", "type": "long", "default": 0})
            for number in range(WRITERS * ROUNDS)
        ]

        made = _at_once(registries, lambda registry, number: registry.register("s", texts[number]))

        assert sorted(each.version for each in made) == list(range(1, len(texts) + 1))
        assert sorted(each.schema_id for each in made) == list(range(1, len(texts) + 1))

    def test_get_one_version_of_one_schema(self, registries: list[Registry]) -> None:
        """The same schema, several times at once, in as many subjects as rounds."""
        made = _at_once(
            registries,
            lambda registry, number: registry.register(f"s{number % ROUNDS}", SCHEMAS[0]),
        )

        assert {(each.version, each.schema_id) for each in made} == {(1, 1)}

    def test_are_held_to_the_level_by_each_other(self, registries: list[Registry]) -> None:
        """Of two that cannot both follow, one is refused."""
        long, text = (record(QUANTITY | {"type": kind}) for kind in ("long", "string"))

        def register(registry: Registry, number: int) -> Registered | None:
            try:
                return registry.register(f"s{number // 2}", (long, text)[number % 2])
            except Refused:
                return None

        made = _at_once(registries, register)

        pairs = list(zip(made[::2], made[1::2], strict=True))
        assert [(one is None, other is None).count(True) for one, other in pairs] == [1] * len(
            pairs
        )


def test_what_is_answered_is_on_the_disk(database: Database) -> None:
    """An id must outlive a crash, though the role commits its tables without waiting for it."""
    careless = make_conninfo(database.app_conninfo, options="-c synchronous_commit=off")

    with Store(careless) as store:
        Registry(store).set_level(GLOBAL, Level.FULL)
        with store.adding() as connection:
            row = connection.execute("SHOW synchronous_commit").fetchone()

    assert row == ("on",)


def _at_once(registries: list[Registry], act: Callable[[Registry, int], MadeT]) -> list[MadeT]:
    """Let each registry act in a thread of its own, round by round, all at the same moment."""
    barrier = threading.Barrier(len(registries))

    def act_in_turn(place: int) -> list[MadeT]:
        made = []
        for turn in range(ROUNDS):
            try:
                barrier.wait()
                made.append(act(registries[place], turn * len(registries) + place))
            except BaseException:
                barrier.abort()  # or the others would wait for ever
                raise
        return made

    with ThreadPoolExecutor(len(registries)) as pool:
        found = list(pool.map(act_in_turn, range(len(registries))))
    return [made for turn in zip(*found, strict=True) for made in turn]
