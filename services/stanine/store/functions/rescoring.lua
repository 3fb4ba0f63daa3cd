--[[
Re-scoring: replaces results by those of a newer scoring, step by step. A run is the hash `rescoring:<number>`; a step
covers the part of the instrument's commit log from the run's position. `commit_rescored` writes the changed results, the
report so far and the message of the next step in one call, only if the run is still at that position and each attempt
still has the result that the step read. A step that runs twice therefore changes nothing twice, and an erasure between
reading and committing makes the step read again.

A replaced result is kept in `h:<block>`, a hash by slot. A value: position of the current result in the commit log (5
bytes) and in the participant's list (5; NO_POSITION without a participant), then for each earlier result, oldest first:
when it was replaced (ms, 6), its length (4), its record.
]]

local RESULT_HEAD = @RESULT_COMMIT@ + @COMMIT_BYTES@
local RUN_ID_BYTES = @RUN_ID_BYTES@
local NO_POSITION = '\255\255\255\255\255'

local function rescoring_key(prefix, number)
  return prefix .. 'rescoring:' .. number
end

-- Append the message of a run's next step: instrument number (4), run id, position (5).
local function queue_step(stream, head, number, run, position)
  local ids = struct.pack('>I4', number) .. run .. arrival_text(position)
  return string.match(append_message(stream, head, ids, ''), '^%d+')
end

