"""Whom a webhook believes: who signs the body with its secret, or who sends the secret itself.

The secret is a variable of the environment, named in the file. One that is not set closes the webhook: a door
whose lock is missing is not an open door. What was sent is compared in constant time, and all that is wrong
with it, whether nothing came or nearly the right thing, is told in the same words.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping

from callboard import logs
from callboard.errors import Unauthenticated, WebhookClosed
from callboard.planning.plan import PlannedTrigger

SIGNATURE = "x-hub-signature-256"
SCHEME = "sha256="
DELIVERIES = ("callboard-delivery", "idempotency-key", "x-github-delivery")
"""Headers that name a delivery, in the order in which they are believed."""
LONGEST_DELIVERY = 200


def check_sender(planned: PlannedTrigger, headers: Mapping[str, str], body: bytes) -> None:
    """Refuse who does not know the secret; `headers` are by small letters."""
    if planned.hmac is not None:
        secret = _secret(planned.hmac)
        expected = SCHEME + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        given = headers.get(SIGNATURE, "")
        _compare(given, expected, f"Sign the body with HMAC-SHA256 and send `{_shown(SIGNATURE)}: sha256=…`.")
    elif planned.bearer is not None:
        secret = _secret(planned.bearer)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = ""
        _compare(given.strip(), secret, "Send the webhook's secret as `Authorization: Bearer …`.")


def _secret(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise WebhookClosed(
            f"This webhook is closed until its secret is set: start the server with the variable {name}."
        )
    logs.keep_secret(value)
    return value


def _compare(given: str, expected: str, how: str) -> None:
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace")):
        raise Unauthenticated(f"This webhook does not know you. {how}")


def _shown(header: str) -> str:
    return "-".join(part.capitalize() for part in header.split("-"))
