"""What the website answers when it refuses: a status and one line that says what to do."""

from typing import Optional

from emomask.errors import EmomaskError


class Refusal(EmomaskError):
    """A request is answered with ``status``; ``retry_after``: seconds after which another try may succeed."""

    def __init__(self, status: int, reason: str, retry_after: Optional[int] = None):
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after
