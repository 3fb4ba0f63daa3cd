-- Deduplication keys, and where messages are put: a message that holds a key is noted with its place. Part of layout.lua's library.
-- An entry's `u` is the digest of the key and the token of the message that holds it (of messages of earlier versions: the digest alone).

--- Bytes of a digest and of a token.
local DIGEST, TOKEN = 16, 12
--- The field of `holders` that says where tidying goes on.
local TIDIED = '@at'
--- Keys looked at beside each message with a key, so that those whose messages were lost do not pile up.
local TIDY = 2
--- Keys of times that are over, forgotten in one call.
local EXPIRE = 100

local function key_of(u)
  return string.sub(u, 1, DIGEST), string.sub(u, DIGEST + 1)
end

local function drop_key(ready, digest)
  redis.call('ZREM', beside(ready, 'unique'), digest)
  redis.call('HDEL', beside(ready, 'holders'), digest)
end

--- An entry is done, or gone: another with its deduplication key may come. A key that belongs to a later message is left alone.
local function free(ready, entry)
  if not entry.u then return end
  local digest, token = key_of(entry.u)
  local holder = redis.call('HGET', beside(ready, 'holders'), digest)
  if not holder or string.sub(holder, 1, TOKEN) == token then drop_key(ready, digest) end
end

local function note_place(ready, entry, place)
  if not entry.u then return end
  local digest, token = key_of(entry.u)
  local holder = redis.call('HGET', beside(ready, 'holders'), digest)
  if holder and string.sub(holder, 1, TOKEN) == token then redis.call('HSET', beside(ready, 'holders'), digest, token .. place) end
end

local function put_ready(ready, entry)
  note_place(ready, entry, append(ready, entry))
end

local function put_delayed(delayed, due, member, entry)
  redis.call('ZADD', delayed, 'NX', whole(due), member)
  note_place(delayed, entry, '@' .. whole(due))
end

--- Whether the message that holds a key is still there.
local function is_there(ready, digest, holder)
  local token, place = string.sub(holder, 1, TOKEN), string.sub(holder, TOKEN + 1)
  if string.sub(place, 1, 1) ~= '@' then return #redis.call('XRANGE', ready, place, place) > 0 end
  local due = string.sub(place, 2)
  for _, member in ipairs(redis.call('ZRANGE', beside(ready, 'delayed'), due, due, 'BYSCORE')) do
    local entry = unpack_entry(member, due)
    if entry and entry.u == digest .. token then return true end
  end
  return false
end

--- Whether a key, that holds until `ends` (as a score; false: it is not there), keeps messages away. One whose message was lost (with its stream, say) does not, and neither does one for longer than
--- `period` (ms; 0: as long as it says) from now on: more is owed to a clock that was set back.
local function is_held(ready, digest, ends, now, period)
  if not ends then return false end
  if ends ~= 'inf' then
    if tonumber(ends) <= now then return false end
    if period > 0 and tonumber(ends) > now + period then redis.call('ZADD', beside(ready, 'unique'), whole(now + period), digest) end
  end
  local holder = redis.call('HGET', beside(ready, 'holders'), digest)
  return not holder or is_there(ready, digest, holder)
end

--- Give a key to a message; `token` only if it is to be freed with it.
local function hold_key(ready, digest, ends, token)
  redis.call('ZADD', beside(ready, 'unique'), ends, digest)
  if token then
    redis.call('HSET', beside(ready, 'holders'), digest, token .. '?')
  else
    redis.call('HDEL', beside(ready, 'holders'), digest)
  end
end

--- Look at `count` keys from a rank on and drop those that keep nobody away; return the rank to go on at, nil at the end.
local function tidy_from(ready, at, count, now)
  local found = redis.call('ZRANGE', beside(ready, 'unique'), at, at + count - 1, 'WITHSCORES')
  local kept = #found / 2
  for each = 1, #found, 2 do
    if not is_held(ready, found[each], found[each + 1], now, 0) then
      drop_key(ready, found[each])
      kept = kept - 1
    end
  end
  return #found == 2 * count and at + kept or nil
end

--- Forget keys whose time is over, and look at a few others in turn, on account of so many messages.
local function tidy_keys(ready, messages, now)
  local over = redis.call('ZRANGE', beside(ready, 'unique'), '-inf', whole(now), 'BYSCORE', 'LIMIT', 0, EXPIRE)
  for _, digest in ipairs(over) do drop_key(ready, digest) end
  local at = tidy_from(ready, tonumber(redis.call('HGET', beside(ready, 'holders'), TIDIED) or 0), TIDY * messages, now)
  if at then
    redis.call('HSET', beside(ready, 'holders'), TIDIED, at)
  else
    redis.call('HDEL', beside(ready, 'holders'), TIDIED)
  end
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

