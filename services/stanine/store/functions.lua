#!lua name=stanine_store_@VERSION@
--[[
The store's Redis Functions: every write to a record, each with the message about it in the same step.

Rules: Lua has no rollback, so everything is validated before the first write. Keys are passed in KEYS, or derived from one that
is, within its hash tag. No function takes a clock or a random number from itself that it could be given, except the server's time.
No-one's data is logged. Numbers in records are big-endian.
]]

local BLOCK_SIZE = 32
-- arrival numbers a chunk of the commit log, and bytes each
local CHUNK_SIZE, ARRIVAL_BYTES = 4096, 4
-- arrival numbers a page of a participant: a page is rewritten at each append, so it is kept small
local PAGE_SIZE = 256
-- arguments to one redis.call: Lua's stack ends near 8,000
local UNPACK_LIMIT = 4000
-- numbers read by one struct.unpack: it has room for some 200 on the stack
local NUMBERS_AT_ONCE = 128
local LAST_ARRIVAL = 4294967295
-- how long a call without keys is remembered: a client tries again by itself for some 30 s
local REMEMBER_SECONDS = 60
-- the slots of a block as texts: to write a number is dearer than to look one up
local SLOTS = {}
for slot = 0, BLOCK_SIZE - 1 do
  SLOTS[slot] = '' .. slot
end

-- The key's own prefix: KEYS[1] of these functions is always `<prefix>arrivals`.
local function prefix_of(arrivals_key)
  return string.sub(arrivals_key, 1, -9)
end

local function check_type(key, wanted)
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= wanted then
    error({err = 'WRONGTYPE the key ' .. key .. ' holds a ' .. found .. ', not a ' .. wanted})
  end
end

local function append_message(stream, head, ids, trace)
  if trace == '' then
    return redis.call('XADD', stream, '*', 'h', head, 'i', ids)
  end
  return redis.call('XADD', stream, '*', 'h', head, 'i', ids, 't', trace)
end

