--[[
Attempts: stored idempotently by callers' keys, in blocks in order of arrival, with the message that requests scoring.

A key's entry contains the arrival number and 8 bytes of the content digest. The record ends with the key and the digest
of its key space, so that an entry can be verified against the record it refers to.
]]

-- Bytes per key in the arguments: fingerprint and content digest.
local GIVEN_BYTES = FINGERPRINT_BYTES + @CONTENT_BYTES@
-- Fingerprint of an attempt without a key.
local NO_KEY = '\0\0\0\0\0\0\0\0'
-- Fields probed if other keys have the same fingerprint.
local PROBES = 8

-- Return the key's bytes at the end of a record (without its time); the layout byte gives the kind of key.
local function key_part(record)
  local kind = floor(byte(record, 1) / @KEY_KIND_STEP@) % 4
  local length = 0
  if kind == @KEY_TEXT@ then
    length = @KEY_SPACE_BYTES@ + byte(record, -1) + 2
  elseif kind == @KEY_UUID@ then
    length = @KEY_SPACE_BYTES@ + 16
  end
  return kind, length > 0 and sub(record, -length) or ''
end

-- Return whether two records (without their times) have the same instrument and key.
local function same_key(one, other)
  local kind, key = key_part(one)
  local other_kind, other_key = key_part(other)
  return kind == other_kind and key == other_key and sub(one, 2, 4) == sub(other, 2, 4)
end

-- Find the instruments of runs (number in 4 bytes, attempts in 2).
-- Returns by number whether the instrument exists, and the numbers without earlier attempts.
local function instruments_of(prefix, runs)
  local standing, unanswered = {}, {}
  for at = 1, #runs, 6 do
    local number = struct.unpack('>I4', runs, at)
    if standing[number] == nil then
      standing[number] = redis.call('HGET', prefix .. 'answered', number) ~= false
      if not standing[number] then
        standing[number] = redis.call('HGET', prefix .. 'numbers', number) ~= ''
        if standing[number] then
          unanswered[#unanswered + 1] = number
        end
      end
    end
  end
  return standing, unanswered
end

-- Compare an entry that was found with a key. `digest`: of the content; `record`: of an attempt with this key, without its time; `attempt_at`
-- returns the record at an arrival number likewise, and the random bytes of its id.
-- Returns R (the same content) or C (another) and the id of the attempt, E if it was erased; nil if the entry is of another key.
local function compare_entry(entry, digest, record, attempt_at)
  local other, random = attempt_at(arrival_in(entry, 1))
  if other == '' then
    return 'E', '' -- erased while its record could not be read, so that its key was not known
  end
  if not other or not same_key(other, record) then
    return nil
  end
  local id = random .. sub(entry, 1, ARRIVAL_BYTES)
  return sub(entry, ARRIVAL_BYTES + 1) == digest and 'R' or 'C', id
end

-- Claim a key for a new attempt, or find the attempt that has it. `stamp`: the new arrival number; `record_of` returns
-- the record of a place.
-- Returns N and the claimed field; R or C and an id; E if the attempt was erased; nil and an error.
local function claim(bucket, fingerprint, digest, stamp, place, record_of, attempt_at)
  local field, entry = fingerprint, stamp .. digest
  for probe = 1, PROBES do
    local claimed = redis.pcall('HSETNX', bucket, field, entry)
    if claimed == 1 then
      return 'N', field
    elseif claimed ~= 0 then
      return nil, claimed
    end
    local found = redis.call('HGET', bucket, field)
    local outcome, id = compare_entry(found, digest, record_of(place), attempt_at)
    if outcome then
      return outcome, id
    end
    field = fingerprint .. CHARS[probe] -- another key with this fingerprint, or its attempt no longer exists
  end
  return nil, redis.error_reply('ERR too many keys have the same fingerprint')
end

-- Return the record at an arrival number without its time, and the random bytes of its id; nil if it does not exist.
-- Called after keys were claimed: a key that is not a block counts as missing instead of raising an error.
local function stored_attempt(prefix, arrival)
  local slot = arrival % BLOCK_SIZE
  local found = redis.pcall('HMGET', prefix .. 'a:' .. numeral(floor(arrival / BLOCK_SIZE)), SLOTS[slot], IDS_FIELD, RUN_FIELD)
  local record, ids, run = found[1], found[2], found[3]
  if found.err or not (record or run) or not ids or #ids < (slot + 1) * RANDOM_BYTES then
    return nil
  end
  record = record or in_run(run, slot)
  if not record then
    return nil
  end
  return sub(record, TIME_BYTES + 1), sub(ids, slot * RANDOM_BYTES + 1, (slot + 1) * RANDOM_BYTES)
end

-- Append the messages and write the records of new attempts. Must not fail. `fresh`: their places; `stamps`: their
-- encoded arrival numbers; `randoms`: random bytes of the ids of all places; `given`: the records; `ids`: the random
-- bytes already in the first block.
local function write_attempts(prefix, stream, args, fresh, stamps, randoms, given, first, ids)
  local head, trace, ids_per_message = args[1], args[2], tonumber(args[3])
  local n, time, parts = #fresh, nil, {}
  for j = 1, n do
    local i = fresh[j]
    parts[j] = sub(randoms, (i - 1) * RANDOM_BYTES + 1, i * RANDOM_BYTES)
  end
  if n < #randoms / RANDOM_BYTES then
    randoms = concat(parts)
  end
  for start = 1, n, ids_per_message do
    local message, k = {}, 0
    for j = start, min(start + ids_per_message - 1, n) do
      message[k + 1], message[k + 2] = parts[j], stamps[j]
      k = k + 2
    end
    local entry = append_message(stream, head, concat(message), trace)
    -- The first message's id is the arrival time: stream ids are monotonic, and no message of these attempts is older.
    time = time or struct.pack('>I' .. TIME_BYTES, tonumber(string.match(entry, '^%d+')))
  end
  local j = 1
  while j <= n do
    local arrival = first + j - 1
    local slot, key = arrival % BLOCK_SIZE, prefix .. 'a:' .. numeral(floor(arrival / BLOCK_SIZE))
    local fits = min(BLOCK_SIZE - slot, n - j + 1)
    local block_ids = ids .. sub(randoms, (j - 1) * RANDOM_BYTES + 1, (j + fits - 1) * RANDOM_BYTES)
    ids = ''
    local run = fits == BLOCK_SIZE and fresh[j + fits - 1] - fresh[j] == fits - 1 and given.run(time, fresh[j])
    if run then
      redis.call('HSET', key, IDS_FIELD, block_ids, RUN_FIELD, run)
    else
      local fields = {IDS_FIELD, block_ids}
      for place = 0, fits - 1 do
        fields[2 * place + 3], fields[2 * place + 4] = SLOTS[slot + place], time .. given.record(fresh[j + place])
      end
      redis.call('HSET', key, unpack(fields, 1, 2 * fits + 2))
    end
    j = j + fits
  end
end

-- Split the records of a call (without times): `record` returns that of a place (from 1), `run` the run of the block
-- that begins at a place. Returns nil if their number differs from `count`.
local function given_records(count, size, records, ends)
  if ends == '' then
    return #records == count * size and {
      record = function(i)
        return sub(records, (i - 1) * size + 1, i * size)
      end,
      run = function(head, i)
        return run_of(head, size, sub(records, (i - 1) * size + 1, (i - 1 + BLOCK_SIZE) * size))
      end,
    }
  end
  local stops = numbers_in(ends, 4)
  stops[0] = 0
  return #stops == count and {
    record = function(i)
      return sub(records, stops[i - 1] + 1, stops[i])
    end,
    run = function(head, i)
      local begin, some = stops[i - 1], {}
      for k = 1, BLOCK_SIZE do
        some[k] = stops[i + k - 1] - begin
      end
      return run_of(head, 0, sub(records, begin + 1, stops[i + BLOCK_SIZE - 1]), some)
    end,
  }