-- start_rescoring: KEYS numbers, stream; ARGV head, instrument number, name, run id, token, dry ('1' or '0'), newest
-- revision, scorings (lines of form, revision, digest). Starts a run unless one with this token exists or one is running.
-- Returns 1 started, 2 a run with this token exists, 3 another run is running, 4 the scorings are not indexed, 5 the
-- instrument has other revisions.
local function start_rescoring(keys, args)
  local numbers, stream = unpack(keys)
  local head, number, name, run, token, dry, revision, scorings = unpack(args)
  local prefix = sub(numbers, 1, -#'numbers' - 1)
  local key, running = rescoring_key(prefix, number), prefix .. 'rescoring'
  check_type(stream, 'stream')
  check_type(key, 'hash')
  check_type(running, 'set')
  check_type(prefix .. 'rescored', 'hash')
  if #run ~= RUN_ID_BYTES then
    return redis.error_reply('ERR the id of a run has another length')
  end
  local state, known = unpack(redis.call('HMGET', key, 'state', 'token'))
  if known == token then
    return 2
  elseif state == 'Running' then
    return 3
  end
  local instrument = prefix .. 'instrument:' .. name
  if redis.call('HGET', numbers, number) ~= name or redis.call('HGET', instrument, 'revision') ~= revision then
    return 5
  end
  for form, scoring, digest in string.gmatch(scorings, '(%d+) (%d+) (%S+)\n') do
    if redis.call('HGET', instrument, 'digest:' .. scoring) ~= digest then
      return 5
    end
    local entry = redis.call('HGET', prefix .. 'index', name .. '/' .. form)
    if not entry or #entry < 4 or struct.unpack('>I4', entry) < tonumber(scoring) then
      return 4
    end
  end
  local total = redis.call('HGET', prefix .. 'commits', number) or '0'
  local now = numeral(server_ms())
  redis.call('UNLINK', key)
  redis.call('HSET', key, 'id', run, 'name', name, 'token', token, 'dry', dry, 'revision', revision, 'scorings', scorings,
    'state', total == '0' and 'Completed' or 'Running', 'position', 0, 'total', total, 'report', '', 'started', now,
    'queued', now, 'requeues', 0, 'finished', total == '0' and now or '')
  if dry ~= '1' then
    -- From now on results of an older index are refused (commit_results), so all of them are below `total`.
    redis.call('HSET', prefix .. 'rescored', number, change_number(redis.call('GET', prefix .. 'index:change')))
  end
  if total ~= '0' then
    redis.call('SADD', running, number)
    redis.call('HSET', key, 'queued', queue_step(stream, head, number, run, 0))
  end
  return 1
end

-- Return whether a run is running at a position.
local function is_at_step(key, run, position)
  local id, state, at = unpack(redis.call('HMGET', key, 'id', 'state', 'position'))
  return id == run and state == 'Running' and at == position
end

local function finish_run(prefix, number, state, reason)
  local key = rescoring_key(prefix, number)
  redis.call('HSET', key, 'state', state, 'reason', reason, 'finished', numeral(server_ms()))
  redis.call('SREM', prefix .. 'rescoring', number)
end

-- Read what the changed attempts of one block have now. `ids` and `heads`: of all changes; `start` to `stop`: those of
-- the block. Returns its results and histories by slot; nil if an attempt or its result is another one.
local function read_changing(prefix, block, ids, heads, start, stop)
  local slots = {}
  for i = start, stop do
    slots[#slots + 1] = SLOTS[arrival_in(ids, i * ID_BYTES - ARRIVAL_BYTES + 1) % BLOCK_SIZE]
  end
  local randoms = redis.call('HGET', prefix .. 'a:' .. block, IDS_FIELD) or ''
  local results = redis.call('HMGET', prefix .. 'r:' .. block, RUN_FIELD, unpack(slots))
  local histories = redis.call('HMGET', prefix .. 'h:' .. block, unpack(slots))
  for k = 1, #slots do
    local i, slot = start + k - 1, tonumber(slots[k])
    local result = results[k + 1] or (results[1] and in_run(results[1], slot))
    if sub(randoms, slot * RANDOM_BYTES + 1, (slot + 1) * RANDOM_BYTES) ~= sub(ids, (i - 1) * ID_BYTES + 1, i * ID_BYTES - ARRIVAL_BYTES)
      or not result or sub(result, 1, RESULT_HEAD) ~= sub(heads, (i - 1) * RESULT_HEAD + 1, i * RESULT_HEAD) then
      return nil
    end
    results[k + 1] = result
  end
  return {slots = slots, start = start, results = results, histories = histories, is_run = results[1] and #slots == BLOCK_SIZE}
end

-- Return the position that each place gets in its participant's list of results.
local function list_positions(lists)
  local found, added = {}, {}
  for _, each in ipairs(lists) do
    local own = each[2].lists
    if own then
      added[own] = (added[own] or own.r.pages * PAGE_SIZE + #own.r.tail / ARRIVAL_BYTES) + 1
      found[each[1]] = added[own] - 1
    end
  end
  return found
end

-- commit_rescored: KEYS arrivals, stream; ARGV head, instrument number, run id, position, next position, report so far,
-- ids of the changed attempts, heads of their present results (11 bytes each), their new results (each preceded by its
-- length in 4), participants (place in 2, from 1; fingerprint in 8). The ids are distinct and in ascending order of
-- arrival. A dry run gives no changes.
-- Returns 1 committed; 0 the run is not at this position; 2 an attempt has another result now, and nothing was written.
local function commit_rescored(keys, args)
  local arrivals, stream = unpack(keys)
  local head, number, run, position, following, report, ids, heads, bodies, people = unpack(args)
  local prefix = prefix_of(arrivals)
  local key = rescoring_key(prefix, number)
  check_type(stream, 'stream')
  check_type(key, 'hash')
  if not is_at_step(key, run, position) then
    return 0
  end
  local results, count = texts_in(bodies)
  if #ids ~= count * ID_BYTES or #heads ~= count * RESULT_HEAD then
    return redis.error_reply('ERR the numbers of results and attempt ids differ')
  end
  local logged = tonumber(redis.call('HGET', prefix .. 'commits', number) or 0)
  for chunk = floor(logged / CHUNK_SIZE), floor((logged + count) / CHUNK_SIZE) do
    check_type(prefix .. 'c:' .. number .. ':' .. numeral(chunk), 'string')
  end
  check_type(prefix .. 'replacing', 'hash')

  local blocks, stamps, start = {}, {}, 1
  while start <= count do
    local first = arrival_in(ids, start * ID_BYTES - ARRIVAL_BYTES + 1)
    local block, stop, last = floor(first / BLOCK_SIZE), start, first
    while stop < count do
      local arrival = arrival_in(ids, (stop + 1) * ID_BYTES - ARRIVAL_BYTES + 1)
      if arrival <= last then
        return redis.error_reply('ERR the ids are not distinct and in ascending order')
      elseif floor(arrival / BLOCK_SIZE) ~= block then
        break
      end
      stop, last = stop + 1, arrival
    end
    local name = numeral(block)
    check_type(prefix .. 'h:' .. name, 'hash')
    local found = read_changing(prefix, name, ids, heads, start, stop)
    if not found then
      return 2
    end
    found.name = name
    blocks[#blocks + 1] = found
    start = stop + 1
  end
  for i = 1, count do
    stamps[i] = sub(ids, i * ID_BYTES - ARRIVAL_BYTES + 1, i * ID_BYTES)
  end
  local lists = lists_of(prefix, people)
  local listed_at = list_positions(lists)

  -- First write; nothing may fail from here on.
  local now = struct.pack('>I' .. TIME_BYTES, server_ms())
  for _, block in ipairs(blocks) do
    local kept, fresh = {}, {}
    for k, slot in ipairs(block.slots) do
      local i = block.start + k - 1
      local listed, before = listed_at[i], block.results[k + 1]
      local earlier = block.histories[k] and sub(block.histories[k], 2 * ARRIVAL_BYTES + 1) or ''
      kept[2 * k - 1] = slot
      kept[2 * k] = arrival_text(logged + i - 1) .. (listed and arrival_text(listed) or NO_POSITION) .. earlier
        .. now .. struct.pack('>I4', #before) .. before
      fresh[2 * k - 1], fresh[2 * k] = slot, results[i]
    end
    redis.call('HSET', prefix .. 'h:' .. block.name, unpack(kept))
    local whole = block.is_run and whole_run('', 0, '', results, block.start)
    if whole then
      redis.call('HSET', prefix .. 'r:' .. block.name, RUN_FIELD, whole)
    else
      divide(prefix .. 'r:' .. block.name)
      redis.call('HSET', prefix .. 'r:' .. block.name, unpack(fresh))
    end
  end
  if count > 0 then
    local packed = concat(stamps)
    append_to_log(prefix, number, logged, packed)
    redis.call('HINCRBY', prefix .. 'replacing', number, count)
    add_to_lists(prefix, lists, 'r', function(place)
      return stamps[place]
    end)
    redis.call('PUBLISH', prefix .. 'committed', packed)
  end
  redis.call('HSET', key, 'position', following, 'report', report, 'requeues', 0)
  if tonumber(following) >= tonumber(redis.call('HGET', key, 'total')) then
    finish_run(prefix, number, 'Completed', '')
  else
    redis.call('HSET', key, 'queued', queue_step(stream, head, number, run, tonumber(following)))
  end
  return 1
end

-- requeue_rescoring: KEYS arrivals, stream; ARGV head, instrument number, run id, position, most requeues. Queues the
-- step of a run again, or fails the run if the step was queued again that often. Returns 1 queued, 0 failed or not there.
local function requeue_rescoring(keys, args)
  local arrivals, stream = unpack(keys)
  local head, number, run, position, most = unpack(args)
  local prefix = prefix_of(arrivals)
  local key = rescoring_key(prefix, number)
  check_type(stream, 'stream')
  check_type(key, 'hash')
  if not is_at_step(key, run, position) then
    return 0
  end
  if tonumber(redis.call('HGET', key, 'requeues') or 0) >= tonumber(most) then
    finish_run(prefix, number, 'Failed', 'NotDeliverable')
    return 0
  end
  redis.call('HINCRBY', key, 'requeues', 1)
  redis.call('HSET', key, 'queued', queue_step(stream, head, number, run, tonumber(position)))
  return 1
end

-- fail_rescoring: KEYS arrivals; ARGV instrument number, run id, position, reason. Ends a run that cannot continue.
local function fail_rescoring(keys, args)
  local number, run, position, reason = unpack(args)
  local prefix = prefix_of(keys[1])
  local key = rescoring_key(prefix, number)
  check_type(key, 'hash')
  if not is_at_step(key, run, position) then
    return 0
  end
  finish_run(prefix, number, 'Failed', reason)
  return 1
end

register('start_rescoring', start_rescoring, {})
register('commit_rescored', commit_rescored, {}) -- the earlier results that it keeps need memory
register('requeue_rescoring', requeue_rescoring, {'allow-oom'})
register('fail_rescoring', fail_rescoring, {'allow-oom'})
