#!/usr/bin/env bash
# A real Apache Kafka for tests: KRaft, combined broker and controller nodes, on loopback only.
#
#   kafka.sh fetch            get its jars with Maven into KAFKA_LIB, unless they are there
#   kafka.sh start [1|3]      format when new, start the nodes, wait until ready, print KAFKA_DIR/env
#   kafka.sh hold [1|3]       start, print env and then `READY`, and when standard input ends kill the
#                             nodes and delete KAFKA_DIR: whoever holds the pipe owns the cluster
#   kafka.sh stop [id]        controlled shutdown of one node, or of all
#   kafka.sh kill9 [id]       the same by SIGKILL
#   kafka.sh restart [id]     start again what is down: same ports, same data
#   kafka.sh status           process, memory and port of each node
#   kafka.sh tool CLASS ...   run a command line class, such as org.apache.kafka.tools.TopicCommand
#
# Environment: KAFKA_DIR (default ./kafka-run), KAFKA_LIB (default target/kafka/lib of this project),
# KAFKA_HEAP (default 512m), KAFKA_EXTRA (more lines of server.properties), and KAFKA_SECURE=1 for
# three more listeners, SASL_PLAINTEXT, SSL and SASL_SSL, with SCRAM-SHA-512 and PLAIN for the user
# alice. Needs bash, coreutils, a Java 17 runtime, and Maven to fetch.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DIR=${KAFKA_DIR:-$PWD/kafka-run}
LIB=${KAFKA_LIB:-${CARGO_TARGET_DIR:-$HERE/../../../target}/kafka/lib}
HEAP=${KAFKA_HEAP:-512m}
PASSWORD=alice-secret
STORE_PASSWORD=not-a-secret

say() { echo "kafka.sh: $*" >&2; }

need() {
  command -v "$1" > /dev/null || { say "$1 is missing: install $2"; exit 69; }
}

fetch() {
  if cmp -s "$HERE/pom.xml" "$LIB/pom.xml"; then return; fi
  need mvn "maven"
  rm -rf "$LIB"
  mkdir -p "$LIB"
  mvn -q -B -ntp -Dstyle.color=never -f "$HERE/pom.xml" dependency:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$(cd "$LIB" && pwd)"
  cp "$HERE/pom.xml" "$LIB/pom.xml"                         # last: it says that all jars are there
}

