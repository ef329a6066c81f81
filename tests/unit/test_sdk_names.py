"""The SDK's private names that the target relies on, each with the reason.

Where one disappears in a new release, this says which and what for.
"""

from __future__ import annotations

import pytest
from singer_sdk import Sink, Target, plugin_base
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_upwell.singer.configuration import ConfiguredTarget
from target_upwell.singer.reader import MessageReader
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
}
ASSIGNED = {
    (Target, "_config"): "is the configuration, without its nulls",
    (Target, "_latest_state"): "stays unset, or drain_all would write it",
}


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


@pytest.mark.parametrize(
    ("ours", "base"),
    [
        (TargetUpwell, Target),
        (ConfiguredTarget, Target),
        (CustomersSink, Sink),
        (MessageReader, GenericSingerReader),
    ],
    ids=lambda found: found.__name__,
)
def test_every_override_of_a_private_name_is_listed_and_says_why(ours, base):
    overridden = {
        name
        for name in vars(ours)
        if name.startswith("_") and not name.endswith("__") and hasattr(base, name)
    } - {"_abc_impl"}
    assert overridden <= {name for owner, name in PRIVATE if owner is base}
    assert all(getattr(ours, name).__doc__ for name in overridden)
