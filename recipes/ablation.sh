#!/usr/bin/env bash
# What the recipes have in common: bash recipes/ablation.sh NAME [TARGET] [options] works on the
# experiment recipes/NAME.yaml. `bash recipes/NAME.sh --help` says what there is.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=${1:?usage: bash recipes/ablation.sh NAME [TARGET] [options]}
shift
experiment=$root/recipes/$name.yaml

fail() { echo "$name: $*" >&2; exit 2; }

usage() {
    sed -n '/^#/!q; /^# yaml-language-server/d; s/^# \{0,1\}//p' "$experiment"
    cat <<END

  bash recipes/$name.sh [TARGET] [options]

Targets:
  all        prepare, train, score and report (the default)
  prepare    fetch, clean, hold out, sample, segment, train vectors; no model yet
  train      train what is not trained, and translate and score it
  score      the same: a cell is trained, translated and scored as one
  report     table, verdict and figure of what is finished
  submit     hand all of that to a SLURM cluster; see docs/slurm.md

Options, or variables of the environment:
  --mirror PLACE     NMT_ABLATION_MIRROR      where corpora come from, laid out as OPUS is
  --data DIR         NMT_ABLATION_DATA        where files named in the experiment are
  --workspace DIR    NMT_ABLATION_WORKSPACE   where everything goes (default: checkpoints)
  --cache DIR        NMT_ABLATION_CACHE       a workspace that finished work is taken from
Other options go to nmt-ablation.

Stop it at any moment and call it again: it goes on where it was.

Examples:
  nmt-ablation plan recipes/$name.yaml       # what it will take
  bash recipes/$name.sh prepare --mirror /data/opus
  bash recipes/$name.sh train --jobs 2
  bash recipes/$name.sh report --out results
END
}

target=all
if (($#)) && [[ $1 != -* ]]; then
    target=$1
    shift
fi
options=()
while (($#)); do
    case $1 in
        -h | --help) usage; exit ;;
        --mirror | --data | --workspace | --cache)
            (($# > 1)) || fail "$1 needs a value"
            variable=${1#--}
            export "NMT_ABLATION_${variable^^}=$2"
            shift 2
            ;;
        *) options+=("$1"); shift ;;
    esac
done
case $target in
    all | prepare | train | score | report | submit) ;;
    help) usage; exit ;;
    *) fail "there is no target '$target'; allowed: all, prepare, train, score, report, submit" ;;
esac

bash "$root/recipes/setup.sh"
PATH=$root/.venv/bin:$PATH
export NMT_ABLATION_WORKSPACE=${NMT_ABLATION_WORKSPACE:-$root/checkpoints}

case $target in
    all)
        nmt-ablation run "$experiment" "${options[@]}"
        nmt-ablation report "$experiment"
        ;;
    prepare) nmt-ablation run "$experiment" --prepare "${options[@]}" ;;
    train | score) nmt-ablation run "$experiment" "${options[@]}" ;;
    report) nmt-ablation report "$experiment" "${options[@]}" ;;
    submit) nmt-ablation submit "$experiment" "${options[@]}" ;;
esac
