--[[
Results: committed once per attempt, matched by the whole id, and listed in commit order.
]]

-- Split length-prefixed texts; return them and their number.
local function texts_in(packed)
  local found, count, at = {}, 0, 1
  while at <= #packed do
    count = count + 1
    found[count], at = struct.unpack('>I4c0', packed, at)
  end
  return found, count
end

local function same_random(randoms, i, j)
  return sub(randoms, (i - 1) * RANDOM_BYTES + 1, i * RANDOM_BYTES) == sub(randoms, (j - 1) * RANDOM_BYTES + 1, j * RANDOM_BYTES)
end

-- Skip the places from `start` to `stop` (all in one block) whose attempts have other ids or already have results.
-- Returns the number of skipped places. `base`: the block's first arrival number.
local function skip_in_block(prefix, block, base, arrivals, slots, randoms, start, stop, skipped)
  local ids = redis.call('HGET', prefix .. 'a:' .. block, IDS_FIELD) or ''
  local k = stop - start + 1
  local results = redis.call('HLEN', prefix .. 'r:' .. block) > 0 and redis.call('HMGET', prefix .. 'r:' .. block, RUN_FIELD, unpack(slots, 1, k))
  local from, to = arrivals[start] - base, arrivals[stop] - base + 1
  if not results and to - from == k then
    if sub(ids, from * RANDOM_BYTES + 1, to * RANDOM_BYTES) == sub(randoms, (start - 1) * RANDOM_BYTES + 1, stop * RANDOM_BYTES) then
      return 0
    end
  end
  local skips = 0
  for j = 1, k do
    local i = start + j - 1
    local at = (arrivals[i] - base) * RANDOM_BYTES
    local is_same = sub(ids, at + 1, at + RANDOM_BYTES) == sub(randoms, (i - 1) * RANDOM_BYTES + 1, i * RANDOM_BYTES)
    if not is_same or (results and (results[1] or results[j + 1])) then
      skipped[i] = true
      skips = skips + 1
    end
  end
  return skips
end

-- Return the run of a full block of results from its first place; nil if it is too long.
local function whole_run(head, size, bodies, listed, start)
  if not listed then
    return run_of(head, size, sub(bodies, (start - 1) * size + 1, (start - 1 + BLOCK_SIZE) * size))
  end
  local ends, total = {}, 0
  for k = 1, BLOCK_SIZE do
    total = total + #listed[start + k - 1]
    ends[k] = total
  end
  return run_of(head, 0, concat(listed, '', start, start + BLOCK_SIZE - 1), ends)
end

-- Append arrival numbers to an instrument's commit log.
local function append_to_log(prefix, number, position, packed)
  local total, done = #packed / ARRIVAL_BYTES, 0
  redis.call('HINCRBY', prefix .. 'commits', number, total)
  while done < total do
    local key = prefix .. 'c:' .. number .. ':' .. numeral(floor(position / CHUNK_SIZE))
    local fits = min(total - done, CHUNK_SIZE - position % CHUNK_SIZE)
    redis.call('APPEND', key, sub(packed, done * ARRIVAL_BYTES + 1, (done + fits) * ARRIVAL_BYTES))
    done = done + fits
    position = position + fits
    if position % CHUNK_SIZE == 0 then
      redis.call('SET', key, redis.call('GET', key)) -- rewrite: APPEND may leave as much unused capacity as content
    end
  end
end

