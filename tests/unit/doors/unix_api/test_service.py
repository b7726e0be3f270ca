"""The daemon fulfils what the routes ask for."""

from __future__ import annotations

import inspect

import pytest

from credward.daemon.service import BrokerService
from credward.doors.unix_api.service import Service

METHODS = [name for name, _ in inspect.getmembers(Service, inspect.isfunction) if name[0] != "_"]


@pytest.mark.parametrize("name", METHODS)
def test_the_daemon_takes_what_the_routes_hand_it(name):
    """Same methods, same parameters in the same order."""
    wanted = list(inspect.signature(getattr(Service, name)).parameters)

    assert wanted == list(inspect.signature(getattr(BrokerService, name)).parameters)
