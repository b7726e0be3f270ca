"""Where CREDWARD_URL may lead; tests/transcripts/helper_endpoint.txt shows that the helper has the same rules."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from credward import remote
from credward.doors import http_api
from credward.errors import BrokerError, Kind
from credward.remote import _AROUND, Endpoint, bearer, connect, named_endpoint

TOKEN = f"credward_{'x' * 43}"
FILE = {"CREDWARD_TOKEN_FILE": "/run/credward/token"}


def forever() -> float:
    return 60.0


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://127.0.0.1:9911", "127.0.0.1"),
        ("http://localhost:9911/", "localhost"),
        ("http://[::1]:9911", "[::1]"),
        ("http://host.docker.internal:9911", "host.docker.internal"),
    ],
)
def test_names_of_this_machine_are_followed(url: str, host: str) -> None:
    found = named_endpoint({"CREDWARD_URL": url, **FILE})
    assert found == Endpoint(host=host, port=9911, token_file="/run/credward/token")
    assert found.authority == f"{host}:9911"


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1:9911", "http://127.0.0.1", "http://127.0.0.1:", "http://127.0.0.1:0"),
        *("http://127.0.0.1:65536", "http://127.0.0.1:9911/path", "http://127.0.0.1:9911?x"),
        *("http://attacker.example:9911", "http://127.0.0.1.attacker.example:9911"),
        *("http://127.0.0.1:9911@attacker.example:1", "http://user@127.0.0.1:9911"),
        *("http://127.0.0.1:9911\n", " http://127.0.0.1:9911", "HTTP://127.0.0.1:9911"),
        *("http://0.0.0.0:9911", "http://127.0.0.1:٩٩١١", "127.0.0.1:9911"),
    ],
)
def test_s1_no_other_machine_is(url: str) -> None:
    with pytest.raises(BrokerError) as caught:
        named_endpoint({"CREDWARD_URL": url, **FILE})
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    # A URL may hold a password.
    assert "attacker" not in caught.value.message
    assert "user@" not in caught.value.message


@pytest.mark.parametrize(
    "environ",
    [{}, {"CREDWARD_URL": ""}, {"CREDWARD_URL": "x", "CREDWARD_SOCKET": "/run/s"}],
    ids=["unset", "empty", "a socket is named"],
)
def test_without_it_nothing_is_followed(environ: dict[str, str]) -> None:
    assert named_endpoint(environ) is None


def test_it_needs_a_token_file() -> None:
    with pytest.raises(BrokerError, match="CREDWARD_TOKEN_FILE is not"):
        named_endpoint({"CREDWARD_URL": "http://127.0.0.1:9911"})


def endpoint(file: Path, port: int = 9911) -> Endpoint:
    return Endpoint(host="127.0.0.1", port=port, token_file=str(file))


@pytest.mark.parametrize("text", [TOKEN, f"{TOKEN}\n"])
def test_the_token_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    assert bearer(endpoint(tmp_path / "token")).reveal() == TOKEN


@pytest.mark.parametrize("text", ["", "x" * 43, TOKEN + "x", f"{TOKEN}\nmore", "ssh-key"])
def test_s1_no_other_file_is_sent(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text)
    with pytest.raises(BrokerError, match="is not the token of an endpoint") as caught:
        bearer(endpoint(tmp_path / "token"))
    assert not text or text not in caught.value.message


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"cannot be read \(No such file or directory\)"):
        bearer(endpoint(tmp_path / "token"))


def test_connects_where_somebody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect(endpoint(tmp_path, port), forever).close()
    with pytest.raises(BrokerError, match="which CREDWARD_URL names") as caught:
        connect(endpoint(tmp_path, port), forever)
    assert caught.value.kind is Kind.NOT_RUNNING


@pytest.mark.parametrize(
    ("address", "near"),
    [
        *(("192.168.65.254", True), ("172.17.0.1", True), ("10.0.2.2", True)),
        *(("169.254.1.2", True), ("fe80::1%eth0", True), ("fd00::1", True)),
        *(("203.0.113.5", False), ("8.8.8.8", False), ("172.32.0.1", False)),
        *(("2001:4860:4860::8888", False), ("0.0.0.0", False), ("nonsense", False)),
    ],
)
def test_s1_what_answers_for_a_name_is_followed_only_if_it_is_near(
    monkeypatch: pytest.MonkeyPatch, address: str, near: bool
) -> None:
    """Somebody else may answer, and a variable may add to the name that is asked for."""
    asked = []

    def look_up(name: str, *_: object, **__: object) -> list[object]:
        asked.append(name)
        return [(0, 0, 0, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    where = Endpoint(host="host.lima.internal", port=1, token_file="")
    assert list(remote._addresses(where)) == ([address] if near else [])
    assert asked == ["host.lima.internal."]


def test_the_file_of_names_counts_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As container runtimes write it."""
    names = tmp_path / "hosts"
    names.write_text(
        "# host.docker.internal\n127.0.0.1 localhost\n"
        "192.168.65.254\thost.docker.internal gateway # 10.0.0.1\n"
    )
    monkeypatch.setattr(remote, "_NAMES_HERE", str(names))
    where = Endpoint(host="host.docker.internal", port=1, token_file="")
    assert list(remote._addresses(where)) == ["192.168.65.254"]


def test_the_door_answers_to_the_names_that_clients_follow() -> None:
    """Loopback has every endpoint."""
    assert tuple(http_api.HttpApi.names) == _AROUND
