--[[
The list of changes: `audit` is a hash of random names -> time (ms), a blank, and a record that is opaque to the
functions; its field `last` is the number of the newest. `audit:order` is a zset of the names by their numbers. The
oldest leave as new ones come.
]]

-- begin_change: KEYS audit, order; ARGV name, record, maximum number of changes. Idempotent by the name.
local function begin_change(keys, args)
  check_type(keys[1], 'hash')
  check_type(keys[2], 'zset')
  if redis.call('HGET', keys[1], args[1]) then
    return 1
  end
  local surplus = redis.call('ZCARD', keys[2]) - tonumber(args[3]) + 1
  if surplus > 0 then
    local oldest = redis.call('ZRANGE', keys[2], 0, min(surplus, UNPACK_LIMIT) - 1)
    redis.call('HDEL', keys[1], unpack(oldest))
    redis.call('ZREM', keys[2], unpack(oldest))
  end
  local number = redis.call('HINCRBY', keys[1], 'last', 1)
  redis.call('HSET', keys[1], args[1], numeral(server_ms()) .. ' ' .. args[2])
  redis.call('ZADD', keys[2], number, args[1])
  return 1
end

-- end_change: KEYS audit; ARGV name, record. Replaces the record and keeps its time. Returns 1, or 0 if it has left.
local function end_change(keys, args)
  check_type(keys[1], 'hash')
  local found = redis.call('HGET', keys[1], args[1])
  if not found then
    return 0
  end
  redis.call('HSET', keys[1], args[1], string.match(found, '^%d+ ') .. args[2])
  return 1
end

register('begin_change', begin_change, {'allow-oom'})
register('end_change', end_change, {'allow-oom'})
