"""Where a token may go."""

import pytest

from credward.policy.base_url import check_base_url

HOME = ("https://llm.example.com",)


@pytest.mark.parametrize(
    "claimed",
    [
        "https://llm.example.com",
        "https://LLM.example.com/v1/messages",
        "https://llm.example.com:443",
        "https://llm.example.com.",
    ],
)
def test_the_same_origin_passes(claimed: str) -> None:
    """Scheme, host and port after normalisation; the path does not matter."""
    assert check_base_url(HOME, (), claimed, ()) is None


def test_s11_port_0_is_no_port_and_never_the_default_one() -> None:
    """Neither claimed nor configured: what dials there is refused by the system, or takes another."""
    assert check_base_url(HOME, (), "https://llm.example.com:0", ()) is not None
    assert check_base_url(("https://llm.example.com:0",), (), HOME[0], ()) is not None


@pytest.mark.parametrize(
    "claimed",
    [
        None,
        "",
        "llm.example.com",
        "http://llm.example.com",
        "https://llm.example.com:8443",
        "https://llm.example.com.evil.example",
        "https://llm.example.com@evil.example",
        "https://evil.example/https://llm.example.com",
        "https://evil.example\\@llm.example.com",
        "https://llm.example.com:x",
        "https://llm.example.com:0",
        "https://llm.example.com:00",
        "https://llm.ex\u0430mple.com",
        "https://[::1",
        "file:///llm.example.com",
    ],
)
def test_anything_else_is_denied_with_a_reason(claimed: str | None) -> None:
    """Also nothing said at all."""
    reason = check_base_url(HOME, (), claimed, ())

    assert reason is not None
    assert reason.startswith("is for https://llm.example.com only")


def test_without_configured_hosts_it_may_go_anywhere() -> None:
    """A claim can only deny."""
    assert check_base_url((), (), "https://evil.example", ("tls-off",)) is None


def test_flags_must_be_allowed() -> None:
    """A proxy or switched-off TLS could read along."""
    assert check_base_url(HOME, ("proxy",), HOME[0], ("proxy",)) is None
    reason = check_base_url(HOME, ("proxy",), HOME[0], ("proxy", "tls-off"))

    assert reason is not None
    assert "NODE_TLS_REJECT_UNAUTHORIZED" in reason
    assert 'allow_client_flags = ["proxy", "tls-off"]' in reason


@pytest.mark.parametrize(
    ("claimed", "shown"),
    [
        ("https://api.anthropic.com/v1", "https://api.anthropic.com"),
        ("https://llm.example.com:8443", "https://llm.example.com:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_s15_the_line_says_what_to_type(claimed: str, shown: str) -> None:
    """All hosts that it is for, the one that it is not for, and the option with the first of them."""
    hosts = ("https://a.example.com", "https://b.example.com", "https://c.example.com")
    reason = check_base_url(hosts, (), claimed, ())

    assert reason == (
        "is for https://a.example.com, https://b.example.com and https://c.example.com only, "
        f"not for {shown}: add --base-url https://a.example.com if you send it there"
    )
