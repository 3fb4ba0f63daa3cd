-- Settlement of delivered entries. Part of layout.lua's library.

--- KEYS ready leases; ARGV group consumer id... -> how many were pending; -1 if fenced
local function ack(keys, args)
  local ready, leases, group = keys[1], keys[2], args[1]
  require_type(ready, 'stream')
  if is_fenced(leases, args[2]) then return -1 end
  local settled = 0
  for from = 3, #args, CHUNK do
    local to = math.min(#args, from + CHUNK - 1)
    settled = settled + redis.call('XACK', ready, group, unpack(args, from, to))
    redis.call('XDEL', ready, unpack(args, from, to))
  end
  return settled
end

--- Acknowledge an entry that holds a deduplication key. KEYS ready leases; ARGV group consumer id digest -> 1, 0, or -1
--- if fenced
local function finish(keys, args)
  require_type(keys[1], 'stream')
  if is_fenced(keys[2], args[2]) then return -1 end
  if not settle_one(keys[1], args[1], args[3]) then return 0 end
  release_key(keys[1], {u = args[4]})
  return 1
end

--- KEYS ready delayed leases; ARGV group consumer id delay deliveries created head ids trace digest
--- -> {1, 0 or -1 if fenced, ms until the first is due}
local function retry(keys, args)
  local ready, delayed, leases = keys[1], keys[2], keys[3]
  require_type(ready, 'stream')
  require_type(delayed, 'zset')
  if is_fenced(leases, args[2]) then return {-1, -1} end
  if not settle_one(ready, args[1], args[3]) then return {0, -1} end
  local entry, now = new_entry(args[7], args[8], args[9]), now_ms()
  entry.n, entry.c, entry.u = args[5], args[6], args[10] ~= '' and args[10] or nil
  if tonumber(args[4]) <= 0 then
    put_ready(ready, entry)
  else
    put_delayed(delayed, now + tonumber(args[4]), pack_entry(args[3], entry), entry)
  end
  return {1, wait_until_due(delayed, now)}
end

--- KEYS ready delayed dead leases; ARGV group consumer reason actor queue longest oldest, then (id, deliveries, delay)...
--- (delay < 0: dead-letter)
--- -> {the number that were pending or -1 if fenced, ms until the first is due}
local function reject(keys, args)
  local ready, delayed, dead, leases = keys[1], keys[2], keys[3], keys[4]
  require_type(ready, 'stream')
  require_type(delayed, 'zset')
  require_type(dead, 'stream')
  if is_fenced(leases, args[2]) then return {-1, -1} end
  local now, settled = now_ms(), 0
  for at = 8, #args, 3 do
    local id, deliveries, pause = args[at], args[at + 1], tonumber(args[at + 2])
    local entry = entry_in(ready, id)
    if settle_one(ready, args[1], id) then
      settled = settled + 1
      if entry and pause < 0 then
        dead_letter(dead, entry, args[3], args[4], args[5], deliveries, now, args[6], args[7])
      elseif entry then
        entry.n = deliveries
        put_delayed(delayed, now + pause, pack_entry(id, entry), entry)
      end
    end
  end
  return {settled, wait_until_due(delayed, now)}
end

--- KEYS ready leases; ARGV group consumer, then (id, earlier deliveries)... -> the number returned to the queue; -1 if fenced
local function release(keys, args)
  local ready, leases = keys[1], keys[2]
  require_type(ready, 'stream')
  if is_fenced(leases, args[2]) then return -1 end
  local released = 0
  for at = 3, #args, 2 do
    local entry = entry_in(ready, args[at])
    if settle_one(ready, args[1], args[at]) and entry and entry.h then
      entry.n = args[at + 1]
      put_ready(ready, entry)
      released = released + 1
    end
  end
  return released
end

register('ack', ack, {'allow-oom'})
register('finish', finish, {'allow-oom'})
register('retry', retry, {'allow-oom'})
register('reject', reject, {'allow-oom'})
register('release', release, {'allow-oom'})
