"""The documentation is true: links lead somewhere, and commands do what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from dotenv import dotenv_values
from sandbox_server import Sandbox
from target_command import record, run_target, schema

from target_upwell.target import TargetUpwell

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
)
SCRIPTS = sysconfig.get_path("scripts")
DEMO = "demo"
DEADLINE_S = 120

RUN_HERE = {"target-upwell", "upwell-sandbox", "cat", "head", "tail", "cp", "mv"}

RUN_ELSEWHERE = {
    "make demo": (".ci/run", "^make demo"),
    "make test": (".ci/run", "make test "),
    "make lint": (".ci/run", "^make lint$"),
    "make test-full": (".github/workflows/test.yml", "TARGET: .*'test-full'"),
    "make test-fast": ("Makefile", r"^test-fast: .*\n\t.* pytest .*tests/unit"),
    "make docs": ("tests/project/test_settings_docs.py", "^def test_make_docs_runs"),
    "make test-all": ("tests/project/test_package.py", "^def test_make_test_all_"),
}
"""Commands of the documentation that something else runs: the file, and where in it."""

INSTALLS = ("git clone ", "pip install ", "uvx ")
"""What the commands begin with that tests/project/test_package.py runs."""

NOT_HERE = ("docker ",)
"""What the commands of `console` blocks begin with: no test can run them."""

REPOSITORY = re.compile(
    r"https://(?:github\.com/target-upwell/target-upwell/blob"
    r"|raw\.githubusercontent\.com/target-upwell/target-upwell)/main/"
)
"""How the README, which PyPI shows too, refers to a file of this repository."""

MELTANO = ("meltano ", "upwell-sandbox run -- meltano ")
"""What the commands begin with that tests/e2e/test_meltano.py runs."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    title: str
    text: str


def blocks(page):
    """The fenced blocks of a page, in order."""
    found = []
    opened = None
    for number, line in enumerate(
        (ROOT / page).read_text("utf-8").splitlines(keepends=True), 1
    ):
        fence = re.match(r"( *)```(\w*)(?: title=(\S+)| .*)?\s*$", line)
        if fence and opened is None:
            opened = (number, fence, [])
        elif fence:
            begin, opening, lines = opened
            indent, language, title = opening.groups()
            text = "".join(kept.removeprefix(indent) for kept in lines)
            found.append(Block(page, begin, language, title or "", text))
            opened = None
        elif opened:
            opened[2].append(line)
    assert opened is None, f"{page}: the block of line {opened[0]} does not end"
    return found


def commands(block):
    """The commands of a block, one for each line that doesn't go on."""
    joined = block.text.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]


def program(command):
    """The first word of a command that is no environment variable."""
    return next(w for w in shlex.split(command) if not re.match(r"[A-Z_]+=", w))


def without_variables(command):
    """A command without the environment variables before it."""
    return re.sub(r"^([A-Z_]+=\S+ +)+", "", command)


def is_run_here(command):
    """Whether the command is one that this file runs."""
    words = without_variables(command)
    return not words.startswith(MELTANO) and program(command) in RUN_HERE


def pattern(quoted):
    """A pattern for text in which `...` stands for anything."""
    return ".*".join(re.escape(part) for part in quoted.split("..."))


def page_ids(pages):
    return [pytest.param(page, id=page) for page in pages]


WITH_COMMANDS = [
    page for page in PAGES if any(b.language == "sh" for b in blocks(page))
]


# Links


@lru_cache
def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


def links(page):
    text = re.sub(
        r"```.*?```|`[^`\n]*`", "", (ROOT / page).read_text("utf-8"), flags=re.DOTALL
    )
    return [
        *re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text),
        *re.findall(r'(?:src|href)="([^"]+)"', text),
    ]


@pytest.mark.parametrize("page", page_ids(PAGES))
def test_every_link_leads_somewhere(page):
    broken = []
    for link in links(page):
        path, anchor = place(page, link)
        if path is None:
            parts = urlsplit(link)
            if parts.scheme != "https" or "." not in (parts.hostname or ""):
                broken.append(link)
        elif not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert not broken