# Ports below the range from which the system takes those of outgoing connections.
free_ports() {
  local wanted=$1 port found=()
  while ((${#found[@]} < wanted)); do
    port=$((20000 + RANDOM % 12000))
    [[ " ${found[*]} " == *" $port "* ]] && continue
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null || found+=("$port")
  done
  echo "${found[@]}"
}

alive() { [ -f "$DIR/n$1/pid" ] && kill -0 "$(cat "$DIR/n$1/pid")" 2> /dev/null; }

nodes() { ls -d "$DIR"/n[0-9]* 2> /dev/null | sed 's/.*\/n//' | sort -n; }

# A key pair for 127.0.0.1 that signs itself: the certificate is its own authority.
certificate() {
  need keytool "a Java 17 runtime (default-jre-headless)"
  keytool -genkeypair -alias broker -keyalg RSA -keysize 2048 -validity 30 -dname CN=localhost \
    -ext san=ip:127.0.0.1,dns:localhost -ext bc:critical=ca:true -storetype PKCS12 \
    -keystore "$DIR/broker.p12" -storepass "$STORE_PASSWORD" 2> /dev/null
  keytool -exportcert -rfc -alias broker -keystore "$DIR/broker.p12" \
    -storepass "$STORE_PASSWORD" > "$DIR/ca.pem" 2> /dev/null
}

secure_properties() {
  local module=org.apache.kafka.common.security listener
  cat << P
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
ssl.keystore.type=PKCS12
ssl.keystore.location=$DIR/broker.p12
ssl.keystore.password=$STORE_PASSWORD
ssl.key.password=$STORE_PASSWORD
P
  for listener in sasl saslssl; do cat << P
listener.name.$listener.scram-sha-512.sasl.jaas.config=$module.scram.ScramLoginModule required;
listener.name.$listener.plain.sasl.jaas.config=$module.plain.PlainLoginModule required user_alice="$PASSWORD";
P
  done
}

# properties ID COUNT VOTERS LISTENERS CONTROLLER_PORT
properties() {
  local protocols=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,SSL:SSL,SASLSSL:SASL_SSL
  local replicas=$(($2 < 3 ? 1 : 3)) in_sync=$(($2 < 3 ? 1 : 2))
  cat << P
process.roles=broker,controller
node.id=$1
controller.quorum.voters=$3
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listeners=$4,CONTROLLER://127.0.0.1:$5
advertised.listeners=$4
listener.security.protocol.map=$protocols,CONTROLLER:PLAINTEXT
log.dirs=$DIR/n$1/data
num.network.threads=2
num.io.threads=4
num.partitions=8
default.replication.factor=$replicas
min.insync.replicas=$in_sync
offsets.topic.replication.factor=$replicas
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$in_sync
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$in_sync
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
log.segment.bytes=134217728
log.retention.check.interval.ms=1000
log.cleaner.backoff.ms=1000
log.initial.task.delay.ms=1000
auto.create.topics.enable=false
broker.session.timeout.ms=6000
P
}

log4j() {
  cat << P
status=error
appender.f.type=File
appender.f.name=F
appender.f.fileName=$1
appender.f.layout.type=PatternLayout
appender.f.layout.pattern=%d{ISO8601} %p [%c{1}] %m%n
rootLogger.level=info
rootLogger.appenderRef.f.ref=F
P
}

# Writes the configuration of each node, formats its storage, and says in env where they listen.
configure() {
  local count=$1 secure=${KAFKA_SECURE:-0} names=(PLAINTEXT) id name ports at
  local voters="" cluster listeners node
  local -A addresses=()
  [ "$secure" = 1 ] && { names+=(SASL SSL SASLSSL); certificate; }
  local per=$((${#names[@]} + 1))
  read -ra ports <<< "$(free_ports $((count * per)))"
  for ((id = 1; id <= count; id++)); do
    voters+="${voters:+,}$id@127.0.0.1:${ports[id * per - 1]}"
  done
  # base64 of 16 bytes; an id that began with - would be taken for an option
  cluster="k$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c2-22)"
  for ((id = 1; id <= count; id++)); do
    node="$DIR/n$id" at=$(((id - 1) * per)) listeners=""
    mkdir -p "$node"
    for name in "${names[@]}"; do
      listeners+="${listeners:+,}$name://127.0.0.1:${ports[at]}"
      addresses[$name]+="${addresses[$name]:+,}127.0.0.1:${ports[at]}"
      at=$((at + 1))
    done
    {
      properties "$id" "$count" "$voters" "$listeners" "${ports[at]}"
      [ "$secure" = 1 ] && secure_properties
      printf '%s\n' "${KAFKA_EXTRA:-}"
    } > "$node/server.properties"
    log4j "$node/server.log" > "$node/log4j2.properties"
    format "$node" "$cluster" "$secure"
  done
  {
    echo "KAFKA_BOOTSTRAP=${addresses[PLAINTEXT]}"
    if [ "$secure" = 1 ]; then
      echo "KAFKA_SASL=${addresses[SASL]}"
      echo "KAFKA_SSL=${addresses[SSL]}"
      echo "KAFKA_SASLSSL=${addresses[SASLSSL]}"
      echo "KAFKA_CA=$DIR/ca.pem"
      echo "KAFKA_USER=alice"
      echo "KAFKA_PASSWORD=$PASSWORD"
    fi
  } > "$DIR/env"
}

# format NODE CLUSTER SECURE
format() {
  local scram=()
  [ "$3" = 1 ] && scram=(--add-scram "SCRAM-SHA-512=[name=alice,password=$PASSWORD]")
  java -Xmx128m -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$1/log4j2.properties" \
    -cp "$LIB/*" kafka.tools.StorageTool format -t "$2" -c "$1/server.properties" \
    --ignore-formatted "${scram[@]}" > "$1/format.log" 2>&1 || { cat "$1/format.log" >&2; exit 70; }
}

launch() {
  local node="$DIR/n$1"
  : > "$node/server.log"
  setsid nohup java -Xms"$HEAP" -Xmx"$HEAP" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
    -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true -Djava.net.preferIPv4Stack=true \
    -XX:ErrorFile="$node/crash.log" -Dlog4j2.configurationFile="$node/log4j2.properties" \
    -cp "$LIB/*" kafka.Kafka "$node/server.properties" > "$node/stdout.log" 2>&1 < /dev/null &
  echo $! > "$node/pid"
  disown
}

# Waits up to 180 s for each node; 1 if one of them died or is still not there.
ready() {
  local id turn
  for id in "$@"; do
    for ((turn = 0; turn < 3600; turn++)); do
      grep -q 'Kafka Server started' "$DIR/n$id/server.log" 2> /dev/null && continue 2
      alive "$id" || break
      sleep 0.05
    done
    say "node $id $(alive "$id" && echo "is there, but" || echo "has ended and") did not start:"
    tail -n 20 "$DIR/n$id/stdout.log" "$DIR/n$id/server.log" >&2
    return 1
  done
}

start() {
  local id
  need java "a Java 17 runtime (default-jre-headless)"
  [ -f "$LIB/pom.xml" ] || { say "no Kafka in $LIB: run \`$0 fetch\`"; exit 69; }
  mkdir -p "$DIR"
  if [ -f "$DIR/env" ]; then
    restart
    return
  fi
  for _ in 1 2 3; do                     # another process may take a port before the node does
    configure "$1"
    for id in $(nodes); do launch "$id"; done
    ready $(nodes) && return
    kill9
    grep -q 'Address already in use' "$DIR"/n*/server.log || break
    rm -rf "$DIR"/n[0-9]* "$DIR/env" "$DIR/broker.p12"
  done
  exit 70
}

restart() {
  local id list=${1:-$(nodes)}
  for id in $list; do alive "$id" || launch "$id"; done
  ready $list || exit 70
}

stop() {
  local id turn list=${1:-$(nodes)}
  for id in $list; do ! alive "$id" || kill -TERM "$(cat "$DIR/n$id/pid")"; done
  for id in $list; do
    for ((turn = 0; turn < 600; turn++)); do alive "$id" || break; sleep 0.05; done
  done
  kill9 "$list"
}

kill9() {
  local id list=${1:-$(nodes)}
  for id in $list; do ! alive "$id" || kill -KILL "$(cat "$DIR/n$id/pid")"; done
  for id in $list; do
    while alive "$id"; do sleep 0.02; done
    rm -f "$DIR/n$id/pid"
  done
}

hold() {
  trap 'kill9; rm -rf "$DIR"' EXIT
  trap 'exit 130' INT TERM HUP
  start "$1"
  cat "$DIR/env"
  echo READY
  cat > /dev/null || :                                     # until whoever holds the pipe is gone
}

status() {
  local id pid
  for id in $(nodes); do
    if ! alive "$id"; then echo "n$id down"; continue; fi
    pid=$(cat "$DIR/n$id/pid")
    echo "n$id pid=$pid rss_kb=$(awk '/VmRSS/ {print $2}' "/proc/$pid/status")" \
      "$(grep ^listeners= "$DIR/n$id/server.properties")"
  done
}

case ${1:-} in
  fetch) fetch ;;
  start) start "${2:-1}"; cat "$DIR/env" ;;
  hold) hold "${2:-1}" ;;
  stop) stop "${2:-}" ;;
  kill9) kill9 "${2:-}" ;;
  restart) restart "${2:-}" ;;
  status) status ;;
  tool) shift; exec java -Xmx256m -XX:TieredStopAtLevel=1 \
    -Dlog4j2.configurationFile="$HERE/tool-log4j2.properties" -cp "$LIB/*" "$@" ;;
  *) sed -n '/^#   /p' "${BASH_SOURCE[0]}" | cut -c3-; exit 64 ;;
esac
