#!/usr/bin/env bash
# The page's test in headless Chromium; skipped where there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
for name in chromium-headless-shell chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    exec .venv/bin/pytest -m browser tests
  fi
done
echo "the page's test skipped: it needs chromium or chromium-headless-shell (Debian: apt-get install chromium-headless-shell)"
