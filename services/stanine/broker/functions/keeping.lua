-- Leases, delayed messages and recovery. Part of layout.lua's library.

--- Milliseconds between two scans of all consumers of the group, for those without a lease; renewals do not scan.
local SCAN_MS = 5000
--- The member of `orphans` that stores the time of the last scan.
local SCANNED = '@scanned'
--- Entries counted per dead consumer, and dead consumers inspected per call.
local COUNTED, INSPECTED = 1000, 64
--- Milliseconds by which a clock may be set back without effect.
local CLOCK_TOLERANCE = 1000

--- Move due messages to `ready`, at most `limit` messages and about BYTES of them.
local function promote_due(ready, delayed, dead, now, limit)
  if state_of(ready) == 'Paused' then return 0 end
  local step, promoted, bytes, largest = 1, 0, 0, 0
  while promoted < limit and bytes < BYTES do
    local asked = math.min(step, limit - promoted)
    local due = redis.call('ZRANGE', delayed, '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, asked, 'WITHSCORES')
    for at = 1, #due, 2 do
      local member = due[at]
      local entry = unpack_entry(member, due[at + 1])
      if entry then
        put_ready(ready, entry)
        if entry.debounced then redis.call('HDEL', derived_key(delayed, 'debounced'), entry.debounced) end
      else
        dead_letter(dead, {h = member}, 'Undecodable', '', '', 0, now, 10000, 0)
      end
      redis.call('ZREM', delayed, member)
      promoted, bytes, largest = promoted + 1, bytes + #member, math.max(largest, #member)
    end
    if #due < 2 * asked then break end
    step = next_step(step, bytes, largest)
  end
  return promoted
end

--- KEYS ready delayed dead; ARGV limit -> {promoted, ms until the next is due or -1}
local function promote(keys, args)
  require_type(keys[1], 'stream')
  require_type(keys[2], 'zset')
  require_type(keys[3], 'stream')
  local now = now_ms()
  local promoted = promote_due(keys[1], keys[2], keys[3], now, tonumber(args[1]))
  return {promoted, wait_until_due(keys[2], now)}
end

--- Shorten all leases if the clock was set back: they must not last longer than intended.
local function follow_clock(leases, now)
  local last = tonumber(redis.call('ZSCORE', leases, RENEWED) or 0)
  if last <= now + CLOCK_TOLERANCE then return end
  local all = redis.call('ZRANGE', leases, 0, -1, 'WITHSCORES')
  for at = 1, #all, 2 do redis.call('ZADD', leases, whole(tonumber(all[at + 1]) - (last - now)), all[at]) end
end

--- Renew one lease. If no lease was renewed for a full lease time (the server was down), all others are granted a grace
--- period.
local function extend(leases, consumer, now, lease, grace)
  follow_clock(leases, now)
  local last = redis.call('ZSCORE', leases, RENEWED)
  if last and now - tonumber(last) > lease then
    for _, name in ipairs(redis.call('ZRANGE', leases, '-inf', whole(now + grace), 'BYSCORE')) do
      if name ~= RENEWED then redis.call('ZADD', leases, whole(now + grace), name) end
    end
  end
  redis.call('ZADD', leases, whole(now + lease), consumer, whole(now), RENEWED)
end

local function has_live_lease(leases, consumer, now)
  local ends = redis.call('ZSCORE', leases, consumer)
  return ends and tonumber(ends) > now
end

--- The number of entries that a consumer has pending, counted up to COUNTED.
local function pending_of(ready, group, name)
  local rows = redis.pcall('XPENDING', ready, group, '-', '+', COUNTED, name)
  return rows['err'] and 0 or #rows
end

--- Remove a consumer from the leases: its pending entries can be taken over; without any, the consumer is deleted.
local function orphan(ready, group, leases, name)
  redis.call('ZREM', leases, name)
  local left = pending_of(ready, group, name)
  if left > 0 then
    redis.call('ZADD', derived_key(ready, 'orphans'), left, name)
  else
    redis.call('ZREM', derived_key(ready, 'orphans'), name)
    redis.pcall('XGROUP', 'DELCONSUMER', ready, group, name)
  end
  return left
end

--- Consumers whose lease expired, except the record of the last renewal.
local function expired(leases, now)
  local names = {}
  for _, name in ipairs(redis.call('ZRANGE', leases, '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, INSPECTED)) do
    if name ~= RENEWED then names[#names + 1] = name end
  end
  return names
end

--- From time to time, scan every consumer of the group for those without a lease (the key was deleted, or a read came
--- too late).
local function scan(ready, group, leases, now)
  local last = tonumber(redis.call('ZSCORE', derived_key(ready, 'orphans'), SCANNED) or 0)
  if last <= now and now - last < SCAN_MS then return end
  redis.call('ZADD', derived_key(ready, 'orphans'), whole(now), SCANNED)
  local consumers = redis.pcall('XINFO', 'CONSUMERS', ready, group)
  for _, flat in ipairs(consumers['err'] and {} or consumers) do
    local name = flat_to_table(flat)['name']
    if redis.call('ZSCORE', leases, name) == false and redis.call('ZSCORE', derived_key(ready, 'orphans'), name) == false then
      orphan(ready, group, leases, name)
    end
  end
end

--- The number of consumers that may take over entries of dead ones, 0 if there are no such entries. Constant cost.
local function takeover_consumers(ready, group, leases, now)
  scan(ready, group, leases, now)
  if redis.call('ZCARD', derived_key(ready, 'orphans')) <= 1 and #expired(leases, now) == 0 then return 0 end
  return redis.call('ZCOUNT', leases, '(' .. whole(now), '+inf')
end

--- Create the group and register a consumer. KEYS ready delayed dead leases settings; ARGV group consumer lease grace
--- -> the settings, flat
local function join(keys, args)
  local ready, leases, group = keys[1], keys[4], args[1]
  require_type(ready, 'stream')
  require_type(keys[2], 'zset')
  require_type(keys[3], 'stream')
  require_type(leases, 'zset')
  require_type(keys[5], 'hash')
  local made = redis.pcall('XGROUP', 'CREATE', ready, group, '0', 'MKSTREAM')
  if made['err'] and not string.find(made['err'], 'BUSYGROUP', 1, true) then return made end
  if args[2] ~= '' then
    -- Use the queue's own lease time from the start if it is shorter, also for a consumer that dies before its first
    -- heartbeat.
    local lease, grace = tonumber(args[3]), tonumber(args[4])
    local given = tonumber(redis.call('HGET', keys[5], 'lease_ms') or '')
    if given and given >= 500 and given < lease then
      lease, grace = given, math.max(100, math.floor(grace * given / lease))
    end
    extend(leases, args[2], now_ms(), lease, grace)
    redis.call('XGROUP', 'CREATECONSUMER', ready, group, args[2])
  end
  return redis.call('HGETALL', keys[5])
end

--- Renew the lease, promote due messages, expire old dead letters, look for dead consumers. KEYS ready delayed dead
--- leases settings;
--- ARGV group consumer lease grace limit, dead letters kept (number, ms)
--- -> {0} when fenced, else {1, ms until the next is due, number of consumers that may take over entries or 0, the settings}
local function beat(keys, args)
  local ready, delayed, dead, leases, settings = keys[1], keys[2], keys[3], keys[4], keys[5]
  require_type(ready, 'stream')
  require_type(delayed, 'zset')
  require_type(dead, 'stream')
  require_type(leases, 'zset')
  require_type(settings, 'hash')
  if is_fenced(leases, args[2]) then return {0} end
  local now = now_ms()
  extend(leases, args[2], now, tonumber(args[3]), tonumber(args[4]))
  promote_due(ready, delayed, dead, now, tonumber(args[5]))
  redis.call('XTRIM', dead, 'MAXLEN', '=', args[6])
  expire_dead(dead, now, args[7])
  return {1, wait_until_due(delayed, now), takeover_consumers(ready, args[1], leases, now), redis.call('HGETALL', settings)}
end

--- The entries, in order, to take over from one consumer: `left` of them and what fits into `slots` calls, `merge` of a
--- batch per call.
--- -> their ids, the remaining slots, whether the slots were too few
local function takeable(ready, group, name, left, slots, merge)
  local ids, room = {}, 0
  for _, row in ipairs(redis.call('XPENDING', ready, group, '-', '+', math.min(left, CHUNK), name)) do
    local entry = entry_in(ready, row[1])
    if entry and entry.i and room > 0 then
      room = room - 1
    elseif entry and slots > 0 then
      slots, room = slots - 1, entry.i and merge - 1 or 0
    elseif entry then
      return ids, slots, true
    end -- a deleted entry takes no slot
    ids[#ids + 1] = row[1]
  end
  return ids, slots, false
end

--- Take over entries of consumers without a live lease: this consumer's share, within its capacity.
--- KEYS ready leases; ARGV group consumer, slots (calls that it can run), merge (entries of a batch per call)
--- -> {the ids taken over (their delivery counts unchanged), 1 if more remain for consumers with capacity}; {} if fenced
local function recover(keys, args)
  local ready, leases, group, me, slots, merge = keys[1], keys[2], args[1], args[2], tonumber(args[3]), tonumber(args[4])
  local orphans = derived_key(ready, 'orphans')
  require_type(ready, 'stream')
  require_type(leases, 'zset')
  require_type(orphans, 'zset')
  local now, taken, full = now_ms(), {}, false
  if not has_live_lease(leases, me, now) then return {} end
  for _, name in ipairs(expired(leases, now)) do orphan(ready, group, leases, name) end
  local names, total = {}, 0
  local all = redis.call('ZRANGE', orphans, 0, INSPECTED, 'WITHSCORES')
  for at = 1, #all, 2 do
    if all[at] ~= SCANNED and all[at] ~= me then
      names[#names + 1], total = all[at], total + tonumber(all[at + 1])
    end
  end
  -- Shares are relative to the initial number, so that the last consumer to ask gets as much as the first.
  local left = math.ceil(total / math.max(1, redis.call('ZCOUNT', leases, '(' .. whole(now), '+inf')))
  for _, name in ipairs(names) do
    if full or left <= 0 then break end
    local ids
    ids, slots, full = takeable(ready, group, name, left, slots, merge)
    if #ids > 0 then
      local words = {group, me, 0}
      for at, id in ipairs(ids) do words[3 + at] = id end
      words[#words + 1] = 'JUSTID'
      for _, id in ipairs(redis.call('XCLAIM', ready, unpack(words))) do taken[#taken + 1] = id end
      left = left - #ids
    end
    if #redis.call('XPENDING', ready, group, '-', '+', 1, name) == 0 then orphan(ready, group, leases, name) end
  end
  return {taken, full and 1 or 0}
end

--- KEYS ready leases; ARGV group consumer -> the number of entries left pending, which can be taken over immediately
local function leave(keys, args)
  pass_watch(keys[1], args[1], args[2])
  return orphan(keys[1], args[1], keys[2], args[2])
end

--- KEYS ready; ARGV group consumer after limit
--- -> {1 if there are more, own pending entries, each {id, deliveries, fields (empty if deleted)}}
local function held(keys, args)
  local from = args[3] == '' and '-' or '(' .. args[3]
  local rows, bytes = {}, 0
  local pending = redis.call('XPENDING', keys[1], args[1], from, '+', args[4], args[2])
  for at, row in ipairs(pending) do
    if bytes >= BYTES then return {1, rows} end
    local found = redis.call('XRANGE', keys[1], row[1], row[1])
    rows[at] = {row[1], row[4], found[1] and found[1][2] or {}}
    bytes = bytes + sizes_of(rows[at][3])
  end
  return {#pending == tonumber(args[4]) and 1 or 0, rows}
end

--- Count the start of taken-over entries. KEYS ready leases; ARGV group consumer, then (id, deliveries including this
--- one)... -> 1; -1 if fenced
local function start(keys, args)
  if is_fenced(keys[2], args[2]) then return -1 end
  for at = 3, #args, 2 do
    redis.call('XCLAIM', keys[1], args[1], args[2], 0, args[at], 'RETRYCOUNT', args[at + 1], 'JUSTID')
  end
  return 1
end

register('promote', promote, {'allow-oom'})
register('join', join, {'allow-oom'})
register('beat', beat, {'allow-oom'})
register('recover', recover, {'allow-oom'})
register('leave', leave, {'allow-oom'})
register('start', start, {'allow-oom'})
register('held', held, {'no-writes'})
