#!/usr/bin/env bash
# A real Kafka broker (one node, KRaft) from Maven artifacts: Java and Maven, no Docker.
#   infra/local/kafka.sh start|stop|jars|forget
# KAFKA_PORT: where it listens on 127.0.0.1 (the port after it is its controller's). KAFKA_DATA: its folder.
# KAFKA_TLS: the folder of `make certificates`. The broker then takes TLS with certificates alone, and nobody but itself
# (CN=kafka) may do anything until `parlance topics apply --access infra/access.yaml --as kafka` has said who may what.
# KAFKA_ADVERTISED: the port that clients are told, where something stands between them and the broker.
# Starting a broker that runs and stopping one that does not are done already. `forget` stops it and deletes its data.
set -euo pipefail
cd "$(dirname "$0")/../.."
port=${KAFKA_PORT:-19092}
data=${KAFKA_DATA:-.kafka/broker-$port}
lib=.kafka/lib
tls=${KAFKA_TLS:-}
protocol=PLAINTEXT
url=kafka://127.0.0.1:$port
[ -z "$tls" ] || protocol=SSL url=kafka+tls://127.0.0.1:$port
pid_file=$data/pid

fail() {
  echo "make kafka: $1" >&2
  exit 2
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
running() { # the broker of this folder, not a process that got its number later
  local pid
  pid=$(cat "$pid_file" 2>/dev/null) && grep -qz "^$data/server.properties$" "/proc/$pid/cmdline" 2>/dev/null
}

check_port() {
  if [[ ! $port =~ ^[0-9]+$ ]] || ((port < 1 || port > 65534)); then
    fail "KAFKA_PORT must be a port number below 65535, not '$port'"
  fi
}

jars() {
  local want major
  command -v java >/dev/null || fail "needs Java 17 or newer (Debian: apt-get install default-jre-headless)"
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  ((${major:-0} >= 17)) || fail "needs Java 17 or newer; this one is ${major:-of no known version}"
  want=$(cksum <infra/kafka/pom.xml)
  [ "$(cat $lib/.stamp 2>/dev/null)" != "$want" ] || return 0
  command -v mvn >/dev/null || fail "needs Maven to fetch the broker, once (Debian: apt-get install maven)"
  echo "Fetching Apache Kafka (54 MB, once)"
  rm -rf $lib $lib.new
  mkdir -p .kafka
  mvn --quiet --batch-mode --file infra/kafka/pom.xml dependency:copy-dependencies \
    "-DoutputDirectory=$PWD/$lib.new" -DincludeScope=runtime >.kafka/maven.log 2>&1 ||
    fail "Maven could not fetch the broker; .kafka/maven.log says why"
  echo "$want" >$lib.new/.stamp
  mv $lib.new $lib
}

secure() { # what the broker needs to know of certificates; its controller is spoken to in the same way
  local file
  for file in ca.crt kafka.pem; do
    [ -r "$tls/$file" ] || fail "KAFKA_TLS: $tls/$file cannot be read; type: make certificates"
  done
  cat <<PROPERTIES
ssl.keystore.type=PEM
ssl.keystore.location=$tls/kafka.pem
ssl.truststore.type=PEM
ssl.truststore.location=$tls/ca.crt
ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:CN=kafka
allow.everyone.if.no.acl.found=false
PROPERTIES
}

configure() {
  mkdir -p "$data"
  cat >"$data/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=$protocol://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=$protocol://127.0.0.1:${KAFKA_ADVERTISED:-$port}
listener.security.protocol.map=$protocol:$protocol,CONTROLLER:$protocol
controller.listener.names=CONTROLLER
inter.broker.listener.name=$protocol
log.dirs=$data/log
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
PROPERTIES
  [ -z "$tls" ] || secure >>"$data/server.properties"
  [ -f "$data/log/meta.properties" ] || {
    # 16 random bytes as Kafka writes them; a leading dash would look like an option
    local id
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AA' | tr -d '=')
    java -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile=infra/kafka/log4j2.yaml -cp "$lib/*" \
      kafka.tools.StorageTool format -t "$id" -c "$data/server.properties" >"$data/format.log" 2>&1 ||
      fail "the broker's folder could not be formatted; $data/format.log says why"
  }
}

start() {
  check_port
  if running && answers "$port"; then
    echo "Kafka runs already: $url (process $(cat "$pid_file"))"
    return
  fi
  local taken
  for taken in "$port" $((port + 1)); do
    ! answers "$taken" || running || fail "port $taken is taken by another program; choose one with KAFKA_PORT"
  done
  jars
  configure
  running || {
    setsid nohup java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
      -Dlog4j2.configurationFile=infra/kafka/log4j2.yaml -cp "$lib/*" kafka.Kafka "$data/server.properties" \
      >>"$data/broker.log" 2>&1 </dev/null &
    echo $! >"$pid_file"
  }
  for _ in {1..600}; do
    if answers "$port"; then
      echo "Kafka is ready: $url (make kafka-stop ends it; its data is in $data)"
      return
    fi
    running || kill -0 "$(cat "$pid_file")" 2>/dev/null || fail "the broker ended at once; $data/broker.log says why"
    sleep 0.1
  done
  fail "the broker does not answer after 60 s; $data/broker.log says why"
}

stop() {
  check_port
  running || {
    echo "No Kafka of this checkout runs on port $port"
    return
  }
  local pid
  pid=$(cat "$pid_file")
  kill "$pid"
  for _ in {1..150}; do
    [ -d "/proc/$pid" ] || break
    sleep 0.1
  done
  [ ! -d "/proc/$pid" ] || kill -9 "$pid"
  rm -f "$pid_file"
  echo "Kafka is stopped; its data is kept in $data"
}

case "${1:-}" in
  start | stop | jars) "$1" ;;
  forget)
    stop
    rm -rf "$data"
    ;;
  *)
    echo "usage: infra/local/kafka.sh start|stop|jars|forget" >&2
    exit 2
    ;;
esac
