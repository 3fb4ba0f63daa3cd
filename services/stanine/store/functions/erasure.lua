--[[
Erasure: remove an attempt's answers, attributes, key and results atomically. The remainder contains no personal data:
the random id, an empty record, and a result of the kind ERASED with the random bytes of its commits, so that cursors
still match. No concurrent message, retry, sweep or scoring can restore the data: a commit finds a result, a reader
finds an empty record, and its key has a tombstone (tombstones.lua) until that expires.
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

-- Remove the entry of an erased attempt's key. Entries with the same fingerprint move up, so that none is beyond a gap.
local function remove_entry(bucket, fingerprint, arrival)
  local fields, entries, at = {fingerprint}, {}, nil
  for probe = 1, PROBES do
    local entry = redis.call('HGET', bucket, fields[probe])
    if not entry then
      break
    end
    entries[probe], fields[probe + 1] = entry, fingerprint .. CHARS[probe]
    if sub(entry, 1, ARRIVAL_BYTES) == arrival then
      at = probe
    end
  end
  if at then
    for probe = at, #entries - 1 do
      redis.call('HSET', bucket, fields[probe], entries[probe + 1])
    end
    redis.call('HDEL', bucket, fields[#entries])
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

-- The erasure journal: a stream with what an erasure named, so that it can be repeated on a restored server
-- (stanine.store.journal). JOURNAL_LENGTH is about 6 MB of single attempts; backup jobs copy it once a minute.
local JOURNAL_LENGTH = 100000

local function add_to_journal(prefix, field, value)
  redis.call('XADD', prefix .. 'erasures', 'MAXLEN', '~', JOURNAL_LENGTH, '*', field, value)
end

-- note_erasure: KEYS arrivals; ARGV field (p: MACs of a participant, v: id of an invitation), value. Recorded before the
-- data are erased: if the process dies in between, a restore completes the erasure.
local function note_erasure(keys, args)
  local prefix = prefix_of(keys[1])
  check_type(prefix .. 'erasures', 'stream')
  add_to_journal(prefix, args[1], args[2])
  return 1
end

-- erase: KEYS arrivals; ARGV expiry of the tombstones (ms), 1 to record the ids in the journal, name and secret for
-- tombstones if there is none yet, then id and key fingerprint ('' without a key) of each attempt.
-- Returns a byte each: 1 erased, 2 erased before, 0 no attempt with this id.
local function erase(keys, args)
  local prefix, expires, journal = prefix_of(keys[1]), tonumber(args[1]), args[2] == '1'
  local index = open_index(prefix, 'k')
  check_type(prefix .. 'tombstones', 'zset')
  check_type(prefix .. 'erasures', 'stream')
  check_type(prefix .. 'secret:erasure', 'hash')
  for at = 5, #args, 2 do
    local block = numeral(floor(arrival_in(args[at], RANDOM_BYTES + 1) / BLOCK_SIZE))
    check_type(prefix .. 'a:' .. block, 'hash')
    check_type(prefix .. 'r:' .. block, 'hash')
    check_type(prefix .. 'h:' .. block, 'hash')
    if args[at + 1] ~= '' then
      check_type(bucket_of(index, args[at + 1]), 'hash')
    end
  end

  -- Nothing may fail from here on.
  local answers, erased, refused = {}, {}, {}
  for at = 5, #args, 2 do
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
        erased[#erased + 1] = id
      end
      if fingerprint ~= '' then
        remove_entry(bucket_of(index, fingerprint), fingerprint, sub(id, RANDOM_BYTES + 1))
        refused[#refused + 1] = fingerprint
      end
    end
    answers[#answers + 1] = answer
  end
  if #refused > 0 then
    ensure_secret({prefix .. 'secret:erasure'}, {args[3], args[4]})
    add_tombstones(prefix, refused, expires)
  end
  if journal and #erased > 0 then
    add_to_journal(prefix, 'a', concat(erased))
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

register('note_erasure', note_erasure, {'allow-oom'})
register('erase', erase, {'allow-oom'})
register('participant_attempts', participant_attempts, {'no-writes'})
register('forget_participant', forget_participant, {'allow-oom'})
