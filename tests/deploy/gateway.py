"""The simulated WhatsApp gateway, by its control API."""
from __future__ import annotations

import json
import re
import urllib.parse
import urllib.request
from typing import Any

from processes import eventually

TOKEN = "system-session-token"
SESSION = "system"
SECOND_SESSION, SECOND_TOKEN = "session-2", "session-2-session-token"


class Gateway:
    """The simulator at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Calls the control API."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/sim{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def session_is(self, state: str) -> None:
        """Puts the session into a state."""
        self.ask("POST", f"/session/{SESSION}", {"state": state})

    def sends_take(self, milliseconds: int) -> None:
        """Says how long the gateway works on a message."""
        self.ask("POST", "/faults", {"send_ms": milliseconds})

    def calls(self, path: str) -> list[dict[str, Any]]:
        """The calls of one path."""
        return [call for call in self.ask("GET", "/calls")["calls"] if call["path"] == path]

    def texts(self, phone: str | None = None) -> list[str]:
        """What a phone received, or every phone; the oldest first."""
        query = "" if phone is None else f"?phone={urllib.parse.quote(phone)}"
        return [message["text"] for message in self.ask("GET", f"/messages{query}")["messages"]]

    def codes(self, phone: str | None = None) -> list[str]:
        """The codes that a phone received, or every phone; the oldest first."""
        return [code for text in self.texts(phone) for code in re.findall(r"\b\d{6}\b", text)]

    def next_code(self, phone: str, known: int) -> str:
        """The code that comes after the first `known` ones."""
        codes = eventually(f"a code for {phone}", lambda: self.codes(phone)[known:], 30)
        return codes[0]
