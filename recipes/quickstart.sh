#!/usr/bin/env bash
# A whole ablation on a made-up language pair: from a bare clone to a verdict, offline.
#   bash recipes/quickstart.sh
# Stop it at any moment and call it again: it goes on where it was. Everything goes to checkpoints.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
    '') ;;
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' recipes/quickstart.sh; exit ;;
    *) echo "quickstart: takes no '$1'; for text of your own: nmt-ablation init --help" >&2; exit 2 ;;
esac
bash recipes/setup.sh
PATH=$PWD/.venv/bin:$PATH

export NMT_ABLATION_MIRROR=checkpoints/quickstart-mirror
nmt-ablation synthesise "$NMT_ABLATION_MIRROR" --lines 60000
nmt-ablation run recipes/quickstart.yaml
nmt-ablation report recipes/quickstart.yaml
cat <<END

That language is made up. With text of your own:
  source .venv/bin/activate
  nmt-ablation init mine.yaml        asks for files or corpora, and writes an experiment
END