def place(page, link):
    """The file of this repository that a link leads to, if one, and the anchor."""
    inside, of_this_repository = REPOSITORY.subn("", link)
    parts = urlsplit(inside)
    if of_this_repository:
        return ROOT / parts.path, parts.fragment
    if parts.scheme:
        return None, ""
    return (
        (ROOT / page).parent / parts.path if parts.path else ROOT / page
    ), parts.fragment


def test_the_readme_is_short_and_its_links_work_on_pypi():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150
    assert not [link for link in links("README.md") if not urlsplit(link).scheme]


def test_every_page_can_be_reached_from_the_readme():
    reached, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in links(page):
            path, _ = place(page, link)
            if path and path.suffix == ".md" and path.exists():
                todo.append(path.resolve().relative_to(ROOT).as_posix())
    assert reached >= set(PAGES)


# Commands


@pytest.mark.parametrize("page", page_ids(WITH_COMMANDS))
def test_every_command_is_run_by_a_test(page):
    nobody_runs = [
        command
        for block in blocks(page)
        if block.language == "sh"
        for command in commands(block)
        if not is_run_here(command)
        and without_variables(command) not in RUN_ELSEWHERE
        and not without_variables(command).startswith((*MELTANO, *INSTALLS))
    ]
    assert not nobody_runs


@pytest.mark.parametrize("page", page_ids(PAGES))
def test_only_what_no_test_can_run_stands_in_other_blocks(page):
    shells = [b for b in blocks(page) if b.language in {"console", "shell", "bash"}]
    untested = [b for b in shells if not (b.language == "bash" and b.title)]
    for block in untested:
        for command in commands(block):
            assert any(part.strip().startswith(NOT_HERE) for part in command.split("|"))


def test_what_is_run_elsewhere_is_in_the_documentation_and_run():
    written = {
        command
        for page in WITH_COMMANDS
        for block in blocks(page)
        if block.language == "sh"
        for command in commands(block)
    }
    assert RUN_ELSEWHERE.keys() <= written | set(listed_commands())
    for command, (file, line) in RUN_ELSEWHERE.items():
        text = (ROOT / file).read_text("utf-8")
        assert re.search(line, text, re.MULTILINE), (command, file)


def make_targets():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)


def listed_commands():
    """The commands that CONTRIBUTING lists, each with how long it takes."""
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    row = r"^\| `([^`]+)` \| [^|]+ \| [^|]*\d+ (?:second|minute)s?(?: each)? \|$"
    return re.findall(row, page, re.MULTILINE)


def test_every_target_is_listed_with_how_long_it_takes():
    made = [one.split()[1] for one in listed_commands() if one.startswith("make ")]
    assert sorted(made) == sorted({*make_targets()} - {"help"})


def test_every_make_command_is_a_target():
    named = [
        word
        for page in PAGES
        for word in re.findall(
            r"(?:`|^)make ([a-z-]+)", (ROOT / page).read_text("utf-8"), re.MULTILINE
        )
    ]
    assert len(named) > 10
    assert set(named) <= set(make_targets())


@pytest.mark.parametrize(
    "page",
    page_ids(
        page
        for page in WITH_COMMANDS
        if any(
            is_run_here(c)
            for b in blocks(page)
            if b.language == "sh"
            for c in commands(b)
        )
    ),
)
def test_the_commands_of_a_page_do_what_it_says(
    page, tmp_path, monkeypatch, real_lines
):
    # In order, in a folder that holds the files that the page shows.
    for name in ("API_KEY", "API_URL", "SOURCE_SYSTEM"):
        monkeypatch.delenv(f"TARGET_UPWELL_{name}", raising=False)
    monkeypatch.setenv("PATH", SCRIPTS, prepend=":")
    printed = "\n".join(real_lines)
    for block in blocks(page):
        if block.title and block.title != DEMO:
            (tmp_path / block.title).write_text(block.text, "utf-8")
        if block.language == "sh":
            printed = ""
            for command in filter(is_run_here, commands(block)):
                printed += run_in_shell(command, tmp_path, f"{page}:{block.line}")
        elif block.language == "text":
            for line in block.text.splitlines():
                assert re.search(pattern(line), printed), (page, block.line, line)


