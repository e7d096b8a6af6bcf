#!/usr/bin/env bash
# German-English on Multi30k: four sizes up to 29,000 pairs, random, frozen and fine-tuned.
#   bash recipes/multi30k-de-en.sh --mirror DIR --data DIR
# DIR may come from NMT_ABLATION_MIRROR (a folder in OPUS's layout with Multi30k/v1 and
# Multi30kDescriptions/v1) and NMT_ABLATION_DATA (with val.de, val.en, test.de, test.en).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash recipes/setup.sh
PATH=$PWD/.venv/bin:$PATH

nmt-ablation run recipes/multi30k-de-en.yaml "$@"
nmt-ablation report recipes/multi30k-de-en.yaml "$@"
