#!lua name=stanine_broker_@VERSION@
--[[ What the broker does in Redis, each function in one step (stanine/broker/queue.py calls them; nobody else does).

Keys of a queue (stanine/broker/keys.py), all with one hash tag; those above the line are passed in KEYS, the others derived from them:
  ready     stream   what waits and, in the group's pending list, what is in flight; settled entries are deleted
  delayed   zset     score: when due (ms), member: a packed entry
  dead      stream   what was given up, with its reason
  leases    zset     consumer -> when its lease ends (ms). Present = may settle; taken over = removed. '@renewed': the last renewal by anyone
  settings  hash     written by the bootstrap; its field `state` by whoever pauses, drains or resumes
  --------
  deaths    hash     reason -> how many messages were ever given up for it
  rate      string   when the messages handed out so far would all have been due at the queue's rate (ms)
  unique    zset     digest of a deduplication key -> until when no second message is taken (ms; +inf: until the first is done)
  debounced hash     digest of a deduplication key -> the member of `delayed` that the next message with this key replaces
  requests  hash     token -> what a purge or re-queueing at large has come to (packed)

Rules: validate before the first write (there is no rollback); whoever is not in `leases` changes nothing (the fence); retry, release and
rejection act only where XACK returned 1; time is the server's; `unpack` gets at most CHUNK values. What settles work may run when memory
is full (allow-oom), what brings new work may not.
]]

--- Values handed to one call: Lua's stack holds about 8,000.
local CHUNK = 4000
--- Milliseconds that a reader waits at least before it asks for its share of a limited rate again: many readers, few calls.
local RATE_PAUSE = 20
--- How the token of a debounced message begins; the rest is the digest of its key.
local DEBOUNCED = 'debounced:'
--- Requests remembered after they are done, so that the same token never acts again.
local REQUESTS_KEPT = 1000
--- The member of `leases` that tells when anyone last renewed. Consumer names never begin with '@'.
local RENEWED = '@renewed'

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

--- A whole number as text: Lua's own tostring would write 1.7e+12.
local function whole(number)
  return string.format('%.0f', number)
end

--- Another key of the queue that a key belongs to.
local function beside(key, part)
  return (string.gsub(key, '[^:]+$', part))
end

--- Running, Paused or Draining (stanine/broker/state.py); what is none of them counts as Running, and consumers complain.
local function state_of(key)
  local state = redis.call('HGET', beside(key, 'settings'), 'state')
  return (state == 'Paused' or state == 'Draining') and state or 'Running'
end

local function demand(key, wanted)
  local got = redis.call('TYPE', key)['ok']
  if got ~= wanted and got ~= 'none' then
    error({err = 'WRONGTYPE the key ' .. key .. ' holds a ' .. got .. ' where the queue keeps a ' .. wanted})
  end
end

