#!/usr/bin/env bash
# The study on real text, weak baseline. See docs/results/study/README.md.
#   bash recipes/study-weak.sh --mirror DIR --data DIR
# recipes/multi30k.py makes both folders from a clone of github.com/multi30k/dataset.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" study-weak "$@"
