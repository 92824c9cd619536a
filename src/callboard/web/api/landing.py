"""The page at `/`: for a person who opened the address in a browser and wonders what this is.

One self-contained document, light and dark, without a script. The policy it is sent with allows its own style
and nothing else, so that even a value that escaped escaping could load and run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from callboard.web import wire

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #5b6577; --paper: #f6f4ef; --card: #fff;
  --line: #e2ded4; --good: #1f7a4d; --bad: #b3402a; --accent: #8a4b12 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --soft: #9aa3b2; --paper: #14171d;
  --card: #1c2129; --line: #2d3440; --good: #5fc993; --bad: #f0896f; --accent: #e3a765 } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 2rem 1rem;
  background: var(--paper); color: var(--ink); font: 16px/1.6 system-ui, sans-serif }
main { width: min(42rem, 100%); background: var(--card); border: 1px solid var(--line); border-radius: 14px;
  padding: 2.2rem 2.4rem; box-shadow: 0 10px 40px rgb(0 0 0 / .06) }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -.02em }
h2 { margin: 1.8rem 0 .4rem; font-size: .8rem; letter-spacing: .08em; text-transform: uppercase;
  color: var(--soft) }
p { margin: .3rem 0 }
.state { display: inline-flex; align-items: center; gap: .5rem; margin-top: .9rem; font-weight: 600;
  color: var(--good) }
.state::before { content: ""; width: .65rem; height: .65rem; border-radius: 50%; background: currentColor }
.state.bad { color: var(--bad) }
.soft { color: var(--soft) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 0 }
dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
a { color: var(--accent) }
code { font: .92em ui-monospace, monospace }
"""

_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

_PLACES = (
    (f"{wire.API}/health", "health: how the server is, and where its log stands"),
    (f"{wire.API}/health/ready", "readiness, for probes"),
    (f"{wire.API}/openapi.json", "the HTTP API, as OpenAPI 3.1"),
)
_WORDS = (
    ("callboard doctor", "is everything as it must be?"),
    ("callboard log", "what happened, in order"),
    ("callboard backup FILE", "a checked copy, while running"),
    ("callboard --help", "all words"),
)


def page(health: wire.Health) -> str:
    """Return the page as HTML."""
    state = "Up and ready" if health.ready else f"Up, not ready: {health.reason or health.status}"
    facts = (
        ("Version", health.version),
        ("Log", f"at position {health.head}"),
        ("Since", f"{health.started_at:%Y-%m-%d %H:%M:%S} UTC"),
    )
    known = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    places = "".join(
        f'<dt><a href="{escape(path)}">{escape(path)}</a></dt><dd>{escape(what)}</dd>'
        for path, what in _PLACES
    )
    words = "".join(f"<dt><code>{escape(word)}</code></dt><dd>{escape(what)}</dd>" for word, what in _WORDS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Callboard</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>Callboard</h1>"
        '<p class="soft">Bots that talk and workflows that run, with one durable log under both.</p>'
        f'<p class="state{"" if health.ready else " bad"}">{escape(state)}</p>'
        f"<h2>This server</h2><dl>{known}</dl><h2>Look here</h2><dl>{places}</dl>"
        f"<h2>In a terminal</h2><dl>{words}</dl></main></body></html>"
    )
