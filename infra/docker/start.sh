#!/bin/sh
# The image's entry point: a service by its name (the image's own where none is given), or any other command.
set -eu
name=${1:-$SERVICE}
if [ -e "services/$name/__main__.py" ]; then
  exec python -m "services.$name"
fi
[ $# -gt 0 ] || { echo "this image holds every service: name one, such as gateway" >&2; exit 2; }
exec "$@"
