#!/usr/bin/env bash
# Writes requirements/run.txt, stack.txt and dev.txt from pyproject.toml: everything pinned, with hashes, no addresses.
# UPGRADE=1 takes the newest versions; otherwise what is locked stays where it still fits.
set -euo pipefail
cd "$(dirname "$0")/../.."
uv=.venv/bin/uv
[ -x "$uv" ] || { echo "make lock: needs uv, which comes with the tests' packages; type: make setup-dev" >&2; exit 2; }

compile() { # output, then further arguments
  local out=$1
  shift
  "$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate ${UPGRADE:+--upgrade} \
    --extra models --extra llm --extra kafka --group build --output-file "$out" "$@"
}

mkdir -p requirements
compile requirements/run.txt
compile requirements/stack.txt --extra stack --constraints requirements/run.txt
compile requirements/dev.txt --extra stack --extra dev --constraints requirements/stack.txt
for lock in requirements/*.txt; do
  if grep -nE '://|^(torch|nvidia-[a-z0-9-]+|triton|transformers)==' "$lock"; then
    echo "make lock: $lock has the lines above: an address, or a package that nothing here may need" >&2
    exit 1
  fi
  echo "$lock: $(grep -c '==' "$lock") packages"
done
