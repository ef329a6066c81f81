"""A sandbox for tests: the real command in its own process, on a free port."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import requests

API_KEY = "sandbox-key"
_DEADLINE_S = 20


def _session():
    session = requests.Session()
    # Neither a proxy nor ~/.netrc has a say in what reaches the sandbox.
    session.trust_env = False
    return session


class Sandbox:
    """A running `upwell-sandbox`; leaving the `with` block stops it.

    Args:
        options: Options of the command, `"--search-cap", "5"`.
    """

    def __init__(self, *options: str, api_key: str = API_KEY):
        self.api_key = api_key
        command = [sys.executable, "-m", "target_upwell.sandbox", "serve"]
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--api-key", api_key, *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline()
        if not line:
            self.stop()
            raise RuntimeError(f"upwell-sandbox ended with {self.process.returncode}")
        self.url = line.split()[-1]
        self.root = self.url.removesuffix("/api/rest")
        self._session = _session()
        self._background = ThreadPoolExecutor(max_workers=32)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Stop the command, and return its exit code."""
        if hasattr(self, "_session"):
            self._session.close()
        self.process.terminate()
        try:
            code = self.process.wait(_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process.stdout.close()
        if hasattr(self, "_background"):
            self._background.shutdown()
        return code

    def env(self, source_system="TMSEZ", **settings):
        """The environment of a target that loads into this sandbox.

        Settings of target-upwell in the tests' own environment are left out.
        """
        others = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TARGET_UPWELL_")
        }
        settings = {
            "api_url": self.url,
            "api_key": self.api_key,
            "source_system": source_system,
            **settings,
        }
        return others | {
            f"TARGET_UPWELL_{name.upper()}": str(value)
            for name, value in settings.items()
        }

    def call(self, method, path, json=None, *, key=None, **kwargs):
        """Ask the API; the response as `requests` gives it."""
        headers = {"Authorization": self.api_key if key is None else key}
        return self._session.request(
            method,
            f"{self.url}{path}",
            json=json,
            headers=headers | kwargs.pop("headers", {}),
            timeout=_DEADLINE_S,
            **kwargs,
        )

    def send_in_background(self, method, path, json=None):
        """Ask the API from a thread of its own; the answer is its `result()`."""
        return self._background.submit(self._call_alone, method, path, json)

    def _call_alone(self, method, path, json):
        # A session serves one thread at a time.
        with _session() as session:
            return session.request(
                method,
                f"{self.url}{path}",
                json=json,
                headers={"Authorization": self.api_key},
                timeout=_DEADLINE_S,
            )

    def control(self, method, path, json=None):
        """Ask the sandbox itself; the answer's JSON, or None if there is none."""
        response = self._session.request(
            method, f"{self.root}/_sandbox{path}", json=json, timeout=_DEADLINE_S
        )
        if not response.ok:
            raise AssertionError(f"{response.status_code} {response.text}")
        return response.json() if response.content else None

    def customers(self):
        """All that is stored, by sourceSystemId."""
        return {
            customer["sourceSystemId"]: customer
            for customer in self.control("GET", "/customers")
        }

    def customer(self, source_system, source_system_id):
        """All that is stored of one customer."""
        key = f"{quote(source_system, safe='')}/{quote(source_system_id, safe='')}"
        return self.control("GET", f"/customers/{key}")

    def requests(self):
        """The requests that were answered, in the order they came in."""
        return self.control("GET", "/requests")

    def changes(self):
        """What each request changed, oldest first."""
        return self.control("GET", "/changes")

    def counts(self):
        """What the account holds and what was done to it."""
        return self.control("GET", "/counts")

    def reset(self):
        """Forget the requests and the counts; the customers stay."""
        self.control("DELETE", "/requests")

    def clear(self):
        """Back to the beginning: no customers, log or hold, settings as started."""
        self.control("DELETE", "/hold")
        self.control("DELETE", "/faults")
        self.control("DELETE", "/readings")
        self.control("DELETE", "/customers")
        self.reset()

    def faults(self, **settings):
        """Change the named faults and leave the others as they are."""
        return self.control("PUT", "/faults", settings)

    def readings(self, **settings):
        """Change how the account behaves where the documentation leaves it open."""
        return self.control("PUT", "/readings", settings)

    def hold(self, path="/api/rest/bulk-customers", *, before=True):
        """Make requests to a path wait, before or after they take effect."""
        self.control("PUT", "/hold", {"path": path, "before": before})

    def release(self):
        """Let the requests that wait go on."""
        self.control("DELETE", "/hold")

    def held(self):
        """How many requests wait now."""
        return self.control("GET", "/held")

    def wait_held(self, count=1):
        """Wait until so many requests wait.

        Raises:
            TimeoutError: When they don't come.
        """
        deadline = time.monotonic() + _DEADLINE_S
        while (held := self.held()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{held} requests are held, not {count}")
            time.sleep(0.005)
