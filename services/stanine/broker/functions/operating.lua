-- Operations: looking, states, settings, single dead letters. Part of layout.lua's library.

--- KEYS ready delayed dead leases; ARGV group look
--- -> {ready, delayed, in flight, dead, created of the oldest (ms) or -1, consumers, now, state, deaths by reason (flat)}
local function stats(keys, args)
  local ready, delayed, look = keys[1], keys[2], tonumber(args[2])
  local now, oldest, in_flight = now_ms(), math.huge, 0
  local summary = redis.pcall('XPENDING', ready, args[1])
  if not summary['err'] then in_flight = summary[1] end
  for _, row in ipairs(redis.call('XRANGE', ready, '-', '+', 'COUNT', look)) do
    oldest = math.min(oldest, tonumber(read_entry(row[1], row[2]).c))
  end
  local upcoming = redis.call('ZRANGE', delayed, 0, look - 1, 'WITHSCORES')
  for at = 1, #upcoming, 2 do
    local entry = unpack_entry(upcoming[at], upcoming[at + 1])
    if entry then oldest = math.min(oldest, tonumber(entry.c)) end
  end
  if oldest == math.huge then oldest = -1 end
  local length = redis.call('XLEN', ready)
  return {math.max(0, length - in_flight), redis.call('ZCARD', delayed), in_flight, redis.call('XLEN', keys[3]), oldest,
    redis.call('ZCOUNT', keys[4], '(' .. whole(now), '+inf'), now, state_of(ready), redis.call('HGETALL', beside(ready, 'deaths'))}
end

--- KEYS settings; ARGV state -> the state before
local function set_state(keys, args)
  demand(keys[1], 'hash')
  local before = state_of(keys[1])
  redis.call('HSET', keys[1], 'state', args[1])
  return before
end

--- Delete what waits and what is in flight, a chunk a call. KEYS ready; ARGV group limit -> how many were deleted
local function drop(keys, args)
  demand(keys[1], 'stream')
  local rows, ids = redis.call('XRANGE', keys[1], '-', '+', 'COUNT', args[2]), {}
  for at, row in ipairs(rows) do
    ids[at] = row[1]
    free(keys[1], read_entry(row[1], row[2]))
  end
  if #ids > 0 then
    redis.pcall('XACK', keys[1], args[1], unpack(ids))
    redis.call('XDEL', keys[1], unpack(ids))
  end
  return #ids
end

local function revive_one(ready, dead, id, letter)
  append(ready, {h = letter.h, i = letter.i, t = letter.t, c = letter.created})
  redis.call('XDEL', dead, id)
end

--- Put dead letters back, with a fresh count. KEYS ready dead; ARGV id... -> how many
local function revive(keys, args)
  demand(keys[1], 'stream')
  demand(keys[2], 'stream')
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

--- Write the settings given: all of them (mode 'set') or those that are absent ('default'); '' removes one.
--- KEYS settings; ARGV mode (field, value)... -> how many changed
local function settle_settings(keys, args)
  demand(keys[1], 'hash')
  local changed = 0
  for at = 2, #args, 2 do
    local there = redis.call('HGET', keys[1], args[at])
    if args[at + 1] == '' then
      changed = changed + redis.call('HDEL', keys[1], args[at])
    elseif there == false or (args[1] == 'set' and there ~= args[at + 1]) then
      redis.call('HSET', keys[1], args[at], args[at + 1])
      changed = changed + 1
    end
  end
  return changed
end

register('revive', revive, {})
register('drop', drop, {'allow-oom'})
register('settings', settle_settings, {'allow-oom'})
register('set_state', set_state, {'allow-oom'})
register('stats', stats, {'no-writes'})
