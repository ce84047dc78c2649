"""Requests to stop (Ctrl-C, a polite `kill`) that wait until the work can be left in a good state."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["StopKey", "handling", "interrupt"]


@contextmanager
def handling(handler: "Callable | signal.Handlers", *numbers: signal.Signals) -> Iterator[None]:
    """While the context is open these signals go to `handler`; outside the main thread, where none can be caught,
    nothing changes."""
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number in numbers if main}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def interrupt(*_) -> None:
    """A handler that takes a signal like Ctrl-C."""
    raise KeyboardInterrupt


class StopKey(ExitStack):
    """While the context is open, Ctrl-C or SIGTERM only sets `pressed`; the same signal again stops at once.

    Both may come for one press: a launcher answers a Ctrl-C, which its processes have received too, with a SIGTERM.

    A step that was interrupted midway would leave half-updated weights, so a training ends its step and writes a
    checkpoint first.

    Example:
        >>> with StopKey() as stop:
        ...     stop.pressed
        False
    """

    def __init__(self):
        super().__init__()
        self._received: set[int] = set()

    @property
    def pressed(self) -> bool:
        """Whether a stop was asked for."""
        return bool(self._received)

    def __enter__(self) -> "StopKey":
        self.enter_context(handling(self._press, signal.SIGINT, signal.SIGTERM))
        return super().__enter__()

    def _press(self, number: int, _frame) -> None:
        if number in self._received:
            raise KeyboardInterrupt
        self._received.add(number)
