"""Names and registrations: streams, trades, commands, instruments, sources (convention 2)."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.currencies import CODES, require_currency
from domain.identity import (
    command_id,
    derive,
    instrument_stream,
    marks_stream,
    portfolio_stream,
    refusals_stream,
    sessions_stream,
    source_stream,
    stream_id,
    trade_id,
)
from domain.instrument import AssetClass, Instrument, register_instrument
from domain.rejection import Conflict, Rejection
from domain.source import NamingScope, Source, SourceRegistered, register_source
from tests.domain.scenes import ACME, DESK, MONDAY, TUESDAY, instrument, registered

FOREVER, PER_DATE = NamingScope.FOREVER, NamingScope.TRADE_DATE


class TestDerivingANumber:
    """An id is a hash of its name: the same for ever, and of that name alone."""

    @pytest.mark.parametrize(
        ("made", "number"),
        [
            (portfolio_stream("acme", "growth"), "d1248624-e526-568b-ba6b-e6b2f880cb9c"),
            (instrument_stream("AAPL"), "95fb6f88-9d1f-5179-b2bd-19d4936f76d1"),
            (marks_stream("feed"), "09cc36d6-511d-54ec-93f7-a7d7a9228384"),
            (sessions_stream("XNYS"), "4eae6a32-c4c9-5970-90a5-af2f517d0727"),
            (source_stream("acme", "desk-1"), "3d05013f-a80e-51ca-af92-2b5f5bb6d850"),
            (refusals_stream("acme", "desk-1"), "b56340b7-9748-5846-89ea-7e958a4b6f0a"),
            (command_id("acme", "key-1"), "e3911647-5d93-591a-9a9f-5020b19f88af"),
            (command_id("acme", "key-1", 7), "e7e132c1-f650-5ebd-affb-127979e45a92"),
            (
                trade_id("acme", "desk-1", "t-1", date(2024, 1, 8)),
                "7880f6f9-b248-5819-8315-29f44e417553",
            ),
            (trade_id("acme", "desk-1", "t-1", None), "664f90f2-3d83-5331-a72c-e49e05cbe6ef"),
        ],
    )
    def test_gives_the_number_it_always_gave(self, made: UUID, number: str) -> None:
        """Written down: a log is full of these, and no build may name them otherwise."""
        assert str(made) == number

    def test_is_a_uuid_of_version_5(self) -> None:
        """RFC 9562: the version and the variant are in their places."""
        made = derive("a", "b")

        assert made.version == 5
        assert made.variant == "specified in RFC 4122"

    @given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
    def test_never_gives_two_names_one_number(self, one: list[str], other: list[str]) -> None:
        """However the parts are cut, digits and colons in them included."""
        assert (derive(*one) == derive(*other)) == (one == other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [(("ab", "c"), ("a", "bc")), (("a:1", "b"), ("a", "1:b")), (("1:a",), ("a",)), ((), ("",))],
    )
    def test_knows_where_a_part_ends(self, one: tuple[str, ...], other: tuple[str, ...]) -> None:
        """Parts are length-prefixed."""
        assert derive(*one) != derive(*other)


class TestNamingAStream:
    """Each tenant and each kind has names of its own."""

    def test_keeps_kinds_apart(self) -> None:
        """One word names six things without meeting itself."""
        made = [
            portfolio_stream("market", "x"),
            instrument_stream("x"),
            marks_stream("x"),
            sessions_stream("x"),
            source_stream("market", "x"),
            refusals_stream("market", "x"),
            trade_id("market", "x", "x", None),
            command_id("market", "x"),
        ]

        assert len(set(made)) == len(made)

    def test_keeps_tenants_apart(self) -> None:
        """The same portfolio, source, trade and key of another tenant are others."""
        for name in (portfolio_stream, source_stream, refusals_stream, command_id):
            assert name("acme", "x") != name("rival", "x")
        assert trade_id("acme", "x", "y", None) != trade_id("rival", "x", "y", None)

    def test_is_the_same_asked_again(self) -> None:
        """From memory or anew."""
        first = stream_id(ACME, "portfolio", "growth")
        stream_id.cache_clear()

        assert stream_id(ACME, "portfolio", "growth") == first


class TestNamingATrade:
    """By tenant, source and external id; by date as well where the source's names need it."""

    def test_needs_every_part(self) -> None:
        """Each part changed is another trade."""
        names: list[tuple[str, str, date | None]] = [
            (DESK, "t-1", None),
            (DESK, "t-2", None),
            ("desk-2", "t-1", None),
            (DESK, "t-1", MONDAY),
            (DESK, "t-1", TUESDAY),
        ]

        made = {trade_id(ACME, *name) for name in names}

        assert len(made) == len(names)

    def test_names_items_of_a_batch_by_their_place(self) -> None:
        """Item 0 is not the batch, and not item 1."""
        made = {command_id(ACME, "key", item) for item in (None, 0, 1)}

        assert len(made) == 3


