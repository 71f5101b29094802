#!/usr/bin/env bash
# Makes .venv hold what a lock file names, and this checkout itself. Needs Python alone; seconds where nothing changed.
#   infra/local/setup.sh run|dev
set -euo pipefail
cd "$(dirname "$0")/../.."
want=$1
venv=.venv
python=${PYTHON:-python3}

stamp_of() { # lock: what the environment depends on
  { cat "requirements/$1.txt" pyproject.toml; pwd -P; } | cksum
}
fresh() { # lock
  [ "$(cat "$venv/.$1" 2>/dev/null)" = "$(stamp_of "$1")" ] && "$venv/bin/python" -c "" 2>/dev/null
}

if fresh dev || { [ "$want" = run ] && fresh run; }; then
  exit 0
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "Parlance needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3" >&2
  exit 2
}
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  "$python" -m venv --clear "$venv" || {
    echo "$python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv" >&2
    exit 2
  }
fi
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

echo "Installing $(grep -c '==' "requirements/$want.txt") packages into $venv; only the first time takes a minute or two."
pip install --quiet --no-deps --require-hashes --requirement "requirements/$want.txt"
pip install --quiet --no-deps --no-build-isolation --no-index --editable .
stamp_of run >"$venv/.run"
[ "$want" = run ] || stamp_of dev >"$venv/.dev"
