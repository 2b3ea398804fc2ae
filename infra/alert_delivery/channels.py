"""The channels that alerts go to: a file of the operator's, which holds their secrets.

Rules name channels only; where they lead, and to which persons, stands neither in the log nor in
any log of ours.
"""

from __future__ import annotations

import stat
from email.message import EmailMessage
from pathlib import Path
from typing import Annotated, Literal

import httpx
from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from infra.errors import OperatorError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def _postable(url: AnyHttpUrl) -> AnyHttpUrl:
    """Let pass an address that can be posted to."""
    try:
        httpx.URL(str(url))
    except httpx.InvalidURL:
        message = "no address to post to"
        raise ValueError(message) from None
    return url


def _mailable(address: str) -> str:
    """Let pass one mail address, as the header of a mail understands it."""
    mail = EmailMessage()
    mail["To"] = address
    addresses = mail["To"].addresses
    is_one = len(addresses) == 1 and addresses[0].username and addresses[0].domain
    if mail["To"].defects or not is_one:
        message = "not one mail address"
        raise ValueError(message)
    return address


def _ascii(secret: SecretStr) -> SecretStr:
    """Let pass what `smtplib` can log in with."""
    if not secret.get_secret_value().isascii():
        message = "beyond ASCII"
        raise ValueError(message)
    return secret


MailAddress = Annotated[str, AfterValidator(_mailable)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WebhookChannel(_Part):
    """An address that alerts are posted to, signed with `secret`."""

    kind: Literal["webhook"]
    url: Annotated[AnyHttpUrl, AfterValidator(_postable)]
    secret: SecretStr = Field(min_length=16)


class EmailChannel(_Part):
    """Addresses that alerts are mailed to."""

    kind: Literal["email"]
    to: tuple[MailAddress, ...] = Field(min_length=1, max_length=50)


Channel = Annotated[WebhookChannel | EmailChannel, Field(discriminator="kind")]


class MailServer(_Part):
    """The server that takes mail, and whom it is from."""

    host: str
    port: int = Field(default=587, ge=1, le=65_535)
    sender: MailAddress
    encryption: Literal["none", "starttls", "tls"] = "starttls"
    user: str | None = Field(default=None, pattern=r"^[\x21-\x7e]+$")
    password: Annotated[SecretStr, AfterValidator(_ascii)] | None = None


class Channels(_Part):
    """The channels of each tenant, by name, and the mail server of those that mail."""

    tenants: dict[str, dict[str, Channel]]
    mail: MailServer | None = None

    @model_validator(mode="after")
    def _mail_has_a_server(self) -> Channels:
        mails = any(
            isinstance(channel, EmailChannel)
            for channels in self.tenants.values()
            for channel in channels.values()
        )
        if mails and self.mail is None:
            message = "a channel mails, and there is no mail server"
            raise ValueError(message)
        return self

    def of(self, tenant: str, name: str) -> WebhookChannel | EmailChannel | None:
        """Give a tenant's channel."""
        return self.tenants.get(tenant, {}).get(name)


def load_channels(path: Path) -> Channels:
    """Read the file.

    Raises:
        OperatorError: it is not there, open to others, or not understood; no value is shown.
    """
    try:
        if path.stat().st_mode & _OTHERS:
            raise OperatorError(
                f"PMS_ALERT_CHANNELS: {path} holds secrets, and others than its owner may use it: "
                "run `chmod 600` on it."
            )
        return Channels.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OperatorError(
            f"PMS_ALERT_CHANNELS: {path} cannot be read ({error.strerror})."
        ) from None
    except ValidationError as error:
        places = sorted({".".join(map(str, each["loc"])) or "it" for each in error.errors()})
        raise OperatorError(
            f"PMS_ALERT_CHANNELS: {path} is not understood, at {', '.join(places[:5])}. "
            "docs/alerts.md shows such a file."
        ) from None
