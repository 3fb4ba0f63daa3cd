-- Enqueueing: the functions that a full server or a draining queue rejects. Part of layout.lua's library. A producer
-- numbers its calls, one at a time; a repeated call (its reply was lost) only returns the earlier result.

--- Milliseconds that a producer's last call is remembered: much longer than any client retries it.
local SENT_MS = 600000

--- Whether the queue is draining and the message was not sent by a worker.
local function is_draining(ready, from_worker)
  return from_worker ~= '1' and state_of(ready) == 'Draining'
end

--- The earlier result of a producer's call; nil if the call is new. A call that its producer has abandoned is rejected.
local function earlier_answer(ready, sender, number)
  local last = redis.call('GET', derived_key(ready, 'sent:' .. sender))
  if not last then return nil end
  last = cmsgpack.unpack(last)
  if last[1] > tonumber(number) then error({err = 'STALE the producer has abandoned this call'}) end
  return last[1] == tonumber(number) and last[2] or nil
end

local function record_answer(ready, sender, number, answer)
  redis.call('SET', derived_key(ready, 'sent:' .. sender), cmsgpack.pack({tonumber(number), answer}), 'PX', SENT_MS)
  return answer
end

--- KEYS ready; ARGV from_worker ('1': sent while processing a message), sender, number of the call, then (head, ids, trace)...
--- -> the number appended; -2 if the queue is draining
local function enqueue(keys, args)
  local ready = keys[1]
  local answer = earlier_answer(ready, args[2], args[3])
  if answer then return answer end
  if is_draining(ready, args[1]) then return -2 end
  for at = 4, #args, 3 do append(ready, new_entry(args[at], args[at + 1], args[at + 2])) end
  return record_answer(ready, args[2], args[3], (#args - 3) / 3)
end

--- If a delayed message is due earlier than all others, a tick (an entry without a head) wakes one of the blocked
--- readers.
local function tick(ready, delayed, leases, before, now)
  local wait = wait_until_due(delayed, now)
  if wait >= 0 and (before < 0 or wait < before) and redis.call('ZCOUNT', leases, '(' .. whole(now), '+inf') > 0 then
    local last = redis.call('GET', derived_key(ready, 'tick'))
    if last then redis.call('XDEL', ready, last) end
    redis.call('SET', derived_key(ready, 'tick'), redis.call('XADD', ready, '*', 'w', whole(now + wait)))
  end
  return wait
end

--- KEYS ready delayed leases; ARGV from_worker, sender, number of the call, then (token, delay ms, head, ids, trace)...
--- -> ms until the first is due, or -1; -2 if draining.
local function delay(keys, args)
  local ready, delayed, leases = keys[1], keys[2], keys[3]
  require_type(ready, 'stream')
  require_type(delayed, 'zset')
  require_type(leases, 'zset')
  local answer = earlier_answer(ready, args[2], args[3])
  if answer then return answer end
  if is_draining(ready, args[1]) then return -2 end
  local now = now_ms()
  local before = wait_until_due(delayed, now)
  for at = 4, #args, 5 do
    local pause = tonumber(args[at + 1])
    local entry = new_entry(args[at + 2], args[at + 3], args[at + 4])
    put_delayed(delayed, now + pause, pack_entry(args[at], entry, pause), entry)
  end
  return record_answer(ready, args[2], args[3], tick(ready, delayed, leases, before, now))
end

--- Replace the waiting message of a key, if any, and restart its wait.
local function debounce(delayed, digest, quiet, entry, now)
  local waiting = redis.call('HGET', derived_key(delayed, 'debounced'), digest)
  if waiting then redis.call('ZREM', delayed, waiting) end
  local member = pack_entry(DEBOUNCED .. digest, entry, quiet)
  redis.call('ZADD', delayed, whole(now + quiet), member)
  redis.call('HSET', derived_key(delayed, 'debounced'), digest, member)
end

--- Messages with deduplication keys. KEYS ready delayed leases;
--- ARGV from_worker, sender, number of the call, then (token, mode, digest, ms or 0, delay ms or 0, head, trace)...
--- -> {ms until the first is due, then 1 if accepted or 0, each};
--- {-2} if draining. Modes: simple (one unfinished message per key), throttle (one per period), debounce (the last one
--- after a quiet period)
local function enqueue_unique(keys, args)
  local ready, delayed, leases = keys[1], keys[2], keys[3]
  require_type(ready, 'stream')
  require_type(delayed, 'zset')
  require_type(leases, 'zset')
  require_type(derived_key(ready, 'unique'), 'zset')
  require_type(derived_key(ready, 'holders'), 'hash')
  require_type(derived_key(ready, 'debounced'), 'hash')
  local earlier = earlier_answer(ready, args[2], args[3])
  if earlier then return earlier end
  if is_draining(ready, args[1]) then return {-2} end
  local now, answer = now_ms(), {}
  local before = wait_until_due(delayed, now)
  clean_keys(ready, (#args - 3) / 7, now)
  for at = 4, #args, 7 do
    local token, mode, digest, period, pause = args[at], args[at + 1], args[at + 2], tonumber(args[at + 3]), tonumber(args[at + 4])
    local entry, taken = new_entry(args[at + 5], '', args[at + 6]), 1
    if mode == 'debounce' then
      debounce(delayed, digest, period, entry, now)
    elseif is_held(ready, digest, redis.call('ZSCORE', derived_key(ready, 'unique'), digest), now, period) then
      taken = 0
    else
      if mode == 'simple' then entry.u = digest .. token end
      hold_key(ready, digest, period > 0 and whole(now + period) or '+inf', mode == 'simple' and token)
      if pause > 0 then
        put_delayed(delayed, now + pause, pack_entry(token, entry, pause), entry)
      else
        put_ready(ready, entry)
      end
    end
    answer[#answer + 1] = taken
  end
  table.insert(answer, 1, tick(ready, delayed, leases, before, now))
  return record_answer(ready, args[2], args[3], answer)
end

register('enqueue', enqueue, {})
register('delay', delay, {})
register('enqueue_unique', enqueue_unique, {})
