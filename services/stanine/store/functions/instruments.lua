--[[
Instruments: publish, own, remove. Requires managing.lua.

An instrument's number is never reused: a removed one is kept with an empty name, and `submit` rejects attempts at it.
The name keeps its last revision, so that revisions continue after a new publish and identify one document each.
]]

-- publish: KEYS instrument, instruments, numbers, stream; ARGV name, document, digest, form digest, if-match,
-- if-none-match, head, ids, trace, owner (JSON or ''), uid of a deleted owner, hold (ms).
-- Returns {revision, form, changed}; {-1, digest} if a precondition failed; {-2, owner} if another resource owns it.
-- Idempotent: the current document changes nothing.
local function publish(keys, args)
  local instrument, instruments, numbers, stream = unpack(keys)
  local name, document, digest, form_digest, if_match, if_none_match, head, ids, trace, manager, gone, lease = unpack(args)
  check_type(instrument, 'hash')
  check_type(instruments, 'zset')
  check_type(numbers, 'hash')
  check_type(stream, 'stream')
  local now = server_ms()
  local current = redis.call('HMGET', instrument, 'number', 'revision', 'form', 'digest')
  local number, revision, form = current[1], tonumber(current[2] or 0), tonumber(current[3] or 0)
  local owner = (manager ~= '' or current[4] ~= digest) and blocking_owner(instrument, manager, gone, now)
  if owner then
    return {-2, owner}
  end
  if current[4] == digest then
    if manager ~= '' then
      hold(instrument, manager, lease, now)
    end
    return {revision, form, 0}
  end
  if (if_none_match == '1' and number) or (if_match ~= '' and current[4] ~= if_match) then
    return {-1, current[4] or ''}
  end
  -- Two revisions have the same form if their structure is equal, whatever was published between them.
  revision = revision + 1
  form = tonumber(redis.call('HGET', instrument, 'structure:' .. form_digest) or revision)
  if not number then
    number = redis.call('HLEN', numbers) + 1
    redis.call('HSET', numbers, number, name)
    redis.call('ZADD', instruments, 0, name)
  end
  redis.call('HSET', instrument, 'number', number, 'revision', revision, 'form', form, 'digest', digest, 'structure:' .. form_digest, form,
    'doc:' .. revision, document, 'digest:' .. revision, digest, 'form:' .. revision, form, 'at:' .. revision, now)
  if manager ~= '' then
    hold(instrument, manager, lease, now)
  end
  append_message(stream, head, ids, trace)
  return {revision, form, 1}
end

-- hold_instrument: KEYS instrument, index; ARGV name, owner (JSON), uid of a deleted owner, hold (ms), '1': take
-- ownership; '0': only renew it. An unpublished instrument is not owned.
-- Returns {revision or 0, form, digest, revision of the form's index entry or 0, other owner or ''}.
local function hold_instrument(keys, args)
  local instrument, index = unpack(keys)
  local name, manager, gone, lease, takes = unpack(args)
  check_type(instrument, 'hash')
  check_type(index, 'hash')
  local current = redis.call('HMGET', instrument, 'number', 'revision', 'form', 'digest', 'managedBy')
  if not current[1] then
    return {0, 0, '', 0, ''}
  end
  local now = server_ms()
  local owner = blocking_owner(instrument, manager, gone, now)
  if not owner and (takes == '1' or (current[5] and cjson.decode(current[5]).uid == cjson.decode(manager).uid)) then
    hold(instrument, manager, lease, now)
  end
  local entry = redis.call('HGET', index, name .. '/' .. current[3])
  local indexed = entry and #entry >= 4 and struct.unpack('>I4', entry) or 0
  return {tonumber(current[2]), tonumber(current[3]), current[4], indexed, owner or ''}
end

-- remove_instrument: KEYS instrument, instruments, numbers, index, changes, change, history, answered, commits; ARGV
-- name, owner (JSON), token.
-- Returns {1} removed; {0} not found; {-1} it has attempts: kept, ownership released; {-2, other owner}.
local function remove_instrument(keys, args)
  local instrument, instruments, numbers, index, changes, change, history, answered, commits = unpack(keys)
  local name, manager, token = unpack(args)
  check_type(instrument, 'hash')
  check_type(instruments, 'zset')
  check_type(numbers, 'hash')
  check_type(index, 'hash')
  check_index_types(changes, change, history)
  check_type(answered, 'hash')
  check_type(commits, 'hash')
  local owner = blocking_owner(instrument, manager, '', server_ms())
  if owner then
    return {-2, owner}
  end
  local current = redis.call('HMGET', instrument, 'number', 'revision')
  local number, revision = current[1], tonumber(current[2] or 0)
  if not number then
    return {0}
  end
  if redis.call('HGET', answered, number) or redis.call('HGET', commits, number) then
    release_ownership(instrument, manager)
    return {-1}
  end
  local forms = {}
  for start = 1, revision, UNPACK_LIMIT do
    local fields = {}
    for each = start, math.min(start + UNPACK_LIMIT - 1, revision) do
      fields[#fields + 1] = 'form:' .. each
    end
    for _, form in ipairs(redis.call('HMGET', instrument, unpack(fields))) do
      if form then
        forms[form] = true
      end
    end
  end

  -- First write; nothing may fail from here on. Readers of the index see the entries as removed.
  for form in pairs(forms) do
    local field = name .. '/' .. form
    redis.call('HDEL', index, field)
    note_change(changes, change, history, field, token)
  end
  redis.call('HSET', numbers, number, '')
  redis.call('ZREM', instruments, name)
  redis.call('DEL', instrument)
  redis.call('HSET', instrument, 'revision', revision)
  return {1}
end

register('publish', publish, {})
register('hold_instrument', hold_instrument, {'allow-oom'})
register('remove_instrument', remove_instrument, {'allow-oom'})
