"""The API key is nowhere, and personal data is in no log."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest
from running_target import DEADLINE_S
from sandbox_server import Sandbox
from target_command import (
    COMMAND,
    Result,
    encoded,
    environment,
    record,
    run_command,
    schema,
    state,
)

from target_upwell.customers.mapping import CustomerMapping
from target_upwell.exceptions import Invalid

KEY = "upw-live-7f3a9c51e0"
STREAM = schema("id", "name", "emailAddress", addresses={}, contacts={}, metadata={})
GOOD = record(id="1", name="One", emailAddress="a@b.example")
BAD = record(id="2", name="Two", addresses=[{"country": "Freedonia"}])


@pytest.fixture(scope="module")
def sandbox_of_the_key():
    with Sandbox(api_key=KEY) as running:
        yield running


@pytest.fixture
def sandbox_with_key(sandbox_of_the_key):
    sandbox_of_the_key.clear()
    return sandbox_of_the_key


def everything(result, folder):
    """All that a run has written, to whatever place."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    return "\n".join([result.stdout, result.stderr, *(p.read_text() for p in files)])


def debug(sandbox, folder, messages, *args, env=None, **settings):
    """Run at DEBUG with files for all that can be written, in a folder."""
    return run_command(
        sandbox,
        messages,
        *args,
        env={"LOGLEVEL": "DEBUG", "TMPDIR": str(folder), **(env or {})},
        drift_path=str(folder / "drift.jsonl"),
        **settings,
    )


KEPT = {"max_rejects": 5}
RUNS = {
    "a load": {},
    "rejects that are kept": {"kept": True},
    "a reject too many": {"messages": [STREAM, GOOD, BAD]},
    "a dry run": {"dry_run": "true"},
    "a description": {"args": ["--about", "--format=json"]},
    "a wrong key": {"api_key": f"{KEY}-wrong"},
    "an empty setting": {"source_system": ""},
    "a key that is no header": {"api_key": f"{KEY}\nX-Other: 1"},
    "a key with a new line at its end": {"api_key": f"{KEY}\n"},
    "a key that is no latin-1": {"api_key": f"{KEY}é漢"},
    "an address that is not https": {"api_url": "http://upwell.example/"},
    "an address with a user": {"api_url": f"https://{KEY}@upwell.example/api"},
    "an address nobody is at": {"api_url": "http://127.0.0.1:9/api", "max_retries": 0},
    "an address of something else": {"api_url": "ROOT/nothing-here"},
    "a number that is none": {"batch_size_rows": "many"},
    "a line that is no message": {"messages": [STREAM, b"{]"]},
    "a stream that is unknown": {"messages": [schema("id", "name", stream="other")]},
    "a server that fails": {"fault": "500", "max_retries": 0},
    "a lost reply": {"fault": "lost-reply"},
    "a refused request": {"fault": "429", "max_retries": 0},
}


@pytest.mark.parametrize("name", RUNS)
def test_the_key_is_nowhere_after(tmp_path, sandbox_with_key, name):
    settings = dict(RUNS[name])
    messages = settings.pop("messages", [STREAM, GOOD, BAD, GOOD, state(1)])
    args = settings.pop("args", [])
    fault = settings.pop("fault", None)
    if settings.pop("kept", fault is None and "messages" not in RUNS[name]):
        settings |= {**KEPT, "rejects_path": str(tmp_path / "rejects.jsonl")}
    if settings.get("api_url", "").startswith("ROOT"):
        settings["api_url"] = settings["api_url"].replace("ROOT", sandbox_with_key.root)
    if fault:
        path = "/api/rest/bulk-customers"
        sandbox_with_key.faults(next=[{"fault": fault, "path": path}] * 3)

    result = debug(sandbox_with_key, tmp_path, messages, *args, **settings)

    written = everything(result, tmp_path)
    assert written
    assert KEY not in written
    assert KEY.upper() not in written.upper()


def test_the_key_of_a_configuration_file_is_nowhere(tmp_path, sandbox_with_key):
    folder = tmp_path / "written"
    folder.mkdir()
    config = tmp_path / "config.json"
    base = {
        "api_key": KEY,
        "api_url": sandbox_with_key.url,
        "source_system": "TMSEZ",
    }
    for broken in (json.dumps(base), json.dumps(base)[:-1], json.dumps([base])):
        config.write_text(broken)
        run = subprocess.run(
            [COMMAND, "--config", str(config)],
            input=encoded([STREAM, GOOD, BAD]),
            capture_output=True,
            env=environment(sandbox_with_key)
            | {"TARGET_UPWELL_API_KEY": "", "LOGLEVEL": "DEBUG"},
            timeout=DEADLINE_S,
            check=False,
        )
        assert KEY.encode() not in run.stdout + run.stderr


