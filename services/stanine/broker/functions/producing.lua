-- New work: the functions that a full server or a draining queue refuses. Part of layout.lua's library.

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

register('enqueue', enqueue, {})
register('delay', delay, {})
register('enqueue_unique', enqueue_unique, {})
