--[[
Secrets of attempt tokens, in one hash: `current` is the name of the signing secret, `secret:<name>` each secret, and
`until:<name>` the time (ms) until which tokens of an earlier secret are accepted.
]]

-- ensure_secret: KEYS secret; ARGV name, secret. Stores the secret if none exists.
local function ensure_secret(keys, args)
  if redis.call('HSETNX', keys[1], 'current', args[1]) == 1 then
    redis.call('HSET', keys[1], 'secret:' .. args[1], args[2])
  end
  return 1
end

-- rotate_secret: KEYS secret; ARGV name, secret, validity (ms) of tokens of the current one. Idempotent by name.
-- Returns the time (ms) until which they are accepted.
local function rotate_secret(keys, args)
  local secret, name, now = keys[1], args[1], server_ms()
  local former = redis.call('HGET', secret, 'current')
  local ends = string.format('%.0f', now + tonumber(args[3]))
  if former == name then
    return ends
  end
  local fields = redis.call('HGETALL', secret)
  for i = 1, #fields, 2 do
    local other = string.match(fields[i], '^until:(.*)$')
    if other and tonumber(fields[i + 1]) <= now then
      redis.call('HDEL', secret, 'until:' .. other, 'secret:' .. other)
    end
  end
  if former then
    redis.call('HSET', secret, 'until:' .. former, ends)
  end
  redis.call('HSET', secret, 'current', name, 'secret:' .. name, args[2])
  return ends
end

register('ensure_secret', ensure_secret, {'allow-oom'})
register('rotate_secret', rotate_secret, {'allow-oom'})
