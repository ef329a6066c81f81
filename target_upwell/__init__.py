"""Singer target for the customers of an Upwell account.

Public, and kept compatible by the rules of semantic versioning:

- the commands `target-upwell` and `upwell-sandbox`, with their options and exit codes;
- the settings that `target-upwell --about` lists;
- the lines of the rejects file, the drift file and the sync log;
- `target_upwell.target.TargetUpwell`, as an SDK target, and the exceptions under
  `target_upwell.exceptions.TargetUpwellError`.

All else may change with any release. `docs/architecture.md` says what stands where.
"""
