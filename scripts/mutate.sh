#!/bin/sh
# Change one file of the package in every small way, and show which changes no unit test
# notices: scripts/mutate.sh FILE [TESTS...]. BIN is where mutmut is, with a slash.
set -eu

file=$1
shift
if [ $# = 0 ]; then
    room=$(basename "$(dirname "$file")")
    set -- "tests/unit/$room/test_$(basename "$file" .py)"*.py
fi
quoted=$(printf '"%s", ' "$@")
mutmut=$(realpath "${BIN:-}mutmut" 2>/dev/null || echo mutmut)

# In a copy, since mutmut takes its settings from nowhere but pyproject.toml.
rm -rf .mutation
mkdir .mutation
git ls-files -z | tar --create --null --files-from=- | tar --extract --directory .mutation
cd .mutation
cat >>pyproject.toml <<END

[tool.mutmut]
source_paths = ["target_upwell"]
only_mutate = ["$file"]
also_copy = ["docs"]
pytest_add_cli_args_test_selection = [$quoted]
# Warnings are errors in a test run, and mutmut has some of its own.
pytest_add_cli_args = ["-x", "-p", "no:cacheprovider", "-W", "default"]
END

"$mutmut" run
"$mutmut" results | sed -n 's/^ *\([^ ]*\): \(survived\|no tests\)$/\1/p' |
    while read -r name; do
        "$mutmut" show "$name"
    done
