--[[
Logins: a token in place of an API key. A login is a hash `login:<SHA-256 of its token>`: key (SHA-256 of the API key)
and ends (ms). It expires by itself: after a time without use, at the latest at `ends`. `logins:<owner>` is a zset of
a key's logins by their beginning, which bounds their number and rate.
]]

-- begin_login: KEYS arrivals; ARGV SHA-256 of the token, owner (digest of the key, for key names), SHA-256 of the key,
-- maximum time without use (ms), lifetime (ms), maximum logins of a key, maximum of a key per minute. Above the first
-- maximum the key's oldest logins end. Returns the end (ms), or 0 above the second. Idempotent by the token.
local function begin_login(keys, args)
  local prefix, now = prefix_of(keys[1]), server_ms()
  local token, idle, lifetime = args[1], tonumber(args[4]), tonumber(args[5])
  local login, logins = prefix .. 'login:' .. hex(token), prefix .. 'logins:' .. hex(args[2])
  check_type(login, 'hash')
  check_type(logins, 'zset')
  local ends = redis.call('HGET', login, 'ends')
  if ends then
    return ends
  end
  redis.call('ZREMRANGEBYSCORE', logins, '-inf', numeral(now - lifetime))
  if redis.call('ZCOUNT', logins, numeral(now - 60000), '+inf') >= tonumber(args[7]) then
    return '0'
  end
  local surplus = redis.call('ZCARD', logins) - tonumber(args[6]) + 1
  if surplus > 0 then
    for _, oldest in ipairs(redis.call('ZRANGE', logins, 0, surplus - 1)) do
      redis.call('UNLINK', prefix .. 'login:' .. hex(oldest))
      redis.call('ZREM', logins, oldest)
    end
  end
  ends = numeral(now + lifetime)
  redis.call('HSET', login, 'key', args[3], 'ends', ends)
  redis.call('PEXPIRE', login, numeral(min(idle, lifetime)))
  redis.call('ZADD', logins, numeral(now), token)
  redis.call('PEXPIRE', logins, numeral(lifetime))
  return ends
end

register('begin_login', begin_login, {'allow-oom'})
