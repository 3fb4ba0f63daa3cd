# Check the append-only file before the server starts, and truncate an incomplete end left by a power failure.
#
#   sh check-aof.sh DIRECTORY APPENDDIRNAME APPENDFILENAME
#
# Runs in the init container of the Valkey pod, in the server's image. Needs POSIX sh, cp, cmp, dd, grep, od, sed, tail, tr, wc.
# A valid file is not changed. A damaged file is copied and truncated (`valkey-check-aof --fix`) only if
#   - the damage is in the last file of the manifest, and
#   - everything from the first damaged command to the end is zeros, or the beginning of one command or transaction, with or without zeros.
# Otherwise nothing is changed, the last line says why, and the exit status is 1. The runbook: docs/howto/runbooks/append-only-file.md.
set -eu
export LC_ALL=C

dir=$1
prefix=$3
manifest=$1/$2/$3.manifest
copies=$dir/damaged
rest=$dir/.check-aof.rest
tools=$(mktemp -d)
trap 'rm -rf "$tools" "$rest"' EXIT

# printf: the echo of some shells interprets the checker's \\r\\n
print() { printf '%s\n' "$*"; }
say() { print "append-only file: $*"; }
stop() {
  say "$*. Nothing was changed. What to do: docs/howto/runbooks/append-only-file.md" >&2
  exit 1
}

# --- the checker: an own program, or the server binary under another name
find_checker() {
  for name in valkey redis; do
    if command -v "$name-check-aof" >/dev/null; then checker=$name-check-aof && return; fi
    if server=$(command -v "$name-server"); then
      ln -s "$server" "$tools/$name-check-aof"
      checker=$tools/$name-check-aof
      return
    fi
  done
  say "not checked: this image has no valkey-check-aof, no redis-check-aof and no server under a usual name"
  exit 0
}

# --- file functions
size_of() { echo $(($(wc -c <"$1"))); }
# the content of FILE from an offset
from() { tail -c "+$(($2 + 1))" "$1"; }
only_zeros_from() { [ "$(from "$1" "$2" | tr -d '\000' | head -c 1 | wc -c)" -eq 0 ]; }
# truncate FILE to a length
cut_to() { dd if=/dev/null of="$1" bs=1 seek="$2" 2>/dev/null; }
# offset of the zeros at the end of FILE, by binary search
zeros_begin() {
  low=0
  high=$(size_of "$1")
  while [ "$low" -lt "$high" ]; do
    middle=$(((low + high) / 2))
    if only_zeros_from "$1" "$middle"; then high=$middle; else low=$((middle + 1)); fi
  done
  echo "$low"
}

# --- run the checker: `report` is its output; `place` and `length` refer to the file in which it stopped
check() {
  if report=$("$checker" "$1" </dev/null 2>&1); then return 0; fi
  analyzed=$(print "$report" | sed -n 's/^AOF analyzed: //p' | tail -n 1)
  place=$(print "$analyzed" | sed -n 's/.*ok_up_to=\([0-9]*\),.*/\1/p')
  length=$(print "$analyzed" | sed -n 's/.*size=\([0-9]*\),.*/\1/p')
  return 1
}

# Return whether FILE (the rest from the first damaged command, without trailing zeros) is the beginning of one command or
# of one transaction (also written by scripts and functions). Otherwise `why` is the reason.
one_cut_command() {
  if check "$1"; then
    why="the checker takes the end for valid commands, but not behind what is before them"
    return 1
  fi
  if [ "$place" != 0 ]; then
    why="whole commands follow the damaged one"
    return 1
  fi
  fault=$(print "$report" | sed -n 's/^0x *\([0-9a-f]*: .*\)/\1/p' | tail -n 1)
  case $fault in
    "")
      # the file ends at the beginning of a line, or the first byte does not start a command
      if print "$report" | grep -q 'format error'; then
        why="it is no command"
        return 1
      fi
      ;;
    *"Expected to read"* | *"Reached EOF before reading EXEC"* | *'Expected \r\n'*) begin=$((0x${fault%%:*})) ;;
    *)
      why="a command is damaged, not cut off"
      return 1
      ;;
  esac
  case $fault in
    *'Expected \r\n'*)
      # a truncated length line, if nothing else remains
      if ! from "$1" "$begin" | head -c 32 | tr '\r\n\000' 'RNN' | grep -q '^[*$][0-9]*R\{0,1\}$'; then
        why="a command is damaged, not cut off"
        return 1
      fi
      ;;
    *"Expected to read"*)
      # a damaged length also extends to the end and would include complete commands
      if from "$1" "$begin" | tr -c '0-9*\r\n' x | tr '\r' R | grep -q '^\*[0-9][0-9]*R$'; then
        why="whole commands follow one whose length is damaged"
        return 1
      fi
      ;;
  esac
  # only MULTI and EXEC have one word: a further such command, except a truncated EXEC of 14 bytes, is a damaged end
  before=$(($(size_of "$1") - 13))
  if [ "$(head -c "$((before > 0 ? before : 0))" "$1" | tr -c '0-9*\r\n' x | tr '\r' R | grep -c '^\*1R$')" -gt 1 ]; then
    why="a transaction's end is damaged, not cut off"
    return 1
  fi
}

