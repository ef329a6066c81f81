from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import requests
from sandbox_server import Sandbox

pytestmark = pytest.mark.slow  # each starts a process
COMMAND = [sys.executable, "-m", "target_upwell.sandbox"]
CREATE = """
import json, os, urllib.request
request = urllib.request.Request(
    os.environ["TARGET_UPWELL_API_URL"] + "/bulk-customers",
    json.dumps({"inputs": [{"name": "A"}, {"name": "B"}]}).encode(),
    {"Authorization": os.environ["TARGET_UPWELL_API_KEY"]},
)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open(request).status)
"""


def environment(**more):
    names = ("TARGET_UPWELL_", "UPWELL_SANDBOX_")
    return {k: v for k, v in os.environ.items() if not k.startswith(names)} | more


def run(*arguments, env=None, stdin=""):
    """Run the sandbox's command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        check=False,
        env=environment(**(env or {})),
        input=stdin,
        text=True,
        timeout=60,
    )


def run_python(code, *options, **more):
    return run("run", *options, "--", sys.executable, "-c", code, **more)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serving_ends_cleanly_on_a_signal(number):
    with Sandbox() as sandbox:
        sandbox.process.send_signal(number)
        assert sandbox.process.wait(20) == 0


def test_serving_is_what_happens_without_a_command():
    process = subprocess.Popen(
        [*COMMAND, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    line, page = process.stdout.readline(), process.stdout.readline()
    process.terminate()

    assert line.startswith("upwell-sandbox listening on http://127.0.0.1:")
    assert line.endswith("/api/rest\n")
    assert page.startswith("See what landed: http://127.0.0.1:")
    assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == 0


def test_serving_ends_while_requests_are_held():
    with Sandbox() as sandbox:
        sandbox.hold("/api/rest/customers")
        held = sandbox.send_in_background("GET", "/customers")
        sandbox.wait_held(1)
        assert sandbox.stop() == 0
        assert held.result().status_code == 200


def test_an_account_in_a_file_outlives_the_server(tmp_path):
    file = str(tmp_path / "account.db")
    body = {"inputs": [{"name": "A", "sourceSystem": "T", "sourceSystemId": "1"}]}
    with Sandbox("--database", file) as sandbox:
        sandbox.call("POST", "/bulk-customers", body)
        before = sandbox.customers()

    with Sandbox("--database", file) as sandbox:
        assert sandbox.customers() == before
        assert sandbox.call("POST", "/bulk-customers", body).status_code == 400
        assert [row["number"] for row in sandbox.requests()] == [1, 2]


def test_an_account_that_was_never_cleared_checks_its_parents_too():
    orphan = {"name": "A", "billToCustomerId": "cus_nobody"}
    with Sandbox() as sandbox:
        refusal = sandbox.call("POST", "/customers", {"input": orphan}).json()

    assert refusal["error"].startswith("Foreign key violation. ")


def test_the_key_can_be_chosen():
    with Sandbox(api_key="another") as sandbox:
        assert sandbox.call("GET", "/customers").status_code == 200
        assert sandbox.call("GET", "/customers", key="sandbox-key").status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::"])
def test_only_loopback_addresses_are_listened_on(host):
    done = run("serve", "--host", host)

    assert done.returncode == 2
    assert "loopback" in done.stderr


def test_a_port_that_is_taken_is_one_line():
    with Sandbox() as sandbox:
        port = sandbox.root.rpartition(":")[2]
        done = run("serve", "--port", port)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "can't start" in done.stderr


def test_a_new_account_is_for_its_owner_alone(tmp_path):
    file = tmp_path / "account.sqlite"

    with Sandbox("--database", str(file)) as sandbox:
        sandbox.call("POST", "/bulk-customers", {"inputs": [{"name": "A"}]})
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert modes["account.sqlite"] == 0o600
    assert {*modes.values()} == {0o600}


def test_an_account_that_others_can_read_is_warned_about(tmp_path):
    file = tmp_path / "account.sqlite"
    file.touch(0o600)
    assert "others can read" not in run_python("", "--database", str(file)).stderr
    file.chmod(0o644)

    done = run_python("", "--database", str(file))

    assert f"others can read {file}; chmod 600 {file}\n" in done.stderr


def test_a_client_that_dies_while_it_sends_leaves_no_traceback():
    code = """
import os, socket, urllib.parse
address = urllib.parse.urlsplit(os.environ["UPWELL_SANDBOX_URL"])
for reset in (False, True):
    with socket.create_connection((address.hostname, address.port)) as client:
        client.sendall(
            b"POST /api/rest/bulk-customers HTTP/1.1\\r\\nHost: localhost\\r\\n"
            b"Authorization: sandbox-key\\r\\nContent-Length: 99\\r\\n"
            b"Expect: 100-continue\\r\\n\\r\\n"
        )
        # The handler reads the body by now.
        assert b"100" in client.recv(100)
        client.sendall(b'{"inputs":')
        if reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1] + [0] * 7))