class TestRegisteringAnInstrument:
    """Once; the same again is no news, other content a conflict."""

    def test_registers_it(self) -> None:
        """As it was wanted."""
        assert register_instrument(None, wanted=registered()) == registered()
        assert register_instrument(Instrument(), wanted=registered()) == registered()

    def test_is_answered_once_with_the_same_content(self) -> None:
        """Nothing new."""
        assert register_instrument(instrument(), wanted=registered()) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"symbol": "APL"},
            {"currency": "EUR"},
            {"asset_class": AssetClass.FUND},
            {"calendar": "XNAS"},
            {"sector": "Technology"},
            {"sector": "Technology", "symbol": "APL"},
        ],
    )
    def test_conflicts_with_other_content(self, changes: dict[str, Any]) -> None:
        """The fields that differ are named."""
        with pytest.raises(Conflict) as conflict:
            register_instrument(instrument(), wanted=registered(**changes))

        assert conflict.value.code == "instrument_already_registered"
        assert set(conflict.value.fields) == set(changes)

    @pytest.mark.parametrize(
        ("code", "changes"),
        [
            ("currency_unknown", {"currency": "XXX"}),
            ("calendar_unknown", {"calendar": "NYSE"}),
        ],
    )
    def test_refuses(self, code: str, changes: dict[str, str]) -> None:
        """What means nothing, by name."""
        with pytest.raises(Rejection) as refused:
            register_instrument(None, wanted=registered(**changes))

        assert refused.value.code == code


class TestRegisteringASource:
    """A source says once how it names its trades."""

    @pytest.mark.parametrize("scope", NamingScope)
    def test_says_it_once(self, scope: NamingScope) -> None:
        """The same again is no news."""
        source, wanted = Source(), SourceRegistered(source=DESK, naming_scope=scope)

        registered_so = register_source(source, wanted=wanted)
        assert registered_so == wanted
        source.apply(wanted)

        assert register_source(source, wanted=wanted) is None
        assert (source.naming_scope, source.version) == (scope, 1)

    @pytest.mark.parametrize(("first", "then"), [(FOREVER, PER_DATE), (PER_DATE, FOREVER)])
    def test_never_takes_it_back(self, first: NamingScope, then: NamingScope) -> None:
        """Trades are named already."""
        source = Source()
        source.apply(SourceRegistered(source=DESK, naming_scope=first))

        with pytest.raises(Conflict) as conflict:
            register_source(source, wanted=SourceRegistered(source=DESK, naming_scope=then))

        assert conflict.value.fields == ("naming_scope",)


class TestKnowingCurrencies:
    """Active codes of ISO 4217."""

    @pytest.mark.parametrize("code", ["USD", "EUR", "JPY", "XCG", "XOF", "ZWG"])
    def test_takes_an_active_one(self, code: str) -> None:
        """Given back as it is."""
        assert require_currency(code) == code

    @pytest.mark.parametrize("code", ["", "usd", "XXX", "XTS", "XAU", "DEM", "US", "USDX"])
    def test_refuses_others(self, code: str) -> None:
        """No currency, a test code, gold, the past, and slips of the pen."""
        with pytest.raises(Rejection) as refused:
            require_currency(code)

        assert refused.value.code == "currency_unknown"

    def test_lists_three_capital_letters_each(self) -> None:
        """As the boundary expects them."""
        assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CODES)
