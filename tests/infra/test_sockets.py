"""What the server writes of several texts at once is what any WebSocket client reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from infra.http_server import framed


class TestAFrame:
    """A whole text message, unmasked, as the library would write it."""

    @given(st.text(max_size=300))
    def test_is_that_of_the_library(self, text: str) -> None:
        """Whatever is told."""
        data = text.encode()

        assert b"".join(framed(data)) == Frame(Opcode.TEXT, data).serialize(mask=False)

    @pytest.mark.parametrize("size", [0, 125, 126, 127, 65_535, 65_536, 70_000])
    def test_says_its_length_in_each_of_the_three_ways(self, size: int) -> None:
        """At both sides of each limit."""
        data = b"x" * size

        assert b"".join(framed(data)) == Frame(Opcode.TEXT, data).serialize(mask=False)
