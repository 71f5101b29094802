#!/usr/bin/env bash
# buf over the protos: lint, format, and breaking against the last state of the previous version. Needs Node.
#   BUF_AGAINST=COMMIT compares with that commit instead
set -euo pipefail
cd "$(dirname "$0")/../.."
node_dir=infra/node
buf=$node_dir/node_modules/.bin/buf

command -v npm >/dev/null || { echo "buf skipped: it needs Node (npm)"; exit 0; }
if [ ! -x "$buf" ] || [ $node_dir/package-lock.json -nt "$buf" ]; then
  npm ci --prefix $node_dir --ignore-scripts --no-audit --no-fund --silent || {
    echo "buf: npm ci in $node_dir failed" >&2
    exit 1
  }
  touch "$buf"
fi

"$buf" lint
"$buf" format --diff --exit-code
echo "buf: lint and format are clean"

baseline() { # the last commit of the previous version in pyproject.toml
  local version changed
  git rev-parse --verify --quiet HEAD >/dev/null || return 0
  version=$(grep -m 1 '^version = ' pyproject.toml)
  if [ "$(git show HEAD:pyproject.toml 2>/dev/null | grep -m 1 '^version = ')" != "$version" ]; then
    git rev-parse HEAD
    return 0
  fi
  changed=$(git log -1 --format=%H -G'^version = ' -- pyproject.toml)
  git rev-parse --verify --quiet "$changed^" || true
}

against=${BUF_AGAINST:-$(baseline)}
if [ -z "$against" ] || ! git cat-file -e "$against:protos" 2>/dev/null; then
  echo "buf breaking skipped: the history has no protos of a previous version"
  exit 0
fi
before=$(mktemp -d)
trap 'rm -rf "$before"' EXIT
git archive "$against" protos | tar -x -C "$before"
"$buf" build "$before/protos" --output "$before/image.binpb"
"$buf" breaking --against "$before/image.binpb"
echo "buf: nothing breaks since $(git rev-parse --short "$against")"
