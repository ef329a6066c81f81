"""A slow stream: its batch is loaded although it is not full, and STATE follows."""

from __future__ import annotations

from running_target import RunningTarget
from target_command import record, schema, state

AT_ONCE = "import target_upwell.sinks as s; s.OLDEST_OPEN_BATCH_SECONDS = 0"


def test_an_old_open_batch_is_loaded_while_standard_input_is_idle(sandbox):
    with RunningTarget(sandbox, patch=AT_ONCE, batch_size_rows=100) as run:
        run.send(schema("id", "name"), record(id="1", name="A"), state("1"))

        assert run.wait_states() == ['"1"\n']

        assert sandbox.customer("TMSEZ", "1")["name"] == "A"
        assert run.process.poll() is None
