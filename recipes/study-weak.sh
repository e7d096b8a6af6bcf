#!/usr/bin/env bash
# The study on real text, weak baseline. See docs/results/study/README.md.
#   bash recipes/study-weak.sh --mirror DIR --data DIR
# The mirror is to hold Multi30k/v1 and Multi30kDescriptions/v1, the data folder val.de, val.en,
# test.de and test.en.
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" study-weak "$@"
