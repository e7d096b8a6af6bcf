#!/usr/bin/env bash
# Whole networks as starts, with their controls. The mirror:
#   nmt-ablation synthesise DIR
#   bash recipes/deep.sh --mirror DIR
set -euo pipefail
exec bash "$(dirname "${BASH_SOURCE[0]}")/ablation.sh" deep "$@"
