"""The file of alert channels: what is wrong with it is told at once, without its secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.alert_delivery.channels import load_channels
from infra.errors import OperatorError
from tests.commands.scenes import ACME

SECRET = "a-secret-of-tests-only"


def webhook_to(url: str) -> str:
    """Channels of a tenant: `desk` is a webhook."""
    hook = {"kind": "webhook", "url": url, "secret": SECRET}
    return json.dumps({"tenants": {ACME: {"desk": hook}}})


class TestTheFile:
    """What the operator writes down."""

    def test_that_is_wrong_is_told_without_its_secrets(self, tmp_path: Path) -> None:
        """Where, and not what."""
        path = tmp_path / "channels.json"
        path.write_text(webhook_to("not an address"))
        path.chmod(0o600)

        with pytest.raises(OperatorError, match=r"tenants\.acme\.desk") as raised:
            load_channels(path)

        assert SECRET not in str(raised.value)
        with pytest.raises(OperatorError, match="cannot be read"):
            load_channels(tmp_path / "none.json")

    @pytest.mark.parametrize(
        ("where", "given"),
        [
            ("email.to.1", {"to": ["a@example.com", "b@example.com\nBcc: c@example.com"]}),
            ("email.to.0", {"to": ["a@example.com, b@example.com"]}),
            ("email.to.0", {"to": ["nobody"]}),
            ("mail.sender", {"sender": "a@example.com\r\nX: y"}),
            ("mail.password", {"password": "pässword"}),
        ],
    )
    def test_names_what_cannot_be_mailed(
        self, tmp_path: Path, where: str, given: dict[str, Any]
    ) -> None:
        """When it is read, not when the first alert is sent."""
        mailed = {"kind": "email", "to": given.pop("to", ["a@example.com"])}
        server = {"host": "127.0.0.1", "sender": "pms@example.com"} | given
        path = tmp_path / "channels.json"
        path.write_text(json.dumps({"tenants": {ACME: {"desk": mailed}}, "mail": server}))
        path.chmod(0o600)

        with pytest.raises(OperatorError, match=re.escape(where)):
            load_channels(path)

    @pytest.mark.parametrize("mode", [0o640, 0o604])
    def test_is_for_its_owner_only(self, tmp_path: Path, mode: int) -> None:
        """It holds secrets."""
        path = tmp_path / "channels.json"
        path.write_text(webhook_to("http://127.0.0.1/alerts"))
        path.chmod(mode)

        with pytest.raises(OperatorError, match="chmod 600"):
            load_channels(path)
        path.chmod(0o600)
        assert load_channels(path).of(ACME, "desk") is not None