-- commit_results: KEYS arrivals; ARGV instrument number, views, common prefix of the results, bytes per result without
-- it (0: each preceded by its length in 4), results without prefix, arrival numbers of the attempts (5 bytes each),
-- random bytes of their ids (11 each), participants (place in 2, from 1; fingerprint in 8).
-- The ids are distinct and in ascending order of arrival.
-- Returns a byte each: 1 committed, 0 a result exists or no attempt has this id.
local function commit_results(keys, args)
  local prefix = prefix_of(keys[1])
  local number, views, head, size, bodies, packed, randoms, people = unpack(args)
  size = tonumber(size)
  local count = #packed / ARRIVAL_BYTES
  local listed, results = nil, size > 0 and #bodies / size or 0
  if size == 0 then
    listed, results = texts_in(bodies)
  end
  if count ~= floor(count) or results ~= count or #randoms ~= count * RANDOM_BYTES then
    return redis.error_reply('ERR the numbers of results and attempt ids differ')
  end
  local stale = stale_view(prefix, views) or outdated_view(prefix, number, views)
  if stale then
    return stale
  end
  local position = tonumber(redis.call('HGET', prefix .. 'commits', number) or 0)
  for chunk = floor(position / CHUNK_SIZE), floor((position + count) / CHUNK_SIZE) do
    check_type(prefix .. 'c:' .. number .. ':' .. numeral(chunk), 'string')
  end

  -- Per block: number, first place, slots, and skipped places.
  local arrivals = arrivals_in(packed)
  local blocks, bases, begins, slots_of, skipped, skips_of, skips = {}, {}, {}, {}, {}, {}, 0
  local b, k, slots, base, last = 0, 0, nil, -BLOCK_SIZE, -1
  for i = 1, count do
    local arrival = arrivals[i]
    local slot = arrival - base
    if slot >= BLOCK_SIZE then
      local block = floor(arrival / BLOCK_SIZE)
      base = block * BLOCK_SIZE
      slot = arrival - base
      b, k, slots = b + 1, 0, {}
      blocks[b], bases[b], begins[b], slots_of[b] = numeral(block), base, i, slots
    elseif arrival < last or (arrival == last and same_random(randoms, i - 1, i)) then
      return redis.error_reply('ERR the ids are not distinct and in ascending order')
    end
    last = arrival
    k = k + 1
    slots[k] = SLOTS[slot]
  end
  begins[b + 1] = count + 1
  for block = 1, b do
    local start, stop = begins[block], begins[block + 1] - 1
    skips_of[block] = skip_in_block(prefix, blocks[block], bases[block], arrivals, slots_of[block], randoms, start, stop, skipped)
    skips = skips + skips_of[block]
  end
  if skips == count then
    return string.rep('0', count)
  end
  local lists = lists_of(prefix, people)

  -- First write; nothing may fail from here on.
  for block = 1, b do
    local start, stop = begins[block], begins[block + 1] - 1
    local run = skips_of[block] == 0 and stop - start + 1 == BLOCK_SIZE and whole_run(head, size, bodies, listed, start)
    if run then
      redis.call('HSET', prefix .. 'r:' .. blocks[block], RUN_FIELD, run)
    elseif skips_of[block] < stop - start + 1 then
      local fields, n = {}, 0
      slots = slots_of[block]
      for i = start, stop do
        if not skipped[i] then
          fields[n + 1] = slots[i - start + 1]
          fields[n + 2] = head .. (listed and listed[i] or sub(bodies, (i - 1) * size + 1, i * size))
          n = n + 2
        end
      end
      redis.call('HSET', prefix .. 'r:' .. blocks[block], unpack(fields, 1, n))
    end
  end
  local committed, answer = packed, nil
  if skips > 0 then
    local parts, marks = {}, {}
    for i = 1, count do
      marks[i] = skipped[i] and '0' or '1'
      if not skipped[i] then
        parts[#parts + 1] = sub(packed, (i - 1) * ARRIVAL_BYTES + 1, i * ARRIVAL_BYTES)
      end
    end
    committed, answer = concat(parts), concat(marks)
  end
  append_to_log(prefix, number, position, committed)
  add_to_lists(prefix, lists, 'r', function(place)
    return not skipped[place] and sub(packed, (place - 1) * ARRIVAL_BYTES + 1, place * ARRIVAL_BYTES)
  end)
  redis.call('PUBLISH', prefix .. 'committed', committed)
  return answer or string.rep('1', count)
end

register('commit_results', commit_results, {'allow-oom'})