def test_the_key_is_nowhere_after_a_signal(tmp_path, sandbox_with_key):
    sandbox_with_key.hold()
    process = subprocess.Popen(
        [COMMAND, "--config=ENV"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(sandbox_with_key, batch_size_rows=1)
        | {"LOGLEVEL": "DEBUG", "TMPDIR": str(tmp_path)},
    )
    process.stdin.write(encoded([STREAM, GOOD]))
    process.stdin.flush()
    sandbox_with_key.wait_held()
    process.send_signal(signal.SIGTERM)
    sandbox_with_key.release()
    stdout, stderr = process.communicate(timeout=DEADLINE_S)

    result = Result(process.returncode, stdout.decode(), stderr.decode())
    assert result.code == 128 + signal.SIGTERM
    assert KEY not in everything(result, tmp_path)


def test_the_key_of_an_unexpected_failure_is_nowhere(tmp_path, sandbox_with_key):
    # A defect, put in from outside: what it does not expect must not print the key.
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import target_upwell.api.client as c\n"
        "def broken(self, *a, **k):\n"
        "    raise KeyError('defect')\n"
        "c.Client.search = broken\n"
    )

    result = debug(
        sandbox_with_key,
        tmp_path,
        [STREAM, GOOD],
        env={"PYTHONPATH": str(site)},
    )

    assert result.code == 1
    assert "unexpected KeyError" in result.stderr
    assert "Traceback" in result.stderr
    assert KEY not in everything(result, tmp_path)


PERSONAL = {
    "Zebediah Quimby": "a name",
    "zeb.quimby@pers.example": "an e-mail address",
    "Larkspur Lane": "a street",
    "555-0142": "a phone number",
    "Quimbyville": "a city",
    "broken-mail-at-quimby": "a broken e-mail address",
    "Refused Rosalind": "a refused name",
    "Cornelius Failing": "a name in a failing expression",
    "Gwendolyn Contact": "a contact",
}


def person(number, **news):
    return record(
        **{
            "id": number,
            "name": "Zebediah Quimby",
            "emailAddress": "zeb.quimby@pers.example",
            "addresses": [
                {
                    "streetLine1": "12 Larkspur Lane",
                    "city": "Quimbyville",
                    "phoneNumber": "555-0142",
                    "country": "US",
                }
            ],
            "contacts": [{"name": "Gwendolyn Contact", "phone": "555-0142"}],
            "size": "1",
            **news,
        }
    )


def test_nothing_personal_but_source_keys_is_in_any_line_at_info_and_above(
    account, tmp_path
):
    stream = schema(
        "id", "name", "emailAddress", "size", addresses={}, contacts={}, metadata={}
    )
    maps = {
        "customers": {
            "sourceSystemId": "id",
            "collectorId": "int(size)",
            "emailAddress": "emailAddress.lower() if emailAddress else None",
        }
    }
    account.faults(refuse_name="^Refused")
    first = [person(str(n)) for n in range(3)]
    moved = [{"streetLine1": "99 Larkspur Lane", "country": "US", "city": "Elsewhere"}]
    second = [
        person("0", emailAddress="zeb.quimby@pers.example.org"),
        person("1", addresses=moved),
        person("11", name="Refused Rosalind"),
        person("12", size="Cornelius Failing"),
        person("13", name=["Zebediah Quimby"]),
        person("14", name={"Zebediah Quimby": 1}),
        person(None),
        person("15", name=None),
        person("16", emailAddress="broken-mail-at-quimby"),
        person("17", addresses="12 Larkspur Lane, Quimbyville"),
        person("18", contacts=["Gwendolyn Contact"]),
    ]
    settings = {
        "stream_maps": maps,
        "max_rejects": -1,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
        "drift_path": str(tmp_path / "drift.jsonl"),
    }

    results = [
        run_command(account, [stream, *first], **settings),
        run_command(account, [stream, *second], **settings),
        run_command(
            account, [stream, *second], **settings, unmapped_properties="reject"
        ),
        run_command(account, [stream, *second], **settings, validate_records="true"),
        run_command(account, [stream, *second], stream_maps=maps),
    ]

    assert [r.code for r in results] == [0, 0, 0, 0, 1]
    log = "".join(r.stderr for r in results)
    assert "rejected (refused): customers 11: " in log
    assert "contacts of existing customers can't be compared" in log
    assert "1 existing customer differs from Upwell in addresses" in log
    assert personal_data_in(log) == {}


def personal_data_in(log):
    """The kinds of personal data in a log, each with the first line that holds it."""
    return {
        kind: next(line for line in log.splitlines() if text in line)
        for text, kind in PERSONAL.items()
        if text in log
    }


@pytest.mark.parametrize(
    "news",
    [
        {"emailAddress": "broken-mail-at-quimby"},
        {"ccEmailAddresses": ["a@b.example", "broken-mail-at-quimby"]},
        {"emailAddress": {"zeb.quimby@pers.example": 1}},
        {"addresses": "12 Larkspur Lane, Quimbyville"},
        {"addresses": ["12 Larkspur Lane, Quimbyville"]},
        {"contacts": "Gwendolyn Contact 555-0142"},
        {"contacts": [5550142, "Gwendolyn Contact"]},
        {"name": "Zebediah Quimby\x00"},
        {"metadata": {"note": "Zebediah Quimby\x00"}},
    ],
    ids=str,
)
def test_a_reason_shows_no_personal_value(news):
    mapping = CustomerMapping(
        stream="customers",
        properties=(),
        key_properties=["id"],
        source_system="TMSEZ",
        unmapped="ignore",
    )

    with pytest.raises(Invalid) as invalid:
        mapping({"id": "1", "name": "N", **news})

    assert personal_data_in(str(invalid.value)) == {}
