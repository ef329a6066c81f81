"""The command `target-upwell` in this process, as if it had one of its own.

A process costs more than a second to start; a call costs a hundredth. What the command
changes in a process (environment, streams, log, signal handlers, warnings) is what it
was before when the call has ended.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import warnings

from target_upwell import cli

DEADLINE_S = 20
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def call_command(arguments, given, env):
    """Call the command; returns exit code, standard output and standard error.

    Args:
        arguments: The arguments.
        given: What stands on its standard input, as bytes.
        env: Its environment.
    """
    with contextlib.ExitStack() as stack:
        for restored in (_environment(env), _log(), _process(), _threads()):
            stack.enter_context(restored)
        stack.enter_context(_input(given))
        out = stack.enter_context(_stream("stdout"))
        err = stack.enter_context(_stream("stderr"))
        stack.enter_context(_replaced("argv", ["target-upwell", *arguments]))
        code = _exit_code()
        return code, _content(out), _content(err)


def _exit_code():
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code or 0
    return 0


@contextlib.contextmanager
def _replaced(name, value):
    before = getattr(sys, name)
    setattr(sys, name, value)
    try:
        yield value
    finally:
        setattr(sys, name, before)


@contextlib.contextmanager
def _input(given):
    """Put it into a pipe, as a tap does, and have it read from standard input."""
    reading, writing = os.pipe()

    def write():
        # A command that ends early leaves the rest unread.
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
            pipe.write(given)

    writer = threading.Thread(target=write, name="input")
    writer.start()
    try:
        with os.fdopen(reading) as pipe, _replaced("stdin", pipe):
            yield
    finally:
        writer.join()


@contextlib.contextmanager
def _stream(name):
    """Replace a standard stream by a file: what is written has a descriptor."""
    with tempfile.TemporaryFile() as file:
        stream = io.TextIOWrapper(file, encoding="utf-8", write_through=True)
        with _replaced(name, stream):
            yield stream


def _content(stream):
    stream.flush()
    stream.buffer.seek(0)
    return stream.buffer.read().decode()


@contextlib.contextmanager
def _environment(env):
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(env)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _log():
    """Leave the log as it was, without the handlers that pytest has put there."""
    known = logging.root.manager.loggerDict.values()
    loggers = [logging.root, *(one for one in known if isinstance(one, logging.Logger))]
    before = [(one, one.level, one.handlers[:]) for one in loggers]
    logging.root.handlers[:] = []
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        for one, level, handlers in before:
            one.setLevel(level)
            one.handlers[:] = handlers


@contextlib.contextmanager
def _process():
    """Leave alone what a process has once."""
    handlers = {signum: signal.getsignal(signum) for signum in _SIGNALS}
    hook = sys.excepthook
    with warnings.catch_warnings():
        # A process of its own would not turn them into errors.
        warnings.resetwarnings()
        warnings.simplefilter("default")
        try:
            yield
        finally:
            for signum, handler in handlers.items():
                signal.signal(signum, handler)
            sys.excepthook = hook


@contextlib.contextmanager
def _threads():
    """Check that no thread of the run is left; a process would take it along."""
    before = set(threading.enumerate())
    try:
        yield
    finally:
        deadline = time.monotonic() + DEADLINE_S
        # A worker that was told to end may have its last lines to go.
        for thread in {*threading.enumerate()} - before:
            if _module(thread).startswith("target_upwell."):
                thread.join(deadline - time.monotonic())
                assert not thread.is_alive(), _stack(thread)


def _module(thread):
    """Return whose thread it is; a test's own server has some, too."""
    return getattr(getattr(thread, "_target", None), "__module__", "")


def _stack(thread):
    """Return what a thread does."""
    frame = sys._current_frames().get(thread.ident)
    stack = "".join(traceback.format_stack(frame))
    return f"{thread.name} goes on after the run:\n{stack}"
