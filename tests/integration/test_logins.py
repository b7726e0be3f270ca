"""`credward login` from the command line to a real OpenID provider and back, as a user sees it."""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import pytest
import requests

from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.tokens import Secret
from credward.workers import pool as pool_module
from credward.workers.link import LoginRequest, LoginStep
from integration import chromium
from integration.chromium import Browser
from integration.command_line import Terminal, by_owner, cli, grant, login_events, status
from integration.daemon import DaemonFactory, RunningDaemon
from integration.oidc import OidcProvider, User
from waiting import PATIENCE, until

pytestmark = [
    pytest.mark.skipif(OidcProvider.missing() is not None, reason=str(OidcProvider.missing())),
    # Agents may start one login a minute: some of these tests need two.
    by_owner,
]
with_browser = pytest.mark.skipif(chromium.missing() is not None, reason=str(chromium.missing()))

# Four on one grant: they agree in issuer, client and scope.
CONFIG = """
default = "gateway"
[credentials.gateway]
provider = "oauth"
issuer = "{issuer}"
client_id = "credward"
scope = "openid offline_access email"
[credentials.gateway-id]
provider = "oauth"
issuer = "{issuer}"
client_id = "credward"
scope = "openid offline_access email"
token = "id"
[credentials.gateway-2]
provider = "oauth"
issuer = "{issuer}"
client_id = "credward"
scope = "openid offline_access email"
header = "X-Gateway"
[credentials.gateway-3]
provider = "oauth"
issuer = "{issuer}"
client_id = "credward"
scope = "openid offline_access email"
env_name = "GATEWAY"
"""
NAMES = ["gateway", "gateway-id", "gateway-2", "gateway-3"]


@pytest.fixture
def idp() -> Iterator[OidcProvider]:
    with OidcProvider() as running:
        yield running


@pytest.fixture
def daemon(start_daemon: DaemonFactory, idp: OidcProvider) -> RunningDaemon:
    return start_daemon(CONFIG.format(issuer=idp.issuer))


@pytest.fixture
def user() -> Iterator[User]:
    with User() as somebody:
        yield somebody


def follow(address: str) -> str:
    """Have the browser that is elsewhere come back: get the callback page and return its text."""
    answer = requests.get(address, timeout=PATIENCE)
    assert answer.status_code == 200
    return answer.text


def altered(address: str, **words: str | None) -> str:
    """Return *address* with other words in its query; None takes one away."""
    parts = urlsplit(address)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()} | words
    kept = {name: value for name, value in query.items() if value is not None}
    return urlunsplit(parts._replace(query=urlencode(kept)))


def log_in(daemon: RunningDaemon, name: str = "alice", credential: str = "gateway") -> str:
    """Log in without a browser of one's own; return what the command said at its end."""
    with User(name) as somebody, Terminal(daemon, "login", credential, "--no-browser") as login:
        login.type(somebody.go(login.url()))
        assert login.end() == 0, login.text
        return "".join(login.out)


