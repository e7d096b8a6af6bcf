#!/usr/bin/env bash
# German-English on Multi30k: four sizes up to 29,000 pairs, random, frozen and fine-tuned.
#   bash recipes/multi30k-de-en.sh --mirror DIR --data DIR
# The mirror is to hold Multi30k/v1 and Multi30kDescriptions/v1, the data folder val.de, val.en,
# test.de and test.en.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" multi30k-de-en "$@"