local function call_in_chunks(command, key, values)
  for start = 1, #values, UNPACK_LIMIT do
    redis.call(command, key, unpack(values, start, math.min(start + UNPACK_LIMIT - 1, #values)))
  end
end

-- put_index: KEYS index, changes, change; ARGV field, entry, SHA-1 of a corrupt entry to replace (or '')
-- An entry begins with its revision (4 bytes) and its engine (2 bytes). Returns 1 if it was stored, 0 if what is there is as new.
local function put_index(keys, args)
  local index, changes, change = unpack(keys)
  local field, entry, corrupt = unpack(args)
  if #entry < 6 then
    return redis.error_reply('ERR an index entry is at least 6 bytes')
  end
  check_type(changes, 'zset')
  check_type(change, 'string')
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
  redis.call('ZADD', changes, redis.call('INCR', change), field)
  return 1
end

-- submit: KEYS arrivals, stream; ARGV head, trace, ids a message, submissions, one after the other: instrument number (4 bytes), key (length
-- in 2), digest of its meaning (16), random part of its id (12), the record up to the time (7) and after it (length in 4)
-- A call with submissions that have no key is remembered for a while by the random part of the first of them: sent again by a client whose
-- reply was lost, it is answered as before.
-- Returns for each submission 17 bytes: N (new), R (repeated), C (conflict: the key stands for another meaning) or G (gone: the instrument
-- was removed), then the attempt's id. The first attempt of an instrument marks it as answered: it is never removed from then on.
local function submit(keys, args)
  local arrivals, stream = unpack(keys)
  local head, trace, ids_per_message = args[1], args[2], tonumber(args[3])
  local prefix = prefix_of(arrivals)
  local packed, submissions, at, once = args[4], {}, 1, nil
  while at <= #packed do
    local number, key, digest, random, start, rest
    number, key, digest, random, start, rest, at = struct.unpack('>I4I2c0c16c12c7I4c0', packed, at)
    submissions[#submissions + 1] = {number, key, digest, random, start, rest}
    if key == '' and not once then
      once = prefix .. 'once:' .. string.gsub(random, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
    end
  end
  local before = once and redis.call('GET', once)
  if before then
    return before
  end
  check_type(stream, 'stream')
  local first = tonumber(redis.call('GET', arrivals) or 0)

  -- What each caller's key stands for already, one HMGET an instrument.
  local asked = {}
  for i = 1, #submissions do
    local number, key = submissions[i][1], submissions[i][2]
    if key ~= '' then
      local of = asked[number]
      if not of then
        of = {places = {}, names = {}}
        asked[number] = of
      end
      of.places[#of.places + 1] = i
      of.names[#of.names + 1] = key
    end
  end
  local known = {}
  for number, of in pairs(asked) do
    local hash = prefix .. 'keys:' .. number
    for start = 1, #of.names, UNPACK_LIMIT do
      local values = redis.call('HMGET', hash, unpack(of.names, start, math.min(start + UNPACK_LIMIT - 1, #of.names)))
      for j = 1, #values do
        known[of.places[start + j - 1]] = values[j]
      end
    end
  end

  -- Whether each instrument stands (one look once it was answered), and those that are answered for the first time.
  local answered, standing, new_answered, current, stands_now = prefix .. 'answered', {}, {}, nil, true
  local answers, fresh, new_keys, within = {}, {}, {}, {}
  local next_arrival = first
  for i = 1, #submissions do
    local number, key, digest, random = unpack(submissions[i], 1, 4)
    if number ~= current then
      current, stands_now = number, standing[number]
      if stands_now == nil then
        stands_now = redis.call('HGET', answered, number) ~= false
        if not stands_now then
          stands_now = redis.call('HGET', prefix .. 'numbers', number) ~= ''
          if stands_now then
            new_answered[#new_answered + 1] = number
          end
        end
        standing[number] = stands_now
      end
    end
    local name = number .. ':' .. key
    local stands = known[i] or (key ~= '' and within[name])
    if stands then
      local outcome = string.sub(stands, 17) == digest and 'R' or 'C'
      answers[i] = outcome .. string.sub(stands, 1, 16)
    elseif not stands_now then
      answers[i] = 'G' .. random .. '\0\0\0\0'
    else
      local id = random .. struct.pack('>I4', next_arrival)
      fresh[#fresh + 1] = {arrival = next_arrival, id = id, start = submissions[i][5], rest = submissions[i][6]}
      next_arrival = next_arrival + 1
      answers[i] = 'N' .. id
      if key ~= '' then
        local value = id .. digest
        within[name] = value
        local of = new_keys[number]
        if not of then
          of = {}
          new_keys[number] = of
        end
        of[#of + 1] = key
        of[#of + 1] = value
      end
    end
  end
  if next_arrival > LAST_ARRIVAL then
    return redis.error_reply('ERR this namespace is full: it has had 2^32 attempts')
  end
  for number in pairs(new_keys) do
    check_type(prefix .. 'keys:' .. number, 'hash')
  end
  if #fresh > 0 then
    for block = math.floor(first / BLOCK_SIZE), math.floor((next_arrival - 1) / BLOCK_SIZE) do
      check_type(prefix .. 'a:' .. block, 'hash')
    end

    -- From here on it writes, and nothing can fail. The message's own id is the time of arrival: it never runs backwards.
    redis.call('INCRBY', arrivals, #fresh)
    for i = 1, #new_answered do
      redis.call('HSET', answered, new_answered[i], 1)
    end
    local fields, block = {}, nil
    for start = 1, #fresh, ids_per_message do
      local stop = math.min(start + ids_per_message - 1, #fresh)
      local ids = {}
      for i = start, stop do
        ids[#ids + 1] = fresh[i].id
      end
      local entry = append_message(stream, head, table.concat(ids), trace)
      local at = tonumber(string.match(entry, '^%d+'))
      local time = struct.pack('>I2I4', math.floor(at / 4294967296), at % 4294967296)
      for i = start, stop do
        local one = fresh[i]
        local of = math.floor(one.arrival / BLOCK_SIZE)
        if of ~= block and block then
          redis.call('HSET', prefix .. 'a:' .. block, unpack(fields))
          fields = {}
        end
        block = of
        fields[#fields + 1] = one.arrival % BLOCK_SIZE
        fields[#fields + 1] = one.start .. time .. one.rest
      end
    end
    redis.call('HSET', prefix .. 'a:' .. block, unpack(fields))
    for number, of in pairs(new_keys) do
      call_in_chunks('HSET', prefix .. 'keys:' .. number, of)
    end
  end
  local answer = table.concat(answers)
  if once then
    redis.call('SET', once, answer, 'EX', REMEMBER_SECONDS)
  end
  return answer
end

-- The whole numbers of 4 bytes in a text. Many at once: a call for each would cost more than all the rest of a commit.
local function arrivals_in(packed)
  local count, found = #packed / ARRIVAL_BYTES, {}
  for start = 1, count, NUMBERS_AT_ONCE do
    local stop = math.min(start + NUMBERS_AT_ONCE - 1, count)
    local some = {struct.unpack('>' .. string.rep('I4', stop - start + 1), packed, (start - 1) * ARRIVAL_BYTES + 1)}
    if stop - start + 1 == count then
      some[count + 1] = nil -- where reading ended
      return some
    end
    for i = start, stop do
      found[i] = some[i - start + 1]
    end
  end
  return found
end

-- The texts in a text, each with its length before it, and how many there are.
local function texts_in(packed)
  local found, count, at = {}, 0, 1
  while at <= #packed do
    count = count + 1
    found[count], at = struct.unpack('>I4c0', packed, at)
  end
  return found, count
end

-- The places of numbers in ascending order of the numbers, equal ones as they stand.
local function ascending(numbers)
  local places, last, sorted = {}, -1, true
  for i = 1, #numbers do
    places[i] = i
    sorted = sorted and numbers[i] > last
    last = numbers[i]
  end
  if not sorted then
    table.sort(places, function(a, b)
      return numbers[a] < numbers[b] or (numbers[a] == numbers[b] and a < b)
    end)
  end
  return places
end

local function list_for_participants(key, packed_participants, packed_arrivals, skipped)
  local at = 1
  while at <= #packed_participants do
    local place, participant
    place, participant, at = struct.unpack('>I4I2c0', packed_participants, at)
    if not skipped[place] then
      local arrival = string.sub(packed_arrivals, (place - 1) * ARRIVAL_BYTES + 1, place * ARRIVAL_BYTES)
      local page = redis.call('HGET', key, participant) or struct.pack('>I4', 0)
      if #page - 4 >= PAGE_SIZE * ARRIVAL_BYTES then
        local full = struct.unpack('>I4', page)
        redis.call('HSET', key, participant .. '\0' .. full, string.sub(page, 5))
        page = struct.pack('>I4', full + 1)
      end
      redis.call('HSET', key, participant, page .. arrival)
    end
  end
end

-- commit_results: KEYS arrivals; ARGV instrument number, arrival numbers (4 bytes each), bytes a result (0: each with its length in 4), results,
-- participants, one after the other: place (4 bytes, from 1), name (length in 2).
-- Returns a byte for each: 1 committed now, 0 there was one, or no such attempt.
-- Usually the numbers ascend and no block has results yet: then there is a step and a text for each result, and nothing else.
local function commit_results(keys, args)
  local prefix = prefix_of(keys[1])
  local number, packed, size, bodies, participants = args[1], args[2], tonumber(args[3]), args[4], args[5]
  local count = #packed / ARRIVAL_BYTES
  local listed, results = nil, size > 0 and #bodies / size or 0
  if size == 0 then
    listed, results = texts_in(bodies)
  end
  if count ~= math.floor(count) or results ~= count then
    return redis.error_reply('ERR as many results as arrival numbers')
  end
  if #participants > 0 then
    check_type(prefix .. 'participants', 'hash')
  end
  local position = tonumber(redis.call('HGET', prefix .. 'commits', number) or 0)
  for chunk = math.floor(position / CHUNK_SIZE), math.floor((position + count) / CHUNK_SIZE) do
    check_type(prefix .. 'c:' .. number .. ':' .. chunk, 'string')
  end
  -- Attempts that a FLUSHALL or a restore took away are no longer there to be scored.
  local arrived = tonumber(redis.call('GET', keys[1]) or 0)

  local arrivals = arrivals_in(packed)
  local places = ascending(arrivals)
  -- Of each block its key and where it begins in that order; and the places of what is not committed.
  local blocks, begins, skipped, skips = {}, {}, {}, 0
  local stop, last, limit = 0, -1, -1
  for j = 1, count do
    local arrival = arrivals[places[j]]
    if arrival >= arrived then
      skipped[places[j]] = true
      skips = skips + 1
    else
      stop = j
      if arrival >= limit then
        local block = math.floor(arrival / BLOCK_SIZE)
        limit = (block + 1) * BLOCK_SIZE
        blocks[#blocks + 1] = prefix .. 'r:' .. block
        begins[#begins + 1] = j
      elseif arrival == last then
        skipped[places[j]] = true
        skips = skips + 1
      end
      last = arrival
    end
  end
  begins[#begins + 1] = stop + 1
  for b = 1, #blocks do
    if redis.call('HLEN', blocks[b]) > 0 then
      for start = begins[b], begins[b + 1] - 1, UNPACK_LIMIT do
        local slots = {}
        for j = start, math.min(start + UNPACK_LIMIT, begins[b + 1]) - 1 do
          slots[#slots + 1] = SLOTS[arrivals[places[j]] % BLOCK_SIZE]
        end
        local found = redis.call('HMGET', blocks[b], unpack(slots))
        for k = 1, #slots do
          local i = places[start + k - 1]
          if found[k] and not skipped[i] then
            skipped[i] = true
            skips = skips + 1
          end
        end
      end
    end
  end
  if skips == count then
    return string.rep('0', count)
  end

  -- From here on it writes, and nothing can fail.
  for b = 1, #blocks do
    local fields, n = {}, 0
    for j = begins[b], begins[b + 1] - 1 do
      local i = places[j]
      if not skipped[i] then
        fields[n + 1] = SLOTS[arrivals[i] % BLOCK_SIZE]
        fields[n + 2] = listed and listed[i] or string.sub(bodies, (i - 1) * size + 1, i * size)
        n = n + 2
      end
    end
    if n > 0 then
      redis.call('HSET', blocks[b], unpack(fields))
    end
  end
  local committed, answer = packed, string.rep('1', count)
  if skips > 0 then
    local parts, marks = {}, {}
    for i = 1, count do
      marks[i] = skipped[i] and '0' or '1'
      if not skipped[i] then
        parts[#parts + 1] = string.sub(packed, (i - 1) * ARRIVAL_BYTES + 1, i * ARRIVAL_BYTES)
      end
    end
    committed, answer = table.concat(parts), table.concat(marks)
  end
  redis.call('HINCRBY', prefix .. 'commits', number, count - skips)
  local done = 0
  while done < count - skips do
    local chunk = math.floor(position / CHUNK_SIZE)
    local fits = math.min(count - skips - done, (chunk + 1) * CHUNK_SIZE - position)
    redis.call('APPEND', prefix .. 'c:' .. number .. ':' .. chunk, string.sub(committed, done * ARRIVAL_BYTES + 1, (done + fits) * ARRIVAL_BYTES))
    done = done + fits
    position = position + fits
    if position % CHUNK_SIZE == 0 then
      local key = prefix .. 'c:' .. number .. ':' .. chunk
      redis.call('SET', key, redis.call('GET', key)) -- what grew by appending holds up to its size again in reserve
    end
  end
  list_for_participants(prefix .. 'participants', participants, packed, skipped)
  redis.call('PUBLISH', prefix .. 'committed', committed)
  return answer
end

-- unfinished: KEYS arrivals; ARGV first block, blocks at the most. Reads only.
-- Returns {first block not looked at, block, block, ...}: the blocks whose attempts outnumber their results.
local function unfinished(keys, args)
  local prefix = prefix_of(keys[1])
  local arrived = tonumber(redis.call('GET', keys[1]) or 0)
  local stop = math.min(tonumber(args[1]) + tonumber(args[2]), math.ceil(arrived / BLOCK_SIZE))
  local found = {math.max(stop, tonumber(args[1]))}
  for block = tonumber(args[1]), stop - 1 do
    if redis.call('HLEN', prefix .. 'a:' .. block) > redis.call('HLEN', prefix .. 'r:' .. block) then
      found[#found + 1] = block
    end
  end
  return found
end

-- advance: KEYS low-water; ARGV block. The low-water mark only grows.
local function advance(keys, args)
  local current = tonumber(redis.call('GET', keys[1]) or 0)
  if tonumber(args[1]) > current then
    redis.call('SET', keys[1], args[1])
    return 1
  end
  return 0
end

-- requeue: KEYS arrivals, stream, requeued; ARGV head, attempt ids (16 bytes each). One message each; remembers when and how often.
local function requeue(keys, args)
  local arrivals, stream, requeued = unpack(keys)
  local head, ids = unpack(args)
  if #ids % 16 ~= 0 then
    return redis.error_reply('ERR attempt ids are 16 bytes each')
  end
  check_type(stream, 'stream')
  check_type(requeued, 'hash')
  for start = 1, #ids, 16 do
    local id = string.sub(ids, start, start + 15)
    local arrival = struct.unpack('>I4', id, 13)
    local count = tonumber(string.match(redis.call('HGET', requeued, arrival) or '0:0', ':(%d+)$'))
    local entry = append_message(stream, head, id, '')
    redis.call('HSET', requeued, arrival, string.match(entry, '^%d+') .. ':' .. (count + 1))
  end
  return #ids / 16
end

redis.register_function('submit_@VERSION@', submit)
redis.register_function{function_name = 'put_index_@VERSION@', callback = put_index, flags = {'allow-oom'}}
redis.register_function{function_name = 'commit_results_@VERSION@', callback = commit_results, flags = {'allow-oom'}}
redis.register_function{function_name = 'unfinished_@VERSION@', callback = unfinished, flags = {'no-writes'}}
redis.register_function{function_name = 'advance_@VERSION@', callback = advance, flags = {'allow-oom'}}
redis.register_function{function_name = 'requeue_@VERSION@', callback = requeue, flags = {'allow-oom'}}
