#!/usr/bin/env bash
# Features, auxiliary objectives, parents and back-translation, on Tatoeba. See docs/results/tatoeba/README.md.
# recipes/tatoeba.py makes both folders:
#   bash recipes/tatoeba.sh --mirror FOLDER/mirror --data FOLDER/data
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" tatoeba "$@"
