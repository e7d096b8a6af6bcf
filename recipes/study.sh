#!/usr/bin/env bash
# The study: when do pretrained embeddings help? See docs/results/study/README.md.
#   bash recipes/study.sh report                       draws its pages and judges its predictions again,
#                                                      from the results kept there
#   bash recipes/study.sh all --mirror DIR --data DIR  trains all of it again: hours, see the budget there
# recipes/multi30k.py makes both folders from a clone of github.com/multi30k/dataset; made-up text is
# made here. What is trained again goes to checkpoints/study.
# Stop it at any moment and call it again: it goes on where it was.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# From the results in folder $1, as far as there are any, to the pages in folder $2.
report() {
    local real made
    shopt -s nullglob
    real=("$1"/study-{strong,weak}*.jsonl)
    made=("$1"/study-synthetic{,-strong}.jsonl)
    ((!${#real[@]})) || nmt-ablation draw "${real[@]}" --out "$2/real-text" --name real-text
    ((!${#made[@]})) || nmt-ablation draw "${made[@]}" --out "$2/made-up-text" --name made-up-text
    rm -f "$2"/{real,made-up}-text/*.{jsonl,json,npz} # the parts have it
    python "$root/recipes/study_judged.py" "$1" >"$2/judged.md"
    python "$root/recipes/study_sensitivity.py" "$1" >"$2/sensitivity.md"
}

target=${1:-}
(($#)) && shift
case $target in
    report | all) ;;
    '' | -h | --help | help) usage; exit ;;
    *) echo "study: there is no target '$target'; allowed: report, all" >&2; exit 2 ;;
esac
while (($#)); do
    case $1 in
        --mirror | --data)
            (($# > 1)) || { echo "study: $1 needs a value" >&2; exit 2; }
            variable=${1#--}
            export "NMT_ABLATION_${variable^^}=$2"
            shift 2
            ;;
        *) echo "study: there is no option '$1'; allowed: --mirror DIR, --data DIR" >&2; exit 2 ;;
    esac
done
bash "$root/recipes/setup.sh"
PATH=$root/.venv/bin:$PATH

if [[ $target == report ]]; then
    cd "$root" # pages name the command that drew them, which is to be the same everywhere
    report docs/results/study/parts docs/results/study
    exit
fi
export NMT_ABLATION_WORKSPACE=${NMT_ABLATION_WORKSPACE:-$root/checkpoints}
made=$NMT_ABLATION_WORKSPACE/study
nmt-ablation synthesise "$made/mirror" --pairs 320000 --lines 1200000
for name in strong weak synthetic synthetic-strong; do
    [[ $name != synthetic* ]] || export NMT_ABLATION_MIRROR=$made/mirror
    nmt-ablation run "$root/recipes/study-$name.yaml"
    nmt-ablation report "$root/recipes/study-$name.yaml" --no-examples --out "$made/parts"
done
report "$made/parts" "$made"
