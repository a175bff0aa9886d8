"""Work done for several callers at once, by whichever of them comes first.

Making things durable costs the same for one file as for ten, so callers that finish at about the same time share it:
the first to get its turn works for all who wait, and each gets its own result or error.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")


class Ticket(Generic[Request, Result]):
    """One caller's request; the work sets either ``result`` or ``error``."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.done = False


class Committer(Generic[Request, Result]):
    """Hands all tickets that wait to ``work``, one batch at a time; there are never more than threads."""

    def __init__(self, work: Callable[[Sequence[Ticket[Request, Result]]], None]) -> None:
        self._work = work
        self._turn = threading.Lock()
        self._waiting: list[Ticket[Request, Result]] = []
        self._door = threading.Lock()

    def submit(self, request: Request) -> Result:
        """Wait until the request has been worked on.  Raises what went wrong with it, or with its whole batch."""
        ticket: Ticket[Request, Result] = Ticket(request)
        with self._door:
            self._waiting.append(ticket)
        with self._turn:
            if not ticket.done:
                self._serve()
        if ticket.error is not None:
            raise ticket.error
        assert ticket.result is not None
        return ticket.result

    def _serve(self) -> None:
        with self._door:
            batch, self._waiting = self._waiting, []
        try:
            self._work(batch)
        except BaseException as error:
            for ticket in batch:
                ticket.error = ticket.error or error
            raise
        finally:
            for ticket in batch:
                ticket.done = True
