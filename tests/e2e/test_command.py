"""The command line: what it takes, and how each mistake ends in one line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from answering_server import Answer, AnsweringServer
from in_process import call_command
from sandbox_server import Sandbox
from target_command import (
    COMMAND,
    DEADLINE_S,
    Result,
    encoded,
    record,
    run_target,
    schema,
    state,
)

KEY = "uk_live_4711secret"
NEEDED = {"TARGET_UPWELL_API_KEY": KEY, "TARGET_UPWELL_SOURCE_SYSTEM": "T"}
STREAM = [schema("id", "name"), record(id="1", name="A"), state({"n": 1})]


@pytest.fixture(scope="module")
def account():
    with Sandbox(api_key=KEY) as sandbox:
        yield sandbox


def command(*args, given=b"", cwd=None, env=None):
    """Call the command in this process, in a folder and with an environment."""
    inherited = {k: v for k, v in os.environ.items() if "UPWELL" not in k}
    before = Path.cwd()
    os.chdir(cwd or before)
    try:
        return Result(
            *call_command([*map(str, args)], given, {**inherited, **(env or {})})
        )
    finally:
        os.chdir(before)


def failed(result, *words):
    """Give the one line that a failure ends in; there is no other trace of it."""
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert KEY not in result.stderr + result.stdout
    (line,) = result.errors
    for word in words:
        assert word in line
    assert "defect" not in line
    return line


# What describes it


def test_it_tells_its_version():
    told = subprocess.run(
        [COMMAND, "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("target-upwell v")


def test_it_tells_its_options():
    result = command("--help")
    assert result.code == 0
    for option in ("--config", "--input", "--about", "--version"):
        assert option in result.stdout


def test_it_tells_its_settings_to_a_program():
    result = command("--about", "--format=json")
    assert result.code == 0
    about = json.loads(result.stdout)
    settings = about["settings"]["properties"]
    assert settings["batch_size_rows"]["default"] == 200
    assert "stream_maps" in settings
    assert "add_record_metadata" not in settings
    assert set(about["settings"]["required"]) == {"api_key", "source_system"}
    for name, definition in settings.items():
        assert definition["description"], name


def test_it_tells_its_settings_to_a_person():
    result = command("--about", "--format=markdown")
    assert result.code == 0
    assert "drift_path" in result.stdout


# Where settings come from


def test_settings_come_from_files_and_a_later_one_wins(account, tmp_path):
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    common = {"api_key": KEY, "api_url": account.url, "source_system": "FILE-1"}
    first.write_text(json.dumps(common))
    second.write_text(json.dumps({"source_system": "FILE-2"}))
    result = command("--config", first, "--config", second, given=encoded(STREAM))
    assert result.code == 0
    assert account.customer("FILE-2", "1")["name"] == "A"


def test_the_environment_wins_over_files(account, tmp_path):
    file = tmp_path / "config.json"
    given = {"api_key": KEY, "api_url": account.url, "source_system": "OTHER"}
    file.write_text(json.dumps(given))
    result = command(
        "--config=ENV",
        "--config",
        file,
        given=encoded(STREAM),
        env={"TARGET_UPWELL_SOURCE_SYSTEM": "ENV-1"},
    )
    assert result.code == 0
    assert account.customer("ENV-1", "1")["name"] == "A"


def test_a_dotenv_of_the_working_folder_counts_and_the_environment_wins(
    account, tmp_path
):
    (tmp_path / ".env").write_text(
        f"TARGET_UPWELL_API_KEY={KEY}\n"
        f"TARGET_UPWELL_API_URL={account.url}\n"
        "TARGET_UPWELL_SOURCE_SYSTEM=IN-FILE\n"
        'TARGET_UPWELL_STREAM_MAPS={"erp": {"__alias__": "customers"}}\n'
    )
    stream = [
        schema("id", "name", stream="erp"),
        record("erp", id="1", name="A"),
    ]
    result = command(
        "--config=ENV",
        given=encoded(stream),
        cwd=tmp_path,
        env={"TARGET_UPWELL_SOURCE_SYSTEM": "DOTENV"},
    )
    assert result.code == 0
    assert account.customer("DOTENV", "1")["name"] == "A"


def test_messages_come_from_a_file(account, tmp_path):
    file = tmp_path / "messages.jsonl"
    # Without a newline at its end, as some editors leave it.
    file.write_bytes(encoded(STREAM).rstrip())
    result = run_target(account, [], "--input", str(file), source_system="INPUT")
    assert result.code == 0
    assert result.states == [{"n": 1}]
    assert account.customer("INPUT", "1")["name"] == "A"


def test_a_setting_that_does_not_exist_is_named_and_ignored(account, tmp_path):
    file = tmp_path / "config.json"
    given = {"api_key": KEY, "source_system": "T", "api_url": account.url}
    file.write_text(json.dumps({**given, "batch_size": 5, "rejects_path": None}))
    result = command("--config", file)
    assert result.code == 0
    assert [w for w in result.warnings if "batch_size:" in w]


def test_a_dotenv_that_is_not_utf_8_is_one_line(tmp_path):
    (tmp_path / ".env").write_bytes("TARGET_UPWELL_API_KEY=é".encode("latin-1"))
    failed(command("--config=ENV", cwd=tmp_path, env=NEEDED), ".env: ", "not UTF-8")


def test_it_runs_in_a_folder_that_was_deleted(account, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    env = {
        **{k: v for k, v in os.environ.items() if "UPWELL" not in k},
        **account.env("GONE"),
    }
    ran = subprocess.run(
        ["sh", "-c", f'rmdir "{folder}"; exec "{COMMAND}" --config=ENV'],
        cwd=folder,
        env=env,
        input=encoded(STREAM),
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    result = Result(ran.returncode, ran.stdout.decode(), ran.stderr.decode())
    assert (result.code, result.errors) == (0, [])
    assert account.customer("GONE", "1")["name"] == "A"


# Mistakes in the settings


def test_what_is_set_in_the_environment_needs_config_env():
    result = command(env=NEEDED)
    assert result.code == 1
    assert result.errors == [
        f"{name.lower()}: TARGET_UPWELL_{name} is set in the environment; "
        "add --config=ENV"
        for name in ("API_KEY", "SOURCE_SYSTEM")
    ]


@pytest.mark.parametrize("variable", ["LOGLEVEL", "TARGET_UPWELL_LOGLEVEL"])
def test_a_log_level_that_does_not_exist_is_one_line(variable):
    result = command("--config=ENV", env={**NEEDED, variable: "verbose"})
    failed(result, f"{variable}: must be DEBUG, INFO, WARNING, ERROR or CRITICAL")


def test_the_targets_own_log_level_wins_over_everybodys():
    env = {"LOGLEVEL": "trace", "TARGET_UPWELL_LOGLEVEL": "info"}
    assert command("--version", env=env).code == 0


def test_a_rehearsal_refuses_another_address_than_the_sandboxs(account, tmp_path):
    file = tmp_path / "config.json"
    real = {"api_key": KEY, "source_system": "T", "api_url": account.url}
    file.write_text(json.dumps(real))
    env = {"UPWELL_SANDBOX_URL": "http://127.0.0.1:9"}
    failed(command("--config", file, env=env), "api_url: ", "UPWELL_SANDBOX_URL")


def test_half_a_surrogate_pair_and_a_nul_in_settings_are_one_line_each(tmp_path):
    file = tmp_path / "config.json"
    given = {"api_key": KEY, "source_system": "T\ud800", "rejects_path": "a\x00"}
    file.write_text(json.dumps(given))
    result = command("--config", file)
    assert result.code == 1
    assert sorted(line.split(":")[0] for line in result.errors) == [
        "rejects_path",
        "source_system",
    ]


def test_a_ctrl_c_during_imports_ends_it_without_a_traceback(tmp_path):
    # In place of a module that it imports: one that says so, and waits.
    (tmp_path / "msgspec.py").write_text(
        "import os, signal\nos.write(1, b'importing')\nsignal.pause()\n"
    )
    process = subprocess.Popen(
        [COMMAND, "--version"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout.read(9) == b"importing"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, stderr) == (-signal.SIGINT, b"")


@pytest.mark.parametrize("args", [[], ["--config=ENV"]])
def test_all_that_is_missing_is_named(args):
    result = command(*args)
    assert result.code == 1
    assert [line.split(":")[0] for line in result.errors] == [
        "api_key",
        "source_system",
    ]


def test_all_wrong_values_are_named_at_once(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(
        json.dumps(
            {
                "api_key": KEY,
                "source_system": "T",
                "load_method": "overwrite",
                "max_retries": -1,
                "dry_run": "yes",
                "stream_maps": [],
            }
        )
    )
    result = command("--config", file)
    assert result.code == 1
    assert sorted(line.split(":")[0] for line in result.errors) == [
        "dry_run",
        "load_method",
        "max_retries",
        "stream_maps",
    ]
    assert KEY not in result.stderr


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("api_key", f"{KEY}\n", "can't be sent in a header"),
        ("dry_run", "ture", "TARGET_UPWELL_DRY_RUN must be true or false"),
        ("max_rejects", "5", "needs rejects_path"),
    ],
)
def test_a_wrong_value_is_one_line(name, value, words):
    env = {**NEEDED, f"TARGET_UPWELL_{name.upper()}": value}
    failed(command("--config=ENV", env=env), f"{name}: ", words)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("{", "not valid JSON"),
        ('"text"', "not a JSON object"),
        ("[1]", "not a JSON object"),
    ],
)
def test_a_config_file_that_can_not_be_read_is_named(tmp_path, content, words):
    file = tmp_path / "config.json"
    if content is not None:
        file.write_text(content)
    failed(command("--config", file), "config.json", words)


def test_a_folder_is_no_config_file(tmp_path):
    failed(command("--config", tmp_path), str(tmp_path), "Is a directory")


@pytest.mark.parametrize(
    ("args", "word"),
    [(["--inptu", "x"], "--inptu"), (["--input", "/nowhere/x"], "/nowhere/x")],
)
def test_a_wrong_option_is_one_line(args, word):
    failed(command(*args, env=NEEDED), word)


# Mistakes about Upwell


def test_a_wrong_key_is_one_line_and_one_request(account):
    account.reset()
    result = run_target(account, STREAM, api_key="uk_wrong")
    line = failed(result, "(401)", "check api_key")
    assert "uk_wrong" not in line
    assert result.states == []
    assert account.counts()["requests"] == 1


def test_an_address_that_is_not_the_api_is_one_line_and_one_request(account):
    account.reset()
    result = run_target(account, STREAM, api_url=f"{account.root}/api/v2")
    failed(result, "(404)", "check api_url")
    assert result.states == []
    assert account.counts()["requests"] == 1


def test_an_address_where_nobody_listens_is_one_line(account):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api/rest"
        result = run_target(account, STREAM, api_url=url, max_retries=0)
    failed(result, "the connection was refused")
    assert result.states == []


def test_an_address_that_leads_elsewhere_is_one_line_and_is_not_followed(account):
    with AnsweringServer() as server:
        location = (("Location", f"{account.url}/customers/search"),)
        server.answers.append(Answer(302, headers=location))
        account.reset()
        result = run_target(account, STREAM, api_url=server.url)
    failed(result, "(302)", "redirects are not followed")
    assert account.counts()["requests"] == 0


def test_a_filter_shows_no_value_even_at_debug(account):
    maps = {"customers": {"__filter__": "email", "sourceSystemId": "id"}}
    messages = [schema("id", "email"), record(id="1", email="zeb@pers.example")]
    result = run_target(
        account,
        messages,
        stream_maps=maps,
        max_rejects=0,
        env={"LOGLEVEL": "DEBUG"},
    )
    assert "zeb@pers.example" not in result.stderr


def test_nothing_shows_the_key_or_a_record_even_at_debug(account):
    secrets = [schema("id", "name"), record(id="1", name="Personal Name")]
    result = run_target(
        account,
        secrets,
        source_system="DEBUG",
        env={"LOGLEVEL": "DEBUG"},
    )
    assert result.code == 0
    assert KEY not in result.stderr
    assert "Personal Name" not in result.stderr
