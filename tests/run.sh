#!/usr/bin/env bash
# Runs every test, from a bare clone. Arguments go to pytest: bash tests/run.sh -k sample
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash recipes/setup.sh test
exec .venv/bin/python -m pytest "$@"
