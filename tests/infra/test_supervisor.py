"""A supervisor says who cannot do its work, and the last thing that one wrote."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from infra.embedded_postgres import free_port
from infra.supervisor import ChildProcess, Supervisor

PATIENCE_SECONDS = 20.0
SERVE = """
import http.server, sys
class Probe(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Probe).serve_forever()
"""
SAY_AND_WAIT = """
import json, time
print(json.dumps({"event": "no database"}), flush=True)
time.sleep(600)
"""


def child(name: str, directory: Path, *arguments: str, port: int) -> ChildProcess:
    """A process that is asked for readiness at a port of this machine."""
    return ChildProcess(
        name=name,
        arguments=[sys.executable, "-c", *arguments],
        log=directory / f"{name}.jsonl",
        ready_url=f"http://127.0.0.1:{port}/",
    )


def test_those_that_are_not_ready_are_named_with_their_last_words(tmp_path: Path) -> None:
    """One answers its probe, the other only complains in its log."""
    port = free_port()
    answering = child("answering", tmp_path, SERVE, str(port), port=port)
    silent = child("silent", tmp_path, SAY_AND_WAIT, port=free_port())
    expected = {"silent": "no database"}

    with Supervisor([answering, silent], say=lambda _sentence: None) as supervisor:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := supervisor.unready()) != expected and time.monotonic() < deadline:
            time.sleep(0.05)

    assert found == expected
    assert set(supervisor.unready()) == {"answering", "silent"}
