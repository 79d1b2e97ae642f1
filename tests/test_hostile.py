"""Whatever is sent goes the whole road without a fault: store, text, JSON, tree, wire, filters, statistics."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.hostile import Hostile, follow


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_no_message_breaks_anything_on_its_way(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert follow(Path(folder) / "hostile.gwcap", Hostile(seed).happenings()) > 5
