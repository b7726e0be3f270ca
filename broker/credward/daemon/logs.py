"""The daemon's own log: JSON lines to a file, plain ones on a terminal, secrets masked.

`audit` records requests and answers.
"""

from __future__ import annotations

import logging
import os
import sys
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind
from credward.masking import masked_members
from credward.named_files import open_file

__all__ = ["configure_logging"]


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            # The first line of defence is `Secret`, which cannot be printed. This is for what a
            # foreign library might print.
            "message": masked_members(record.getMessage()),
        }
        if record.exc_info:
            line["exception"] = masked_members(self.formatException(record.exc_info))
        return msgspec.json.encode(line).decode()


class _File(logging.FileHandler):
    def _open(self) -> TextIOWrapper:
        descriptor = open_file(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return os.fdopen(descriptor, "a", encoding="utf-8")


class _PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked_members(super().format(record))


def configure_logging(level: str, path: Path | None) -> None:
    """Send the log to *path* (0600, appended), else to stderr. *level* is a name such as `info`."""
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise BrokerError(
            Kind.BAD_REQUEST, f'"{level}" is not a log level: use debug, info, warning or error'
        )
    handler: logging.Handler
    if path is None:
        handler = logging.StreamHandler()
    else:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handler = _File(path)
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'log file "{path}" cannot be written ({error.strerror}): '
                "name another with credward serve --log-file",
            ) from error
    if path is None and sys.stderr.isatty():
        handler.setFormatter(_PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
    else:
        handler.setFormatter(_JsonFormatter())
    logging.basicConfig(level=number, handlers=[handler], force=True)
    # At debug level asyncio logs what it does with descriptors; nobody needs that here.
    logging.getLogger("asyncio").setLevel(max(number, logging.INFO))
