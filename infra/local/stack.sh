#!/usr/bin/env bash
# The stack of docker-compose.yml.
#   infra/local/stack.sh up|down|test
#   infra/local/stack.sh keys FILE    gives llm, and nobody else, the keys of vendors in FILE (lines NAME=value)
# PARLANCE_LOCAL_IMAGES: a program that starts Docker and puts the base images there, where they cannot be pulled.
# Exits with 77 where this machine cannot run it; the message says why.
set -euo pipefail
cd "$(dirname "$0")/../.."

cannot() {
  echo "the stack cannot run here: $1" >&2
  exit 77
}

base_images() { # what is not built from this checkout
  docker compose config --images | grep -v '^parlance/'
  awk '$1 == "FROM" && $2 ~ /:/ { print $2 }' infra/docker/Dockerfile
}

prepare() {
  local image
  [ -z "${PARLANCE_LOCAL_IMAGES:-}" ] || "$PARLANCE_LOCAL_IMAGES" ||
    cannot "PARLANCE_LOCAL_IMAGES ($PARLANCE_LOCAL_IMAGES) failed"
  command -v docker >/dev/null || cannot "Docker is missing; https://docs.docker.com/engine/install tells how to get it"
  docker compose version >/dev/null 2>&1 ||
    cannot "Docker's compose plugin (2.20 or newer) is missing; https://docs.docker.com/compose/install tells how to get it"
  docker info >/dev/null 2>&1 || cannot "Docker does not answer: start it, or see that you may use it ('docker info' says more)"
  for image in $(base_images | sort -u); do
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null ||
      cannot "the image $image is not here and cannot be pulled"
  done
}

case "${1:-}" in
  up)
    prepare
    [[ ",${COMPOSE_PROFILES:-}," != *,observability,* ]] || export PARLANCE_OTLP=${PARLANCE_OTLP:-http://collector:4318}
    docker compose up --build --detach --wait --wait-timeout 300
    mkdir -p .stack && chmod 700 .stack
    docker compose cp secrets:/handed/operator/. .stack >/dev/null 2>&1
    cat <<TOLD
Parlance is ready: gRPC on 127.0.0.1:${PARLANCE_GRPC_PORT:-50051}, the page on http://127.0.0.1:${PARLANCE_HTTP_PORT:-8080}.
The command line shows the operator's certificate there; type:
  export PARLANCE_TLS=$PWD/.stack
make down ends it.
TOLD
    ;;
  down)
    docker compose --profile '*' down
    echo "The stack is stopped; its data is kept in Docker's volumes"
    ;;
  keys)
    [ -f "${2:-}" ] || { echo "'${2:-}' is no file: make keys KEYS=FILE, with lines such as ANTHROPIC_API_KEY=..." >&2; exit 2; }
    case $(stat -c %a "$2") in *00) ;; *) echo "others may read $2: chmod 600 $2" >&2; exit 2 ;; esac
    # Through a pipe, into the volume that llm alone mounts: not in an environment, not in a command line.
    docker compose run --rm --no-deps -T secrets \
      sh -ec 'umask 077; cat >/handed/llm/.keys; mv /handed/llm/.keys /handed/llm/secrets.env' <"$2"
    echo "llm has the keys of $2; one that it had before holds until: docker compose restart llm"
    ;;
  test)
    prepare
    exec .venv/bin/pytest -m stack --durations=0 tests/e2e/test_stack.py
    ;;
  *)
    echo "usage: infra/local/stack.sh up|down|test|keys FILE" >&2
    exit 2
    ;;
esac
