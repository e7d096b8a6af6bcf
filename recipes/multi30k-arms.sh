#!/usr/bin/env bash
# German-English on Multi30k: the usual arms and their controls, at 1,000 and 4,000 pairs.
#   bash recipes/multi30k-arms.sh --mirror DIR --data DIR
# The mirror is to hold Multi30k/v1 and Multi30kDescriptions/v1, the data folder val.de, val.en,
# test.de and test.en.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" multi30k-arms "$@"
