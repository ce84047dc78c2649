"""Requests to stop are noted, or taken at once, and the handlers before them come back."""

import signal
import threading

import pytest

from pancreas_ssl.signals import StopKey, handling, interrupt


def test_the_same_signal_twice_stops_at_once_and_another_does_not():
    with StopKey() as stop:
        assert not stop.pressed
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # what a launcher sends after a Ctrl-C
        assert stop.pressed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_handlers_nest_and_come_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with StopKey() as stop:
        with handling(signal.SIG_IGN, signal.SIGINT):
            signal.raise_signal(signal.SIGINT)
        assert not stop.pressed
        with pytest.raises(KeyboardInterrupt), handling(interrupt, signal.SIGTERM):
            signal.raise_signal(signal.SIGTERM)
        assert not stop.pressed
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_outside_the_main_thread_nothing_is_caught():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def elsewhere():
        with StopKey() as stop:
            seen.append((signal.getsignal(signal.SIGTERM), stop.pressed))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [(before, False)]
