#!/bin/sh
# Run the tests on every supported Python that this machine has, on the PATH or below
# pyenv, each in an environment of its own. With --list only say which ones there are.
set -eu

VERSIONS="3.10 3.11 3.12 3.13 3.14"

# A shim of pyenv may be on the PATH for a version that is not switched on.
works() {
    "$1" -c 'import ensurepip, venv' >/dev/null 2>&1
}

find_python() {
    if works "python$1"; then
        command -v "python$1"
        return
    fi
    for found in "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if works "$found"; then
            echo "$found"
            return
        fi
    done
    return 1
}

passed=""
failed=""
for version in $VERSIONS; do
    if ! python=$(find_python "$version"); then
        echo "Python $version: not on this machine"
        continue
    fi
    echo "Python $version: $python"
    if [ "${1:-}" = "--list" ]; then
        continue
    fi
    if "${MAKE:-make}" --no-print-directory VENV=".venv-$version" PYTHON="$python" test
    then
        passed="$passed $version"
    else
        failed="$failed $version"
    fi
done

if [ "${1:-}" != "--list" ]; then
    echo "passed:${passed:- none}; failed:${failed:- none}"
    [ -z "$failed" ] && [ -n "$passed" ]
fi
