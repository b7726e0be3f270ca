"""What `status` says, in a table and below it, and of one credential."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from credward.text.status import asker_text, files, page, problems, table, text_of
from credward.text.styles import unstyled
from credward.text.tables import width_of
from credward.text.viewer import Viewer
from credward.wire import CredentialStatus, Failure, GrantStatus, SinkStatus, StatusList

ONE = CredentialStatus(
    name="gateway",
    provider="oauth",
    grant="team",
    state="fresh",
    token_id="ab12",
    audience="api://llm",
    expires_at=3700.0,
    refresh_at=2800.0,
    login_ends_at=90_000.0,
    life=3600.0,
    last_asked_at=88.0,
    last_asked_by="claude",
    last_asked_in="/h/ada/src/app",
    last_asked_pid=7,
    asks=12,
    mints=3,
    failures=1,
    waits=2,
    base_urls=["https://llm.example.com"],
)
TEAM = GrantStatus(
    name="team", state="valid", account="ada@example.com", given_at=40.0, credentials=["gateway"]
)


ADA = Viewer(home="/h/ada")


def shown(listed: StatusList, width: int | None, home: str = "") -> list[str]:
    return [unstyled(line) for line in table(listed, Viewer(home=home, width=width))]


def test_doubt_lock_and_weak_attestation_are_said() -> None:
    """Below the table, each with what follows from it."""
    one = CredentialStatus(name="a", state="fresh", expires_at=9.0, grant="oauth-1")
    doubt = GrantStatus(
        name="oauth-1",
        state="ambiguous",
        account="alice@example.com",
        given_at=-7200.0,
        ambiguous_at=1.0,
        ends_at=3662.0,
        credentials=["a"],
    )
    lists = [
        StatusList(now=62.0, pid=1, credentials=[one], grants=[doubt], store="key file /k"),
        StatusList(now=1.0, pid=1, credentials=[one], locked=True, store="key file /k, locked"),
        StatusList(now=1.0, pid=1, credentials=[one], attestation="degraded: why"),
    ]
    lines = [unstyled(line) for each in lists for line in text_of(each, ADA, in_detail=False)]

    assert [line for line in lines if not line.startswith(("NAME", "a "))] == [
        "",
        "GRANT    STATE      ACCOUNT            SINCE      ENDS   CREDENTIALS",
        "oauth-1  ambiguous  alice@example.com  1m01s ago  1h00m  a",
        "",
        "a: its last renewal, 1m01s ago, may or may not have worked; retrying",
        "store: key file /k",
        "the store is locked: run credward unlock",
        "attestation: degraded: why",
    ]


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (None, "NAME PROVIDER STATE EXPIRES NEXT-REFRESH LOGIN-ENDS ASKS MINTS LAST-ASKED-BY"),
        (140, "NAME PROVIDER STATE EXPIRES NEXT-REFRESH LOGIN-ENDS ASKS MINTS LAST-ASKED-BY"),
        (80, "NAME STATE EXPIRES NEXT-REFRESH ASKS LAST-ASKED-BY"),
        (40, "NAME STATE LAST-ASKED-BY"),
    ],
)
def test_the_least_useful_columns_go_first(width: int | None, titles: str) -> None:
    """No line is longer than the terminal is wide."""
    lines = shown(StatusList(now=100.0, pid=1, credentials=[ONE]), width)

    assert lines[0].split() == titles.split()
    assert max(width_of(line) for line in lines) <= (width or 999)


@pytest.mark.parametrize("width", [1, 5, 20, 33, 60, 79, 80, 100])
def test_nothing_wraps(width: int) -> None:
    """Long names, wide characters and any window."""
    long = "/\N{CJK UNIFIED IDEOGRAPH-6F22}" * 40
    one = CredentialStatus(name="n" * 70, state="fresh", last_asked_by="claude", last_asked_in=long)
    lines = shown(StatusList(now=1.0, pid=1, credentials=[one, ONE]), width)

    # As much as there are columns, less than that no window has.
    assert max(width_of(line) for line in lines) <= max(width, 7)


def test_the_end_of_a_folder_tells_more() -> None:
    """The home of whoever looks is `~`; only whole folders are."""
    cramped = shown(StatusList(now=1.0, pid=1, credentials=[ONE]), 34, "/h/ada")[1]

    assert asker_text(ONE, ADA) == "claude in ~/src/app"
    assert asker_text(CredentialStatus(name="a", state="empty"), ADA) is None
    assert cramped.endswith("claude in …src/app")
    assert asker_text(ONE, Viewer(home="/h/ad")) == "claude in /h/ada/src/app"
    assert asker_text(ONE, Viewer()) == "claude in /h/ada/src/app"


def test_one_credential_is_shown_in_detail() -> None:
    """Every fact on a line of its own; what is not known is left out."""
    listed = StatusList(now=100.0, pid=1, credentials=[ONE], grants=[TEAM])
    lines = [unstyled(line) for line in text_of(listed, ADA, in_detail=True)]
    facts = {title: text.strip() for title, text in (line.split(":", 1) for line in lines)}

    assert facts == {
        "name": "gateway",
        "provider": "oauth",
        "state": "fresh",
        "expires": facts["expires"],
        "next refresh": facts["next refresh"],
        "token life": "1h00m",
        "token id": "ab12",
        "audience": "api://llm",
        "for hosts": "https://llm.example.com",
        "grant": "team, valid; for gateway",
        "account": "ada@example.com",
        "login since": "1m00s ago",
        "last asked by": "claude in ~/src/app (pid 7), 12s ago",
        "asks": "12, 2 of them waited for a mint",
        "mints": "3, and 1 failed",
    }
    assert facts["expires"].startswith("in 1h00m (")


def test_the_place_of_the_key_is_short() -> None:
    """A home is `~` there too; what is no path stays."""
    stores = ("key file /h/ada/my keys/store.key", "the keychain, item credward")
    texts = [
        next(iter(problems(StatusList(now=1.0, pid=1, credentials=[], store=store), ADA)))
        for store in stores
    ]

    assert texts == ["store: key file ~/my keys/store.key", "store: the keychain, item credward"]


def test_an_empty_store_has_a_next_command() -> None:
    """Instead of a header without rows."""
    assert list(text_of(StatusList(now=1.0, pid=1, credentials=[]), ADA, in_detail=False)) == [
        "no credential is configured: run credward add"
    ]


def test_a_problem_is_said_once_and_obeyed_by_no_terminal() -> None:
    """Messages may come from a server."""
    failure = Failure(kind="provider-refused", message="no\x1b[2J", recovery="retry")
    both = [
        CredentialStatus(name=name, state="empty", failure=failure, refresh_at=90.0)
        for name in ("a", "b")
    ]

    assert list(problems(StatusList(now=30.0, pid=1, credentials=both), ADA)) == [
        "no\ufffd[2J. Next try in 1m00s"
    ]


def test_the_active_one_is_marked_with_its_reason() -> None:
    """Of several; of one alone nobody asks."""
    other = CredentialStatus(name="other", state="empty")
    both = StatusList(
        now=90.0,
        pid=1,
        credentials=[ONE, other],
        active="other",
        active_because="chosen for claude",
    )
    lines = [unstyled(line) for line in text_of(both, ADA, in_detail=False)]
    alone = StatusList(now=90.0, pid=1, credentials=[ONE], active="gateway")

    assert [line.split("  ")[0] for line in lines[:3]] == ["NAME", "gateway", "other *"]
    assert lines[-1] == "* without a name: other (chosen for claude)"
    assert not any("without a name" in line for line in text_of(alone, ADA, in_detail=False))


def test_a_page_is_coloured_where_it_may_be() -> None:
    """It is the same text in any case."""
    listed = StatusList(now=100.0, pid=1, credentials=[ONE], grants=[TEAM])
    coloured, bare = (page(listed, ADA, coloured=each) for each in (True, False))

    assert "\x1b[32mfresh\x1b[0m" in coloured
    assert bare == unstyled(coloured)
    assert bare.splitlines() == [unstyled(each) for each in text_of(listed, ADA, in_detail=False)]


def test_a_very_long_folder_takes_no_time() -> None:
    """Whoever asks chose it, and the daemon, which serves others meanwhile, writes the text."""
    long = replace(ONE, last_asked_in="/\N{CJK UNIFIED IDEOGRAPH-6F22}" * 200_000)
    row = shown(StatusList(now=1.0, pid=1, credentials=[long]), 80)[1]

    assert width_of(row) <= 80


def test_a_token_that_is_probably_refused_is_said() -> None:
    """Below the table and below the detail, with the command; the token is there all the same."""
    doubt = Failure(kind="provider-refused", message="it is: do that", recovery="fix-configuration")
    one = CredentialStatus(name="a", state="suspect", token_id="t", grant="g", doubt=doubt)
    listed = StatusList(now=1.0, pid=1, credentials=[one])

    assert [*problems(listed, ADA)] == ["it is: do that"]
    assert [*text_of(listed, ADA, in_detail=True)][-1] == "it is: do that"


def test_a_login_that_failed_is_shown_in_the_detail() -> None:
    """When, of which kind, and in the words of that login."""
    failure = Failure(kind="timed-out", message="nobody came", recovery="retry")
    one = CredentialStatus(name="a", state="parked", grant="g")
    grant = GrantStatus(
        name="g", state="needs-login", credentials=["a"], login_failure=failure, login_failed_at=1.0
    )
    listed = StatusList(now=181.0, pid=1, credentials=[one], grants=[grant])

    assert "last login:     failed 3m00s ago (timed-out): nobody came" in [
        *text_of(listed, ADA, in_detail=True)
    ]


def test_a_denial_is_said_below_the_table_until_somebody_is_served() -> None:
    """Then only in the detail: to whom, where, by which rule, when, and what tells more."""
    one = replace(
        replace(ONE, denied_at=70.0, denied_to="codex", denied_in="/h/ada/x"),
        denied_by="base-url",
        denied_because='"gateway" is for a only',
    )
    words = 'to codex in ~/x (base-url), 30s ago: "gateway" is for a only'
    newer = StatusList(
        now=100.0, pid=1, credentials=[replace(one, denied_at=90.0, denied_last=True)]
    )
    never = replace(one, denied_in=None, denied_by=None, denied_last=True)
    never = replace(never, denied_because=None)

    assert [*problems(StatusList(now=100.0, pid=1, credentials=[one]), ADA)] == []
    assert f"last denied:    {words}" in [
        *text_of(StatusList(now=100.0, pid=1, credentials=[one]), ADA, in_detail=True)
    ]
    assert [*problems(newer, ADA)] == [f'"gateway" was last denied {words.replace("30s", "10s")}']
    assert [*problems(StatusList(now=100.0, pid=1, credentials=[never]), ADA)] == [
        '"gateway" was last denied to codex, 30s ago: run credward audit tail gateway'
    ]


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (Failure(kind="login-required", message="m", recovery="reauthorize"), "needs-login"),
        (Failure(kind="fix-configuration", message="m", recovery="x"), "needs-you"),
        (None, "needs-you"),
    ],
)
def test_people_read_what_is_needed(failure: Failure | None, word: str) -> None:
    """The word of programs for it, `parked`, says nothing about that."""
    one = CredentialStatus(name="a", state="parked", failure=failure)
    listed = StatusList(now=1.0, pid=1, credentials=[one])

    assert shown(listed, 80)[1].split()[:2] == ["a", word]


def test_a_file_that_was_edited_is_said() -> None:
    """Whoever corrected it would wonder why nothing changes."""
    listed = StatusList(now=1.0, pid=1, credentials=[ONE], edited=["/c.toml"])

    assert list(problems(listed, ADA)) == [
        "/c.toml was edited after the daemon read it: run credward daemon reload"
    ]


def test_files_are_a_line_each_with_what_helps() -> None:
    """A failure that is said of the credential already is not said again."""
    down = Failure(kind="provider-unreachable", message="down, wait", recovery="retry")
    foreign = Failure(kind="fix-configuration", message="move it away", recovery="x")
    listed = StatusList(
        now=100.0,
        pid=1,
        credentials=[CredentialStatus(name="gateway", state="stale", failure=down)],
        sinks=[
            SinkStatus(
                path="/h/ada/token",
                format="token",
                credential="gateway",
                state="stale",
                expires_at=3700.0,
                failure=down,
            ),
            SinkStatus(
                path="/h/ada/.aws/credentials",
                profile="agent",
                format="aws-credentials",
                credential="gateway",
                state="empty",
                failure=foreign,
            ),
            SinkStatus(path="/other", format="token", credential="other", state="fresh"),
        ],
    )
    rows = [unstyled(line).split() for line in files(listed, ADA)]

    assert rows == [
        ["FILE", "CREDENTIAL", "FORMAT", "STATE", "EXPIRES"],
        ["~/token", "gateway", "token", "stale", "1h00m"],
        ["~/.aws/credentials", "[agent]", "gateway", "aws-credentials", "empty", "-"],
    ]
    assert list(problems(listed, ADA)) == [
        "down, wait",
        "~/.aws/credentials [agent]: move it away",
    ]
    assert "FILE" in page(listed, ADA, coloured=False)