-- The layout of an entry: fields h (head), i (ids), t (traceparent), n (earlier deliveries, when > 0), c (created, ms, when not its id's),
-- u (digest of the deduplication key that it holds until it is done).
-- The other place that knows it is stanine/broker/entry.py.

local function read_entry(id, flat)
  local entry = {}
  for at = 1, #flat, 2 do entry[flat[at]] = flat[at + 1] end
  entry.c = entry.c or string.match(id, '^(%d+)-')
  return entry
end

local function new_entry(head, ids, trace)
  return {h = head, i = ids ~= '' and ids or nil, t = trace ~= '' and trace or nil}
end

local function append(key, entry, more)
  local words = more or {'*'}
  for _, name in ipairs({'h', 'i', 't', 'n', 'c', 'u'}) do
    local value = entry[name]
    if value and not (name == 'n' and tonumber(value) == 0) then
      words[#words + 1] = name
      words[#words + 1] = value
    end
  end
  return redis.call('XADD', key, unpack(words))
end

--- A member of `delayed`. The token makes members of equal content distinct, and the same request sent twice one member; a new message
--- therefore holds its delay instead of the moment it was created, which is that much before it is due.
local function pack_entry(token, entry, delay)
  return cmsgpack.pack({token, entry.h or '', entry.i or false, entry.t or false, tonumber(entry.n or 0), tonumber(entry.c) or false, delay or 0,
    entry.u or false})
end

local function unpack_entry(member, due)
  local good, packed = pcall(cmsgpack.unpack, member)
  if not good or type(packed) ~= 'table' or type(packed[2]) ~= 'string' then return nil end
  local entry = {h = packed[2], i = packed[3] or nil, t = packed[4] or nil, n = packed[5], u = packed[8] or nil}
  entry.c = whole(packed[6] or tonumber(due) - packed[7])
  if string.sub(packed[1], 1, #DEBOUNCED) == DEBOUNCED then entry.debounced = string.sub(packed[1], #DEBOUNCED + 1) end
  return entry
end

--- Milliseconds until the next is due; -1 if there is none, or if it stays because the queue is paused.
local function wait_until_due(delayed, now)
  if state_of(delayed) == 'Paused' then return -1 end
  local first = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
  if not first[2] then return -1 end
  return math.max(0, tonumber(first[2]) - now)
end

--- An entry is done, or gone: another with its deduplication key may come.
local function free(key, entry)
  if entry.u then redis.call('ZREM', beside(key, 'unique'), entry.u) end
end

local function expire_dead(dead, now, oldest)
  if tonumber(oldest) > 0 then redis.call('XTRIM', dead, 'MINID', '=', whole(now - tonumber(oldest))) end
end

local function bury(dead, entry, reason, actor, queue, deliveries, now, longest, oldest)
  append(dead, {h = entry.h or '', i = entry.i, t = entry.t}, {'MAXLEN', '=', longest, '*', 'reason', reason, 'actor', actor,
    'queue', queue, 'deliveries', deliveries, 'created', entry.c or whole(now), 'died', whole(now)})
  free(dead, entry)
  redis.pcall('HINCRBY', beside(dead, 'deaths'), reason, 1) -- a count is not worth a settlement that fails
  expire_dead(dead, now, oldest)
end

local function is_fenced(leases, consumer)
  return redis.call('ZSCORE', leases, consumer) == false
end

local function entry_in(ready, id)
  local found = redis.call('XRANGE', ready, id, id)
  if not found[1] then return nil end
  return read_entry(id, found[1][2])
end

--- Acknowledge and delete one entry; true if it was pending.
local function settle_one(ready, group, id)
  if redis.call('XACK', ready, group, id) ~= 1 then return false end
  redis.call('XDEL', ready, id)
  return true
end

local function flat_to_table(flat)
  local out = {}
  for at = 1, #flat, 2 do out[flat[at]] = flat[at + 1] end
  return out
end

--- The last id that a stream ever had.
local function last_id(key)
  local info = redis.pcall('XINFO', 'STREAM', key)
  return info['err'] and '0-0' or flat_to_table(info)['last-generated-id']
end

-- New work ----------------------------------------------------------------------------------------------------------------------

--- A draining queue takes only what its own messages beget.
local function is_shut(ready, begotten)
  return begotten ~= '1' and state_of(ready) == 'Draining'
end

--- KEYS ready; ARGV begotten ('1': by a message in flight), then (head, ids, trace)... -> how many were appended; -2 if the queue is draining
local function enqueue(keys, args)
  demand(keys[1], 'stream')
  if is_shut(keys[1], args[1]) then return -2 end
  for at = 2, #args, 3 do append(keys[1], new_entry(args[at], args[at + 1], args[at + 2])) end
  return (#args - 1) / 3
end

--- When a delayed message is due sooner than anyone knows, a tick (an entry without a head) wakes one of the blocked readers.
local function tick(ready, delayed, leases, before, now)
  local wait = wait_until_due(delayed, now)
  if wait >= 0 and (before < 0 or wait < before) and redis.call('ZCOUNT', leases, '(' .. whole(now), '+inf') > 0 then
    redis.call('XADD', ready, '*', 'w', whole(now + wait))
  end
  return wait
end

--- KEYS ready delayed leases; ARGV begotten, then (token, delay ms, head, ids, trace)... -> ms until the first is due, or -1; -2 if draining.
local function delay(keys, args)
  local ready, delayed, leases = keys[1], keys[2], keys[3]
  demand(ready, 'stream')
  demand(delayed, 'zset')
  demand(leases, 'zset')
  if is_shut(ready, args[1]) then return -2 end
  local now = now_ms()
  local before = wait_until_due(delayed, now)
  for at = 2, #args, 5 do
    local pause = tonumber(args[at + 1])
    local member = pack_entry(args[at], new_entry(args[at + 2], args[at + 3], args[at + 4]), pause)
    redis.call('ZADD', delayed, 'NX', whole(now + pause), member)
  end
  return tick(ready, delayed, leases, before, now)
end

--- Replace the message that waits under a key, if any, and begin its quiet time anew.
local function debounce(delayed, digest, quiet, entry, now)
  local waiting = redis.call('HGET', beside(delayed, 'debounced'), digest)
  if waiting then redis.call('ZREM', delayed, waiting) end
  local member = pack_entry(DEBOUNCED .. digest, entry, quiet)
  redis.call('ZADD', delayed, whole(now + quiet), member)
  redis.call('HSET', beside(delayed, 'debounced'), digest, member)
end

--- Messages with deduplication keys. KEYS ready delayed leases;
--- ARGV begotten, then (token, mode, digest, ms or 0, delay ms or 0, head, trace)... -> {ms until the first is due, then 1 if taken or 0, each};
--- {-2} if draining. Modes: simple (none beside one that is not done), throttle (one in so many ms), debounce (the last after so many quiet ms)
local function enqueue_unique(keys, args)
  local ready, delayed, leases = keys[1], keys[2], keys[3]
  local unique = beside(ready, 'unique')
  demand(ready, 'stream')
  demand(delayed, 'zset')
  demand(leases, 'zset')
  demand(unique, 'zset')
  demand(beside(ready, 'debounced'), 'hash')
  if is_shut(ready, args[1]) then return {-2} end
  local now, answer = now_ms(), {}
  local before = wait_until_due(delayed, now)
  redis.call('ZREMRANGEBYSCORE', unique, '-inf', whole(now))
  for at = 2, #args, 7 do
    local mode, digest, period, pause = args[at + 1], args[at + 2], tonumber(args[at + 3]), tonumber(args[at + 4])
    local entry, taken = new_entry(args[at + 5], '', args[at + 6]), 1
    if mode == 'debounce' then
      debounce(delayed, digest, period, entry, now)
    elseif redis.call('ZADD', unique, 'NX', period > 0 and whole(now + period) or '+inf', digest) == 0 then
      taken = 0
    else
      if mode == 'simple' then entry.u = digest end
      if pause > 0 then
        redis.call('ZADD', delayed, 'NX', whole(now + pause), pack_entry(args[at], entry, pause))
      else
        append(ready, entry)
      end
    end
    answer[#answer + 1] = taken
  end
  table.insert(answer, 1, tick(ready, delayed, leases, before, now))
  return answer
end

-- Delivery within a rate -----------------------------------------------------------------------------------------------------------

--- How many messages may be handed out now, the time at which those handed out before would all have been due, and the time of one; nil
--- for any number. `rate_messages` in `rate_period_ms`, and never more than `rate_burst` (default: those of 100 ms) at once: a leaky bucket.
local function share(ready, now)
  local limits = redis.call('HMGET', beside(ready, 'settings'), 'rate_messages', 'rate_period_ms', 'rate_burst')
  local messages = limits[1] and tonumber(limits[1])
  if not messages or messages < 1 then return nil end
  local each = (limits[2] and tonumber(limits[2]) or 1000) / messages
  local burst = limits[3] and tonumber(limits[3]) or math.max(1, math.ceil(100 / each))
  local due = math.max(now, tonumber(redis.call('GET', beside(ready, 'rate')) or 0))
  return math.floor((burst * each - (due - now)) / each + 0.001), due, each, burst
end

--- Read as XREADGROUP does, within the queue's rate. KEYS ready; ARGV group consumer count
--- -> {ms until it is worth asking again, or -1; the last id of an empty queue, entries}
local function fetch(keys, args)
  local ready, count = keys[1], tonumber(args[3])
  demand(ready, 'stream')
  demand(beside(ready, 'rate'), 'string')
  if state_of(ready) == 'Paused' then return {RATE_PAUSE * 5, '', {}} end
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
  local free_now, due, each, burst = share(ready, now)
  if free_now then
    if free_now < 1 then
      local wait = math.max(due + each - burst * each - now, math.min(RATE_PAUSE, burst * each / 2))
      return {math.ceil(wait), '', {}}
    end
    count = math.min(count, free_now)
  end
  local read = redis.call('XREADGROUP', 'GROUP', args[1], args[2], 'COUNT', count, 'STREAMS', ready, '>')
  local entries = read and read[1] and read[1][2] or {}
  if #entries == 0 then return {-1, last_id(ready), {}} end
  if free_now then
    due = due + #entries * each
    redis.call('SET', beside(ready, 'rate'), string.format('%.3f', due), 'PX', whole(math.ceil(due - now) + 1000))
  end
  return {-1, '', entries}
end

-- Settling ----------------------------------------------------------------------------------------------------------------------

--- KEYS ready leases; ARGV group consumer id... -> how many were pending; -1 if fenced
local function ack(keys, args)
  local ready, leases, group = keys[1], keys[2], args[1]
  demand(ready, 'stream')
  if is_fenced(leases, args[2]) then return -1 end
  local settled = 0
  for from = 3, #args, CHUNK do
    local to = math.min(#args, from + CHUNK - 1)
    settled = settled + redis.call('XACK', ready, group, unpack(args, from, to))
    redis.call('XDEL', ready, unpack(args, from, to))
  end
  return settled
end

--- Acknowledge what holds a deduplication key. KEYS ready leases; ARGV group consumer id digest -> 1, 0, or -1 if fenced
local function finish(keys, args)
  demand(keys[1], 'stream')
  if is_fenced(keys[2], args[2]) then return -1 end
  if not settle_one(keys[1], args[1], args[3]) then return 0 end
  free(keys[1], {u = args[4]})
  return 1
end

--- KEYS ready delayed leases; ARGV group consumer id delay deliveries created head ids trace digest -> {1, 0 or -1 if fenced, ms until the first is due}
local function retry(keys, args)
  local ready, delayed, leases = keys[1], keys[2], keys[3]
  demand(ready, 'stream')
  demand(delayed, 'zset')
  if is_fenced(leases, args[2]) then return {-1, -1} end
  if not settle_one(ready, args[1], args[3]) then return {0, -1} end
  local entry, now = new_entry(args[7], args[8], args[9]), now_ms()
  entry.n, entry.c, entry.u = args[5], args[6], args[10] ~= '' and args[10] or nil
  if tonumber(args[4]) <= 0 then
    append(ready, entry)
  else
    redis.call('ZADD', delayed, whole(now + tonumber(args[4])), pack_entry(args[3], entry))
  end
  return {1, wait_until_due(delayed, now)}
end

--- KEYS ready delayed dead leases; ARGV group consumer reason actor queue longest oldest, then (id, deliveries, delay)...: delay < 0 means dead.
--- -> {how many were pending or -1 if fenced, ms until the first is due}
local function reject(keys, args)
  local ready, delayed, dead, leases = keys[1], keys[2], keys[3], keys[4]
  demand(ready, 'stream')
  demand(delayed, 'zset')
  demand(dead, 'stream')
  if is_fenced(leases, args[2]) then return {-1, -1} end
  local now, settled = now_ms(), 0
  for at = 8, #args, 3 do
    local id, deliveries, pause = args[at], args[at + 1], tonumber(args[at + 2])
    local entry = entry_in(ready, id)
    if settle_one(ready, args[1], id) then
      settled = settled + 1
      if entry and pause < 0 then
        bury(dead, entry, args[3], args[4], args[5], deliveries, now, args[6], args[7])
      elseif entry then
        entry.n = deliveries
        redis.call('ZADD', delayed, whole(now + pause), pack_entry(id, entry))
      end
    end
  end
  return {settled, wait_until_due(delayed, now)}
end

--- KEYS ready leases; ARGV group consumer, then (id, earlier deliveries)... -> how many went back to the queue; -1 if fenced
local function release(keys, args)
  local ready, leases = keys[1], keys[2]
  demand(ready, 'stream')
  if is_fenced(leases, args[2]) then return -1 end
  local released = 0
  for at = 3, #args, 2 do
    local entry = entry_in(ready, args[at])
    if settle_one(ready, args[1], args[at]) and entry and entry.h then
      entry.n = args[at + 1]
      append(ready, entry)
      released = released + 1
    end
  end
  return released
end

-- Leases, delayed messages and recovery -------------------------------------------------------------------------------------------

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
    extend(leases, args[2], now_ms(), tonumber(args[3]), tonumber(args[4]))
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

-- Operations --------------------------------------------------------------------------------------------------------------------

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

-- Requests at large. Each has a token and is bounded by what was there when it first came; it may take several calls, each going on where
-- the one before ended. Sent again after it is done, it only tells what it came to.

--- The id after which entries wait that were never delivered.
local function last_delivered(ready, group)
  local groups = redis.pcall('XINFO', 'GROUPS', ready)
  for _, flat in ipairs(groups['err'] and {} or groups) do
    local info = flat_to_table(flat)
    if info['name'] == group then return info['last-delivered-id'] end
  end
  return '0-0'
end

--- What waits and is not in flight. True when all is done.
local function purge_ready(keys, request, group, limit)
  local rows, ids = redis.call('XRANGE', keys[1], '(' .. last_delivered(keys[1], group), request.upto, 'COUNT', limit), {}
  for at, row in ipairs(rows) do
    ids[at] = row[1]
    local entry = read_entry(row[1], row[2])
    if entry.h then request.count = request.count + 1 end
    free(keys[1], entry)
  end
  if #ids > 0 then redis.call('XDEL', keys[1], unpack(ids)) end
  return #rows < limit
end

local function purge_delayed(keys, request)
  request.count = redis.call('ZCARD', keys[2])
  if redis.call('ZCARD', beside(keys[2], 'unique')) > 0 then
    for from = 0, request.count - 1, CHUNK do
      for _, member in ipairs(redis.call('ZRANGE', keys[2], from, from + CHUNK - 1)) do free(keys[2], unpack_entry(member, 0) or {}) end
    end
  end
  redis.call('UNLINK', keys[2], beside(keys[2], 'debounced'))
  return true
end

--- The dead letters of a reason and an actor ('': of any) are deleted or put back. True when all is done.
local function sift_dead(keys, request, limit, revives)
  local rows = redis.call('XRANGE', keys[3], '(' .. request.after, request.upto, 'COUNT', limit)
  for _, row in ipairs(rows) do
    local letter = flat_to_table(row[2])
    if (request.reason == '' or letter.reason == request.reason) and (request.actor == '' or letter.actor == request.actor) then
      if revives then revive_one(keys[1], keys[3], row[1], letter) else redis.call('XDEL', keys[3], row[1]) end
      request.count = request.count + 1
    end
    request.after = row[1]
  end
  return #rows < limit
end

local function forget_oldest_request(requests)
  local oldest, at = nil, math.huge
  local all = redis.call('HGETALL', requests)
  for each = 1, #all, 2 do
    local request = cmsgpack.unpack(all[each + 1])
    if request.begun < at then oldest, at = all[each], request.begun end
  end
  redis.call('HDEL', requests, oldest)
end

--- KEYS ready delayed dead; ARGV token ('~…': not kept) action group limit reason actor
--- -> {1 if done, messages so far, 1 if this call began it}; {-1} if the token stands for another request
local function carry_out(keys, args)
  local token, action, limit = args[1], args[2], tonumber(args[4])
  local requests = beside(keys[1], 'requests')
  demand(keys[1], 'stream')
  demand(keys[2], 'zset')
  demand(keys[3], 'stream')
  demand(requests, 'hash')
  local known = redis.call('HGET', requests, token)
  local request = known and cmsgpack.unpack(known)
  if not request then
    request = {action = action, reason = args[5], actor = args[6], count = 0, after = '0-0', done = false, begun = now_ms()}
    request.upto = last_id(action == 'purge ready' and keys[1] or keys[3])
  end
  if request.action ~= action or request.reason ~= args[5] or request.actor ~= args[6] then return {-1} end
  if not request.done then
    if action == 'purge ready' then
      request.done = purge_ready(keys, request, args[3], limit)
    elseif action == 'purge delayed' then
      request.done = purge_delayed(keys, request)
    else
      request.done = sift_dead(keys, request, limit, action == 'requeue dead')
    end
    if request.done and string.sub(token, 1, 1) == '~' then
      redis.call('HDEL', requests, token)
    else
      redis.call('HSET', requests, token, cmsgpack.pack(request))
      if not known and redis.call('HLEN', requests) > REQUESTS_KEPT then forget_oldest_request(requests) end
    end
  end
  return {request.done and 1 or 0, request.count, known and 0 or 1}
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

local function register(name, callback, flags)
  redis.register_function({function_name = 'stanine_broker_' .. name .. '_@VERSION@', callback = callback, flags = flags})
end

register('enqueue', enqueue, {})
register('delay', delay, {})
register('enqueue_unique', enqueue_unique, {})
register('revive', revive, {})
register('requeue', carry_out, {})
register('ack', ack, {'allow-oom'})
register('finish', finish, {'allow-oom'})
register('fetch', fetch, {'allow-oom'})
register('retry', retry, {'allow-oom'})
register('reject', reject, {'allow-oom'})
register('release', release, {'allow-oom'})
register('promote', promote, {'allow-oom'})
register('join', join, {'allow-oom'})
register('beat', beat, {'allow-oom'})
register('recover', recover, {'allow-oom'})
register('leave', leave, {'allow-oom'})
register('start', start, {'allow-oom'})
register('drop', drop, {'allow-oom'})
register('purge', carry_out, {'allow-oom'})
register('settings', settle_settings, {'allow-oom'})
register('set_state', set_state, {'allow-oom'})
register('held', held, {'no-writes'})
register('stats', stats, {'no-writes'})
