"""The recipes do what they say: taps' own SCHEMAs, through the real command.

The stream maps are those of the pages, read from there; `recipes/` holds the input of
each and the customers that come of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from target_command import record, run_target, state
from test_docs import blocks

from target_upwell.customers.countries import country_code
from target_upwell.customers.schema import BILL_TO, PROPERTIES

FOLDER = Path("docs/recipes")
ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "recipes"
RECIPES = sorted(
    path.stem for path in (ROOT / FOLDER).glob("*.md") if path.stem != "README"
)
NEEDED = {
    "salesforce",
    "hubspot",
    "quickbooks",
    "netsuite",
    "stripe",
    "postgres",
    "snowflake",
    "csv",
    "google-sheets",
}
LAST = state({"done": True})

recipes = pytest.mark.parametrize("recipe", RECIPES)


def settings(recipe):
    """The settings of a recipe: those of the one YAML block of its page."""
    (block,) = (b for b in blocks(f"{FOLDER}/{recipe}.md") if b.language == "yaml")
    (loader,) = yaml.safe_load(block.text)["plugins"]["loaders"]
    return loader["config"]


def data(recipe):
    return json.loads((DATA / f"{recipe}.json").read_text("utf-8"))


def messages(recipe):
    """What the tap sends: its SCHEMA, the records, and STATE."""
    found = data(recipe)
    first, *others = found["schemas"]
    records = [record(first["stream"], **values) for values in found["records"]]
    return [*others, first, *records, LAST]


def stored(account, recipe):
    """What an account holds, without what is Upwell's own and without nulls."""
    customers = {
        key: customer
        for key, customer in account.customers().items()
        if customer["sourceSystem"] == recipe
    }
    keys = {customer["id"]: key for key, customer in customers.items()}
    return {key: plain(customer, keys) for key, customer in customers.items()}


def plain(customer, keys):
    found = {
        name: customer[name]
        for name in PROPERTIES
        if customer[name] not in (None, []) and not name.startswith("sourceSystem")
    }
    if "addresses" in found:
        found["addresses"] = [without_own(address) for address in found["addresses"]]
    if "customerRule" in found:
        found["customerRule"] = without_own(found["customerRule"])
    if "billToCustomerId" in found:
        found["billTo"] = keys[found.pop("billToCustomerId")]
    return found


def without_own(row):
    own = {"id", "type"}
    return {n: value for n, value in row.items() if value is not None and n not in own}


@pytest.fixture
def account(shared_sandbox):
    return shared_sandbox


def test_there_is_one_for_each_of_the_sources():
    assert set(RECIPES) == NEEDED
    assert {path.stem for path in DATA.iterdir()} == NEEDED
    index = (ROOT / FOLDER / "README.md").read_text("utf-8")
    assert all(f"({recipe}.md)" in index for recipe in RECIPES)


@recipes
def test_a_recipe_loads_what_the_tap_sends(account, recipe):
    given = {"source_system": recipe, **settings(recipe)}
    result = run_target(account, messages(recipe), **given)
    assert result.code == 0, result.stderr
    assert result.warnings == []
    assert result.states == [LAST["value"]]
    assert stored(account, recipe) == data(recipe)["customers"]


@recipes
def test_a_second_run_changes_nothing_but_what_cannot_be_compared(account, recipe):
    given = {"source_system": recipe, **settings(recipe)}
    run_target(account, messages(recipe), **given)
    account.reset()
    result = run_target(account, messages(recipe), **given)
    assert result.code == 0
    assert " 0 created, " in result.summary
    # Upwell never shows `deletedAt`, so that it is sent each time.
    customers = data(recipe)["customers"].values()
    deleted = sum("deletedAt" in customer for customer in customers)
    updates = [r for r in account.requests() if r["method"] == "PUT"]
    assert len(updates) == deleted
    assert stored(account, recipe) == data(recipe)["customers"]


CORRECTED = [recipe for recipe in RECIPES if "field_policy" in settings(recipe)]


def test_sources_whose_addresses_people_correct_leave_them_alone():
    assert {"salesforce", "hubspot", "quickbooks", "netsuite"} <= {*CORRECTED}


@pytest.mark.parametrize("recipe", CORRECTED)
def test_an_address_that_somebody_corrected_in_upwell_stays(account, recipe):
    given = {"source_system": recipe, **settings(recipe)}
    run_target(account, messages(recipe), **given)
    expected = data(recipe)["customers"]
    key = next(key for key, one in expected.items() if "emailAddress" in one)
    right = {"emailAddress": "right@people.example"}
    answer = account.call(
        "PUT",
        "/customers",
        {
            "sourceSystem": recipe,
            "sourceSystemId": key,
            "input": right,
            "customerRulesInput": {},
        },
    )
    assert answer.status_code == 200

    result = run_target(account, messages(recipe), **given)

    assert (result.code, result.warnings) == (0, [])
    assert stored(account, recipe) == {**expected, key: {**expected[key], **right}}


@recipes
def test_the_page_says_where_the_schema_is_from(recipe):
    page = (ROOT / FOLDER / f"{recipe}.md").read_text("utf-8")
    repository, _, commit = data(recipe)["from"].split(",")[0].split(":")[0].split()[:3]
    assert f"(https://github.com/{repository})" in page
    assert f"commit {commit}" in " ".join(page.split())


def test_the_data_expects_what_the_recipes_are_to_show():
    expected = [c for recipe in RECIPES for c in data(recipe)["customers"].values()]
    assert sum("deletedAt" in customer for customer in expected) >= 2
    assert sum("billTo" in customer for customer in expected) >= 5
    for customer in expected:
        for address in customer.get("addresses", []):
            code = address.get("country")
            assert code is None or country_code(code) == code
    assert BILL_TO in settings("netsuite")["stream_maps"]["customers"]
