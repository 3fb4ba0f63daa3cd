-- Deduplication keys, and the functions that store messages: a message that holds a key is recorded with its place.
-- Part of layout.lua's library. An entry's `u` is the digest of the key and the token of the message that holds it (in
-- earlier versions: the digest alone).

--- Bytes of a digest and of a token.
local DIGEST, TOKEN = 16, 12
--- The field of `holders` that stores the position of the cleanup.
local CLEANED = '@at'
--- Keys checked per message with a key, so that keys of lost messages do not accumulate.
local CLEAN = 2
--- Expired keys deleted per call.
local EXPIRE = 100

local function key_of(u)
  return string.sub(u, 1, DIGEST), string.sub(u, DIGEST + 1)
end

local function drop_key(ready, digest)
  redis.call('ZREM', derived_key(ready, 'unique'), digest)
  redis.call('HDEL', derived_key(ready, 'holders'), digest)
end

--- Release the key of an entry that is done or lost. A key that a later message holds is kept.
local function release_key(ready, entry)
  if not entry.u then return end
  local digest, token = key_of(entry.u)
  local holder = redis.call('HGET', derived_key(ready, 'holders'), digest)
  if not holder or string.sub(holder, 1, TOKEN) == token then drop_key(ready, digest) end
end

local function record_place(ready, entry, place)
  if not entry.u then return end
  local digest, token = key_of(entry.u)
  local holder = redis.call('HGET', derived_key(ready, 'holders'), digest)
  if holder and string.sub(holder, 1, TOKEN) == token then redis.call('HSET', derived_key(ready, 'holders'), digest, token .. place) end
end

local function put_ready(ready, entry)
  record_place(ready, entry, append(ready, entry))
end

local function put_delayed(delayed, due, member, entry)
  redis.call('ZADD', delayed, 'NX', whole(due), member)
  record_place(delayed, entry, '@' .. whole(due))
end

--- Whether the message that holds a key still exists.
local function message_exists(ready, digest, holder)
  local token, place = string.sub(holder, 1, TOKEN), string.sub(holder, TOKEN + 1)
  if string.sub(place, 1, 1) ~= '@' then return #redis.call('XRANGE', ready, place, place) > 0 end
  local due = string.sub(place, 2)
  for _, member in ipairs(redis.call('ZRANGE', derived_key(ready, 'delayed'), due, due, 'BYSCORE')) do
    local entry = unpack_entry(member, due)
    if entry and entry.u == digest .. token then return true end
  end
  return false
end

--- Whether a key that is held until `ends` (a score; false: not held) blocks messages. A key whose message was lost
--- (for example with its stream) does not block, and no key blocks for longer than `period` (ms; 0: unlimited) from now
--- on: a longer time results from a clock that was set back.
local function is_held(ready, digest, ends, now, period)
  if not ends then return false end
  if ends ~= 'inf' then
    if tonumber(ends) <= now then return false end
    if period > 0 and tonumber(ends) > now + period then redis.call('ZADD', derived_key(ready, 'unique'), whole(now + period), digest) end
  end
  local holder = redis.call('HGET', derived_key(ready, 'holders'), digest)
  return not holder or message_exists(ready, digest, holder)
end

--- Assign a key to a message; `token` only if it is to be released with the message.
local function hold_key(ready, digest, ends, token)
  redis.call('ZADD', derived_key(ready, 'unique'), ends, digest)
  if token then
    redis.call('HSET', derived_key(ready, 'holders'), digest, token .. '?')
  else
    redis.call('HDEL', derived_key(ready, 'holders'), digest)
  end
end

--- Check `count` keys from a rank on and delete those that no longer block; return the rank to continue at, nil at the
--- end.
local function clean_from(ready, at, count, now)
  local found = redis.call('ZRANGE', derived_key(ready, 'unique'), at, at + count - 1, 'WITHSCORES')
  local kept = #found / 2
  for each = 1, #found, 2 do
    if not is_held(ready, found[each], found[each + 1], now, 0) then
      drop_key(ready, found[each])
      kept = kept - 1
    end
  end
  return #found == 2 * count and at + kept or nil
end

--- Delete expired keys and check some others, in proportion to the number of messages.
local function clean_keys(ready, messages, now)
  local over = redis.call('ZRANGE', derived_key(ready, 'unique'), '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, EXPIRE)
  for _, digest in ipairs(over) do drop_key(ready, digest) end
  local at = clean_from(ready, tonumber(redis.call('HGET', derived_key(ready, 'holders'), CLEANED) or 0), CLEAN * messages, now)
  if at then
    redis.call('HSET', derived_key(ready, 'holders'), CLEANED, at)
  else
    redis.call('HDEL', derived_key(ready, 'holders'), CLEANED)
  end
end

local function expire_dead(dead, now, oldest)
  if tonumber(oldest) > 0 then redis.call('XTRIM', dead, 'MINID', '=', whole(now - tonumber(oldest))) end
end

local function dead_letter(dead, entry, reason, actor, queue, deliveries, now, longest, oldest)
  append(dead, {h = entry.h or '', i = entry.i, t = entry.t}, {'MAXLEN', '=', longest, '*', 'reason', reason, 'actor', actor,
    'queue', queue, 'deliveries', deliveries, 'created', entry.c or whole(now), 'died', whole(now)})
  release_key(dead, entry)
  redis.pcall('HINCRBY', derived_key(dead, 'deaths'), reason, 1) -- an error in counting must not fail the settlement
  expire_dead(dead, now, oldest)
end