keep_copy() {
  mkdir -p "$copies" || stop "$name is damaged, and the folder for a copy cannot be made: $copies"
  copy=$copies/$name.$end-of-$total
  if ! cmp -s "$file" "$copy"; then
    if ! cp -p "$file" "$copy.part" || ! cmp -s "$file" "$copy.part"; then
      rm -f "$copy.part"
      stop "$name is damaged, and there is no room for a copy of its $total bytes in $copies"
    fi
    sync
    mv "$copy.part" "$copy"
  fi
  sync
}

# --- the files: `earlier` in load order, and the last one in `file`
find_checker
file=
if [ -e "$manifest" ]; then
  [ "$(tr -d '[:print:]\n' <"$manifest" | wc -c)" -eq 0 ] || stop "$manifest holds bytes that are no text"
  # history files are not loaded
  names=$(sed -n 's/^file \([^ ]*\) seq [0-9]* type [bi].*$/\1/p' "$manifest")
  for name in $names; do
    if [ -n "$file" ]; then earlier="${earlier-}$file
"; fi
    file=$1/$2/$name
  done
  [ -n "$file" ] || stop "$manifest names no file"
  [ -e "$file" ] || stop "$file is not there, but $manifest names it"
elif [ -e "$dir/$prefix" ]; then
  file=$dir/$prefix # of a Redis before 7: one file
else
  say "there is none yet"
  exit 0
fi

# Files before the last one are never truncated. A base file in snapshot format is verified by the server, which knows its
# checksum; valkey-check-aof of Valkey 9.0 and 9.1 reports it as damaged (github.com/valkey-io/valkey/pull/4739), so it
# cannot check the manifest as a whole.
snapshot() { case $(head -c 6 "$1" | tr -d '\000') in REDIS0 | VALKEY) true ;; *) false ;; esac; }
print "${earlier-}" | while read -r each; do
  if [ -z "$each" ]; then continue; fi
  [ -e "$each" ] || stop "$each is not there, but $manifest names it"
  if [ ! -s "$each" ] || snapshot "$each" || check "$each"; then continue; fi
  stop "${each##*/} is damaged at byte ${place:-0} of ${length:-its}, and ${file##*/} follows it"
done

name=${file##*/}
if [ ! -s "$file" ]; then
  say "valid: $name is empty"
  exit 0
fi
if [ "$(head -c 6 "$file" | tr -d '\000')" = VALKEY ]; then
  say "not checked: $name is a snapshot, which the server checks itself"
  exit 0
fi
cut_by_hand=
if check "$file"; then
  # the checker accepts a truncated timestamp line (aof-timestamp-enabled), to which the server would append
  total=$(size_of "$file")
  end=$(zeros_begin "$file")
  line=$(head -c "$end" "$file" | tail -c 64 | tail -n 1 | tr -d '\000')
  case $line in
    '#TS:'*) ;;
    *) say valid && exit 0 ;;
  esac
  if [ "$(tail -c 1 "$file" | tr '\n' N)" = N ]; then say valid && exit 0; fi
  cut_by_hand=yes place=$((end - ${#line})) length=$total
fi
if [ -z "$place" ] || [ "$place" = "$length" ]; then
  stop "$name is damaged: $(print "$report" | grep -E 'sane|annot|ailed' | tail -n 1)"
fi

end=$place
total=$length
if [ -n "$cut_by_hand" ]; then
  what="a line that was cut off"
elif only_zeros_from "$file" "$end"; then
  what=zeros
else
  from "$file" "$end" >"$rest" || stop "$name is damaged at byte $end of $total, and there is no room to look at what follows"
  cut_to "$rest" "$(zeros_begin "$rest")"
  one_cut_command "$rest" || stop "$name is damaged at byte $end of $total, and what follows is neither zeros nor one command that was cut off: $why"
  what="a command that was cut off"
fi

keep_copy
if [ -n "$cut_by_hand" ]; then
  cut_to "$file" "$end"
else
  echo y | "$checker" --fix "$file" >/dev/null 2>&1 || true # verified below
fi
sync
if [ -s "$file" ] && ! check "$file"; then
  say "$name is still damaged after ${checker##*/} has cut it at byte $end of $total; the copy is $copy" >&2
  exit 1
fi
say "cut $name to $end of $total bytes: the rest was $what. The copy is $copy; delete it when you have looked at it"
