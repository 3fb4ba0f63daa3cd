--[[
Erasure: remove an attempt's answers, attributes, key and results atomically. The remainder contains no personal data:
the random id, an empty record, and a result of the kind ERASED with the random bytes of its commits, so that cursors
still match. No concurrent message, retry, sweep or scoring can restore the data: a commit finds a result, a reader
finds an empty record, and the key's entry is a tombstone (stanine.store.erasure) until it expires.
]]

-- Convert a block from a run to one field per slot.
local function divide(key)
  local run = redis.call('HGET', key, RUN_FIELD)
  if run then
    local fields = {}
    for slot = 0, BLOCK_SIZE - 1 do
      fields[2 * slot + 1], fields[2 * slot + 2] = SLOTS[slot], in_run(run, slot) or ''
    end
    redis.call('HSET', key, unpack(fields))
    redis.call('HDEL', key, RUN_FIELD)
  end
end

-- Replace the entry of an erased attempt's key by a tombstone.
local function set_tombstone(bucket, fingerprint, arrival, expires)
  local field = fingerprint
  for probe = 1, PROBES do
    local entry = redis.call('HGET', bucket, field)
    if not entry then
      return
    elseif sub(entry, 1, ARRIVAL_BYTES) == arrival then
      redis.call('HSET', bucket, field, ERASED_ARRIVAL .. struct.pack('>I8', expires))
      return
    end
    field = fingerprint .. CHARS[probe]
  end
end

-- Return the random bytes of the commits of a re-scored attempt's earlier results (functions/rescoring.lua), so that
-- cursors still match after its history is removed.
local function earlier_commits(history)
  local found, at = {}, 2 * ARRIVAL_BYTES + TIME_BYTES + 1
  while history and at < #history do
    local length, record = struct.unpack('>I4', history, at)
    found[#found + 1] = sub(history, record + @RESULT_COMMIT@, record + @RESULT_COMMIT@ + @COMMIT_BYTES@ - 1)
    at = record + length + TIME_BYTES
  end
  return concat(found)
end

-- erase: KEYS arrivals; ARGV expiry of the tombstone (ms), then id and key fingerprint ('' without a key) of each
-- attempt.
-- Returns a byte each: 1 erased, 2 erased before, 0 no attempt with this id.
local function erase(keys, args)
  local prefix, expires = prefix_of(keys[1]), tonumber(args[1])
  local index = open_index(prefix, 'k')
  for at = 2, #args, 2 do
    local block = numeral(floor(arrival_in(args[at], RANDOM_BYTES + 1) / BLOCK_SIZE))
    check_type(prefix .. 'a:' .. block, 'hash')
    check_type(prefix .. 'r:' .. block, 'hash')
    check_type(prefix .. 'h:' .. block, 'hash')
    if args[at + 1] ~= '' then
      check_type(bucket_of(index, args[at + 1]), 'hash')
    end
  end

  -- Nothing may fail from here on.
  local answers = {}
  for at = 2, #args, 2 do
    local id, fingerprint = args[at], args[at + 1]
    local arrival = arrival_in(id, RANDOM_BYTES + 1)
    local block, slot = numeral(floor(arrival / BLOCK_SIZE)), SLOTS[arrival % BLOCK_SIZE]
    local answer = '0'
    if random_at(prefix, arrival) == sub(id, 1, RANDOM_BYTES) then
      local attempts, results = prefix .. 'a:' .. block, prefix .. 'r:' .. block
      divide(attempts)
      divide(results)
      answer = redis.call('HGET', attempts, slot) == '' and '2' or '1'
      if answer == '1' then
        local result = redis.call('HGET', results, slot)
        local commit = result and sub(result, @RESULT_COMMIT@ + 1, @RESULT_COMMIT@ + @COMMIT_BYTES@) or string.rep('\0', @COMMIT_BYTES@)
        redis.call('HSET', attempts, slot, '')
        redis.call('HSET', results, slot, CHARS[@ERASED@] .. string.rep('\0', @RESULT_COMMIT@ - 1) .. commit
          .. earlier_commits(redis.call('HGET', prefix .. 'h:' .. block, slot)))
        redis.call('HDEL', prefix .. 'h:' .. block, slot)
        redis.call('HDEL', prefix .. 'requeued', id)
      end
      if fingerprint ~= '' then
        set_tombstone(bucket_of(index, fingerprint), fingerprint, sub(id, RANDOM_BYTES + 1), expires)
      end
    end
    answers[#answers + 1] = answer
  end
  return concat(answers)
end

-- participant_attempts: KEYS arrivals; ARGV fingerprint of a participant, position, limit. Returns {id, record, …} of the
-- attempts from that position, with NULs in place of the records' times; '' for erased or missing records.
local function participant_attempts(keys, args)
  local NO_TIME = string.rep('\0', TIME_BYTES)
  local prefix, fingerprint = prefix_of(keys[1]), args[1]
  local position, most = tonumber(args[2]), tonumber(args[3])
  local first = redis.call('HGET', bucket_of(open_index(prefix, 'p'), fingerprint), fingerprint)
  if not first then
    return {}
  end
  local person, found = read_lists(prefix, arrival_in(first, 1)), {}
  for place = position, position + most - 1 do
    local page, at = floor(place / PAGE_SIZE), place % PAGE_SIZE * ARRIVAL_BYTES
    local stamps = page < person.a.pages and redis.call('GET', page_key(prefix, person, 'a', page)) or page == person.a.pages and person.a.tail or ''
    local stamp = sub(stamps or '', at + 1, at + ARRIVAL_BYTES)
    if stamp == '' then
      break
    end
    local record, random = stored_attempt(prefix, arrival_in(stamp, 1))
    local whole = record and record ~= '' and NO_TIME .. record or ''
    found[#found + 1], found[#found + 2] = (random or string.rep('\0', RANDOM_BYTES)) .. stamp, whole
  end
  return found
end

-- forget_participant: KEYS arrivals; ARGV fingerprint, length of the list when all its attempts were erased. Removes
-- the participant's lists and entry. Returns 1; 0 if attempts were added since, which must be erased first.
local function forget_participant(keys, args)
  local prefix, fingerprint = prefix_of(keys[1]), args[1]
  local index = open_index(prefix, 'p')
  local bucket, sizes = bucket_of(index, fingerprint), prefix .. 'sizes'
  check_type(sizes, 'hash')
  local first = redis.call('HGET', bucket, fingerprint)
  if not first then
    return 1
  end
  local person = read_lists(prefix, arrival_in(first, 1))
  if person.a.pages * PAGE_SIZE + #person.a.tail / ARRIVAL_BYTES ~= tonumber(args[2]) then
    return 0
  end
  for _, which in ipairs({'a', 'r'}) do
    for page = 0, person[which].pages - 1 do
      redis.call('UNLINK', page_key(prefix, person, which, page))
    end
  end
  local lists, slot = lists_key(prefix, person.first)
  redis.call('HDEL', lists, slot)
  redis.call('HDEL', bucket, fingerprint) -- `sizes` is kept: it determines the number of buckets and never decreases
  return 1
end

register('erase', erase, {'allow-oom'})
register('participant_attempts', participant_attempts, {'no-writes'})
register('forget_participant', forget_participant, {'allow-oom'})
