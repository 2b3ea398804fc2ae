"""The Ed25519 key pair that signs and checks tokens, kept in the data directory."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from infra.data_directory import DataDirectory, write_closed
from infra.errors import OperatorError


def signing_key(data: DataDirectory) -> Ed25519PrivateKey:
    """Read the private key, making it first where there is none; only its owner can read it.

    Raises:
        OperatorError: the file holds something else, or may not be read.
    """
    path = data.secrets / "token_key.pem"
    try:
        if not path.exists():
            _create(path)
        key = load_pem_private_key(path.read_bytes(), password=None)
    except PermissionError as error:
        raise OperatorError(
            f"Only the owner of {path} can issue tokens; run this as that user."
        ) from error
    except ValueError as error:
        raise OperatorError(f"{path} does not hold a private key.") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{path} does not hold an Ed25519 key.")
    return key


def public_key(data: DataDirectory) -> Ed25519PublicKey:
    """Return the public key, all that checking a token needs."""
    return signing_key(data).public_key()


def _create(path: Path) -> None:
    """Write a new key; of two processes that do so at once, the first wins for both."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    write_closed(path, pem, replaces=False)
