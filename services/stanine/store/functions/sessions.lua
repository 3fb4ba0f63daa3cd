--[[
Sessions: attempts in progress. A session is a hash `s:<id>` (16 bytes in hexadecimal): number, revision, view (the
index view of both), invitation (or ''), opened, deadline (0: none), grace and expires (ms), seq (of the last save) and
content (its digest), page, state ('Open', 'Submitted', 'Withdrawn'), attempt (its id, after submission), person (the
participant's fingerprint), `given` (options), each answer in a field `A<item>`, the deadline (ms) of each opened section
with a time limit in a field `T<section>`, `language` after the participant changed it, and `mark`, random bytes of the
last save: with `seq` it identifies the answers. `sessions:due` contains each session by the time of its next sweep:
deadline plus grace, else its expiry. Time is the server's.
]]

local function session_key(prefix, id)
  return prefix .. 's:' .. hex(id)
end

-- Schedule a session's sweep: an open one at the end of its grace, unless it expires earlier.
local function note_due(prefix, id, state, deadline, grace, expires)
  local due = expires
  if state == 'Open' and deadline > 0 then
    due = min(expires, deadline + grace)
  end
  redis.call('ZADD', prefix .. 'sessions:due', due, id)
end

-- open_session: KEYS arrivals; ARGV id, views, invitation (its id, or ''), instrument number, revision, time limit (ms,
-- 0: none), grace (ms), lifetime (ms), given, fingerprint of the participant (or '').
-- Returns 'OPENED', 'REPEATED' (it exists), or the reason of a rejection: 'UNKNOWN', 'REVOKED', 'EXPIRED', 'USED' (the
-- invitation), 'GONE' (the instrument).
local function open_session(keys, args)
  local prefix = prefix_of(keys[1])
  local id, views, invitation, number, revision, limit, grace, lifetime, given, person = unpack(args)
  local key, due = session_key(prefix, id), prefix .. 'sessions:due'
  check_type(key, 'hash')
  check_type(due, 'zset')
  if person ~= '' then
    check_type(prefix .. 'o:' .. hex(person), 'set')
  end
  if redis.call('EXISTS', key) == 1 then
    return 'REPEATED'
  end
  local stale = stale_view(prefix, views)
  if stale then
    return stale
  end
  if redis.call('HGET', prefix .. 'numbers', number) == '' then
    return 'GONE'
  end
  local now = server_ms()
  if invitation ~= '' then
    local found = redis.call('HMGET', invitation_key(prefix, invitation), 'number', 'uses', 'most', 'expires', 'revoked')
    if found[1] ~= number then
      return 'UNKNOWN'
    elseif found[5] ~= '0' then
      return 'REVOKED'
    elseif found[4] ~= '0' and tonumber(found[4]) <= now then
      return 'EXPIRED'
    elseif tonumber(found[2]) >= tonumber(found[3]) then
      return 'USED'
    end
  end
  limit, grace = tonumber(limit), tonumber(grace)
  local deadline = limit > 0 and now + limit or 0
  local expires = max(deadline + grace, now) + lifetime

  -- Nothing may fail from here on.
  if invitation ~= '' then
    redis.call('HINCRBY', invitation_key(prefix, invitation), 'uses', 1)
  end
  redis.call('HSET', key, 'number', number, 'revision', revision, 'view', views, 'invitation', invitation, 'opened', numeral(now), 'deadline', numeral(deadline),
    'grace', numeral(grace), 'expires', numeral(expires), 'seq', 0, 'content', '', 'page', 0, 'state', 'Open', 'attempt', '', 'given', given, 'person', person)
  redis.call('HINCRBY', prefix .. 'sessions', 'opened', 1)
  if person ~= '' then
    redis.call('SADD', prefix .. 'o:' .. hex(person), 's' .. id)
  end
  note_due(prefix, id, 'Open', deadline, grace, expires)
  return 'OPENED'
end

-- Return the reason why a session does not accept answers; nil if it accepts them.
local function closed(found, now)
  local state, deadline, grace, expires = found[1], tonumber(found[2]), tonumber(found[3]), tonumber(found[4])
  if not state or expires <= now then
    return 'UNKNOWN'
  elseif state ~= 'Open' then
    return string.upper(state)
  elseif deadline > 0 and now > deadline + grace then
    return 'LATE'
  end
  return nil
end

-- save_session: KEYS arrivals; ARGV id, seq, content (digest of the save), page, language ('' keeps it), mark of this
-- save, seq and mark of the answers that it was validated with (both '': with any), number of sections with a time limit,
-- then of each its id, limit (ms), and 1 if the save has answers to its items; then items and values ('' removes an
-- answer). The time of a section runs from the first save that names it.
-- Returns {'SAVED', seq and mark before it}, {'CHANGED', fields and values of the session} if its answers are others, and
-- {'REPEATED'}, {'OLDER'} (seq is not above the last save's), {'OVER'} (the time of a section with answers and its grace
-- have passed), {'UNKNOWN'}, {'SUBMITTED'}, {'WITHDRAWN'}, {'LATE'}.
local function save_session(keys, args)
  local prefix, id, seq, content, page, language, mark = prefix_of(keys[1]), unpack(args, 1, 6)
  local wanted_seq, wanted_mark, sections = unpack(args, 7, 9)
  local key = session_key(prefix, id)
  check_type(key, 'hash')
  local found = redis.call('HMGET', key, 'state', 'deadline', 'grace', 'expires', 'seq', 'content', 'mark')
  local now = server_ms()
  local why = closed(found, now)
  if why then
    return {why}
  end
  if tonumber(seq) <= tonumber(found[5]) then
    return {seq == found[5] and content == found[6] and 'REPEATED' or 'OLDER'}
  end
  local mark_before = found[7] or ''
  if wanted_seq ~= '' and (wanted_seq ~= found[5] or wanted_mark ~= mark_before) then
    local all = redis.call('HGETALL', key)
    table.insert(all, 1, 'CHANGED')
    return all
  end
  local fields, n, removed = {'seq', seq, 'content', content, 'page', page, 'mark', mark}, 8, {}
  if language ~= '' then
    fields[n + 1], fields[n + 2] = 'language', language
    n = n + 2
  end
  local grace, first = tonumber(found[3]), 10 + 3 * tonumber(sections)
  for at = 10, first - 1, 3 do
    local deadline = redis.call('HGET', key, 'T' .. args[at])
    if not deadline then
      fields[n + 1], fields[n + 2] = 'T' .. args[at], numeral(now + tonumber(args[at + 1]))
      n = n + 2
    elseif args[at + 2] == '1' and now > tonumber(deadline) + grace then
      return {'OVER'}
    end
  end

  -- Nothing may fail from here on.
  for at = first, #args, 2 do
    if args[at + 1] == '' then
      removed[#removed + 1] = 'A' .. args[at]
    else
      fields[n + 1], fields[n + 2] = 'A' .. args[at], args[at + 1]
      n = n + 2
    end
  end
  for start = 1, n, UNPACK_LIMIT do
    redis.call('HSET', key, unpack(fields, start, min(start + UNPACK_LIMIT - 1, n)))
  end
  for start = 1, #removed, UNPACK_LIMIT do
    redis.call('HDEL', key, unpack(removed, start, min(start + UNPACK_LIMIT - 1, #removed)))
  end
  return {'SAVED', found[5], mark_before}
end

-- Remove the answers of a closed session, and record its end.
local function close_session(prefix, id, key, state, attempt)
  local fields, answers = redis.call('HKEYS', key), {}
  for _, field in ipairs(fields) do
    if sub(field, 1, 1) == 'A' then
      answers[#answers + 1] = field
    end
  end
  for start = 1, #answers, UNPACK_LIMIT do
    redis.call('HDEL', key, unpack(answers, start, min(start + UNPACK_LIMIT - 1, #answers)))
  end
  redis.call('HSET', key, 'state', state, 'attempt', attempt)
  redis.call('HINCRBY', prefix .. 'sessions', string.lower(state), 1)
  note_due(prefix, id, state, 0, 0, tonumber(redis.call('HGET', key, 'expires')))
end

-- submit_session: KEYS arrivals, stream; ARGV id, seq (of the save whose answers were read), 1 if the sweep submits it
-- (allowed after its grace), then the arguments of `submit` for one attempt.
-- Returns {'SUBMITTED', attempt id, 1 if it was submitted before}, {'CONFLICT', attempt id} if another attempt has its
-- key, {'CHANGED'} after another save, or {'UNKNOWN'}, {'WITHDRAWN'}, {'LATE'}, {'GONE'}, {'ERASED'}.
local function submit_session(keys, args)
  local prefix, id, seq, swept = prefix_of(keys[1]), unpack(args, 1, 3)
  local key = session_key(prefix, id)
  check_type(key, 'hash')
  check_type(prefix .. 'sessions:due', 'zset')
  check_type(prefix .. 'sessions', 'hash')
  local found = redis.call('HMGET', key, 'state', 'deadline', 'grace', 'expires', 'seq', 'attempt')
  if found[1] == 'Submitted' then
    return {'SUBMITTED', found[6], 1}
  end
  local why = closed(found, server_ms())
  if why and not (why == 'LATE' and swept == '1') then
    return {why}
  end
  if found[5] ~= seq then
    return {'CHANGED'}
  end
  local given = {unpack(args, 4)}
  local reply = submit(keys, given)
  if type(reply) ~= 'string' then
    return reply -- an error: nothing was written
  end
  local outcome = #reply > ARRIVAL_BYTES and sub(reply, ARRIVAL_BYTES + 1, ARRIVAL_BYTES + 1) or 'N'
  if outcome == 'G' then
    return {'GONE'}
  elseif outcome == 'E' then
    return {'ERASED'}
  elseif outcome == 'C' then
    return {'CONFLICT', sub(reply, ARRIVAL_BYTES + 2)}
  end
  local attempt = outcome == 'R' and sub(reply, ARRIVAL_BYTES + 2) or sub(given[9], 1, RANDOM_BYTES) .. sub(reply, 1, ARRIVAL_BYTES)
  close_session(prefix, id, key, 'Submitted', attempt)
  return {'SUBMITTED', attempt, 0}
end

-- withdraw_session: KEYS arrivals; ARGV id. Removes its answers. Returns 'WITHDRAWN', 'UNKNOWN' or 'SUBMITTED'.
local function withdraw_session(keys, args)
  local prefix, id = prefix_of(keys[1]), args[1]
  local key = session_key(prefix, id)
  check_type(key, 'hash')
  check_type(prefix .. 'sessions:due', 'zset')
  local state = redis.call('HGET', key, 'state')
  if not state then
    return 'UNKNOWN'
  elseif state == 'Open' then
    close_session(prefix, id, key, 'Withdrawn', '')
  end
  return state == 'Submitted' and 'SUBMITTED' or 'WITHDRAWN'
end

-- extend_session: KEYS arrivals; ARGV id, time limit (ms) from its opening, retention (ms) after its deadline and grace. A
-- deadline never moves back, so a repeated call changes nothing. Returns the deadline; 0 if not open or without deadline.
local function extend_session(keys, args)
  local prefix, id = prefix_of(keys[1]), args[1]
  local key = session_key(prefix, id)
  check_type(key, 'hash')
  check_type(prefix .. 'sessions:due', 'zset')
  local found = redis.call('HMGET', key, 'state', 'deadline', 'grace', 'expires', 'opened')
  if found[1] ~= 'Open' or found[2] == '0' then
    return '0'
  end
  local grace = tonumber(found[3])
  local deadline = max(tonumber(found[2]), tonumber(found[5]) + tonumber(args[2]))
  local expires = max(tonumber(found[4]), deadline + grace + tonumber(args[3]))
  redis.call('HSET', key, 'deadline', numeral(deadline), 'expires', numeral(expires))
  note_due(prefix, id, 'Open', deadline, grace, expires)
  return numeral(deadline)
end

-- drop_session: KEYS arrivals; ARGV id, 1 to drop it before its expiry. Returns 1 if it was removed.
local function drop_session(keys, args)
  local prefix, id, now = prefix_of(keys[1]), args[1], server_ms()
  local key, due = session_key(prefix, id), prefix .. 'sessions:due'
  local found = redis.call('HMGET', key, 'state', 'expires', 'person')
  if not found[1] then
    return redis.call('ZREM', due, id)
  end
  if tonumber(found[2]) > now and args[2] ~= '1' then
    return 0
  end
  redis.call('UNLINK', key)
  redis.call('ZREM', due, id)
  if found[3] ~= '' then
    redis.call('SREM', prefix .. 'o:' .. hex(found[3]), 's' .. id)
  end
  if found[1] == 'Open' and args[2] ~= '1' then
    redis.call('HINCRBY', prefix .. 'sessions', 'expired', 1)
  end
  return 1
end

register('open_session', open_session, {})
register('save_session', save_session, {})
register('submit_session', submit_session, {})
register('withdraw_session', withdraw_session, {'allow-oom'})
register('extend_session', extend_session, {'allow-oom'})
register('drop_session', drop_session, {'allow-oom'})
