"""Schemas as files: the form of today, and every form that was ever published.

`<stored name>.avsc` is what the event type says now; `published/<stored name>/<n>.avsc` are the
forms readers may meet, from 1, never edited. A new form is published by writing it; it must go
with every earlier one in both directions.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from schemas.avro_schemas import WIRE_TYPES, schema_text
from schemas.compatibility import Level, incompatibilities

SCHEMAS = Path(__file__).parent


class IncompatibleForm(Exception):
    """A type has changed so that readers of earlier forms, or ours of those, would be blind."""

    def __init__(self, name: str, reasons: tuple[str, ...]) -> None:
        super().__init__(f"{name} may not change so: {'; '.join(reasons)}")
        self.name = name
        self.reasons = reasons


def derived_texts() -> dict[str, str]:
    """Give the schema of every type as the text of its file, by stored name."""
    return {
        name: json.dumps(json.loads(schema_text(name)), indent=2, ensure_ascii=False) + "\n"
        for name in WIRE_TYPES
    }


def published_texts(folder: Path, name: str) -> list[str]:
    """Give the published forms of an event, the oldest first."""
    forms = folder / "published" / name
    count = len(list(forms.glob("*.avsc")))
    return [
        (forms / f"{number}.avsc").read_text(encoding="utf-8") for number in range(1, count + 1)
    ]


def drift(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Say which schemas the files do not hold as they are now, and how, by stored name.

    Raises:
        IncompatibleForm: a schema does not go with a published one.
    """
    differing = {
        path.name.removesuffix(".avsc"): "has a file, but no event type"
        for path in folder.glob("*.avsc")
        if path.name.removesuffix(".avsc") not in texts
    }
    for name, text in texts.items():
        published = published_texts(folder, name)
        reasons = incompatibilities(text, published, Level.FULL_TRANSITIVE)
        if reasons:
            raise IncompatibleForm(name, reasons)
        file = folder / f"{name}.avsc"
        if not published or published[-1] != text:
            differing[name] = f"form {len(published) + 1} is new"
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            differing[name] = "the file is not what the event type says"
    return differing


def publish(folder: Path, texts: Mapping[str, str]) -> dict[str, str]:
    """Write what has drifted, new forms behind the published ones; give what `drift` found.

    Raises:
        IncompatibleForm: a schema does not go with a published one; nothing is written.
    """
    found = drift(folder, texts)
    for name in found.keys() & texts.keys():
        (folder / f"{name}.avsc").write_text(texts[name], encoding="utf-8")
        published = published_texts(folder, name)
        if not published or published[-1] != texts[name]:
            form = folder / "published" / name / f"{len(published) + 1}.avsc"
            form.parent.mkdir(parents=True, exist_ok=True)
            form.write_text(texts[name], encoding="utf-8")
    return found