end

-- submit: KEYS arrivals, stream; ARGV
--   head, trace, ids per message, views, instruments (runs: number in 4 bytes, number of attempts in 2),
--   keys ('' if no attempt has one; else fingerprint in 8 and content digest in 8 of each, NULs without a key),
--   participants (place in 2, from 1; fingerprint in 8), random name of a call without keys ('' for others),
--   random bytes of the ids, bytes per record, the records without their times, the end offset of each (4 bytes; '' if all
--   have the same length).
-- A repeated call without keys is recognised by its name for REMEMBER_SECONDS and returns the same reply.
-- Returns the arrival number of the first new attempt in 5 bytes. Unless all are new, then one byte each: N (new), R
-- (repeated), C (conflict: other content), E (erased) or G (gone: the instrument was removed), and the ids for R and C.
local function submit(keys, args)
  local arrivals, stream = keys[1], keys[2]
  local views, runs, given_keys, people, once, randoms, size, records, ends = unpack(args, 4, 12)
  local count, prefix = #randoms / RANDOM_BYTES, prefix_of(arrivals)
  local given = given_records(count, tonumber(size), records, ends)
  if not given then
    return redis.error_reply('ERR the numbers of records and ids differ')
  end
  local record_of = given.record
  if once ~= '' then
    once = prefix .. 'once:' .. once
    local reply = redis.call('GET', once)
    if reply then
      return reply
    end
  end
  local stale = stale_view(prefix, views)
  if stale then
    return stale
  end
  check_type(stream, 'stream')
  local first = tonumber(redis.call('GET', arrivals) or 0)
  if first + count > LAST_ARRIVAL then
    return redis.error_reply('ERR the partition is full: it has received 2^40 attempts')
  end
  -- The incomplete block must contain exactly these ids.
  local ids = redis.call('HGET', prefix .. 'a:' .. numeral(floor(first / BLOCK_SIZE)), IDS_FIELD) or ''
  if #ids ~= first % BLOCK_SIZE * RANDOM_BYTES then
    return redis.error_reply('ERR the last block of attempts has another format: data of a development version, or damaged; use another namespace')
  end
  for block = floor(first / BLOCK_SIZE), floor((first + count - 1) / BLOCK_SIZE) do
    check_type(prefix .. 'a:' .. numeral(block), 'hash')
    if people ~= '' then
      check_type(prefix .. 'l:' .. numeral(block), 'hash')
    end
  end
  local lists, people_index, unknown = lists_of(prefix, people)
  if unknown > 0 then
    check_growth(people_index, unknown)
  end
  local index = given_keys ~= '' and open_index(prefix, 'k')
  if index then
    check_growth(index, count)
  end
  local has_tombstone = index and open_tombstones(prefix)
  local standing, unanswered = instruments_of(prefix, runs)

  -- `fresh` and `stamps`: places and encoded arrival numbers of new attempts; outcomes by place and ids of the others.
  local fresh, stamps, n, outcomes, others, claimed = {}, {}, 0, {}, {}, {}
  local function attempt_at(arrival)
    if arrival >= first then
      local i = fresh[arrival - first + 1]
      if not i then
        return nil -- entry of an earlier call that failed halfway: its attempt was not stored
      end
      return record_of(i), sub(randoms, (i - 1) * RANDOM_BYTES + 1, i * RANDOM_BYTES)
    end
    return stored_attempt(prefix, arrival)
  end
  local high, high_of, run, left, stands = '', -1, 1, 0, true
  for i = 1, count do
    if left == 0 then
      local number
      number, left = struct.unpack('>I4I2', runs, run)
      run, stands = run + 6, standing[number]
    end
    left = left - 1
    local outcome, id = stands and 'N' or 'G', nil
    local low = (first + n) % 256
    if low == 0 or n == 0 then
      high = struct.pack('>I' .. ARRIVAL_BYTES - 1, (first + n - low) / 256)
    end
    local stamp = high .. CHARS[low]
    if stands and index then
      local at = (i - 1) * GIVEN_BYTES
      local fingerprint = sub(given_keys, at + 1, at + FINGERPRINT_BYTES)
      if fingerprint ~= NO_KEY then
        fresh[n + 1] = i
        local digest = sub(given_keys, at + FINGERPRINT_BYTES + 1, at + GIVEN_BYTES)
        if has_tombstone and has_tombstone(fingerprint) then
          outcome, id = 'E', ''
        else
          outcome, id = claim(bucket_of(index, fingerprint), fingerprint, digest, stamp, i, record_of, attempt_at)
        end
        if outcome == 'N' then
          claimed[#claimed + 1] = id
        elseif not outcome then
          -- A bucket has another type. Only claims have been written: revert them.
          for _, field in ipairs(claimed) do
            redis.call('HDEL', bucket_of(index, field), field)
          end
          return id
        end
      end
    end
    if outcome == 'N' then
      n = n + 1
      fresh[n], stamps[n] = i, stamp
    else
      outcomes[i] = outcome
      others[#others + 1] = id
    end
  end
  fresh[n + 1] = nil

  -- Nothing may fail from here on.
  if n > 0 then
    redis.call('INCRBY', arrivals, n)
    for _, number in ipairs(unanswered) do
      redis.call('HSET', prefix .. 'answered', number, 1)
    end
    write_attempts(prefix, stream, args, fresh, stamps, randoms, given, first, ids)
    if index then
      grow(index, #claimed)
    end
    if people ~= '' then
      local stamp_at = {}
      for j = 1, n do
        stamp_at[fresh[j]] = stamps[j]
      end
      local function stamp_of(place)
        return stamp_at[place]
      end
      add_participants(lists, people_index, stamp_of)
      add_to_lists(prefix, lists, 'a', stamp_of)
    end
  end
  local reply = arrival_text(first)
  if n < count then
    for i = 1, count do
      outcomes[i] = outcomes[i] or 'N'
    end
    reply = reply .. concat(outcomes) .. concat(others)
  end
  if once ~= '' then
    redis.call('SET', once, reply, 'EX', REMEMBER_SECONDS)
  end
  return reply
end

-- find_key: KEYS arrivals; ARGV fingerprint and content digest, a record with this key (without its time). Read-only.
-- Returns R or C and the id of the attempt with the key; '' if the key is unused.
local function find_key(keys, args)
  local prefix, given = prefix_of(keys[1]), args[1]
  local fingerprint, digest = sub(given, 1, FINGERPRINT_BYTES), sub(given, FINGERPRINT_BYTES + 1)
  local has_tombstone = open_tombstones(prefix)
  if has_tombstone and has_tombstone(fingerprint) then
    return 'E'
  end
  local bucket, field = bucket_of(open_index(prefix, 'k'), given), fingerprint
  for probe = 1, PROBES do
    local entry = redis.call('HGET', bucket, field)
    if not entry then
      return ''
    end
    local outcome, id = compare_entry(entry, digest, args[2], function(arrival)
      return stored_attempt(prefix, arrival)
    end)
    if outcome then
      return outcome .. id
    end
    field = fingerprint .. CHARS[probe]
  end
  return ''
end

register('submit', submit, {})
register('find_key', find_key, {'no-writes'})
