-- Operations: statistics, states, settings, ownership, single dead letters. Part of layout.lua's library.

--- The oldest of the delayed messages that are due first: of at most `look`, and of about BYTES.
local function oldest_delayed(delayed, look)
  local oldest, step, seen, bytes, largest = math.huge, 1, 0, 0, 0
  while seen < look and bytes < BYTES do
    local asked = math.min(step, look - seen)
    local upcoming = redis.call('ZRANGE', delayed, seen, seen + asked - 1, 'WITHSCORES')
    for at = 1, #upcoming, 2 do
      local entry = unpack_entry(upcoming[at], upcoming[at + 1])
      if entry then oldest = math.min(oldest, tonumber(entry.c)) end
      seen, bytes, largest = seen + 1, bytes + #upcoming[at], math.max(largest, #upcoming[at])
    end
    if #upcoming < 2 * asked then break end
    step = next_step(step, bytes, largest)
  end
  return oldest
end

--- The numbers of ready and of in-flight entries, without ticks.
local function depths(ready, group)
  local summary = redis.pcall('XPENDING', ready, group)
  local in_flight = summary['err'] and 0 or summary[1]
  local waiting = math.max(0, redis.call('XLEN', ready) - in_flight)
  local tick, taken = tick_of(ready, group)
  if not tick then return waiting, in_flight end
  return math.max(0, waiting - (taken and 0 or 1)), in_flight - (taken and 1 or 0)
end

--- KEYS ready delayed dead leases; ARGV group look
--- -> {ready, delayed, in flight, dead, created of the oldest (ms) or -1, consumers, now, state, deaths by reason (flat), its owner or ''}
local function stats(keys, args)
  local ready, delayed, look = keys[1], keys[2], tonumber(args[2])
  local now, oldest = now_ms(), oldest_delayed(delayed, look)
  local waiting, in_flight = depths(ready, args[1])
  walk(ready, '-', '+', look, function(row)
    local entry = read_entry(row[1], row[2])
    if not entry.w then oldest = math.min(oldest, tonumber(entry.c)) end
  end)
  if oldest == math.huge then oldest = -1 end
  return {waiting, redis.call('ZCARD', delayed), in_flight, redis.call('XLEN', keys[3]), oldest,
    redis.call('ZCOUNT', keys[4], '(' .. whole(now), '+inf'), now, state_of(ready), redis.call('HGETALL', derived_key(ready, 'deaths')),
    owner_of(derived_key(ready, 'settings'), now) or ''}
end

--- KEYS ready delayed; ARGV group -> the number of ready, in-flight and delayed messages, without reading any
local function size(keys, args)
  return redis.call('XLEN', keys[1]) - (tick_of(keys[1], args[1]) and 1 or 0) + redis.call('ZCARD', keys[2])
end

--- KEYS settings; ARGV state -> {1, the previous state}; {0, the owner} if the queue has an owner and this would change the state
local function set_state(keys, args)
  require_type(keys[1], 'hash')
  local before = state_of(keys[1])
  local owner = before ~= args[1] and owner_of(keys[1], now_ms())
  if owner then return {0, owner} end
  redis.call('HSET', keys[1], 'state', args[1])
  return {1, before}
end

