--[[
Redis Functions of the runtime settings: an atomic snapshot and an atomic commit. Requires the ownership functions of
stanine/broker/connection/ownership.lua.

The client computes the new state from a snapshot (plan.py). `commit` rejects it if the state has changed since, validates
it before the first write (Lua has no rollback), writes it and reads it back. A crash, a lost reply or a repeated call
leaves either the earlier or the new state. No value is logged.
]]

-- Arguments per redis.call: Lua's stack is limited to about 8,000.
local UNPACK_LIMIT = 4000

local function check_type(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted then
    error({err = 'WRONGTYPE the key ' .. key .. ' holds a ' .. found .. ', not a ' .. wanted})
  end
end

local function check_types(keys)
  local wanted = {'hash', 'string', 'hash', 'hash', 'hash', 'string'}
  for i = 1, #keys do
    check_type(keys[i], wanted[i])
  end
end

-- Order-independent digest of a hash. Hexadecimal digits sort the same in every locale.
local function digest_of(flat)
  if #flat == 0 then
    return ''
  end
  local each = {}
  for i = 1, #flat, 2 do
    each[#each + 1] = redis.sha1hex(#flat[i] .. ':' .. flat[i] .. flat[i + 1])
  end
  table.sort(each)
  return redis.sha1hex(table.concat(each))
end

local function digest_of_string(text)
  return text and redis.sha1hex(text) or ''
end

-- Digest of the meta without the owner, which is checked separately and renewed every minute.
local function digest_of_meta(flat)
  local own = {}
  for i = 1, #flat, 2 do
    if flat[i] ~= 'managedBy' and flat[i] ~= 'managedUntil' then
      own[#own + 1] = flat[i]
      own[#own + 1] = flat[i + 1]
    end
  end
  return digest_of(own)
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function token_of(state)
  return redis.sha1hex(digest_of(state.fields) .. '/' .. digest_of_string(state.text) .. '/' .. digest_of_meta(state.meta))
end

local function read_state(config, string_key, meta)
  return {fields = redis.call('HGETALL', config), text = redis.call('GET', string_key), meta = redis.call('HGETALL', meta)}
end

local function unpack_list(packed)
  local list, at = {}, 1
  while at <= #packed do
    list[#list + 1], at = struct.unpack('>I4c0', packed, at)
  end
  return list
end

local function call_in_chunks(command, key, values)
  for start = 1, #values, UNPACK_LIMIT do
    redis.call(command, key, unpack(values, start, math.min(start + UNPACK_LIMIT - 1, #values)))
  end
end

-- see: KEYS config, string, meta, history, backup hash, backup string. Read-only.
-- Returns {token, text or nil, fields, meta, record of the current revision or nil, owner (JSON) or nil}.
local function see(keys)
  check_types(keys)
  local state = read_state(keys[1], keys[2], keys[3])
  local revision = redis.call('HGET', keys[3], 'revision')
  return {token_of(state), state.text, state.fields, state.meta, revision and redis.call('HGET', keys[4], revision),
    owner_of(keys[3], now_ms()) or false}
end

-- Make the hash and the string equal to `fields` and `text`. A layout that is removed is copied to its backup key (not
-- renamed: the right to RENAME would cover every key).
local function put(keys, now, fields, text)
  local config, string_key, _, _, backup_hash, backup_string = unpack(keys)
  if #fields == 0 then
    if #now.fields > 0 then
      redis.call('UNLINK', backup_hash)
      call_in_chunks('HSET', backup_hash, now.fields)
      redis.call('UNLINK', config)
    end
  else
    local wanted, removed, changed = {}, {}, {}
    for i = 1, #fields, 2 do
      wanted[fields[i]] = fields[i + 1]
    end
    for i = 1, #now.fields, 2 do
      local name = now.fields[i]
      if wanted[name] == nil then
        removed[#removed + 1] = name
      elseif wanted[name] == now.fields[i + 1] then
        wanted[name] = nil
      end
    end
    for i = 1, #fields, 2 do
      if wanted[fields[i]] ~= nil then
        changed[#changed + 1] = fields[i]
        changed[#changed + 1] = fields[i + 1]
      end
    end
    call_in_chunks('HSET', config, changed)
    call_in_chunks('HDEL', config, removed)
  end
  if text then
    if text ~= now.text then
      redis.call('SET', string_key, text)
    end
  elseif now.text then
    redis.call('SET', backup_string, now.text)
    redis.call('UNLINK', string_key)
  end
end

local function matches(state, digest, text_digest)
  return digest_of(state.fields) == digest and digest_of_string(state.text) == text_digest
end

-- commit: KEYS as `see`; ARGV token, fields, their digest, 'text' or 'none', text, its digest, meta, new history
-- (revision, record, ...), revisions to keep, '1' to back up the replaced text, owner (JSON or ''), uid of a deleted owner,
-- hold (ms). Lists are packed: each part is preceded by its length in 4 bytes.
-- Returns {1}; {0} if the state has changed since the snapshot; {-1, owner} if another resource owns the configuration.
local function commit(keys, args)
  check_types(keys)
  local config, string_key, meta, history, _, backup_string = unpack(keys)
  local token, digest, text_digest, kept = args[1], args[3], args[6], tonumber(args[9])
  local fields, new_meta, records = unpack_list(args[2]), unpack_list(args[7]), unpack_list(args[8])
  local text = args[4] == 'text' and args[5]
  local before = read_state(config, string_key, meta)
  local now = now_ms()
  local owner = blocking_owner(meta, args[11], args[12], now)
  if owner then
    return {-1, owner}
  end
  if token_of(before) ~= token then
    return {0}
  end
  if #fields % 2 ~= 0 or #new_meta % 2 ~= 0 or #new_meta == 0 or #records % 2 ~= 0 or not kept or kept < 1
    or not matches({fields = fields, text = text}, digest, text_digest) then
    return redis.error_reply('ERR the arguments are corrupt; nothing was written')
  end

  -- First write.
  if args[10] == '1' and before.text then
    redis.call('SET', backup_string, before.text)
  end
  put(keys, before, fields, text)
  local after = read_state(config, string_key, meta)
  if not matches(after, digest, text_digest) then
    put(keys, after, before.fields, before.text)
    return redis.error_reply('NOTVERIFIED the state read back differs from the state written; the earlier state was restored')
  end
  redis.call('HSET', meta, unpack(new_meta))
  if args[11] ~= '' then
    hold(meta, args[11], args[13], now)
  end
  local newest = 0
  for i = 1, #records, 2 do
    redis.call('HSET', history, records[i], string.format('%.0f', now) .. '\n' .. records[i + 1])
    newest = tonumber(records[i])
  end
  if newest > 0 then
    local old = {}
    for _, revision in ipairs(redis.call('HKEYS', history)) do
      if tonumber(revision) <= newest - kept then
        old[#old + 1] = revision
      end
    end
    call_in_chunks('HDEL', history, old)
  end
  return {1}
end

-- keep_hold: KEYS meta; ARGV owner (JSON), uid of a deleted owner, hold (ms). Returns {1}, or {-1, owner}.
local function keep_hold(keys, args)
  check_type(keys[1], 'hash')
  local now = now_ms()
  local owner = blocking_owner(keys[1], args[1], args[2], now)
  if owner then
    return {-1, owner}
  end
  hold(keys[1], args[1], args[3], now)
  return {1}
end

-- release: KEYS meta; ARGV owner (JSON)
local function release(keys, args)
  check_type(keys[1], 'hash')
  release_ownership(keys[1], args[1])
end

redis.register_function{function_name = 'see_@VERSION@', callback = see, flags = {'no-writes'}}
-- allow-oom: a change of settings may be the remedy for a full server. It adds one revision to a bounded history.
redis.register_function{function_name = 'commit_@VERSION@', callback = commit, flags = {'allow-oom'}}
redis.register_function{function_name = 'keep_hold_@VERSION@', callback = keep_hold, flags = {'allow-oom'}}
redis.register_function{function_name = 'release_@VERSION@', callback = release, flags = {'allow-oom'}}
