# Whether the server answers: the readiness probe of the Valkey pod runs it in the server's image.
#
#   sh ready.sh PORT
#
# A server that is still loading its data answers LOADING and is not ready. Whatever else it answers, it serves: the file of users may know no
# `health`, who may PING and nothing else. An image without a client says by its open port what it can.
set -u
port=$1

for name in valkey-cli redis-cli; do
  if command -v "$name" >/dev/null; then
    answer=$("$name" -h 127.0.0.1 -p "$port" --no-auth-warning --user health --pass health ping 2>&1)
    case $answer in
      *PONG* | *NOAUTH* | *WRONGPASS* | *NOPERM*) exit 0 ;;
    esac
    printf '%s\n' "$answer"
    exit 1
  fi
done
# no client: the port is probed by whoever runs this
exit 0
