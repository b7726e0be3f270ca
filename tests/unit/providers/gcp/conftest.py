"""What tests of Google Cloud share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.google_server import Google, serving


@pytest.fixture
def google() -> Iterator[Google]:
    """Run the servers of Google, and return what they remember."""
    with serving(Google()) as served:
        yield served
