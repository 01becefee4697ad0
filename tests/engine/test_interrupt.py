"""Signals to stop: struck at once or at the end of what is deferred; several in a row are one."""

import os
import signal
from collections.abc import Iterator

import pytest

from autotune.engine import interrupt
from autotune.engine.interrupt import Interrupts, Stopped, exit_code

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_strikes_at_once(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt) as stop, Interrupts():
        send(number)
    assert exit_code(stop.value) == 128 + number
    assert signal.getsignal(number) == signal.SIG_DFL


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_deferred_is_done_first(number: signal.Signals) -> None:
    done = []
    with pytest.raises(Stopped) as stop, Interrupts() as interrupts, interrupts.deferred():
        send(number)
        assert interrupts.pending
        done.append(1)
    assert done and stop.value.signal == number


def test_a_second_ctrl_c_strikes_at_once() -> None:
    with pytest.raises(Stopped), Interrupts() as interrupts, interrupts.deferred():
        send(signal.SIGINT)
        send(signal.SIGINT)
        pytest.fail("it waits")


def test_several_signals_in_a_row_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Stopped) as stop, Interrupts() as interrupts:
        with interrupts.deferred():
            send(signal.SIGTERM)
            send(signal.SIGHUP)
            send(signal.SIGTERM)
    assert stop.value.signal == signal.SIGTERM
    monkeypatch.setattr(interrupt, "_SAME", 0.0)
    with pytest.raises(Stopped), Interrupts() as interrupts, interrupts.deferred():
        send(signal.SIGTERM)
        send(signal.SIGTERM)
        pytest.fail("it waits")


def test_what_was_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts() as interrupts:
        send(signal.SIGHUP)
        assert interrupts.pending is None
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_who_catches_ctrl_c_catches_all_of_them() -> None:
    assert exit_code(KeyboardInterrupt()) == 130
    assert isinstance(Stopped(signal.SIGTERM), KeyboardInterrupt)