--- Delete waiting and in-flight messages, a chunk per call; after the last chunk, the deduplication keys. KEYS ready
--- delayed; ARGV group limit
--- -> {1 if that was all, the number deleted}
local function drop(keys, args)
  require_type(keys[1], 'stream')
  local ids = {}
  local _, all = walk(keys[1], '-', '+', tonumber(args[2]), function(row)
    ids[#ids + 1] = row[1]
    release_key(keys[1], read_entry(row[1], row[2]))
  end)
  if #ids > 0 then
    redis.pcall('XACK', keys[1], args[1], unpack(ids))
    redis.call('XDEL', keys[1], unpack(ids))
  end
  if all and redis.call('ZCARD', keys[2]) == 0 then
    for _, part in ipairs({'unique', 'holders', 'debounced'}) do redis.call('UNLINK', derived_key(keys[1], part)) end
  end
  return {all and 1 or 0, #ids}
end

local function revive_one(ready, dead, id, letter)
  append(ready, {h = letter.h, i = letter.i, t = letter.t, c = letter.created})
  redis.call('XDEL', dead, id)
end

--- Requeue dead letters with a reset count. KEYS ready dead; ARGV id... -> their number
local function revive(keys, args)
  require_type(keys[1], 'stream')
  require_type(keys[2], 'stream')
  local revived = 0
  for _, id in ipairs(args) do
    local found = redis.call('XRANGE', keys[2], id, id)
    if found[1] then
      revive_one(keys[1], keys[2], id, flat_to_table(found[1][2]))
      revived = revived + 1
    end
  end
  return revived
end

--- Write fields from index `from` on, each name and value ('' removes it): all of them, or only absent ones; return the
--- number changed.
local function write_fields(key, args, from, absent_only)
  local changed = 0
  for at = from, #args, 2 do
    local there = redis.call('HGET', key, args[at])
    if args[at + 1] == '' then
      changed = changed + redis.call('HDEL', key, args[at])
    elseif there == false or (not absent_only and there ~= args[at + 1]) then
      redis.call('HSET', key, args[at], args[at + 1])
      changed = changed + 1
    end
  end
  return changed
end

--- Write the given settings: all of them (mode 'set') or only absent ones ('default'); '' removes one.
--- KEYS settings; ARGV mode (field, value)... -> {1, the number changed}; {0, the owner} if the queue has an owner and the mode is 'set'
local function settle_settings(keys, args)
  require_type(keys[1], 'hash')
  local owner = args[1] == 'set' and owner_of(keys[1], now_ms())
  if owner then return {0, owner} end
  return {1, write_fields(keys[1], args, 2, args[1] == 'default')}
end

--- The requests that an owner may make, and the field that stores the last handled token of each.
local HANDLED = {purge = 'handledPurge', requeue = 'handledRequeue'}

--- Take or renew ownership of a queue, and write its settings and state. The tokens of an owner that is new here count
--- as handled: a resource seen for the first time may be a copy of one that was deleted or restored. KEYS settings;
--- ARGV owner deleted hold (ms) state, tokens of purge and requeue or '', then (field, value)...
--- -> {1, the number changed, last handled tokens of purge and requeue}; {0, the other owner}
local function manage(keys, args)
  local settings, now = keys[1], now_ms()
  require_type(settings, 'hash')
  local blocker = blocking_owner(settings, args[1], args[2], now)
  if blocker then return {0, blocker} end
  local uid = cjson.decode(args[1]).uid
  if redis.call('HGET', settings, 'handledFor') ~= uid then
    redis.call('HSET', settings, 'handledFor', uid, HANDLED.purge, args[5], HANDLED.requeue, args[6])
  end
  hold(settings, args[1], args[3], now)
  local changed = write_fields(settings, args, 7, false)
  if redis.call('HGET', settings, 'state') ~= args[4] then
    redis.call('HSET', settings, 'state', args[4])
    changed = changed + 1
  end
  return {1, changed, redis.call('HGET', settings, HANDLED.purge) or '', redis.call('HGET', settings, HANDLED.requeue) or ''}
end

--- Record that an owner's request was handled. KEYS settings; ARGV owner, purge or requeue, token -> 1; 0 if it owns
--- the queue no longer
local function handled(keys, args)
  if redis.call('HGET', keys[1], 'handledFor') ~= cjson.decode(args[1]).uid then return 0 end
  redis.call('HSET', keys[1], HANDLED[args[2]], args[3])
  return 1
end

--- Whether a stream holds only ticks, checked within a limit.
local function has_no_messages(ready, look)
  if redis.call('XLEN', ready) > look then return false end
  local _, all = walk(ready, '-', '+', look, function(row) return not read_entry(row[1], row[2]).h end)
  return all
end

--- Remove a queue if it is empty; its consumers register again, with the default settings. If it is kept, the ownership
--- ends.
--- KEYS ready delayed dead leases settings; ARGV owner look -> {1} removed; {0} kept, not empty; {-1, the other owner}
local function remove(keys, args)
  local ready, settings = keys[1], keys[5]
  require_type(ready, 'stream')
  require_type(keys[2], 'zset')
  require_type(keys[3], 'stream')
  require_type(settings, 'hash')
  local blocker = blocking_owner(settings, args[1], '', now_ms())
  if blocker then return {-1, blocker} end
  if not has_no_messages(ready, tonumber(args[2])) or redis.call('ZCARD', keys[2]) > 0 or redis.call('XLEN', keys[3]) > 0 then
    release_ownership(settings, args[1])
    return {0}
  end
  redis.call('UNLINK', unpack(keys))
  local parts = {'deaths', 'rate', 'watch', 'bell', 'orphans', 'tick', 'unique', 'holders', 'debounced', 'requests'}
  for _, part in ipairs(parts) do redis.call('UNLINK', derived_key(ready, part)) end
  return {1}
end

register('revive', revive, {})
register('drop', drop, {'allow-oom'})
register('settings', settle_settings, {'allow-oom'})
register('manage', manage, {'allow-oom'})
register('handled', handled, {'allow-oom'})
register('remove', remove, {'allow-oom'})
register('set_state', set_state, {'allow-oom'})
register('stats', stats, {'no-writes'})
register('size', size, {'no-writes'})
