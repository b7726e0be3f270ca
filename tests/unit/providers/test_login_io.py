"""What a login may show, and what it takes for an answer."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.providers.io import Machine
from credward.providers.login_io import WorkerLoginIo
from credward.providers.provider import Grant
from credward.tokens import Secret
from waiting import PATIENCE


class World:
    """The daemon's end: what it was told, and what the user types."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.typed: list[tuple[str, str | None]] = []
        self.link, self._user = os.pipe()
        self.io = WorkerLoginIo(
            Machine(clock=SystemClock(), now=1e9, environ={}, transport=None),
            credential="gateway",
            tell=lambda **fields: self.told.append(fields),
            hear=self._hear,
            link=self.link,
        )

    def type(self, field: str, value: str | None) -> None:
        self.typed.append((field, value))
        os.write(self._user, b"x")

    def _hear(self) -> tuple[str, str | None]:
        os.read(self.link, 1)
        return self.typed.pop(0)


@pytest.fixture
def world() -> World:
    return World()


PAGE = "https://a.example/device"


@pytest.mark.parametrize(
    ("code", "url", "complete"),
    [
        ("A-1", "http://a.example/device", None),
        ("A-1", "javascript:alert(1)", None),
        ("A-1", "", None),
        ("A-1", PAGE, "https://a.example/\x1b]52;c;eA==\a"),
        ("A-1", PAGE, "file:///bin/sh"),
        ("\x1b[2J", PAGE, None),
        ("A\n$ rm -rf ~", PAGE, None),
        ("A" * 65, PAGE, None),
        ("", PAGE, None),
    ],
)
def test_codes_that_are_not_shown(world: World, code: str, url: str, complete: str | None) -> None:
    """Whoever the provider is: what its server sent is not believed to be harmless."""
    with pytest.raises(BrokerError) as caught:
        world.io.show_code(user_code=code, url=url, complete_url=complete)
    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert caught.value.message.isprintable()
    assert not world.told


def test_codes_that_are(world: World) -> None:
    """With and without the code built in."""
    world.io.show_code(user_code="A-1", url=PAGE, complete_url=None)
    world.io.show_code(user_code="A-1", url=PAGE, complete_url=f"{PAGE}?code=A-1")
    assert [each["event"] for each in world.told] == ["user_code", "user_code"]


@pytest.mark.parametrize(
    "url", ["http://a.example/", "file:///bin/sh", "-x", "https://a@b.example/"]
)
def test_pages_that_are_not_opened(world: World, url: str) -> None:
    """Neither asked for by a provider, nor as the start of a login."""
    with pytest.raises(BrokerError, match="address that is not https"):
        world.io.open_url(url)
    with pytest.raises(BrokerError, match="address that is not https"):
        world.io.receive_redirect(lambda _: url)
    assert not world.told


def test_pasting_the_last_page(world: World) -> None:
    """Addresses of another login, and what is no address, are asked for again."""
    for text in ("x", "http://[", "http://127.0.0.1/callback?code=evil&state=other"):
        world.type("redirect_url", text)
    world.type("redirect_url", " http://127.0.0.1/callback?code=c&state=s \n")

    found = world.io.receive_redirect(lambda uri: f"https://a.example/?state=s&redirect_uri={uri}")

    assert found == {"code": "c", "state": "s"}
    events = [each["event"] for each in world.told]
    assert events == ["open_url", "prompt", "prompt", "prompt", "prompt", "prompt_closed"]


@pytest.mark.parametrize("account", ["\x1b]0;x\a", "a\nb", "", "a" * 257])
def test_accounts_that_are_no_names(account: str) -> None:
    """Whoever logs in chooses what he is called: it is shown in terminals."""
    assert Grant(secret=Secret("x"), account=account).account is None
    assert Grant(secret=Secret("x"), account="é@a.example").account == "é@a.example"


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ("well", "ada@example.com"),
        ("refused", "a code that cannot be shown: check which server answers"),
        ("cancelled", "ended early"),
    ],
)
def test_the_browser_hears_the_end_of_the_login(world: World, ends: str, said: str) -> None:
    """Not before the code was exchanged: until then nobody knows the account, or whether it works."""
    pages: Queue[str] = Queue()
    exchanged: list[bool] = []

    def come_back(url: str) -> None:
        (redirect_uri,) = parse_qs(urlsplit(url).query)["redirect_uri"]
        with urlopen(f"{redirect_uri}?code=c&state=s", timeout=PATIENCE) as answer:
            pages.put(answer.read().decode() if exchanged else "too early")

    def make_url(uri: str) -> str:
        url = f"https://a.example/?state=s&redirect_uri={uri}"
        threading.Thread(target=come_back, args=(url,)).start()
        return url

    with suppress(BrokerError, SystemExit), world.io.answering() as worked:
        world.io.receive_redirect(make_url)
        exchanged.append(True)
        if ends == "refused":
            world.io.show_code(user_code="", url=PAGE, complete_url=None)
        if ends == "cancelled":
            raise SystemExit
        worked("ada@example.com")

    page = pages.get(timeout=PATIENCE)
    assert said in page
    assert "gateway" in page
    assert ("You are logged in" in page) is (ends == "well")


def test_a_login_without_a_browser_answers_nobody(world: World) -> None:
    """A device code, or a pasted address."""
    with world.io.answering() as worked:
        worked(None)
