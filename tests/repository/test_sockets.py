"""Who listens and who dials: a short list of files, so that reading them is the audit."""

from __future__ import annotations

import ast

from repository.tree import BROKER, modules

LISTENING = {"bind", "listen", "create_server", "create_unix_server", "start_server", "HTTPServer"}
DIALLING = {"connect", "create_connection", "open_connection", "create_unix_connection", "urlopen"}

LISTENERS = {
    "providers/login_io.py": "the redirect of a login, on loopback, in a login worker",
    "http/accepting.py": "what each door has opened",
    "doors/endpoint.py": "endpoints of the configuration, on loopback",
    "doors/unix_api/listen.py": "the Unix socket of the daemon",
}
DIALLERS = {
    "client.py": "the Unix socket of the daemon, from the command line",
    "remote.py": "an endpoint of the daemon on loopback, which CREDWARD_URL names",
    "starting/start.py": "the same, to see whether there is one",
    "trust.py": "the Unix socket of the daemon, once it is trusted",
    "workers/worker.py": "the daemon's end of a socketpair",
}


def users_of(names: set[str]) -> set[str]:
    """Return the modules that call a function or method of one of these names."""
    return {
        str(path.relative_to(BROKER))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", None)) in names
    }


def test_only_the_listed_files_listen() -> None:
    """Beside the daemon's own socket there is the redirect of a login, and nothing else."""
    assert users_of(LISTENING) == set(LISTENERS)


def test_only_the_listed_files_dial_by_themselves() -> None:
    """What goes out goes through urllib3, which only providers import."""
    assert users_of(DIALLING) == set(DIALLERS)


def test_the_one_transport_is_in_the_workers() -> None:
    """No module but those of the providers names urllib3 or requests, or what speaks to an agent of SPIFFE."""
    importers = {
        str(path.relative_to(BROKER))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name.partition(".")[0] in {"urllib3", "requests", "httpx", "aiohttp", "grpc", "spiffe"}
    }

    assert {name for name in importers if not name.startswith("providers/")} == set()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
