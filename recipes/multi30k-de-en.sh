#!/usr/bin/env bash
# German-English on Multi30k: four sizes up to 29,000 pairs, random, frozen and fine-tuned.
#   bash recipes/multi30k-de-en.sh --mirror DIR --data DIR
# recipes/multi30k.py makes both folders from a clone of github.com/multi30k/dataset.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" multi30k-de-en "$@"
