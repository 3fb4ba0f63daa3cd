--[[
Index views. The n-th change of the index has a random token; `index:change` contains "n token" of the last one, and
`index:history` the tokens of recent changes. A view "n token" matches this server's data if change n has this token
here: all that was read with it is part of this history. A server that restarts with older data creates other tokens.
]]

-- Changes whose token is kept; a cache with an older view is read again completely.
local VIEWS_KEPT = 1024

local function change_number(text)
  return tonumber(string.match(text or '', '^%d+') or 0)
end

-- Record the change of an index field. `token`: random hexadecimal digits from the caller.
local function note_change(changes, change, history, field, token)
  local number = change_number(redis.call('GET', change)) + 1
  redis.call('SET', change, number .. ' ' .. token)
  redis.call('ZADD', changes, number, field)
  redis.call('HSET', history, number, token)
  redis.call('HDEL', history, number - VIEWS_KEPT)
end

local function check_index_types(changes, change, history)
  check_type(changes, 'zset')
  check_type(change, 'string')
  check_type(history, 'hash')
end

-- Return an error if one of `views` (separated by commas; '' for the empty view) does not match this data; else nil.
local function stale_view(prefix, views)
  for view in string.gmatch(views, '[^,]+') do
    local number, token = string.match(view, '^(%d+) (%x+)$')
    if not number or redis.call('HGET', prefix .. 'index:history', number) ~= token then
      return redis.error_reply('STALEVIEW the index view does not match the data of the server')
    end
  end
  return nil
end

-- Return an error if `view` is older than the last re-scoring of an instrument, which covered only the results that were
-- committed before it. A view is never too old if the index has no newer one.
local function outdated_view(prefix, number, view)
  local needed = tonumber(redis.call('HGET', prefix .. 'rescored', number) or 0)
  if view == '' or change_number(view) >= needed or change_number(view) >= change_number(redis.call('GET', prefix .. 'index:change')) then
    return nil
  end
  return redis.error_reply('STALEVIEW the index view is older than the re-scoring of the instrument')
end

-- put_index: KEYS index, changes, change, history; ARGV field, entry, SHA-1 of an entry to replace regardless of its
-- header (or ''), token, digest of the source document.
-- An entry begins with its revision (4 bytes) and its engine (2 bytes). Returns 1 if it was stored; 0 if the stored one
-- is as new, or the instrument does not have this document as this revision.
local function put_index(keys, args)
  local index, changes, change, history = unpack(keys)
  local field, entry, corrupt, token, digest = unpack(args)
  if #entry < 6 then
    return redis.error_reply('ERR an index entry is at least 6 bytes')
  end
  check_index_types(changes, change, history)
  local instrument = sub(index, 1, -#'index' - 1) .. 'instrument:' .. string.match(field, '^[^/]*')
  if redis.call('HGET', instrument, 'digest:' .. struct.unpack('>I4', entry)) ~= digest then
    return 0
  end
  local old = redis.call('HGET', index, field)
  if old then
    if old == entry then
      return 0
    end
    if #old >= 6 and not (corrupt ~= '' and redis.sha1hex(old) == corrupt) then
      local old_revision, old_engine = struct.unpack('>I4I2', old)
      local revision, engine = struct.unpack('>I4I2', entry)
      if old_revision > revision or (old_revision == revision and old_engine > engine) then
        return 0
      end
    end
  end
  redis.call('HSET', index, field, entry)
  note_change(changes, change, history, field, token)
  return 1
end

-- drop_index: KEYS index, changes, change, history; ARGV field, token. Removes an entry whose form no longer exists.
local function drop_index(keys, args)
  local index, changes, change, history = unpack(keys)
  check_index_types(changes, change, history)
  if redis.call('HDEL', index, args[1]) == 1 then
    note_change(changes, change, history, args[1], args[2])
  end
  return 1
end

-- renew_view: KEYS index, changes, change, history; ARGV token. Adds a change if the token of the last one was lost;
-- otherwise every view would be rejected.
local function renew_view(keys, args)
  local _, changes, change, history = unpack(keys)
  check_index_types(changes, change, history)
  local number, token = string.match(redis.call('GET', change) or '', '^(%d+) (%x+)$')
  if number and redis.call('HGET', history, number) == token then
    return 0
  end
  if not number and redis.call('EXISTS', changes) == 0 then
    return 0
  end
  note_change(changes, change, history, '', args[1])
  return 1
end

register('renew_view', renew_view, {'allow-oom'})
register('put_index', put_index, {'allow-oom'})
register('drop_index', drop_index, {'allow-oom'})
