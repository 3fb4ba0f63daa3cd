--[[
Instruments: published, held by who manages them, removed. Part of functions.lua's library; managing.lua comes before.

A number stands for one instrument for ever: that of a removed one is kept, with an empty name, and `submit` refuses attempts at it. The name
keeps its last revision, so that one published again goes on from there and no revision ever means two documents.
]]

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- publish: KEYS instrument, instruments, numbers, stream; ARGV name, document, digest, form digest, if-match, if-none-match, head, ids, trace,
-- manager (JSON, '' for who manages nothing), uid of a manager that is no more, how long to hold it (ms)
-- Returns {revision, form, changed}; {-1, digest} where a precondition failed; {-2, manager} where another manages it. The same document again
-- changes nothing.
local function publish(keys, args)
  local instrument, instruments, numbers, stream = unpack(keys)
  local name, document, digest, form_digest, if_match, if_none_match, head, ids, trace, manager, gone, lease = unpack(args)
  check_type(instrument, 'hash')
  check_type(instruments, 'zset')
  check_type(numbers, 'hash')
  check_type(stream, 'stream')
  local now = now_ms()
  local current = redis.call('HMGET', instrument, 'number', 'revision', 'form', 'digest', 'formDigest')
  local number, revision, form = current[1], tonumber(current[2] or 0), tonumber(current[3] or 0)
  local keeper = (manager ~= '' or current[4] ~= digest) and keeper_of(instrument, manager, gone, now)
  if keeper then
    return {-2, keeper}
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
  revision = revision + 1
  if current[5] ~= form_digest then
    form = revision
  end
  if not number then
    number = redis.call('HLEN', numbers) + 1
    redis.call('HSET', numbers, number, name)
    redis.call('ZADD', instruments, 0, name)
  end
  redis.call('HSET', instrument, 'number', number, 'revision', revision, 'form', form, 'digest', digest, 'formDigest', form_digest,
    'doc:' .. revision, document, 'digest:' .. revision, digest, 'form:' .. revision, form, 'at:' .. revision, now)
  if manager ~= '' then
    hold(instrument, manager, lease, now)
  end
  append_message(stream, head, ids, trace)
  return {revision, form, 1}
end

-- hold_instrument: KEYS instrument, index; ARGV name, manager, uid of a manager that is no more, how long (ms), '1': take it; '0': keep it if
-- it is held already. What is not published is not held.
-- Returns {revision or 0, form, digest, revision of the form's index entry or 0, who else holds it or ''}.
local function hold_instrument(keys, args)
  local instrument, index = unpack(keys)
  local name, manager, gone, lease, takes = unpack(args)
  check_type(instrument, 'hash')
  check_type(index, 'hash')
  local current = redis.call('HMGET', instrument, 'number', 'revision', 'form', 'digest', 'managedBy')
  if not current[1] then
    return {0, 0, '', 0, ''}
  end
  local now = now_ms()
  local keeper = keeper_of(instrument, manager, gone, now)
  if not keeper and (takes == '1' or (current[5] and cjson.decode(current[5]).uid == cjson.decode(manager).uid)) then
    hold(instrument, manager, lease, now)
  end
  local entry = redis.call('HGET', index, name .. '/' .. current[3])
  local indexed = entry and #entry >= 4 and struct.unpack('>I4', entry) or 0
  return {tonumber(current[2]), tonumber(current[3]), current[4], indexed, keeper or ''}
end

-- remove_instrument: KEYS instrument, instruments, numbers, index, changes, change, answered, commits; ARGV name, manager
-- Returns {1} removed; {0} there was none; {-1} it has attempts: it is kept and is nobody's from then on; {-2, who else holds it}.
local function remove_instrument(keys, args)
  local instrument, instruments, numbers, index, changes, change, answered, commits = unpack(keys)
  local name, manager = unpack(args)
  check_type(instrument, 'hash')
  check_type(instruments, 'zset')
  check_type(numbers, 'hash')
  check_type(index, 'hash')
  check_type(changes, 'zset')
  check_type(change, 'string')
  check_type(answered, 'hash')
  check_type(commits, 'hash')
  local keeper = keeper_of(instrument, manager, '', now_ms())
  if keeper then
    return {-2, keeper}
  end
  local current = redis.call('HMGET', instrument, 'number', 'revision')
  local number, revision = current[1], tonumber(current[2] or 0)
  if not number then
    return {0}
  end
  if redis.call('HGET', answered, number) or redis.call('HGET', commits, number) then
    let_go(instrument, manager)
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

  -- From here on it writes, and nothing can fail. Who follows the index finds the entries gone.
  for form in pairs(forms) do
    local field = name .. '/' .. form
    redis.call('HDEL', index, field)
    redis.call('ZADD', changes, redis.call('INCR', change), field)
  end
  redis.call('HSET', numbers, number, '')
  redis.call('ZREM', instruments, name)
  redis.call('DEL', instrument)
  redis.call('HSET', instrument, 'revision', revision)
  return {1}
end

-- drop_index: KEYS index, changes, change; ARGV field. An entry that stands for nothing goes, and who follows the index learns of it.
local function drop_index(keys, args)
  local index, changes, change = unpack(keys)
  check_type(changes, 'zset')
  check_type(change, 'string')
  if redis.call('HDEL', index, args[1]) == 1 then
    redis.call('ZADD', changes, redis.call('INCR', change), args[1])
  end
  return 1
end

redis.register_function('publish_@VERSION@', publish)
redis.register_function{function_name = 'hold_instrument_@VERSION@', callback = hold_instrument, flags = {'allow-oom'}}
redis.register_function{function_name = 'remove_instrument_@VERSION@', callback = remove_instrument, flags = {'allow-oom'}}
redis.register_function{function_name = 'drop_index_@VERSION@', callback = drop_index, flags = {'allow-oom'}}
