#!/usr/bin/env bash
# Whole networks as starts, on captions. See docs/results/deep/README.md. recipes/multi30k.py makes both folders:
#   bash recipes/deep-captions.sh --mirror FOLDER/mirror --data FOLDER/data
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" deep-captions "$@"
