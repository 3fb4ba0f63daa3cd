--[[
The secrets of attempt tokens, in one hash: `current` names the one that tokens are made with; `secret:<name>` has each; `until:<name>` says
until when (ms) tokens of a former one are accepted.
]]

-- ensure_secret: KEYS secret; ARGV name, secret. Stores it if there is none.
local function ensure_secret(keys, args)
  if redis.call('HSETNX', keys[1], 'current', args[1]) == 1 then
    redis.call('HSET', keys[1], 'secret:' .. args[1], args[2])
  end
  return 1
end

-- rotate_secret: KEYS secret; ARGV name, secret, how long (ms) tokens of the present one stay valid. The same name again changes nothing.
-- Returns until when (ms) they are.
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
