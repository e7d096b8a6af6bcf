#!/usr/bin/env bash
# Makes .venv and installs nmt-ablation into it; does nothing when that is done.
#   bash recipes/setup.sh          what running needs
#   bash recipes/setup.sh test     what the tests need too; or notebook, tensorboard, encoders, translators, docs
# PYTHON names the interpreter to use (default: python3).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extra=${1:+[$1]}
stamp=.venv/installed${1:+-$1}
state=$(cat setup.cfg pyproject.toml constraints.txt recipes/setup.sh | cksum)
if [[ -f $stamp && $(<"$stamp") == "$state" ]]; then exit 0; fi

fail() { echo "setup: $*" >&2; exit 1; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "there is no $python; install Python 3.11 or later, or set PYTHON to one"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; install Python 3.11 or later and set PYTHON to it"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    fail "$python has no venv; on Debian and Ubuntu: apt-get install python3-venv"
"$python" recipes/backend.py

log=.venv/install.log
echo "setup: installing into .venv; some minutes, as fairseq is compiled; see $log" >&2
.venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv
# pip up to 25.2 obeys PIP_CONSTRAINT when it builds a package, later ones PIP_BUILD_CONSTRAINT.
export PIP_CONSTRAINT=$PWD/constraints.txt PIP_BUILD_CONSTRAINT=$PWD/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --editable ".$extra" >"$log" 2>&1 &
pip=$!
trap 'kill "$pip" 2>/dev/null' EXIT
while kill -0 "$pip" 2>/dev/null; do
    if [[ -t 2 ]]; then
        printf '\r\033[K  %.76s' "$(grep -aoE '(Collecting|Building|Installing|Preparing) .*' "$log" | tail -n 1)" >&2
    fi
    sleep 1
done
[[ ! -t 2 ]] || printf '\r\033[K' >&2
trap - EXIT
if ! wait "$pip"; then
    tail -n 20 "$log" >&2
    fail "the installation failed; all of it is in $log"
fi
# fairseq asks for torchaudio and loads it for speech only. None is built for the pinned torch, and
# where a broken one is found, transformers can't be imported.
.venv/bin/python -m pip uninstall --yes --quiet torchaudio
echo "$state" >"$stamp"
echo "setup: done; to have nmt-ablation at hand: source .venv/bin/activate" >&2
