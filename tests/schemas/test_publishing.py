"""Schemas as files: drift is seen, a new form is published, an incompatible one refused."""

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from infra.command_line import deriving
from infra.errors import OperatorError
from schemas.publishing import (
    SCHEMAS,
    IncompatibleForm,
    derived_texts,
    drift,
    publish,
    published_texts,
)

NAME = "thing.made.v1"


NAMED: dict[str, object] = {"name": "name", "type": "string"}
NOTED: dict[str, object] = {"name": "note", "type": ["null", "string"], "default": None}


def text(*fields: dict[str, object], doc: str = "A thing was made.") -> str:
    """A schema file of these fields."""
    return json.dumps({"type": "record", "name": "Made", "doc": doc, "fields": fields})


UNUSED_BEFORE = Counter(
    f"schemas/published/{name}.v1/1.avsc"
    for name in ("alert.cleared", "alert.raised", "alert.retracted")
)
"""Edited once, an hour after they were made and before they were first in anyone's hands."""
FIRST = text(NAMED)
SECOND = text(NAMED, NOTED)


class TestTheCommittedFiles:
    """Held against the event types in `make check`; `pms schemas` writes what is missing."""

    def test_are_what_the_event_types_say(self) -> None:
        """No drift, and every form goes with every published one."""
        assert drift(SCHEMAS, derived_texts()) == {}

    def test_keep_every_published_form_as_it_was(self) -> None:
        """Once committed, none is edited, moved or deleted, but for what no log ever held."""
        folder = SCHEMAS / "published"
        listed = subprocess.run(
            [
                "git",
                "log",
                "--no-renames",
                "--diff-filter=MD",
                "--name-only",
                "--format=",
                "--",
                ".",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if listed.returncode != 0:
            pytest.skip("an exported archive has no history to compare with")

        assert Counter(listed.stdout.split()) - UNUSED_BEFORE == Counter()

    def test_number_the_published_forms_from_one(self) -> None:
        """Without gaps: each is a form that readers may meet."""
        for folder in (SCHEMAS / "published").iterdir():
            numbers = sorted(int(path.stem) for path in folder.iterdir())
            assert numbers == list(range(1, len(numbers) + 1))


class TestDrift:
    """What the files do not say as the event types do."""

    def test_is_nothing_after_publishing(self, tmp_path: Path) -> None:
        """Publishing twice changes nothing the second time."""
        assert publish(tmp_path, {NAME: FIRST}) == {NAME: "form 1 is new"}

        assert drift(tmp_path, {NAME: FIRST}) == publish(tmp_path, {NAME: FIRST}) == {}
        assert published_texts(tmp_path, NAME) == [FIRST]

    @pytest.mark.parametrize("newer", [SECOND, text(NAMED, doc="Now by hand.")])
    def test_is_a_form_that_is_not_published(self, tmp_path: Path, newer: str) -> None:
        """Even if only words differ: readers get it from the registry."""
        publish(tmp_path, {NAME: FIRST})

        assert drift(tmp_path, {NAME: newer}) == {NAME: "form 2 is new"}
        assert published_texts(tmp_path, NAME) == [FIRST]

    def test_is_a_file_that_was_edited_or_lost(self, tmp_path: Path) -> None:
        """The published forms are there, the form of today is not."""
        file = tmp_path / f"{NAME}.avsc"
        for spoil in (lambda: file.write_text("{}"), file.unlink):
            publish(tmp_path, {NAME: FIRST})
            spoil()

            assert drift(tmp_path, {NAME: FIRST}) == {
                NAME: "the file is not what the event type says"
            }

    def test_is_a_file_without_a_type(self, tmp_path: Path) -> None:
        """A name once published is known for ever."""
        publish(tmp_path, {NAME: FIRST, "thing.lost.v1": FIRST})

        assert drift(tmp_path, {NAME: FIRST}) == {"thing.lost.v1": "has a file, but no event type"}


class TestPublishing:
    """New forms go behind the published ones."""

    def test_keeps_every_earlier_form(self, tmp_path: Path) -> None:
        """And the file of today is the last."""
        publish(tmp_path, {NAME: FIRST})
        publish(tmp_path, {NAME: SECOND})

        assert published_texts(tmp_path, NAME) == [FIRST, SECOND]
        assert (tmp_path / f"{NAME}.avsc").read_text(encoding="utf-8") == SECOND

    @pytest.mark.parametrize(
        "changed",
        [
            text(),
            text({**NAMED, "type": "long"}),
            text(NAMED, {"name": "colour", "type": "string"}),
            text({**NAMED, "type": {"type": "string", "pms.type": "decimal"}}),
        ],
    )
    def test_refuses_a_form_that_blinds_a_reader(self, tmp_path: Path, changed: str) -> None:
        """A field gone or come without a default, another type or meaning: nothing is written."""
        publish(tmp_path, {NAME: FIRST})

        for act in (drift, publish):
            with pytest.raises(IncompatibleForm, match=r"thing\.made\.v1 may not change so"):
                act(tmp_path, {"thing.added.v1": FIRST, NAME: changed})

        assert published_texts(tmp_path, NAME) == [FIRST]
        assert published_texts(tmp_path, "thing.added.v1") == []

    def test_asks_every_published_form(self, tmp_path: Path) -> None:
        """A field that went and comes back as another goes with the last form only."""
        publish(tmp_path, {NAME: SECOND})
        publish(tmp_path, {NAME: FIRST})

        with pytest.raises(IncompatibleForm, match="version 1"):
            publish(tmp_path, {NAME: text(NAMED, {"name": "note", "type": "long", "default": 0})})


class TestTheCommand:
    """`pms schemas`, and with `--check` what CI asks."""

    def test_writes_what_differs_and_then_agrees(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With `--check` it ends in an error and writes nothing."""
        monkeypatch.setattr(deriving, "SCHEMAS", tmp_path)
        run = CliRunner().invoke

        refused = run(app, ["schemas", "--check"])
        untouched = list(tmp_path.iterdir())
        writing = run(app, ["schemas"])
        agreed = run(app, ["schemas", "--check"])

        assert isinstance(refused.exception, OperatorError)
        assert untouched == []
        assert "trade.captured.v1: form 1 is new" in writing.stdout
        assert (tmp_path / "trade.captured.v1.avsc").exists()
        assert agreed.exit_code == 0
        assert "form" not in agreed.stdout

    def test_refuses_an_incompatible_change(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With its reason, in one sentence."""
        publish(tmp_path, {"trade.captured.v1": FIRST})
        monkeypatch.setattr(deriving, "SCHEMAS", tmp_path)

        refused = CliRunner().invoke(app, ["schemas"])

        assert isinstance(refused.exception, OperatorError)
        assert "trade.captured.v1 may not change so" in str(refused.exception)
