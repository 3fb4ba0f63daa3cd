-- Leases, delayed messages and recovery. Part of layout.lua's library.

local function promote_due(ready, delayed, dead, now, limit)
  if state_of(ready) == 'Paused' then return 0 end
  local due = redis.call('ZRANGE', delayed, '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
  for at = 1, #due, 2 do
    local member = due[at]
    local entry = unpack_entry(member, due[at + 1])
    if entry then
      append(ready, entry)
      if entry.debounced then redis.call('HDEL', beside(delayed, 'debounced'), entry.debounced) end
    else
      bury(dead, {h = member}, 'Undecodable', '', '', 0, now, 10000, 0)
    end
    redis.call('ZREM', delayed, member)
  end
  return #due / 2
end

--- KEYS ready delayed dead; ARGV limit -> {promoted, ms until the next is due or -1}
local function promote(keys, args)
  demand(keys[1], 'stream')
  demand(keys[2], 'zset')
  demand(keys[3], 'stream')
  local now = now_ms()
  local promoted = promote_due(keys[1], keys[2], keys[3], now, tonumber(args[1]))
  return {promoted, wait_until_due(keys[2], now)}
end

--- Renew one lease. If nobody could renew for a whole lease (the server was away), the others get a grace to renew theirs first.
local function extend(leases, consumer, now, lease, grace)
  local last = redis.call('ZSCORE', leases, RENEWED)
  if last and now - tonumber(last) > lease then
    for _, name in ipairs(redis.call('ZRANGE', leases, '-inf', whole(now + grace), 'BYSCORE')) do
      if name ~= RENEWED then redis.call('ZADD', leases, whole(now + grace), name) end
    end
  end
  redis.call('ZADD', leases, whole(now + lease), consumer, whole(now), RENEWED)
end

--- Consumers of the group, each {name, pending}; nil when there is no group.
local function consumers_of(ready, group)
  local answer = redis.pcall('XINFO', 'CONSUMERS', ready, group)
  if answer['err'] then return nil end
  local consumers = {}
  for at, flat in ipairs(answer) do
    local info = flat_to_table(flat)
    consumers[at] = {info['name'], tonumber(info['pending'])}
  end
  return consumers
end

local function has_live_lease(leases, consumer, now)
  local ends = redis.call('ZSCORE', leases, consumer)
  return ends and tonumber(ends) > now
end

--- Make the group and register a consumer. KEYS ready delayed dead leases settings; ARGV group consumer lease grace -> the settings, flat
local function join(keys, args)
  local ready, leases, group = keys[1], keys[4], args[1]
  demand(ready, 'stream')
  demand(keys[2], 'zset')
  demand(keys[3], 'stream')
  demand(leases, 'zset')
  demand(keys[5], 'hash')
  local made = redis.pcall('XGROUP', 'CREATE', ready, group, '0', 'MKSTREAM')
  if made['err'] and not string.find(made['err'], 'BUSYGROUP', 1, true) then return made end
  if args[2] ~= '' then
    -- The queue's own lease from the start if it is shorter: who dies before the first beat is held for no longer.
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

--- Renew the lease, promote what is due, forget old dead letters, look for consumers to take over from. KEYS ready delayed dead leases settings;
--- ARGV group consumer lease grace limit, dead letters kept (number, ms) -> {0} when fenced, else {1, ms until the next is due, 1 if somebody is to be taken over, the settings}
local function beat(keys, args)
  local ready, delayed, dead, leases, settings = keys[1], keys[2], keys[3], keys[4], keys[5]
  demand(ready, 'stream')
  demand(delayed, 'zset')
  demand(dead, 'stream')
  demand(leases, 'zset')
  demand(settings, 'hash')
  if is_fenced(leases, args[2]) then return {0} end
  local now = now_ms()
  extend(leases, args[2], now, tonumber(args[3]), tonumber(args[4]))
  promote_due(ready, delayed, dead, now, tonumber(args[5]))
  redis.call('XTRIM', dead, 'MAXLEN', '=', args[6])
  expire_dead(dead, now, args[7])
  local orphaned = 0
  for _, consumer in ipairs(consumers_of(ready, args[1]) or {}) do
    if not has_live_lease(leases, consumer[1], now) then orphaned = 1 end
  end
  return {1, wait_until_due(delayed, now), orphaned, redis.call('HGETALL', settings)}
end

--- Take over from every consumer without a live lease. KEYS ready leases; ARGV group consumer limit
--- -> the ids that are the caller's now (their delivery counts unchanged); at most `limit`, call again if it was reached; -1 if fenced
local function recover(keys, args)
  local ready, leases, group, me = keys[1], keys[2], args[1], args[2]
  demand(ready, 'stream')
  local now, limit, taken = now_ms(), tonumber(args[3]), {}
  if not has_live_lease(leases, me, now) then return -1 end
  for _, consumer in ipairs(consumers_of(ready, group) or {}) do
    local name, pending = consumer[1], consumer[2]
    if name ~= me and not has_live_lease(leases, name, now) then
      redis.call('ZREM', leases, name)
      while pending > 0 and #taken < limit do
        local words = {group, me, 0}
        local rows = redis.call('XPENDING', ready, group, '-', '+', math.min(CHUNK, limit - #taken), name)
        if #rows == 0 then break end
        for at, row in ipairs(rows) do words[3 + at] = row[1] end
        words[#words + 1] = 'JUSTID'
        for _, id in ipairs(redis.call('XCLAIM', ready, unpack(words))) do taken[#taken + 1] = id end
        pending = pending - #rows
      end
      if #redis.call('XPENDING', ready, group, '-', '+', 1, name) == 0 then redis.call('XGROUP', 'DELCONSUMER', ready, group, name) end
    end
  end
  for _, name in ipairs(redis.call('ZRANGE', leases, '-inf', whole(now), 'BYSCORE')) do
    if name ~= RENEWED and name ~= me then redis.call('ZREM', leases, name) end
  end
  return taken
end

--- KEYS ready leases; ARGV group consumer -> how many it leaves pending, free to be taken over at once
local function leave(keys, args)
  redis.call('ZREM', keys[2], args[2])
  local pending = redis.pcall('XPENDING', keys[1], args[1], '-', '+', 1, args[2])
  if pending['err'] then return 0 end
  if #pending == 0 then redis.call('XGROUP', 'DELCONSUMER', keys[1], args[1], args[2]) end
  return #pending
end

--- KEYS ready; ARGV group consumer after limit -> own pending entries, each {id, deliveries, fields (empty if it is gone)}
local function held(keys, args)
  local from = args[3] == '' and '-' or '(' .. args[3]
  local rows = {}
  for at, row in ipairs(redis.call('XPENDING', keys[1], args[1], from, '+', args[4], args[2])) do
    local found = redis.call('XRANGE', keys[1], row[1], row[1])
    rows[at] = {row[1], row[4], found[1] and found[1][2] or {}}
  end
  return rows
end

--- Count the start of taken-over entries. KEYS ready leases; ARGV group consumer, then (id, deliveries with this one)... -> 1; -1 if fenced
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
