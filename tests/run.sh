#!/usr/bin/env bash
# Runs every test, from a bare clone. Arguments go to pytest: bash tests/run.sh -k sample
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash recipes/setup.sh test
# Files side by side, as most tests wait for processes that start; in the order of tests/conftest.py.
exec .venv/bin/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder "$@"
