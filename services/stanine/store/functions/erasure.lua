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

local function list_length(person)
  return person.a.pages * PAGE_SIZE + #person.a.tail / ARRIVAL_BYTES
end

-- Return the lists of a participant and the bucket of its entry; nil if it has none.
local function find_person(prefix, fingerprint)
  local bucket = bucket_of(open_index(prefix, 'p'), fingerprint)
  local first = redis.call('HGET', bucket, fingerprint)
  return first and read_lists(prefix, arrival_in(first, 1)), bucket
end

-- Remove a participant's lists and entry. `sizes` is kept: it determines the number of buckets and never decreases.
local function forget(prefix, bucket, fingerprint, person)
  for _, which in ipairs({'a', 'r'}) do
    for page = 0, person[which].pages - 1 do
      redis.call('UNLINK', page_key(prefix, person, which, page))
    end
  end
  local lists, slot = lists_key(prefix, person.first)
  redis.call('HDEL', lists, slot)
  redis.call('HDEL', bucket, fingerprint)
end

-- Return whether the attempt at an arrival number has a record: it exists and was not erased.
local function is_kept(prefix, arrival)
  local record = stored_attempt(prefix, arrival)
  return record ~= nil and record ~= ''
end

-- Return the arrival number at a place of a participant's list of attempts, encoded; '' beyond its end. `pages`: those
-- that were read.
local function stamp_at(prefix, person, place, pages)
  local page, at = floor(place / PAGE_SIZE), place % PAGE_SIZE * ARRIVAL_BYTES
  if page >= person.a.pages then
    return page == person.a.pages and sub(person.a.tail, at + 1, at + ARRIVAL_BYTES) or ''
  end
  pages[page] = pages[page] or redis.call('GET', page_key(prefix, person, 'a', page)) or ''
  return sub(pages[page], at + 1, at + ARRIVAL_BYTES)
end

-- Return the id of the newest attempt of a list. It identifies the state of the list: each addition changes it, and so
-- does a list that was removed and begun again.
local function newest_of(prefix, person)
  local stamp = stamp_at(prefix, person, list_length(person) - 1, {})
  if stamp == '' then
    return ''
  end
  return (random_at(prefix, arrival_in(stamp, 1)) or string.rep('\0', RANDOM_BYTES)) .. stamp
end

-- erase: KEYS arrivals; ARGV expiry of the tombstones (ms), 1 to record the ids in the journal, name and secret for
-- tombstones if there is none yet, a participant (fingerprint, or ''), the newest attempt of its list (`newest_of`), the
-- arrival number of an attempt of the list that is kept (5 bytes; '' if this call erases the last ones), then id and key
-- fingerprint ('' without a key) of each attempt. With its last attempts a participant's lists and entry are removed.
-- Returns a byte each: 1 erased, 2 erased before, 0 no attempt with this id; 'CHANGED' if the list is no longer as
-- stated, and nothing was erased.
local function erase(keys, args)
  local prefix, expires, journal = prefix_of(keys[1]), tonumber(args[1]), args[2] == '1'
  local fingerprint_of_person, newest, kept = args[5], args[6], args[7]
  local index = open_index(prefix, 'k')
  local person, bucket_of_person
  if fingerprint_of_person ~= '' then
    person, bucket_of_person = find_person(prefix, fingerprint_of_person)
  end
  if person and kept ~= '' then
    if not is_kept(prefix, arrival_in(kept, 1)) then
      return 'CHANGED'
    end
    person = nil
  elseif person and newest_of(prefix, person) ~= newest then
    return 'CHANGED'
  end
  check_type(prefix .. 'tombstones', 'zset')
  check_type(prefix .. 'erasures', 'stream')
  check_type(prefix .. 'secret:erasure', 'hash')
  for at = 8, #args, 2 do
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
  for at = 8, #args, 2 do
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
    if answer == '0' then
      person = nil -- other data: the list may be of attempts that are kept
    end
  end
  if person then
    forget(prefix, bucket_of_person, fingerprint_of_person, person)
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

-- participant_attempts: KEYS arrivals; ARGV fingerprint of a participant, position, limit. Returns the length of the
-- list, its newest attempt (`newest_of`), and id and record of each attempt from that position, with NULs in place of the
-- records' times; '' for erased or missing records.
local function participant_attempts(keys, args)
  local NO_TIME = string.rep('\0', TIME_BYTES)
  local prefix, position, most = prefix_of(keys[1]), tonumber(args[2]), tonumber(args[3])
  local person = find_person(prefix, args[1])
  if not person then
    return {0, ''}
  end
  local found, pages = {list_length(person), newest_of(prefix, person)}, {}
  for place = position, position + most - 1 do
    local stamp = stamp_at(prefix, person, place, pages)
    if stamp == '' then
      break
    end
    local record, random = stored_attempt(prefix, arrival_in(stamp, 1))
    local whole = record and record ~= '' and NO_TIME .. record or ''
    found[#found + 1], found[#found + 2] = (random or string.rep('\0', RANDOM_BYTES)) .. stamp, whole
  end
  return found
end

-- kept_attempt: KEYS arrivals; ARGV fingerprint of a participant, arrival number of an attempt to leave out (5 bytes),
-- place in the list from which to search down ('' for its end), number of places. The newest are searched first, because
-- retention erases the oldest first.
-- Returns {newest attempt of the list (`newest_of`), arrival number of an attempt that is kept or '', place reached}.
local function kept_attempt(keys, args)
  local prefix, pages = prefix_of(keys[1]), {}
  local person = find_person(prefix, args[1])
  if not person then
    return {'', '', 0}
  end
  local newest = newest_of(prefix, person)
  local from = tonumber(args[3]) or list_length(person)
  local stop = max(0, from - tonumber(args[4]))
  for place = from - 1, stop, -1 do
    local stamp = stamp_at(prefix, person, place, pages)
    if stamp ~= '' and stamp ~= args[2] and is_kept(prefix, arrival_in(stamp, 1)) then
      return {newest, stamp, place}
    end
  end
  return {newest, '', stop}
end

-- forget_participant: KEYS arrivals; ARGV fingerprint, newest attempt (`newest_of`) of the list, all of whose attempts were
-- erased. Removes the participant's lists and entry. Returns 1; 0 if the list is another one now.
local function forget_participant(keys, args)
  local prefix, fingerprint = prefix_of(keys[1]), args[1]
  local person, bucket = find_person(prefix, fingerprint)
  if not person then
    return 1
  end
  if newest_of(prefix, person) ~= args[2] then
    return 0
  end
  forget(prefix, bucket, fingerprint, person)
  return 1
end

register('note_erasure', note_erasure, {'allow-oom'})
register('erase', erase, {'allow-oom'})
register('participant_attempts', participant_attempts, {'no-writes'})
register('kept_attempt', kept_attempt, {'no-writes'})
register('forget_participant', forget_participant, {'allow-oom'})
