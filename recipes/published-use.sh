#!/usr/bin/env bash
# A part of the run of published encoders, on Tatoeba. See docs/results/published/README.md.
# recipes/tatoeba.py makes both folders; the encoders come into the second:
#   bash recipes/published-use.sh --mirror FOLDER/mirror --data FOLDER/data
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" published-use "$@"
