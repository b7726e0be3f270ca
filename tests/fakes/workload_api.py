"""A SPIFFE Workload API on a Unix socket, made of the stubs of the package `spiffe`: gives JWT-SVIDs to whoever asks.

What it gives, or refuses with, is decided by the test.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import grpc
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from spiffe._proto import workload_pb2, workload_pb2_grpc

__all__ = ["SPIFFE_ID", "WorkloadApi"]

SPIFFE_ID = "spiffe://example.org/agent"


class WorkloadApi(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    """Serve while the context lasts. *refusal*: the code of all answers; *delay* in seconds."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.claims: dict[str, Any] = {}
        self.give: Callable[[str], list[str]] = lambda audience: [self.sign(audience)]
        self.refusal: grpc.StatusCode | None = None
        self.delay = 0.0
        self.asked: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="cw-", dir="/tmp")
        self.path = Path(self._folder.name) / "agent.sock"
        self.address = f"unix://{self.path}"

    def __enter__(self) -> Self:
        self._server = grpc.server(ThreadPoolExecutor(4))
        workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()
        self._folder.cleanup()

    def sign(self, audience: str, **claims: Any) -> str:
        """Return a JWT-SVID (SPIFFE, JWT-SVID, sections 2 and 3)."""
        said = {"sub": SPIFFE_ID, "aud": [audience], "exp": int(time.time()) + 300}
        return jwt.encode({**said, **self.claims, **claims}, self.key, algorithm="ES256")

    def FetchJWTSVID(self, request: Any, context: Any) -> Any:
        """Answer one request; those without the header of the specification are refused."""
        if ("workload.spiffe.io", "true") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing")
        time.sleep(self.delay)
        self.asked += request.audience
        if self.refusal is not None:
            context.abort(self.refusal, "canary-upstream-body")
        svids = [
            workload_pb2.JWTSVID(spiffe_id=SPIFFE_ID, svid=text)
            for text in self.give(request.audience[0])
        ]
        return workload_pb2.JWTSVIDResponse(svids=svids)