"""
    done = run_python(code)

    assert done.returncode == 0
    assert done.stderr.splitlines()[1:] == [
        "       2  POST /api/rest/bulk-customers unanswered"
    ]


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be looked at\n" * 40)

    done = run("serve", "--port", "0", "--database", str(file))

    assert done.returncode == 1
    assert done.stderr == "upwell-sandbox can't start: file is not a database\n"


def test_options_that_contradict_are_refused():
    done = run("--fault-500", "60", "--fault-502", "60")

    assert done.returncode == 2
    assert "add up to more than 100" in done.stderr


def test_running_gives_an_account_on_stderr_and_leaves_stdout_alone():
    done = run_python(CREATE)

    assert done.returncode == 0
    assert done.stdout == "200\n"
    assert done.stderr == (
        "The sandbox's account holds 2 customers: 2 creates, 0 updates, 0 refusals"
        " in 1 request.\n"
        "       1  POST /api/rest/bulk-customers 200\n"
    )


def test_running_tells_the_command_where_the_sandbox_is():
    code = "import json, os; print(json.dumps(dict(os.environ)))"

    environ = json.loads(run_python(code).stdout)

    root = environ["UPWELL_SANDBOX_URL"]
    assert root.startswith("http://127.0.0.1:")
    assert environ["TARGET_UPWELL_API_URL"] == f"{root}/api/rest"
    assert environ["TARGET_UPWELL_API_KEY"] == "sandbox-key"
    assert environ["TARGET_UPWELL_SOURCE_SYSTEM"] == "SANDBOX"


def test_running_leaves_what_is_set_but_never_the_address_of_the_real_account():
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    given = {
        "TARGET_UPWELL_API_URL": "https://api.upwell.com/api/rest",
        "TARGET_UPWELL_SOURCE_SYSTEM": "TMSEZ",
    }

    environ = json.loads(run_python(code, env=given).stdout)

    assert environ["TARGET_UPWELL_SOURCE_SYSTEM"] == "TMSEZ"
    assert environ["TARGET_UPWELL_API_URL"].startswith(environ["UPWELL_SANDBOX_URL"])


def test_running_expects_the_key_that_the_command_has():
    assert run_python(CREATE, env={"TARGET_UPWELL_API_KEY": "mine"}).stdout == "200\n"


def test_running_says_so_when_the_command_sent_no_request(tmp_path):
    file = str(tmp_path / "account.sqlite")
    assert "sent no request" not in run_python(CREATE, "--database", file).stderr

    done = run_python("", "--database", file)

    assert done.stderr.startswith("The sandbox's account holds 2 customers")
    assert "The command sent no request to the sandbox." in done.stderr
    assert "takes the sandbox's address from its environment" in done.stderr


def test_running_does_not_advise_what_the_command_has_done():
    done = run("run", "--", sys.executable, "-c", "", "--config=ENV")

    assert "The command sent no request to the sandbox." in done.stderr
    assert "takes the sandbox's address" not in done.stderr


def test_running_can_leave_the_page_up_until_a_signal():
    process = subprocess.Popen(
        [*COMMAND, "run", "--keep", "--", sys.executable, "-c", CREATE],
        env=environment(),
        start_new_session=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    lines = [process.stderr.readline() for _ in range(3)]
    root = lines[2].split()[-1]
    assert lines[2] == f"See what landed, until Ctrl-C: {root}\n"
    assert requests.get(root, timeout=20).status_code == 200

    process.send_signal(signal.SIGINT)

    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == 0


def test_help_says_which_variables_running_sets():
    text = run("run", "--help").stdout

    for name, said in {
        "TARGET_UPWELL_API_URL": "the sandbox's address, always",
        "UPWELL_SANDBOX_URL": "the same, always",
        "TARGET_UPWELL_API_KEY": "the sandbox's key, where it is not set",
        "TARGET_UPWELL_SOURCE_SYSTEM": "SANDBOX, where it is not set",
    }.items():
        assert re.search(rf"{name} +{said}", text)
    assert "override api_url, api_key and source_system" in " ".join(text.split())
    for option in ("--database", "--keep"):
        assert re.search(rf"^  {option}\b", text, re.MULTILINE)


def test_running_hands_stdin_on():
    code = "import sys; print(sys.stdin.read().upper())"

    assert run_python(code, stdin="records").stdout == "RECORDS\n"


def test_running_ends_as_the_command_did():
    assert run_python("raise SystemExit(7)").returncode == 7


def test_running_tells_the_signal_that_ended_the_command():
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"

    assert run_python(code).returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_running_passes_signals_on(number):
    code = """
import signal, sys
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: sys.exit(int(number)))
print("ready", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [*COMMAND, "run", "--", sys.executable, "-c", code],
        env=environment(),
        # Apart from a terminal, which would send Ctrl-C to both.
        start_new_session=True,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    code = process.wait(20)

    _, errors = process.communicate()

    assert code == number
    assert errors.startswith("The sandbox's account holds 0 customers")


def test_a_command_that_does_not_exist_is_one_line():
    done = run("run", "--", "no-such-command")

    assert done.returncode == 127
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no-such-command" in done.stderr


def test_a_file_that_cannot_be_run_is_one_line(tmp_path):
    file = tmp_path / "plain.txt"
    file.write_text("")

    done = run("run", "--", str(file))

    assert done.returncode == 126
    assert done.stderr.count("\n") == 1


def test_running_needs_a_command():
    assert run("run").returncode == 2


def test_a_missing_extra_is_one_line(tmp_path):
    (tmp_path / "aiohttp.py").write_text(
        "raise ModuleNotFoundError('missing', name='aiohttp')"
    )

    done = run("serve", env={"PYTHONPATH": str(tmp_path)})

    assert done.returncode == 1
    assert done.stderr == (
        "upwell-sandbox needs aiohttp: pip install 'target-upwell[sandbox]'\n"
    )
