"""Java, and the jars of Apache Kafka: found, or fetched once by Maven into a cache of ours."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.errors import OperatorError

KAFKA_VERSION = "4.1.1"
JAVA_VERSION_MIN = 17
FETCH_SECONDS_MAX = 900.0
# Kafka speaks to the slf4j interface of the older kind: log4j-slf4j-impl, not log4j-slf4j2-impl.
LOG4J_VERSION = "2.25.1"
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.7.1:copy-dependencies"
PROJECT_FILE = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>pms</groupId>
  <artifactId>embedded-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-core</artifactId>
      <version>{LOG4J_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def java_program() -> Path:
    """Find Java: the one `JAVA_HOME` names, else the first on the path.

    Raises:
        OperatorError: there is none, or it is too old; the message says what to install.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise OperatorError(
            f"Kafka needs Java {JAVA_VERSION_MIN} or newer, and there is no `java` "
            f"{f'in {home}/bin (JAVA_HOME)' if home else 'on the path'}. On Debian or Ubuntu: "
            f"apt install openjdk-{JAVA_VERSION_MIN}-jre-headless"
        )
    answer = subprocess.run(
        [found, "-XshowSettings:properties", "-version"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = re.search(r"java\.specification\.version = (?:1\.)?(\d+)", answer.stderr)
    if told is None or int(told[1]) < JAVA_VERSION_MIN:
        is_called = f"Java {told[1]}" if told else "not a Java that works"
        raise OperatorError(
            f"Kafka needs Java {JAVA_VERSION_MIN} or newer, but {found} is {is_called}. On Debian "
            f"or Ubuntu: apt install openjdk-{JAVA_VERSION_MIN}-jre-headless; JAVA_HOME names "
            "which one to use."
        )
    return Path(found)


def kafka_jars(cache: Path, *, say: Callable[[str], None]) -> Path:
    """Return the folder of Kafka's jars, readable for every account; fetch them the first time.

    Raises:
        OperatorError: Maven is missing or cannot fetch; the message says why.
    """
    asked_for = hashlib.sha256(f"{COPY_JARS}\n{PROJECT_FILE}".encode()).hexdigest()[:12]
    folder = cache / f"kafka-{KAFKA_VERSION}-{asked_for}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise OperatorError(
            "Kafka is fetched with Maven the first time, and there is no `mvn` on the path. "
            "On Debian or Ubuntu: apt install maven"
        )
    try:
        cache.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _one_at_a_time(cache / "lock"):
            if not folder.is_dir():
                say(f"fetching Apache Kafka {KAFKA_VERSION} with Maven (about 45 MB, once)")
                _fetch(maven, folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OperatorError(
            f"Cannot keep Kafka's jars in {cache}: {reason}. PMS_CACHE names another folder."
        ) from error
    return folder


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    with path.open("w") as lock:  # two Mavens at once would write the same files
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(maven: str, folder: Path) -> None:
    """Have Maven fetch into a folder beside; it takes its name when it is whole."""
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        (unfinished / "pom.xml").write_text(PROJECT_FILE, encoding="utf-8")
        try:
            answer = subprocess.run(
                # A jar whose checksum is wrong is an error, not a warning.
                [maven, "-B", "-q", "--strict-checksums", COPY_JARS, "-DoutputDirectory=jars"],
                cwd=unfinished, capture_output=True, text=True, check=False,
                timeout=FETCH_SECONDS_MAX,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise OperatorError(
                f"Maven did not fetch Kafka within {FETCH_SECONDS_MAX:.0f} s."
            ) from error
        if answer.returncode != 0:
            plain = re.sub(r"\x1b\[[0-9;]*m", "", answer.stdout + answer.stderr)
            complaints = re.findall(r"^\[ERROR\] (.+)$", plain, re.MULTILINE)
            raise OperatorError(
                f"Maven could not fetch Kafka: {complaints[0] if complaints else plain.strip()}"
            )
        jars = unfinished / "jars"
        for jar in jars.iterdir():
            jar.chmod(0o644)
            with jar.open("rb") as file:
                os.fsync(file.fileno())
        jars.chmod(0o755)
        jars.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
