#!/usr/bin/env bash
# The study on made-up text. See docs/results/study/README.md. The mirror:
#   nmt-ablation synthesise DIR --pairs 320000 --lines 1200000
#   bash recipes/study-synthetic.sh --mirror DIR
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" study-synthetic "$@"
