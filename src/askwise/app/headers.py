"""Requests whose headers are large: cookies of all that runs on this host come along with each."""

from __future__ import annotations

from askwise.app.slow import Patient

MOST_HEADERS = 1 << 20
"""Bytes of a request's headers: a browser keeps about 180 cookies of 4 kB for a host, whatever the port."""
TOO_LARGE = (
    f"This request cannot be read. If its headers are over {MOST_HEADERS:,} bytes: other programs on this host have "
    "set very many cookies. Delete the cookies of this site in the browser, or use a private window."
)


class Roomy(Patient):
    """HTTP/1.1 with limits of time; a request that cannot be read is told what may be the matter."""

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be read."""
        super().send_400_response(TOO_LARGE if msg.startswith("Invalid HTTP") else msg)
