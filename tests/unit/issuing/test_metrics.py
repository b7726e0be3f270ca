"""What a scrape shows."""

import subprocess
import sys
from pathlib import Path

from credward.issuing.metrics import Metrics, Sample


def test_a_scrape_shows_counters_and_gauges_with_their_labels() -> None:
    """Names begin with credward_, counters end in _total, labels are those that were counted."""
    metrics = Metrics()
    metrics.answered("token", "issued")
    metrics.answered("token", "issued")
    metrics.answered("json", "denied")
    text = metrics.render(
        [
            Sample(name="workers", help="Live workers", value=2.0),
            Sample(name="credentials", help="By state", value=1.0, labels=(("state", "fresh"),)),
            Sample(name="credentials", help="By state", value=3.0, labels=(("state", "empty"),)),
        ]
    )

    lines = text.splitlines()
    assert 'credward_answers_total{format="token",outcome="issued"} 2.0' in lines
    assert 'credward_answers_total{format="json",outcome="denied"} 1.0' in lines
    assert "credward_workers 2.0" in lines
    assert 'credward_credentials{state="empty"} 3.0' in lines
    assert lines.count("# TYPE credward_credentials gauge") == 1


def test_a_daemon_that_nobody_scrapes_never_loads_the_client_library() -> None:
    """Importing and counting costs no prometheus_client."""
    program = (
        "import sys; from credward.issuing.metrics import Metrics; Metrics().answered('token', 'x');"
        "sys.exit('prometheus_client' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "broker")},
        timeout=20,
    )

    assert done.returncode == 0
