#!/usr/bin/env bash
# A whole ablation on a made-up language pair: from a bare clone to a verdict, offline.
# Stop it at any moment and call it again: it goes on where it was.
#   bash recipes/quickstart.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash recipes/setup.sh
PATH=$PWD/.venv/bin:$PATH

export NMT_ABLATION_MIRROR=checkpoints/synthetic-mirror
nmt-ablation synthesise "$NMT_ABLATION_MIRROR"
nmt-ablation run recipes/quickstart.yaml
nmt-ablation report recipes/quickstart.yaml
