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
