#!/bin/sh
# Makes .venv from uv.lock: `setup/python.sh`, in the root of the checkout. Idempotent.
set -eu

say() { echo "error: $*" >&2; exit 2; }

python=""
for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || say "Python 3.11 or newer was not found; install it and run 'make setup' again."

if ! .venv/bin/python -c '' >/dev/null 2>&1; then
    "$python" -m venv --clear .venv >/dev/null 2>&1 ||
        say "$python cannot make a virtual environment; install its venv module (on Debian: apt-get install python3-venv)."
fi
.venv/bin/python setup/pinned.py uv > .venv/uv.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
# Compiled once here: where Python may not write bytecode, each task would compile PyTorch again, for 2 to 7 seconds.
# The project itself is run from the checkout, not installed.
.venv/bin/uv sync --quiet --frozen --no-install-project --compile-bytecode --python .venv/bin/python
# Without a C++ compiler everything works; models say in their log that the scan is slower.
reason=$(PYTHONPATH=bin .venv/bin/python -m darkregulome.models.kernels.compiled 2>&1) ||
    echo "warning: the kernels were not compiled, so Caduceus runs about 7 times slower ($(echo "$reason" | tail -n 1))" >&2
