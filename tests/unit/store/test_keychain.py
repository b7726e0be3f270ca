"""Which keychains are trusted, by class, and what their answers mean; the real one is in T19."""

from __future__ import annotations

import pytest

keyring = pytest.importorskip("keyring")

from keyring.backend import KeyringBackend  # noqa: E402
from keyring.backends import SecretService, chainer, fail, null  # noqa: E402
from keyring.errors import InitError, KeyringLocked, PasswordSetError  # noqa: E402

from canaries import MARK, canary  # noqa: E402
from credward.errors import BrokerError, Kind  # noqa: E402
from credward.providers.provider import ProviderRequest  # noqa: E402
from credward.settings.keychain import Settings  # noqa: E402
from credward.store.kek import decode_key  # noqa: E402
from credward.store.keychain import KeychainProvider  # noqa: E402
from fakes.io import NOW, FakeIo  # noqa: E402


class Items(dict):
    """What a keychain holds."""

    def __init__(self, *arguments, failure=None, forgets=False):
        super().__init__(*arguments)
        self.failure = failure
        self.forgets = forgets
        self.written = []


def trusted(items):
    """Return a backend of a trusted class whose items are these."""
    backend = object.__new__(SecretService.Keyring)

    def get_password(service, account):
        if items.failure is not None:
            raise items.failure
        return items.get((service, account))

    def set_password(service, account, text):
        items.written.append(text)
        if not items.forgets:
            items[service, account] = text

    backend.get_password, backend.set_password = get_password, set_password
    return backend


class Plaintext(KeyringBackend):
    """Stands for keyrings.alt: any class that is not on the list."""

    priority = 0.5

    def get_password(self, service, username):
        pytest.fail("an untrusted keychain was asked")

    def set_password(self, service, username, password):
        pytest.fail("an untrusted keychain was given a secret")

    def delete_password(self, service, username):
        pytest.fail("an untrusted keychain was asked")


class Derived(SecretService.Keyring):
    """Claims a trusted parent."""


@pytest.fixture
def ask(monkeypatch):
    """Return what mints from a backend, through `keyring` as the worker does."""

    def ask(backend, *, create=False, environ=None):
        monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
        return KeychainProvider().mint(
            ProviderRequest(
                credential="store",
                settings=Settings(service="credward", account="store-key", create=create),
            ),
            FakeIo(environ=environ or {}),
        )

    return ask


def refusal(ask, backend, **named):
    """Return how it is refused."""
    with pytest.raises(BrokerError) as caught:
        ask(backend, **named)
    assert caught.value.message.startswith('"store" ')
    assert "\n" not in caught.value.message
    assert caught.value.failure.sent == "no"
    return caught.value


def test_hands_out_the_text_of_the_item(ask):
    """Without an end, and without touching the item, create or not."""
    items = Items({("credward", "store-key"): "the text"})
    for create in (False, True):
        token = ask(trusted(items), create=create)

        assert token.secret.reveal() == "the text"
        assert (token.kind, token.issued_at, token.expires_at) == ("api-key", NOW, None)
    assert items.written == []


def test_makes_an_item_once(ask):
    """A random key, believed only when it is read back."""
    items = Items()

    first = ask(trusted(items), create=True).secret.reveal()
    second = ask(trusted(items), create=True).secret.reveal()

    assert first == second == items["credward", "store-key"]
    assert decode_key(first.encode()) is not None
    assert len(items.written) == 1


def test_an_absent_item_is_not_made_unasked(ask):
    """The store that it opens, or the user who made it, knows better."""
    items = Items()

    failure = refusal(ask, trusted(items))

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert 'keychain item "credward" of "store-key" is missing' in failure.message
    assert items.written == []


def test_an_empty_item_is_never_filled(ask):
    """It exists, so it is somebody's."""
    items = Items({("credward", "store-key"): ""})

    assert "is empty" in refusal(ask, trusted(items), create=True).message
    assert items.written == []


def test_a_keychain_that_forgets_is_refused(ask):
    """The store would be lost with the daemon."""
    failure = refusal(ask, trusted(Items(forgets=True)), create=True)

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "is not kept" in failure.message


@pytest.mark.parametrize(
    "backend",
    [null.Keyring(), fail.Keyring(), Plaintext(), object.__new__(Derived)],
    ids=["null", "fail", "plaintext", "derived"],
)
def test_other_classes_are_refused(ask, backend):
    """By name, before they are asked anything."""
    failure = refusal(ask, backend, create=True)

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "store.key_file" in failure.message
    name = f"{type(backend).__module__}.{type(backend).__qualname__}"
    assert (name in failure.message) == (not isinstance(backend, fail.Keyring))


def test_a_chain_is_looked_through(ask, monkeypatch):
    """The trusted link is used alone; a chain without one is refused."""
    chain = chainer.ChainerBackend()
    links = [Plaintext(), trusted(Items({("credward", "store-key"): "sealed"}))]
    monkeypatch.setattr(chainer.ChainerBackend, "backends", links)
    assert ask(chain).secret.reveal() == "sealed"

    monkeypatch.setattr(chainer.ChainerBackend, "backends", [Plaintext(), null.Keyring()])
    shown = refusal(ask, chain, create=True).message
    assert "Plaintext" in shown
    assert "null.Keyring" in shown


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, True),
        ({"XDG_RUNTIME_DIR": "/nonexistent"}, True),
        ({"DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/bus"}, False),
    ],
)
def test_t19_says_when_there_is_no_bus(ask, monkeypatch, environ, says):
    """The usual reason on a server."""
    monkeypatch.setattr("sys.platform", "linux")

    shown = refusal(ask, fail.Keyring(), environ=environ).message

    assert ("no D-Bus session" in shown) == says


class KeychainDenied(Exception):  # noqa: N818 - macOS's name
    """What the backend of macOS raises when somebody clicks Deny."""


@pytest.mark.parametrize("error", [KeyringLocked, KeychainDenied], ids=lambda each: each.__name__)
def test_t19_locked_or_denied_is_store_locked(ask, error):
    """With the command that opens it."""
    failure = refusal(ask, trusted(Items(failure=error(canary("locked")))))

    assert failure.kind is Kind.STORE_LOCKED
    assert "gnome-keyring-daemon --unlock" in failure.message
    assert MARK not in failure.message


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (InitError(canary("init")), "cannot be read (InitError)"),
        (PasswordSetError(canary("set")), "cannot be read (PasswordSetError)"),
        (ConnectionResetError(104, canary("bus")), "cannot be read (ConnectionResetError)"),
        (UnicodeDecodeError("utf-8", canary("text").encode(), 0, 1, "bad"), "is not text"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_other_failures_are_named_by_class_alone(ask, error, says):
    """The backend's own words may hold anything."""
    failure = refusal(ask, trusted(Items(failure=error)))

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert says in failure.message
    assert MARK not in failure.message


def test_a_broken_configuration_of_keyring_is_said_so(monkeypatch):
    """keyringrc.cfg names a class that is not there."""

    def broken():
        raise ModuleNotFoundError("No module named 'nosuch'")

    monkeypatch.setattr(keyring, "get_keyring", broken)

    with pytest.raises(BrokerError, match=r"ModuleNotFoundError.*keyringrc.cfg"):
        KeychainProvider().mint(
            ProviderRequest(credential="store", settings=Settings(service="s", account="a")),
            FakeIo(),
        )