def token(daemon: RunningDaemon, name: str = "gateway") -> str:
    done = cli(daemon, "get", name)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_server_that_does_not_answer_is_said_to_be_waited_for(
    start_daemon: DaemonFactory,
) -> None:
    """Long before it is given up: an empty terminal looks like a program that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        issuer = f"http://127.0.0.1:{silent.getsockname()[1]}"
        daemon = start_daemon(
            f'[credentials.one]\nprovider = "oauth"\nissuer = "{issuer}"\nclient_id = "c"\n'
        )
        with Terminal(daemon, "login", "one", "--no-browser") as login:
            said = login.wait_for("has not answered yet")
            login.interrupt()

    assert said == "its server has not answered yet, still waiting (Ctrl-C cancels)\n"


@pytest.mark.slow
@with_browser
def test_browser(daemon: RunningDaemon, idp: OidcProvider, tmp_path: Path) -> None:
    """The CLI opens the browser, the pages end at ours, and what waits is served again."""
    waiting = cli(daemon, "get")
    assert (waiting.returncode, waiting.stdout) == (67, "")
    assert waiting.stderr == 'credward: "gateway" needs a login: run credward login gateway\n'

    browser = Browser(tmp_path)
    done = cli(daemon, "login", BROWSER=str(browser.path))

    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"logged in as alice@example.com: {', '.join(NAMES)}, 1 caller was refused meanwhile\n"
        "next: credward setup claude-code gateway\n"
    )
    assert "your browser was opened at" in done.stderr
    page = browser.last()
    assert urlsplit(page["url"]).path == "/callback"
    assert page["text"].split("\n")[:5] == [
        *("You are logged in", "Credential", "gateway", "Account", "alice@example.com")
    ]
    assert 'login for "gateway"\n' in done.stderr
    assert done.stderr.endswith("you can close the browser window\n")
    assert idp.count("authorization.error") == 0
    assert len({token(daemon, name) for name in NAMES}) == 4
    assert grant(daemon, "gateway")["account"] == "alice@example.com"


@pytest.mark.slow
@with_browser
def test_a_browser_in_the_foreground(daemon: RunningDaemon, tmp_path: Path) -> None:
    """A browser that is not closed afterwards holds nothing up."""
    browser = Browser(tmp_path, lingers=True)
    with Terminal(daemon, "login", BROWSER=str(browser.path)) as login:
        login.wait_for("logged in as alice@example.com")
        assert login.process.wait(PATIENCE) == 0
        # It holds the pipes, so that they can be read to their end only now.
        browser.leave()
        assert login.end() == 0


@pytest.mark.slow
def test_a_browser_that_does_not_start(daemon: RunningDaemon, user: User) -> None:
    """The address is there to be opened by hand."""
    with Terminal(daemon, "login", BROWSER="/nonexistent/browser") as login:
        login.wait_for("open this address in a browser")
        assert "You are logged in" in follow(user.go(login.url()))
        assert login.end() == 0, login.text


@pytest.mark.slow
@with_browser
def test_device(daemon: RunningDaemon, idp: OidcProvider, tmp_path: Path) -> None:
    """A code, its page in a browser, and polls until it was typed."""
    browser = Browser(tmp_path)
    done = cli(daemon, "login", "gateway", "--device", BROWSER=str(browser.path))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("logged in as alice@example.com: gateway, ")
    assert re.search(rf"open {idp.issuer}/device and type the code \S+", done.stderr)
    # It may be told of the end later than we are.
    until(lambda: browser.pages and browser.pages[-1]["form"] is False)
    assert token(daemon)


@pytest.mark.slow
def test_device_elsewhere(daemon: RunningDaemon, user: User, idp: OidcProvider) -> None:
    """On another machine: the code is typed there, after some polls."""
    with Terminal(daemon, "login", "--device", "--no-browser", "--json") as login:
        code = json.loads(login.wait_for('"user_code"'))
        idp.wait_for("grant.error", error="authorization_pending")
        user.go(code["complete_url"])
        assert login.end() == 0, login.text
    assert json.loads(login.out[-1])["event"] == "done"
    assert token(daemon)


@pytest.mark.slow
def test_a_pasted_address(daemon: RunningDaemon) -> None:
    """The browser is on another machine, where our address leads nowhere."""
    said = log_in(daemon)

    assert said.splitlines()[0] == f"logged in as alice@example.com: {', '.join(NAMES)}"
    assert token(daemon)


@pytest.mark.slow
def test_nonsense_is_pasted(daemon: RunningDaemon, user: User) -> None:
    """Is told so, and may paste again."""
    with Terminal(daemon, "login", "--no-browser") as login:
        address = user.go(login.url())
        login.type("https://example.com/")
        login.wait_for("that is not the last page of this login")
        login.type(address)
        assert login.end() == 0, login.text


@pytest.mark.slow
@pytest.mark.parametrize("state", ["another", None])
@pytest.mark.parametrize("way", ["pasted", "redirect"])
def test_the_end_of_another_login(
    daemon: RunningDaemon, user: User, idp: OidcProvider, state: str | None, way: str
) -> None:
    """Any page of any browser can send one: it is not used, and this login goes on to its end."""
    with Terminal(daemon, "login", "--no-browser") as login:
        address = user.go(login.url())
        wrong = altered(address, state=state)
        if way == "pasted":
            login.type(wrong)
            login.wait_for("that is not the last page of this login")
        else:
            assert requests.get(wrong, timeout=PATIENCE).status_code == 400
            login.wait_for("came back from another login (state)")
        assert idp.count("grant.success") == 0
        login.type(address)
        assert login.end() == 0, login.text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ({"iss": "https://evil.example"}, "another server (iss)"),
        ({"iss": None}, "without the name of the server (iss)"),
        ({"code": None, "error": "access_denied"}, "it was denied (access_denied)"),
    ],
    ids=["iss", "no-iss", "denied"],
)
def test_an_answer_to_somebody_else(
    daemon: RunningDaemon, user: User, idp: OidcProvider, words: dict[str, str], problem: str
) -> None:
    """Refused before the code is used, in one line; the next login is a new one."""
    with Terminal(daemon, "login", "--no-browser") as login:
        login.type(altered(user.go(login.url()), **words))
        assert login.end() == 67

    assert login.out == []
    assert login.err[-1].startswith('credward: "gateway" was not logged in, ')
    assert problem in login.err[-1]
    assert idp.count("grant.success") == 0
    log_in(daemon)
    assert token(daemon)


def test_t17_two_at_once(daemon: RunningDaemon, user: User, idp: OidcProvider) -> None:
    """One flow, one address; both commands end well, with different names for the same grant."""
    with (
        Terminal(daemon, "login", "gateway", "--no-browser") as first,
        Terminal(daemon, "login", "gateway-2", "--no-browser") as second,
    ):
        assert first.url() == second.url()
        assert sum("joining it" in each.text for each in (first, second)) <= 1
        second.type(user.go(second.url()))
        assert [first.end(), second.end()] == [0, 0], first.text + second.text

    assert first.out == second.out
    assert [first.text, second.text].count("is already running, joining it") <= 1
    assert sum("is already running, joining it" in each.text for each in (first, second)) == 1
    assert idp.count("grant.success", grant_type="authorization_code") == 1


def test_t17_ctrl_c(daemon: RunningDaemon, user: User) -> None:
    """Whoever started it gives it up for all; whoever joined leaves alone."""
    with Terminal(daemon, "login", "--no-browser") as first:
        first.url()
        with Terminal(daemon, "login", "--no-browser") as joined:
            joined.wait_for("joining it")
            joined.url()
            joined.interrupt()
            assert joined.end() == 130
        with Terminal(daemon, "login", "--no-browser") as watching:
            watching.url()
            first.interrupt()
            assert first.end(10) == 130
            assert watching.end(10) == 67
    assert watching.err[-1] == (
        'credward: the login of "gateway" was cancelled: run credward login gateway\n'
    )
    # Nothing is left of it that could be in the way.
    log_in(daemon)
    assert token(daemon)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM], ids=["closed", "ended"])
def test_the_terminal_is_closed(daemon: RunningDaemon, how: signal.Signals) -> None:
    """Or the command is ended: as Ctrl-C, so that the next login is free to go another way."""
    with Terminal(daemon, "login", "--no-browser") as first:
        first.url()
        with Terminal(daemon, "login", "--no-browser", "--device") as joined:
            joined.wait_for("joining it as it was started, not by device")
            joined.interrupt()
            assert joined.end() == 130
        first.interrupt(how)
        assert first.end(10) == -how
    done = cli(daemon, "login", "--no-browser", "--device", "--wait", "0")
    assert "joining" not in done.stderr
    assert "type the code" in done.stderr


@pytest.mark.slow
def test_a_login_begun_elsewhere_is_given_up(daemon: RunningDaemon) -> None:
    """By any name of its grant; all who watch hear it, and the next login is a new one."""
    none = cli(daemon, "login", "gateway-2", "--cancel")
    assert (none.returncode, none.stdout) == (0, "no login is running: gateway-2\n")
    with Terminal(daemon, "login", "--no-browser") as login:
        login.url()
        done = cli(daemon, "login", "gateway-2", "--cancel")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "cancelled the login: gateway\n"
        assert login.end(10) == 67
    assert login.err[-1] == (
        'credward: the login of "gateway" was cancelled: run credward login gateway\n'
    )
    done = cli(daemon, "login", "--no-browser", "--wait", "0")
    assert "joining" not in done.stderr
    told = json.loads(cli(daemon, "login", "--cancel", "--json").stdout)
    assert told["given_up"] is True
    audit = [json.loads(line) for line in daemon.request("GET", "/v1/audit").body.splitlines()]
    assert [each["credential"] for each in audit if each["outcome"] == "login-given-up"] == [
        "gateway",
        "gateway",
    ]


@pytest.mark.slow
def test_what_goes_with_no_cancel(daemon: RunningDaemon) -> None:
    """Options of a login that is begun: which was meant is not guessed."""
    done = cli(daemon, "login", "gateway", "--cancel", "--device")
    assert (done.returncode, done.stdout) == (64, "")
    assert "--cancel starts no login" in done.stderr


@pytest.mark.slow
def test_nobody_logs_in(daemon: RunningDaemon, user: User) -> None:
    """`--wait` ends the watching, not the login: it is joined by the next command."""
    began = time.monotonic()
    done = cli(daemon, "login", "--no-browser", "--wait", "1")
    assert done.returncode == 67
    assert 1 <= time.monotonic() - began < PATIENCE
    assert done.stderr.splitlines()[-1] == (
        'credward: the login of "gateway" is still running: run credward login gateway to join it'
    )
    with Terminal(daemon, "login", "--no-browser") as login:
        login.wait_for("joining it")
        login.type(user.go(login.url()))
        assert login.end() == 0, login.text


@pytest.mark.slow
def test_wait_0(daemon: RunningDaemon) -> None:
    """Says what there is to do, and that is all."""
    began = time.monotonic()
    done = cli(daemon, "login", "--no-browser", "--wait", "0")
    assert time.monotonic() - began < PATIENCE
    assert done.returncode == 67
    assert "/auth?" in done.stderr
    assert "is still running" in done.stderr


@pytest.mark.slow
def test_json_and_an_answer_through_the_api(daemon: RunningDaemon, user: User) -> None:
    """Another program shows the prompt and answers it; each event is one line."""
    with Terminal(daemon, "login", "--json") as login:
        opened = json.loads(login.wait_for('"open_url"'))
        asked = json.loads(login.wait_for('"prompt"'))
        started = daemon.request("POST", "/v1/grants/gateway/login", body=b"{}").json()
        assert started["attached"] is True
        answers = f"/v1/logins/{started['login_id']}/answer"
        wrong = {"field": "password", "value": "x"}
        refused = daemon.request("POST", answers, body=json.dumps(wrong).encode())
        assert (refused.status, refused.kind) == (400, "bad-request")
        answer = {"field": asked["field"], "value": user.go(opened["url"])}
        taken = daemon.request("POST", answers, body=json.dumps(answer).encode())
        assert taken.status == 202, taken.text
        assert login.end() == 0, login.text

    lines = [json.loads(line) for line in login.out]
    assert [each["event"] for each in lines] == ["open_url", "prompt", "prompt_closed", "done"]
    assert lines[-1]["account"] == "alice@example.com"
    assert lines[-1]["credentials"] == NAMES
    assert lines[-1]["durable"] is True
    # Whoever comes late hears how it ended.
    assert login_events(daemon, started["login_id"]) == lines


@pytest.mark.slow
def test_the_agents_that_waited_are_counted(daemon: RunningDaemon) -> None:
    """Each once, whichever of the four it asked for."""
    for name in ("gateway", "gateway-2", "gateway-id"):
        assert cli(daemon, "get", name).returncode == 67
    said = log_in(daemon)

    assert re.search(r", \d+ callers? (was|were) refused meanwhile\nnext: ", said), said


@pytest.mark.slow
def test_another_account(daemon: RunningDaemon, idp: OidcProvider) -> None:
    """What was minted for the one before is dropped; the same account keeps its tokens."""
    log_in(daemon, "alice")
    first = token(daemon)
    log_in(daemon, "alice")
    kept = token(daemon)
    said = log_in(daemon, "bob")
    second = token(daemon)

    assert kept == first
    assert second != first
    assert "bob@example.com" in said
    assert grant(daemon, "gateway")["account"] == "bob@example.com"
    userinfo = requests.get(
        f"{idp.issuer}/me", headers={"Authorization": f"Bearer {second}"}, timeout=10
    )
    assert userinfo.json()["sub"] == "bob"


@pytest.mark.slow
def test_a_login_outlives_the_daemon(daemon: RunningDaemon) -> None:
    """Kept before it is announced: a kill -9 right after takes nothing away."""
    log_in(daemon)
    daemon.kill9()
    daemon.start()

    assert token(daemon)
    assert status(daemon)["credentials"][0]["state"] == "fresh"


@pytest.mark.slow
def test_the_daemon_ends_in_mid_login(daemon: RunningDaemon, user: User) -> None:
    """The watcher is told; the login worker is gone, and so is its port."""
    with Terminal(daemon, "login", "--no-browser") as login:
        address = user.go(login.url())
        assert daemon.stop() == 0
        assert login.end(PATIENCE) in {67, 69}
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=PATIENCE)


@pytest.mark.slow
def test_a_method_that_there_is_not(daemon: RunningDaemon) -> None:
    """One line each, and nothing is started."""
    unknown = cli(daemon, "login", "gatewya")
    assert (unknown.returncode, unknown.stdout) == (78, "")
    assert cli(daemon, "login", "--method", "carrier-pigeon").returncode == 64


async def test_t17_nobody_logs_in_ever(idp: OidcProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that nobody finishes ends by itself, with its worker and its port."""
    monkeypatch.setattr(pool_module, "_LOGIN", 8.0)
    pool = pool_module.WorkerPool(clock=SystemClock())
    events: list[LoginStep] = []
    words = {"issuer": idp.issuer, "client_id": "credward", "scope": "openid offline_access"}
    request = LoginRequest(
        credential="gateway",
        settings=words,
        now=time.time(),
        method="browser",
        key=Secret(base64.b64encode(bytes(32)).decode()),
    )
    with pytest.raises(BrokerError) as caught:
        await pool.login("oauth", request, events.append, lambda _: None)
    await pool.close()

    assert caught.value.kind is Kind.TIMED_OUT
    assert events[0].event == "open_url"
    redirect = parse_qs(urlsplit(events[0].url or "").query)["redirect_uri"][0]
    with pytest.raises(requests.ConnectionError):
        requests.get(redirect, timeout=PATIENCE)