def run_in_shell(command, folder, place):
    run = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert run.returncode == 0, (place, command, run.stderr)
    return run.stdout + run.stderr


def titled(page, title):
    """The text of a block that is a file."""
    [text] = [block.text for block in blocks(page) if block.title == title]
    return text


def test_the_script_of_the_plain_pipe_keeps_state_after_failures_too(tmp_path):
    page = "docs/running.md"
    for name in ("config.json", "customers.singer", "load.sh"):
        (tmp_path / name).write_text(titled(page, name), "utf-8")
    tap = tmp_path / "tap-x"
    tap.write_text('#!/bin/sh\necho "$@" > given\ncat customers.singer\nexit $TAP\n')
    for script in (tap, tmp_path / "load.sh"):
        script.chmod(0o700)
    state, given = tmp_path / "state.json", tmp_path / "given"

    def load(tap_ends_with):
        environment = {
            **sandbox.env(),
            "PATH": f"{tmp_path}:{SCRIPTS}:{os.environ['PATH']}",
            "TAP": tap_ends_with,
        }
        loaded = subprocess.run(
            [tmp_path / "load.sh"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        return loaded.returncode, given.read_text(), json.loads(state.read_text())

    with Sandbox() as sandbox:
        assert load("3") == (3, "--config tap.json\n", {"last": "10042"})
        again = "--config tap.json --state state.json\n"
        assert load("0") == (0, again, {"last": "10042"})
        assert sandbox.counts()["creates"] == 1


@pytest.mark.skipif("DEMO_OUTPUT" not in os.environ, reason="make demo was not run")
def test_the_demo_prints_what_the_readme_shows():
    printed = Path(os.environ["DEMO_OUTPUT"]).read_text("utf-8")
    missing = [
        line
        for line in titled("README.md", DEMO).splitlines()
        if not re.search(pattern(line.rstrip()), printed)
    ]
    assert not missing


# Configuration


def with_language(*languages):
    return [
        pytest.param(block, id=f"{block.page}:{block.line}")
        for page in PAGES
        for block in blocks(page)
        if block.language in languages
    ]


@pytest.mark.parametrize("block", with_language("json"))
def test_every_json_block_is_json_and_valid_configuration(block):
    if block.title.endswith(".singer"):
        for line in block.text.splitlines():
            assert json.loads(line)["type"] in {"SCHEMA", "RECORD", "STATE"}
        return
    content = json.loads(block.text)
    if block.title.endswith("config.json") or "stream_maps" in content:
        check_settings(content)


@pytest.mark.parametrize("block", with_language("yaml"))
def test_every_yaml_block_is_valid_configuration(block):
    content = yaml.safe_load(block.text)
    if content.keys() & {"plugins", "environments", "jobs", "schedules"}:
        check_meltano_project(content)
    elif "stream_maps" in content:
        check_settings(content)


@pytest.mark.parametrize("block", with_language("python"))
def test_every_python_block_is_python(block):
    compile(block.text, block.title, "exec")


@pytest.mark.parametrize("block", with_language("ini"))
def test_every_block_of_environment_variables_names_settings(block):
    names = dotenv_values(stream=StringIO(block.text)).keys()
    settings = settings_schema()["properties"]
    known = {f"TARGET_UPWELL_{name.upper()}" for name in settings}
    assert {n for n in names if n.startswith("TARGET_UPWELL_")} <= known


def test_the_meltano_project_of_this_repository_is_valid():
    check_meltano_project(yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8")))


def settings_schema():
    found = {**TargetUpwell.config_jsonschema, "required": []}
    TargetUpwell.append_builtin_config(found)
    return {**found, "additionalProperties": False}


def check_settings(config):
    # The SDK's schema of stream maps is none itself, so that it can't be checked first.
    validator = jsonschema.Draft202012Validator(settings_schema())
    assert not [error.message for error in validator.iter_errors(config)]


def check_meltano_project(content):
    jsonschema.Draft202012Validator(get_builtin_schema("vendor.meltano")).validate(
        {"version": 1, **content}
    )
    environments = [
        environment["config"]["plugins"]
        for environment in content.get("environments", [])
        if "plugins" in environment.get("config", {})
    ]
    for plugins in (content.get("plugins", {}), *environments):
        for loader in plugins.get("loaders", []):
            if loader["name"] == "target-upwell":
                check_settings(loader.get("config", {}))


# Errors


def troubles():
    """The first column of the table of troubles."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.*?)` \|", page, re.MULTILINE)
    assert len(rows) > 15
    return rows


@pytest.fixture(scope="module")
def real_lines():
    """What the command says when it is given what the table is about."""
    clients = schema("id", "name", stream="erp-clients")
    customers = schema("id", "name", "email_address", "addresses", "parent")
    customers["schema"]["properties"]["billToSourceSystemId"] = {"type": "string"}
    good = record(id="1", name="Acme Freight")
    no_keys = {"__alias__": "customers", "__else__": "__NULL__", "name": "name"}
    fails = {"__alias__": "customers", "name": "name.upper()"}
    nowhere = {"max_retries": 0, "api_url": "http://127.0.0.1:1/api/rest"}
    said = []
    with Sandbox() as sandbox:

        def run(*messages, env=None, **settings):
            result = run_target(sandbox, messages, env=env, **settings)
            said.extend(result.errors + result.warnings)

        run(customers, good, env={"TARGET_UPWELL_API_KEY": "a b"})
        run(customers, good, env={"TARGET_UPWELL_API_KEY": "wrong"})
        run(customers, good, api_url=sandbox.root)
        run(customers, good, api_url="http://upwell.example/api/rest")
        run(customers, good, **nowhere)
        run(customers, good, max_rejects=5)
        run(customers, good, max_retries="many")
        run(clients)
        run(clients, unknown_streams="ignore")
        run(clients, stream_maps={"erp-clients": no_keys})
        run(clients, stream_maps={"erp-client": no_keys})
        for odd, value in {
            "__alias__": "customer",
            "name": "nmae",
            "emailAdress": "id",
            "__filters__": "id",
        }.items():
            mistyped = {"__alias__": "customers", "name": "name", odd: value}
            run(clients, stream_maps={"erp-clients": mistyped})
        run(clients, stream_maps={"dbo": {"clients": fails}})
        run(schema("id", "email_address", "EmailAddress", "name"))
        run(schema("id", "name", keys=()))
        run(customers, record(id="2", name="Acme", email_address="nobody"))
        run(customers, record(id="3"))
        run(clients, record("erp-clients", id="4"), stream_maps={"erp-clients": fails})
        run(customers, record(id="5", name="Acme", billToSourceSystemId="99"))
        run(customers, record(id="5", name="Acme", addresses=[{"city": "Chicago"}]))
        run(customers, record(id="6", name="Acme"), record(id="6 ", name="Acme"))
        run(customers, record(id="7", name="Acme"), record(id="7 ", name="Beta"))
        run(customers, b"Hello")
        sandbox.faults(fault_503=100)
        run(customers, good, max_retries=1)
        missing = {k: v for k, v in sandbox.env().items() if "UPWELL" not in k}
        ran = subprocess.run(
            [Path(SCRIPTS, "target-upwell"), "--config=ENV"],
            env=missing,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        said.extend(ran.stderr.splitlines())
        run(customers, good, env={"TARGET_UPWELL_DRYRUN": "true"})
        config = '{"api_key": "k", "source_system": "S", "colour": 5}'
        ran = subprocess.run(
            [
                Path(SCRIPTS, "target-upwell"),
                "--config=/dev/stdin",
                "--input=/dev/null",
            ],
            env=missing,
            input=config,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        said.extend(ran.stderr.splitlines())
    return said


@pytest.mark.parametrize("quoted", troubles())
def test_every_line_under_troubleshooting_is_the_programs_own(quoted, real_lines):
    assert any(re.search(pattern(quoted), line) for line in real_lines)
