"""A client for trading systems: typed commands and queries, sent so that nothing happens twice.

It knows the HTTP interface only, nothing of the server: copy this folder and `pip install httpx
msgspec`. Numbers are exact decimals (or their text), instants carry an offset, dates are business
dates. What a command may be answered are values (`Accepted`, `Rejected`, `Conflict`, `Malformed`);
what ends a conversation without an answer is an exception (`CallFailed` and those below it).
"""

from client.answers import (
    Accepted,
    Allotment,
    Answer,
    Breach,
    Conflict,
    ItemAnswer,
    Malformed,
    NotAccepted,
    NotAttempted,
    Rejected,
)
from client.asynchronous import AsyncClient
from client.conversation import Terms
from client.failures import (
    CallFailed,
    NothingAttempted,
    OutcomeUnknown,
    Problem,
    Refused,
    Unanswered,
    VersionMismatch,
)
from client.seeing import Seen
from client.synchronous import Client

__all__ = [
    "Accepted",
    "Allotment",
    "Answer",
    "AsyncClient",
    "Breach",
    "CallFailed",
    "Client",
    "Conflict",
    "ItemAnswer",
    "Malformed",
    "NotAccepted",
    "NotAttempted",
    "NothingAttempted",
    "OutcomeUnknown",
    "Problem",
    "Refused",
    "Rejected",
    "Seen",
    "Terms",
    "Unanswered",
    "VersionMismatch",
]
