#!/usr/bin/env bash
# The study on made-up text, of which the mirror is to hold 300,000 pairs and lines and some more:
#   nmt-ablation synthesise DIR --pairs 320000 --lines 300000
#   bash recipes/study-synthetic.sh --mirror DIR
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" study-synthetic "$@"
