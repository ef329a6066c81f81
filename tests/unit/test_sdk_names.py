"""The SDK's private names that the target relies on, each with the reason.

Where one disappears in a new release, this says which and what for.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from singer_sdk import Sink, Target, mapper, metrics, plugin_base, sinks, target_base
from singer_sdk.singerlib.encoding import base as encoding

import target_upwell
from target_upwell.singer.configuration import ConfiguredTarget
from target_upwell.sinks import CustomersSink
from target_upwell.target import TargetUpwell

PRIVATE = {
    (Target, "_env_var_prefix"): "names the environment variables in messages",
    (Target, "_env_var_config"): "overridden: .env must not override what is set",
    (Target, "_validate_config"): "overridden: the SDK's messages quote values",
    (Target, "_handle_termination"): "overridden: meltano/sdk#3775 loses records",
    (Target, "_process_schema_message"): "overridden: sets up a stream's way",
    (Target, "_process_record_message"): "overridden: a bad record is one reject",
    (Target, "_process_batch_message"): "overridden: files take the records' way",
    (Target, "_process_state_message"): "overridden: STATE goes out when covered",
    (Target, "_process_activate_version_message"): "overridden: unseen streams fail",
    (plugin_base, "_ConfigInput"): "what --config gives to invoke",
    (Sink, "_get_context"): "gives the open batch, and opens one",
}
ASSIGNED = {
    (Target, "_config"): "is the configuration, without its nulls",
    (Target, "_latest_state"): "stays unset, or drain_all would write it",
    (mapper.CustomStreamMap, "_transform_fn"): "maps, and does not flatten",
    (Sink, "_pending_batch"): "the open batch, whose age is looked at",
}
SDK = (target_base, plugin_base, mapper, metrics, sinks, encoding)
TOUCHING = [
    file
    for file in Path(target_upwell.__file__).parent.rglob("*.py")
    if "singer_sdk" in file.read_text("utf-8")
]


@pytest.mark.parametrize(("owner", "name"), PRIVATE, ids=[name for _, name in PRIVATE])
def test_a_private_name_of_the_sdk_is_there(owner, name):
    places = getattr(owner, "__mro__", [owner])
    found = any(name in vars(place) for place in places)
    assert found, f"{owner.__name__}.{name}: {PRIVATE[owner, name]}"


@pytest.mark.parametrize(
    ("owner", "name"), ASSIGNED, ids=[name for _, name in ASSIGNED]
)
def test_a_private_attribute_of_the_sdk_is_assigned(owner, name):
    assigned = {
        attribute
        for base in owner.__mro__
        if "__init__" in vars(base) and base is not object
        for attribute in base.__init__.__code__.co_names
    }
    assert name in assigned, f"{owner.__name__}.{name}: {ASSIGNED[owner, name]}"


def names_of(cls):
    """The names that a class of the SDK has, and those that its methods use."""
    own = vars(cls)
    functions = (
        getattr(one, "fget", getattr(one, "__func__", one)) for one in own.values()
    )
    code = (one.__code__ for one in functions if hasattr(one, "__code__"))
    return {*own, *(name for one in code for name in one.co_names)}


THE_SDKS = {
    name
    for module in SDK
    for cls in vars(module).values()
    if isinstance(cls, type) and cls.__module__.startswith("singer_sdk")
    for name in {*names_of(cls), cls.__name__}
}


def used_in(file):
    """The private names in a file: what it defines, imports, reads or assigns."""
    found = {
        getattr(node, field, None)
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        for field in ("name", "attr", "id")
    }
    return {n for n in found if n and re.match(r"_[a-z]", n, re.IGNORECASE)}


@pytest.mark.parametrize("file", TOUCHING, ids=lambda file: file.name)
def test_every_private_name_of_the_sdk_that_is_used_is_listed(file):
    listed = {name for _, name in (*PRIVATE, *ASSIGNED)}
    assert used_in(file) & THE_SDKS <= listed


@pytest.mark.parametrize("ours", [TargetUpwell, ConfiguredTarget, CustomersSink])
def test_every_override_of_a_private_name_says_why(ours):
    listed = {name for _, name in PRIVATE}
    overridden = [vars(ours)[name] for name in listed & vars(ours).keys()]
    assert all(one.__doc__ for one in overridden)
