"""What GitHub is told: valid, with least permissions, and every action pinned."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
BY_SCHEMA = {
    "vendor.github-workflows": WORKFLOWS,
    "vendor.dependabot": [GITHUB / "dependabot.yml"],
    "vendor.github-issue-forms": [
        GITHUB / "ISSUE_TEMPLATE" / "bug.yml",
        GITHUB / "ISSUE_TEMPLATE" / "idea.yml",
    ],
    "vendor.github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
}

every_workflow = pytest.mark.parametrize(
    "path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS]
)


def read(path):
    return yaml.safe_load(path.read_text("utf-8"))


def steps(path):
    return [
        step for job in read(path)["jobs"].values() for step in job.get("steps", [])
    ]


@pytest.mark.parametrize("schema", BY_SCHEMA)
def test_the_files_follow_githubs_schemas(schema):
    files = map(str, BY_SCHEMA[schema])
    checked = CliRunner().invoke(check_jsonschema, ["--builtin-schema", schema, *files])
    assert checked.exit_code == 0, checked.output


@every_workflow
def test_every_action_is_pinned_to_a_commit_and_names_its_version(path):
    uses = re.findall(r"uses: (\S+)(.*)", path.read_text("utf-8"))
    for action, comment in uses:
        if action.startswith("./"):
            assert (ROOT / action).exists()
            continue
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action)
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_one_action_has_one_version_everywhere():
    pinned = {
        use
        for path in WORKFLOWS
        for use in re.findall(r"uses: (\S+@.*)", path.read_text())
    }
    assert len({use.split("@")[0] for use in pinned}) == len(pinned)


@every_workflow
def test_a_workflow_may_read_and_nothing_else(path):
    assert read(path)["permissions"] == {"contents": "read"}


def test_only_publishing_may_do_more():
    granted = {
        (path.stem, name): job["permissions"]
        for path in WORKFLOWS
        for name, job in read(path)["jobs"].items()
        if "permissions" in job
    }
    assert granted == {("release", "publish"): {"id-token": "write"}}


@every_workflow
def test_no_workflow_uses_a_secret_or_a_pull_requests_own_code_with_rights(path):
    text = path.read_text("utf-8")
    assert "secrets." not in text
    assert "pull_request_target" not in text


@every_workflow
def test_every_job_ends_in_time(path):
    for job in read(path)["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 30


@every_workflow
def test_checkouts_leave_no_credentials_behind(path):
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_no_script_is_put_together_from_what_others_write(path):
    for step in steps(path):
        assert "${{" not in step.get("run", "")


@every_workflow
def test_make_is_called_for_targets_that_exist(path):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for step in steps(path):
        called = re.match(r"make ([\w-]+)", step.get("run", ""))
        assert not called or re.search(rf"^{called[1]}:", makefile, re.MULTILINE)


def test_every_python_that_there_is_runs_all_tests_at_each_change():
    test = read(GITHUB / "workflows" / "test.yml")["jobs"]["test"]
    matrix = test["strategy"]["matrix"]["python"]
    assert matrix == ["3.10", "3.11", "3.12", "3.13", "3.14"]
    assert "if" not in test
    claimed = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"',
        (ROOT / "pyproject.toml").read_text("utf-8"),
    )
    assert claimed
    assert set(claimed) <= set(matrix)


def test_the_lowest_bounds_and_the_next_sdk_are_tested_on_a_schedule():
    workflow = read(GITHUB / "workflows" / "test.yml")
    bounds = workflow["jobs"]["bounds"]
    assert "schedule" in workflow[True]  # YAML reads `on` as true
    assert bounds["if"] == "github.event_name == 'schedule'"
    targets = bounds["strategy"]["matrix"]["target"]
    assert targets == ["test-lowest", "test-sdk-next"]
    before_a_change = (ROOT / ".ci" / "run").read_text("utf-8")
    assert not [target for target in targets if target in before_a_change]


def test_what_is_released_was_built_and_tested_on_its_tag():
    release = read(GITHUB / "workflows" / "release.yml")["jobs"]
    called = {
        release[name]["uses"].rpartition("/")[2] for name in release["publish"]["needs"]
    }
    assert called == {"build.yml", "test.yml"}
    for name in called:
        assert "workflow_call" in read(GITHUB / "workflows" / name)[True]


def test_hooks_before_a_commit_are_pinned():
    for repository in read(ROOT / ".pre-commit-config.yaml")["repos"]:
        assert repository["repo"] == "local" or re.fullmatch(
            r"[0-9a-f]{40}", repository["rev"]
        )
