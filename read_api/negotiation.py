"""Which format a list is answered in: as `format` says, else what `Accept` likes best."""

import re
from enum import StrEnum

from gateway.interface import Call
from gateway.problem import Problem


class Format(StrEnum):
    """What a list can be written as."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv",
    Format.PARQUET: "application/vnd.apache.parquet",
    Format.ARROW: "application/vnd.apache.arrow.stream",
}
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


def negotiated(call: Call) -> Format:
    """Choose the format of an answer.

    Raises:
        Problem: `not_acceptable`, naming the formats there are.
    """
    if call.parameters.format is not None:
        return Format(call.parameters.format)
    return accepted(call.request.headers.get("accept", "*/*"))


def accepted(header: str) -> Format:
    """Choose the format that an Accept header (RFC 9110, 12.5.1) likes best; JSON among equals.

    Raises:
        Problem: `not_acceptable`.
    """
    ranges = _ranges(header) or {"*/*": 1.0}
    liked = {form: _liking(media, ranges) for form, media in MEDIA_TYPES.items()}
    best = max(liked, key=lambda form: liked[form])
    if liked[best] <= 0:
        detail = f"Accept one of {', '.join(MEDIA_TYPES.values())}."
        raise Problem("not_acceptable", detail, fields=("Accept",))
    return best


def _ranges(header: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in header.split(","):
        media, *parameters = (part.strip().lower() for part in each.split(";"))
        qualities = [_QUALITY.fullmatch(parameter.replace(" ", "")) for parameter in parameters]
        quality = next((float(match[1]) for match in qualities if match is not None), 1.0)
        if media:
            found[media] = quality
    return found


def _liking(media: str, ranges: dict[str, float]) -> float:
    """Take the quality of the most specific range that holds a media type; 0 without any."""
    for each in (media, media.split("/", maxsplit=1)[0] + "/*", "*/*"):
        if each in ranges:
            return ranges[each]
    return 0.0
