#!/usr/bin/env bash
# German-English on Multi30k: four sizes up to 29,000 pairs, random, frozen and fine-tuned.
#   bash recipes/multi30k-de-en.sh --mirror DIR --data DIR
# The folders may come from NMT_ABLATION_MIRROR (in OPUS's layout, with Multi30k/v1 and
# Multi30kDescriptions/v1) and NMT_ABLATION_DATA (with val.de, val.en, test.de, test.en). Other
# options go to `nmt-ablation run`: --jobs 1
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bash "$root/recipes/setup.sh"
PATH=$root/.venv/bin:$PATH

options=()
while (($#)); do
    case $1 in
        --mirror) export NMT_ABLATION_MIRROR=$2; shift 2 ;;
        --data) export NMT_ABLATION_DATA=$2; shift 2 ;;
        *) options+=("$1"); shift ;;
    esac
done
export NMT_ABLATION_WORKSPACE=${NMT_ABLATION_WORKSPACE:-$root/checkpoints}
nmt-ablation run "$root/recipes/multi30k-de-en.yaml" "${options[@]}"
nmt-ablation report "$root/recipes/multi30k-de-en.yaml"
