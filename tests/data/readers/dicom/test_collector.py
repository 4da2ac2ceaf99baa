"""The collector is off inside and as it was outside."""

from __future__ import annotations

import gc

import pytest

from bundle.data.readers.dicom.collector import collector_paused


@collector_paused()
def fail() -> None:
    assert not gc.isenabled()
    raise ZeroDivisionError


@pytest.mark.parametrize("enabled", [True, False])
def test_collector_is_paused_and_then_as_before_even_after_an_error(enabled: bool) -> None:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError):
            fail()
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_parsing_a_header_starts_no_collection() -> None:
    counts = []

    @collector_paused()
    def parse() -> None:
        started = sum(generation["collections"] for generation in gc.get_stats())
        kept = [[] for _ in range(50_000)]
        counts.append(sum(generation["collections"] for generation in gc.get_stats()) - started)
        assert kept

    parse()
    assert counts == [0]
