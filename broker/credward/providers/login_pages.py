"""The pages that a browser lands on at the end of a login: what became of it, and that it may go.

Words and looks only, from our own text and escaped names; `login_redirect` decides who gets one.
Nothing is loaded and nothing runs: the style is allowed by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping

__all__ = ["done", "failed", "not_here", "stranger"]

_STYLE = """
:root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#1c2024;--soft:#5b6470;
--line:#e1e4e8;--good:#1a7f4b;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--back:#111417;--card:#1a1e23;--text:#e8eaed;
--soft:#a0a8b3;--line:#2c3239;--good:#4fc98a;--bad:#ff8a80}}
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--back);
color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{box-sizing:border-box;width:min(30rem,calc(100vw - 2rem));padding:2rem;
background:var(--card);border:1px solid var(--line);border-radius:12px}
svg{display:block;width:40px;height:40px;fill:none;stroke:var(--good);stroke-width:3;
stroke-linecap:round;stroke-linejoin:round}
.bad svg{stroke:var(--bad)}
h1{margin:.75rem 0 1rem;font-size:1.4rem;line-height:1.25}
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:0 0 1rem}
dt,.by{color:var(--soft)}dd{margin:0;font-weight:600}dd,p{overflow-wrap:anywhere}
p{margin:0 0 .75rem}.by{margin:1.25rem 0 0;font-size:.85rem}
"""
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} - credward</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head>
<body><main class="{look}"><svg viewBox="0 0 40 40" aria-hidden="true">
<circle cx="20" cy="20" r="18"/><path d="{sign}"/></svg>
<h1>{title}</h1>{facts}{text}<p class="by">credward, on this computer</p></main></body></html>
"""
_CHECK, _CROSS = "M12 21l6 6 11-13", "M14 14l12 12M26 14l-12 12"
_HEAD = """HTTP/1.1 {status}\r
Content-Type: text/html; charset=utf-8\r
Content-Length: {length}\r
Content-Security-Policy: default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; \
form-action 'none'; frame-ancestors 'none'\r
X-Content-Type-Options: nosniff\r
Cache-Control: no-store\r
Referrer-Policy: no-referrer\r
Connection: close\r
\r
"""
_CLOSE = "You can close this window"


def done(credential: str, account: str | None) -> bytes:
    """Return the answer to a browser whose login has worked."""
    facts = {"Credential": credential} | ({"Account": account} if account else {})
    text = f"{_CLOSE}. Your terminal goes on by itself."
    return _answer("200 OK", "You are logged in", text, facts=facts)


def failed(credential: str, message: str) -> bytes:
    """Return the answer to a browser whose login has failed; *message* says why, and what helps."""
    kept = f"Nothing was changed: an earlier login stays as it was. {_CLOSE}."
    facts = {"Credential": credential}
    return _answer("200 OK", "You are not logged in", message, kept, facts=facts, good=False)


def stranger() -> bytes:
    """Return the answer to the end of a login that is not the current one; it is told no names."""
    text = f"The current login goes on; look at your terminal. {_CLOSE}."
    return _answer("400 Bad Request", "This is another login", text, good=False)


def not_here(status: str) -> bytes:
    """Return the answer to a visitor that ends no login."""
    return _answer(status, "Nothing here", "This address is only for a login.", good=False)


def _answer(
    status: str, title: str, *texts: str, facts: Mapping[str, str] | None = None, good: bool = True
) -> bytes:
    rows = "".join(
        f"<dt>{name}</dt><dd><bdi>{html.escape(value)}</bdi></dd>"
        for name, value in (facts or {}).items()
    )
    page = _PAGE.format(
        title=html.escape(title),
        style=_STYLE,
        look="good" if good else "bad",
        sign=_CHECK if good else _CROSS,
        facts=f"<dl>{rows}</dl>" if rows else "",
        text="".join(f"<p>{html.escape(each)}</p>" for each in texts),
    ).encode()
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return _HEAD.format(status=status, length=len(page), digest=digest).encode() + page
