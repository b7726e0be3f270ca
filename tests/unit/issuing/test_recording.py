"""What an audit line says."""

import json
from pathlib import Path

from credward.audit import AuditLog
from credward.callers.caller import Caller, Executable, Process
from credward.config import CredentialConfig
from credward.errors import Kind
from credward.issuing.authorized import Authorized
from credward.issuing.recording import Recorder
from credward.settings.local import Settings
from credward.tokens import TokenRequest
from fakes.clock import FakeClock

CALLER = Caller(
    uid=1000,
    gid=1000,
    pid=42,
    handle="peerpidfd",
    executable=Executable(path="/usr/bin/curl"),
    agent=Process(pid=41, start_time=5, name="claude"),
    harness="claude",
)


def authorized() -> Authorized:
    return Authorized(
        request_id="7",
        action="Issue",
        caller=CALLER,
        token_request=TokenRequest(credential="gateway", format="json"),
        credential=CredentialConfig(
            name="gateway", provider="local", settings=Settings(), epoch="e", grant="gateway"
        ),
        rules=("owner-may-use", "also"),
    )


def test_each_outcome_is_one_line_with_all_that_is_known(tmp_path: Path) -> None:
    """Issued, refreshed, rejected, failed, denied; absent facts are absent."""
    log = AuditLog(tmp_path / "audit.log")
    recorder = Recorder(clock=FakeClock(1_800_000_000.25), audit=log)
    assert recorder.release(authorized(), "hash", "jti") is None
    recorder.refreshed(authorized(), "hash2", None)
    recorder.rejected(authorized(), "hash2", "quota")
    recorder.failed(authorized(), Kind.TIMED_OUT)
    recorder.denied("Manage", "*", "-", CALLER, "no-manage-under-harness")
    lines = [json.loads(line) for line in (tmp_path / "audit.log").read_text().splitlines()]

    assert [line["outcome"] for line in lines] == [
        "issued",
        "refreshed",
        "rejected",
        "failed",
        "denied",
    ]
    assert lines[0] == {
        "time": 1_800_000_000.25,
        "action": "Issue",
        "credential": "gateway",
        "format": "json",
        "outcome": "issued",
        "caller": {
            "uid": 1000,
            "pid": 42,
            "executable": "/usr/bin/curl",
            "agent": "claude",
            "agent_pid": 41,
            "harness": "claude",
            "handle": "peerpidfd",
        },
        "rule": "owner-may-use",
        "token_id": "hash",
        "upstream_id": "jti",
        "request_id": "7",
    }
    assert (lines[2]["kind"], lines[3]["kind"]) == ("quota", "timed-out")
    assert lines[4]["rule"] == "no-manage-under-harness"
