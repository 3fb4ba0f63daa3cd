--[[
Invitations, which open sessions for an instrument. An invitation is a hash `v:<id>` (8 bytes in hexadecimal): number,
revision (0: the newest), space, key and its fingerprint ('' without a key), content (digest), uses, most (maximum
uses), expires and revoked (ms, 0: never), and `given` (options, opaque to the functions). Entries of keys are in the
index `w`, in the layout of `k`; the ids of an instrument's invitations are concatenated in `i:<number>:<chunk>`, in
order of creation.
]]

local INVITATION_BYTES = @INVITATION_BYTES@

local function invitation_key(prefix, id)
  return prefix .. 'v:' .. hex(id)
end

-- Resolve an entry of the index `w`. Returns 'R' (same content), 'C' (other content) or nil (another key), and the id.
local function compare_invitation(prefix, entry, space, key, content)
  local id = sub(entry, 1, INVITATION_BYTES)
  local found = redis.call('HMGET', invitation_key(prefix, id), 'space', 'key', 'content')
  if found[1] ~= space or found[2] ~= key then
    return nil
  end
  return found[3] == content and 'R' or 'C', id
end

-- invite: KEYS arrivals; ARGV instrument number, then of each invitation: id, key fingerprint ('' without a key),
-- space, key, content, revision, maximum uses, expiry (ms), given, fingerprint of its participant or ''. At most 500
-- per call.
-- Returns a byte each: N (new), R (repeated), C (conflict) or G (the instrument does not exist), and the ids for R and
-- C.
local function invite(keys, args)
  local prefix, number = prefix_of(keys[1]), args[1]
  local total = (#args - 1) / 10
  local index = open_index(prefix, 'w')
  check_growth(index, total)
  local position = tonumber(redis.call('HGET', prefix .. 'invited', number) or 0)
  for chunk = floor(position / CHUNK_SIZE), floor((position + total) / CHUNK_SIZE) do
    check_type(prefix .. 'i:' .. number .. ':' .. numeral(chunk), 'string')
  end
  for at = 2, #args, 10 do
    check_type(invitation_key(prefix, args[at]), 'hash')
    if args[at + 1] ~= '' then
      check_type(bucket_of(index, args[at + 1]), 'hash')
    end
    if args[at + 9] ~= '' then
      check_type(prefix .. 'o:' .. hex(args[at + 9]), 'set')
    end
  end
  if redis.call('HGET', prefix .. 'numbers', number) == '' then
    return string.rep('G', total)
  end

  -- Nothing may fail from here on.
  local outcomes, others, added, ids = {}, {}, 0, {}
  for at = 2, #args, 10 do
    local id, fingerprint, space, key, content = unpack(args, at, at + 4)
    local outcome, other = 'N', nil
    if redis.call('EXISTS', invitation_key(prefix, id)) == 1 then
      outcome, other = 'R', id -- an earlier execution of this call, whose reply was lost
    elseif fingerprint ~= '' then
      local bucket, field = bucket_of(index, fingerprint), fingerprint
      for probe = 1, PROBES do
        local entry = redis.call('HGET', bucket, field)
        if not entry then
          break
        end
        local same, found = compare_invitation(prefix, entry, space, key, content)
        if same then
          outcome, other = same, found
          break
        end
        field = fingerprint .. CHARS[probe]
      end
      if outcome == 'N' then
        redis.call('HSET', bucket, field, id .. sub(content, 1, 8))
        added = added + 1
      end
    end
    outcomes[#outcomes + 1], others[#others + 1] = outcome, other
    if outcome == 'N' then
      redis.call('HSET', invitation_key(prefix, id), 'number', number, 'space', space, 'key', key, 'content', content, 'revision', args[at + 5],
        'most', args[at + 6], 'expires', args[at + 7], 'given', args[at + 8], 'uses', 0, 'revoked', 0, 'person', args[at + 9], 'fingerprint', fingerprint)
      ids[#ids + 1] = id
      if args[at + 9] ~= '' then
        redis.call('SADD', prefix .. 'o:' .. hex(args[at + 9]), 'v' .. id)
      end
    end
  end
  grow(index, added)
  for start = 1, #ids do
    redis.call('APPEND', prefix .. 'i:' .. number .. ':' .. numeral(floor(position / CHUNK_SIZE)), ids[start])
    position = position + 1
  end
  if #ids > 0 then
    redis.call('HINCRBY', prefix .. 'invited', number, #ids)
  end
  return concat(outcomes) .. concat(others)
end

-- change_invitation: KEYS arrivals; ARGV id, 'revoke' or 'extend', expiry (ms). Returns 1, or 0 if it does not exist.
local function change_invitation(keys, args)
  local key = invitation_key(prefix_of(keys[1]), args[1])
  if redis.call('EXISTS', key) == 0 then
    return 0
  end
  if args[2] == 'revoke' then
    redis.call('HSET', key, 'revoked', numeral(server_ms()))
  else
    redis.call('HSET', key, 'expires', args[3])
  end
  return 1
end

-- list_invitations: KEYS arrivals; ARGV instrument number, position, limit. Returns {id, fields and values, …}.
local function list_invitations(keys, args)
  local prefix, number = prefix_of(keys[1]), args[1]
  local position, most, found = tonumber(args[2]), tonumber(args[3]), {}
  while most > 0 do
    local from = position % CHUNK_SIZE
    local fits = min(most, CHUNK_SIZE - from)
    local part = redis.call('GETRANGE', prefix .. 'i:' .. number .. ':' .. numeral(floor(position / CHUNK_SIZE)),
      from * INVITATION_BYTES, (from + fits) * INVITATION_BYTES - 1)
    for at = 1, #part, INVITATION_BYTES do
      local id = sub(part, at, at + INVITATION_BYTES - 1)
      found[#found + 1], found[#found + 2] = id, redis.call('HGETALL', invitation_key(prefix, id))
    end
    if #part < fits * INVITATION_BYTES then
      break
    end
    most, position = most - fits, position + fits
  end
  return found
end

-- drop_invitation: KEYS arrivals; ARGV id. Removes an invitation and its key's entry; its id remains in the
-- instrument's list. Returns 1, or 0 if it does not exist.
local function drop_invitation(keys, args)
  local prefix, id = prefix_of(keys[1]), args[1]
  local key = invitation_key(prefix, id)
  local found = redis.call('HMGET', key, 'fingerprint', 'person')
  if not found[1] then
    return 0
  end
  local bucket = found[1] ~= '' and bucket_of(open_index(prefix, 'w'), found[1])
  if bucket then
    check_type(bucket, 'hash')
  end
  if found[2] ~= '' then
    check_type(prefix .. 'o:' .. hex(found[2]), 'set')
  end
  redis.call('UNLINK', key)
  local field = found[1]
  for probe = 1, bucket and PROBES or 0 do
    local entry = redis.call('HGET', bucket, field)
    if entry and sub(entry, 1, INVITATION_BYTES) == id then
      redis.call('HDEL', bucket, field)
    end
    field = found[1] .. CHARS[probe]
  end
  if found[2] ~= '' then
    redis.call('SREM', prefix .. 'o:' .. hex(found[2]), 'v' .. id)
  end
  return 1
end

-- release_results: KEYS arrivals; ARGV instrument number, 1 to release, 0 to withdraw the release. After it, participants
-- whose invitation states AfterRelease may read their results. Returns the time (ms) of the first release, 0 if not released.
local function release_results(keys, args)
  local released, number = prefix_of(keys[1]) .. 'released', args[1]
  check_type(released, 'hash')
  if args[2] ~= '1' then
    redis.call('HDEL', released, number)
    return '0'
  end
  redis.call('HSETNX', released, number, numeral(server_ms()))
  return redis.call('HGET', released, number)
end

register('release_results', release_results, {'allow-oom'})
register('drop_invitation', drop_invitation, {'allow-oom'})
register('invite', invite, {})
register('change_invitation', change_invitation, {'allow-oom'})
register('list_invitations', list_invitations, {'no-writes'})
