#!/usr/bin/env bash
# German-English on Multi30k: the usual arms and their controls, at 1,000 and 4,000 pairs.
#   bash recipes/multi30k-arms.sh --mirror DIR --data DIR
# recipes/multi30k.py makes both folders from a clone of github.com/multi30k/dataset.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" multi30k-arms "$@"
