"""Java and Kafka's jars: what is missing is said in one line, and half a fetch is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.errors import OperatorError
from infra.kafka_programs import java_program, kafka_jars

WHOLE = "mkdir jars && touch jars/kafka.jar jars/log4j.jar"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of programs that comes before the system's, and no JAVA_HOME."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache that does not exist yet."""
    return tmp_path / "cache"


def write_program(folder: Path, name: str, script: str) -> Path:
    """Make a program that runs a few lines of shell."""
    program = folder / name
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return program


def fetched(cache: Path) -> Path:
    """Ask for the jars, whatever there is to say."""
    return kafka_jars(cache, say=lambda _sentence: None)


class TestJava:
    """Which Java is used, and which is not good enough."""

    def test_that_is_missing_is_named_with_what_to_install(self, programs: Path) -> None:
        """One line an operator can act on."""
        with pytest.raises(OperatorError, match=r"no `java` on the path.*openjdk-17") as caught:
            java_program()

        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(("version", "is_called"), [("11", "Java 11"), ("1.8", "Java 8")])
    def test_that_is_too_old_is_refused(self, programs: Path, version: str, is_called: str) -> None:
        """Kafka 4 ends with a class version error on it, which tells nobody anything."""
        write_program(programs, "java", f"echo '    java.specification.version = {version}' >&2")

        with pytest.raises(OperatorError, match=f"is {is_called}.*openjdk-17"):
            java_program()

    @pytest.mark.parametrize("version", ["17", "25"])
    def test_that_is_new_enough_is_used(self, programs: Path, version: str) -> None:
        """The oldest that works, and a newer one."""
        java = write_program(
            programs, "java", f"echo ' java.specification.version = {version}' >&2"
        )

        assert java_program() == java

    def test_named_by_java_home_goes_before_the_path(
        self, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever sets JAVA_HOME means it."""
        told = "echo ' java.specification.version = 21' >&2"
        write_program(programs, "java", told)
        (tmp_path / "home" / "bin").mkdir(parents=True)
        wanted = write_program(tmp_path / "home" / "bin", "java", told)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))

        assert java_program() == wanted


class TestTheJars:
    """Fetched once, whole or not at all."""

    def test_need_maven_the_first_time(self, programs: Path, cache: Path) -> None:
        """One line that says what to install."""
        with pytest.raises(OperatorError, match=r"no `mvn` on the path.*apt install maven"):
            fetched(cache)

    def test_are_fetched_once_and_then_used_without_maven(
        self, programs: Path, cache: Path
    ) -> None:
        """The second asking says nothing and starts nothing."""
        said: list[str] = []
        maven = write_program(programs, "mvn", WHOLE)

        first = kafka_jars(cache, say=said.append)
        maven.unlink()
        second = kafka_jars(cache, say=said.append)

        assert {jar.name for jar in first.iterdir()} == {"kafka.jar", "log4j.jar"}
        assert second == first
        assert len(said) == 1
        assert said[0].startswith("fetching Apache Kafka")

    def test_half_fetched_do_not_count(self, programs: Path, cache: Path) -> None:
        """Maven ended in the middle: nothing is left of it, and the next fetch is whole."""
        write_program(programs, "mvn", "mkdir jars && touch jars/kafka.jar; kill -9 $$")
        with pytest.raises(OperatorError):
            fetched(cache)
        left = {path.name for path in cache.iterdir()}
        write_program(programs, "mvn", WHOLE)

        jars = fetched(cache)

        assert left == {"lock"}
        assert {jar.name for jar in jars.iterdir()} == {"kafka.jar", "log4j.jar"}

    def test_that_maven_cannot_find_are_told_in_its_words(
        self, programs: Path, cache: Path
    ) -> None:
        """The first complaint is the reason; the colours and the advice after it are not."""
        write_program(
            programs,
            "mvn",
            r"printf '[\033[1;31mERROR\033[m] the mirror is away\n[ERROR] run with -X\n'; exit 1",
        )

        with pytest.raises(OperatorError, match=r"could not fetch Kafka: the mirror is away$"):
            fetched(cache)

    def test_can_be_read_by_the_servers_account(self, programs: Path, cache: Path) -> None:
        """A strict umask at the time of the fetch closes nothing."""
        write_program(programs, "mvn", f"umask 077; {WHOLE}")

        jars = fetched(cache)

        assert jars.stat().st_mode & 0o055 == 0o055
        assert all(jar.stat().st_mode & 0o044 == 0o044 for jar in jars.iterdir())

    def test_need_a_cache_that_can_be_written(self, programs: Path, tmp_path: Path) -> None:
        """A file in the way is one clear sentence that names the setting."""
        write_program(programs, "mvn", WHOLE)
        (tmp_path / "file").touch()

        with pytest.raises(OperatorError, match=r"Not a directory.*PMS_CACHE"):
            fetched(tmp_path / "file" / "cache")
