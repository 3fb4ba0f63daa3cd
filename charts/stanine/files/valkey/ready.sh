# Readiness probe of the Valkey pod; runs in the server's image.
#
#   sh ready.sh PORT
#
# A server that is loading its data answers LOADING and is not ready. Authentication errors count as ready: the aclfile may
# lack the user `health`, whose only permission is PING. In an image without a client the probe only checks the port.
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
# no client: the caller probes the port
exit 0
