"""The real command in its own process, fed and watched while it runs."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading

from target_command import COMMAND, Result, encoded, environment

DEADLINE_S = 60


class Lines:
    """The lines of a pipe, read by a thread of its own."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._changed = threading.Condition()
        self._lines = []
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, wanted):
        """Wait until the lines are as wanted; what `wanted` gave for them."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: wanted(self._lines) or self._ended, DEADLINE_S
            )
            found = wanted(self._lines)
            if not found:
                raise TimeoutError(f"it never came; there were {self._lines[-5:]}")
            return found

    def now(self):
        """The lines up to now."""
        with self._changed:
            return list(self._lines)

    def all(self):
        """The lines, once the pipe has ended."""
        self._thread.join(DEADLINE_S)
        assert self._ended, "the pipe did not end"
        return list(self._lines)

    def _read(self):
        with self._pipe:
            for line in self._pipe:
                # A process that was killed may leave half a line: it counts as none.
                if line.endswith(b"\n"):
                    with self._changed:
                        self._lines.append(line.decode())
                        self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class RunningTarget:
    """A run of `target-upwell`; leaving the `with` block kills it.

    Args:
        sandbox: The sandbox that it loads into.
        patch: Python to run in the process before the command.
        settings: Settings, by their names.
    """

    def __init__(self, sandbox, *, patch="", **settings):
        command = [COMMAND]
        if patch:
            code = f"{patch}\nfrom target_upwell.cli import command; command()"
            command = [sys.executable, "-c", code]
        self.process = subprocess.Popen(
            [*command, "--config=ENV"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(sandbox, **settings),
        )
        self._out = Lines(self.process.stdout)
        self._err = Lines(self.process.stderr)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(DEADLINE_S)
        self.close_stdin()
        self._out.all()
        self._err.all()

    def send(self, *messages):
        """Write messages to its standard input."""
        self.process.stdin.write(encoded(messages))
        self.process.stdin.flush()

    def close_stdin(self):
        """End its input."""
        # What is still in the buffer of a dead process is for nobody.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def wait_states(self, count=1):
        """Wait for so many STATE lines; the lines so far, to the letter."""
        return self._out.wait_for(lambda lines: lines[:] if len(lines) >= count else [])

    def wait_log(self, words):
        """Wait for a line of the log."""
        self._err.wait_for(lambda lines: any(words in line for line in lines))

    def states(self):
        """The values of STATE so far."""
        return [json.loads(line) for line in self._out.now()]

    def terminate(self, signum=signal.SIGTERM):
        """Send a signal."""
        self.process.send_signal(signum)

    def wait(self):
        """Wait for its end; how it ended."""
        code = self.process.wait(DEADLINE_S)
        return Result(code, "".join(self._out.all()), "".join(self._err.all()))
