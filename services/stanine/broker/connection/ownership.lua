-- Ownership of objects by resources (stanine/broker/connection/ownership.py). Included in the libraries of broker and
-- store.

--- The JSON of the owner whose ownership of an object (the key of its hash) has not expired; nil if there is none.
local function owner_of(key, now)
  local holder = redis.call('HGET', key, 'managedBy')
  if not holder or tonumber(redis.call('HGET', key, 'managedUntil') or 0) <= now then return nil end
  return holder
end

--- The owner that prevents `me` (JSON; '': not a resource) from changing an object; nil if `me` may change it. `deleted`:
--- the uid of an owner that no longer exists.
local function blocking_owner(key, me, deleted, now)
  local holder = owner_of(key, now)
  if not holder or holder == me then return nil end
  if me == '' then return holder end
  local mine, theirs = cjson.decode(me), cjson.decode(holder)
  if mine.uid == theirs.uid or theirs.uid == deleted then return nil end
  if mine.created < theirs.created or (mine.created == theirs.created and mine.uid < theirs.uid) then return nil end
  return holder
end

local function hold(key, me, lease, now)
  redis.call('HSET', key, 'managedBy', me, 'managedUntil', string.format('%.0f', now + tonumber(lease)))
end

--- End ownership if it is held by `me`.
local function release_ownership(key, me)
  local holder = redis.call('HGET', key, 'managedBy')
  if holder and cjson.decode(holder).uid == cjson.decode(me).uid then redis.call('HDEL', key, 'managedBy', 'managedUntil') end
end
