--[[
Tombstones: keys of erased attempts, refused until a stated time so that a retried submission does not restore the attempt.

`tombstones` contains a MAC of each key's fingerprint with its expiry, and `secret:erasure` the secrets of the MACs, as
`secret` those of tokens. Without the secret nobody can test whether a guessed key was erased; a secret that was rotated
is removed when the last tombstone made with it has expired.
]]

-- Characters of a MAC: 64 bits. Hashing the secret before the message is a MAC because all messages have one length.
local MAC_DIGITS = 16
-- Expired tombstones removed per call.
local EXPIRED_AT_ONCE = 1000

local function tombstone_of(secret, fingerprint)
  return sub(redis.sha1hex(secret .. fingerprint), 1, MAC_DIGITS)
end

-- Return a function that tells whether a key (its fingerprint) has a tombstone; nil if there are no tombstones, which
-- saves the MAC of each key.
local function open_tombstones(prefix)
  local key = prefix .. 'tombstones'
  if redis.call('ZCARD', key) == 0 then -- fails for another type, before any write
    return nil
  end
  local fields, secrets, now = redis.call('HGETALL', prefix .. 'secret:erasure'), {}, server_ms()
  for i = 1, #fields, 2 do
    if string.match(fields[i], '^secret:') then
      secrets[#secrets + 1] = fields[i + 1]
    end
  end
  return function(fingerprint)
    for _, secret in ipairs(secrets) do
      local expires = redis.call('ZSCORE', key, tombstone_of(secret, fingerprint))
      if expires and tonumber(expires) > now then
        return true
      end
    end
    return false
  end
end

-- Store the tombstones of keys, remove expired ones, and let the whole set expire with its last.
local function add_tombstones(prefix, fingerprints, expires)
  local key = prefix .. 'tombstones'
  local secret = redis.call('HGET', prefix .. 'secret:erasure', 'secret:' .. redis.call('HGET', prefix .. 'secret:erasure', 'current'))
  for _, fingerprint in ipairs(fingerprints) do
    redis.call('ZADD', key, numeral(expires), tombstone_of(secret, fingerprint))
  end
  local expired = redis.call('ZRANGE', key, '-inf', numeral(server_ms()), 'BYSCORE', 'LIMIT', 0, EXPIRED_AT_ONCE)
  if #expired > 0 then
    redis.call('ZREM', key, unpack(expired))
  end
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  if last[2] then
    redis.call('PEXPIREAT', key, numeral(tonumber(last[2])))
  end
end
