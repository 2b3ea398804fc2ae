"""The catalogue: one name per event type, one type per name, none forgotten, none taken back."""

import importlib
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import domain
from domain.event import Event
from domain.instrument import SymbolChanged
from eventstore.envelope import EVENT_TYPE_BYTES_MAX
from schemas.catalogue import EVENT_NAMES, EVENT_TYPES
from schemas.codec import event_name
from tests.schemas.golden_samples import GOLDEN, SAMPLES, golden_names

STORED_NAME = re.compile(r"^[a-z_]+\.[a-z_]+\.v\d+$")
REPOSITORY = Path(__file__).resolve().parents[2]


def event_types(kind: type[Event] = Event) -> Iterator[type[Event]]:
    """Every event type of the domain, all of its modules loaded."""
    for module in pkgutil.walk_packages(domain.__path__, "domain."):
        importlib.import_module(module.name)
    for each in kind.__subclasses__():
        yield each
        yield from event_types(each)


class TestTheCatalogue:
    """Names and types, one to one."""

    def test_holds_every_event_type(self) -> None:
        """An event without a name could not be stored; what others build on is none itself."""
        ours = {
            each
            for each in event_types()
            if each.__module__.startswith("domain.") and not each.__subclasses__()
        }

        assert ours == set(EVENT_TYPES.values())

    def test_gives_each_type_one_name(self) -> None:
        """Reading and writing agree."""
        assert len(EVENT_NAMES) == len(EVENT_TYPES)
        assert {name: EVENT_TYPES[name] for name in EVENT_NAMES.values()} == EVENT_TYPES

    @pytest.mark.parametrize("name", EVENT_TYPES)
    def test_names_what_and_version_never_a_python_path(self, name: str) -> None:
        """`trade.captured.v1`, short enough for the log's column."""
        assert STORED_NAME.match(name)
        assert len(name.encode()) <= EVENT_TYPE_BYTES_MAX

    @pytest.mark.parametrize("kind", EVENT_NAMES)
    def test_speaks_of_the_past(self, kind: type[Event]) -> None:
        """House style: never an update, a setting or an event of something.

        A symbol change is what markets themselves call it.
        """
        vague = ("Updated", "Set", "Event", "Changed")
        assert kind is SymbolChanged or not kind.__name__.endswith(vague)
        assert kind.__doc__

    def test_knows_the_name_of_every_event(self) -> None:
        """The codec asks the catalogue."""
        for name, samples in SAMPLES.items():
            assert {event_name(event) for event in samples} == {name}


class TestANameOnceWritten:
    """A log written by any build can be read by every later one."""

    def test_has_golden_samples(self) -> None:
        """Every name of the catalogue, from its first day."""
        assert golden_names() >= set(EVENT_TYPES)

    def test_is_known_for_ever(self) -> None:
        """A name with a golden sample is in the catalogue."""
        assert golden_names() <= set(EVENT_TYPES)

    def test_never_loses_its_samples(self) -> None:
        """Whatever was committed to the golden folder is there still."""
        folder = GOLDEN.relative_to(REPOSITORY).as_posix()
        listed = subprocess.run(
            [
                "git",
                "log",
                "--no-renames",
                "--diff-filter=A",
                "--name-only",
                "--format=",
                "--",
                folder,
            ],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if listed.returncode != 0:
            pytest.skip("an exported archive has no history to compare with")

        once = {Path(line).name for line in listed.stdout.split()}

        assert once <= {path.name for path in GOLDEN.iterdir()}
