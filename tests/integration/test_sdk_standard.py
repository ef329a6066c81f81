"""The SDK's standard tests of targets, run against the sandbox.

They come with streams of their own, so every stream becomes `customers` here, with all
that they hold under `metadata`.
"""

from __future__ import annotations

import json

import pytest
from sandbox_server import API_KEY
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.target_tests import (
    TargetEncodedStringData,
    TargetRecordMissingKeyProperty,
)

from target_upwell.target import TargetUpwell

CUSTOMER = {"__alias__": "customers", "name": "'A customer of the standard tests'"}
WITHOUT_KEYS = {
    **CUSTOMER,
    "sourceSystemId": "record.get('id') or str(record.get('object_store'))",
}
CONFIG = {
    "api_key": API_KEY,
    "source_system": "STANDARD",
    "max_retries": 0,
    "max_rejects": 3,
    "unmapped_properties": "metadata",
    "stream_maps": {
        # Of several that match, the last one counts.
        "*": CUSTOMER,
        "example_stream": WITHOUT_KEYS,
        "test_no_pk": WITHOUT_KEYS,
        "test_object_schema*": WITHOUT_KEYS,
        "string_formats": WITHOUT_KEYS,
    },
}
Standard = get_target_test_class(TargetUpwell, config=CONFIG, parse_env_config=False)


@pytest.fixture(autouse=True)
def rejects(account, tmp_path):
    """Give the rejects of a test; the configuration points at the sandbox."""
    path = tmp_path / "rejects.jsonl"
    CONFIG.update(api_url=account.url, rejects_path=str(path))

    def read():
        messages = map(json.loads, path.read_text().splitlines())
        return [m["reject"]["reason"] for m in messages if m["type"] == "RECORD"]

    return read


class TestStandard(Standard):
    """All of the standard tests; two say more than the SDK's do."""

    @pytest.fixture(autouse=True)
    def _closed(self, runner):
        """Close what the SDK's runner leaves open."""
        yield
        if runner.target_input:
            runner.target_input.close()

    def test_target_record_missing_key_property(self, runner, rejects):
        # To the SDK it ends the run; here it is one bad record.
        runner.input_filepath = TargetRecordMissingKeyProperty().singer_filepath
        runner.sync_all()
        assert rejects() == ["sourceSystemId: key property 'id' is missing"]

    def test_target_encoded_string_data(self, runner, rejects, account):
        account.clear()
        runner.input_filepath = TargetEncodedStringData().singer_filepath
        runner.sync_all()
        # PostgreSQL holds no U+0000; of the other strings each arrives as it was.
        assert len(rejects()) == 3
        assert all("U+0000" in reason for reason in rejects())
        assert account.customers()["6"]["metadata"]["info"] == {
            "name": "escape sequences",
            "value": 'various " \\ / \n escape sequences',
        }
        assert runner.state_messages == [
            {
                "test_strings": 11,
                "test_strings_in_objects": 11,
                "test_strings_in_arrays": 6,
            }
        ]
